//! A server that runs, and who drives it; an upstream, and who speaks to it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU8, AtomicU32, Ordering},
};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

use crate::{
    api::{self, Proxies},
    soon,
};

/// Runs until it is dropped.
pub(crate) struct Server {
    /// Nobody else is here, so that ports that it lets go of stay free.
    host: Ipv4Addr,
    pub(crate) address: SocketAddr,
    client: HttpClient<HttpConnector, Full<Bytes>>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Proxies::new(None)).await
    }

    pub(crate) async fn with(proxies: Proxies) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(2);
        // Elsewhere this machine has no more than one address of its own.
        let last = if cfg!(target_os = "linux") { NEXT.fetch_add(1, Ordering::Relaxed) } else { 1 };
        let host = Ipv4Addr::new(127, 0, 0, last);
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            api::serve(listener, proxies, stopped).await.unwrap();
        });
        let client = HttpClient::builder(TokioExecutor::new()).build_http();
        Self { host, address, client, stop: Some(stop), serving }
    }

    /// The status, and the JSON of the response; null if it has no body.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> (u16, Value) {
        soon("the API answers", async {
            let response = self.client.request(request).await.unwrap();
            let status = response.status().as_u16();
            let is_json =
                response.headers().get("content-type").is_some_and(|is| is == "application/json");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            if body.is_empty() {
                return (status, Value::Null);
            }
            if !is_json {
                return (status, Value::from(String::from_utf8(body.to_vec()).unwrap()));
            }
            (status, serde_json::from_slice(&body).unwrap())
        })
        .await
    }

    pub(crate) fn request(&self, method: Method, path: &str, body: String) -> Request<Full<Bytes>> {
        let uri = format!("http://{}{path}", self.address);
        Request::builder().method(method).uri(uri).body(Full::from(body)).unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.request(Method::GET, path, String::new())).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.post_text(path, &body.to_string()).await
    }

    pub(crate) async fn post_text(&self, path: &str, body: &str) -> (u16, Value) {
        self.send(self.request(Method::POST, path, body.to_owned())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send(self.request(Method::PATCH, path, body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        self.send(self.request(Method::DELETE, path, String::new())).await
    }

    /// Where a proxy can listen.
    pub(crate) fn anywhere(&self) -> SocketAddr {
        (self.host, 0).into()
    }

    /// Has a proxy of this name before this upstream, and says where.
    pub(crate) async fn proxy(&self, name: &str, upstream: &Upstream) -> SocketAddr {
        let listen = self.anywhere();
        let proxy = json!({ "name": name, "listen": listen, "upstream": upstream.address });
        let (status, proxy) = self.post("/proxies", &proxy).await;
        assert_eq!(status, 201, "{proxy}");
        listens_at(&proxy)
    }

    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn ended(&mut self) {
        soon("the server ends", self.serving.join_next()).await.unwrap().unwrap();
    }
}

/// What the API says.
pub(crate) fn listens_at(proxy: &Value) -> SocketAddr {
    proxy["listen"].as_str().unwrap().parse().unwrap()
}

/// The body of an error.
pub(crate) fn error(status: u16, error: &str) -> (u16, Value) {
    (status, json!({ "error": error, "status": status }))
}

/// Says its letter to each client, and then what he says.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn start(letter: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                connections.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    if to.write_all(&[letter]).await.is_ok() {
                        let _ = tokio::io::copy(&mut from, &mut to).await;
                    }
                });
            }
        });
        Self { address, _serving: serving }
    }
}

/// A connection through a proxy.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) async fn try_connect(proxy: SocketAddr) -> io::Result<Self> {
        Ok(Self(soon("the system answers", TcpStream::connect(proxy)).await?))
    }

    /// One that has heard the letter of the upstream.
    pub(crate) async fn greeted(proxy: SocketAddr, letter: u8) -> Self {
        let mut client = Self::try_connect(proxy).await.unwrap();
        assert_eq!(client.hears(1).await.unwrap(), [letter]);
        client
    }

    pub(crate) async fn says(&mut self, text: &str) {
        soon("it is written", self.0.write_all(text.as_bytes())).await.unwrap();
    }

    pub(crate) async fn hears(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut heard = vec![0; length];
        soon("there is something to hear", self.0.read_exact(&mut heard)).await?;
        Ok(heard)
    }

    /// Says something new, and hears it.
    pub(crate) async fn is_echoed(&mut self) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let text = format!("word {}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.says(&text).await;
        assert_eq!(self.hears(text.len()).await.unwrap(), text.as_bytes());
    }

    /// There is nothing more to hear; by an end or an error.
    pub(crate) async fn is_cut(&mut self) {
        let heard = soon("it is cut", self.0.read(&mut [0; 64])).await;
        assert!(matches!(heard, Ok(0) | Err(_)), "{heard:?}");
    }
}

/// Nobody is let in.
pub(crate) async fn is_refused(proxy: SocketAddr) {
    let refused = Client::try_connect(proxy).await.err().map(|error| error.kind());
    assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));
}
