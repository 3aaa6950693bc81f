//! Whoever drives the API, and whoever speaks through the proxy.

use std::{fmt, io, net::SocketAddr, time::Duration};

use buttress::prelude::BoxError;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

/// Only what hangs takes so long.
const HANG: Duration = Duration::from_secs(5);

/// A client of the API.
pub(crate) struct Api {
    server: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Api {
    pub(crate) fn at(server: SocketAddr) -> Self {
        Self { server, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, BoxError> {
        self.send(Request::get(self.uri(path)).body(Full::default())?).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, BoxError> {
        self.send(Request::post(self.uri(path)).body(Full::from(body.to_string()))?).await
    }

    fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.server)
    }

    /// What the response says; null if that is nothing.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Value, BoxError> {
        timeout(HANG, async {
            let response = self.client.request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            if !status.is_success() {
                return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
            }
            Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? })
        })
        .await?
    }
}

/// What a client saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Saw {
    /// His own word, after this time.
    Hello(Duration),
    Error(io::ErrorKind),
    Other(String),
}

/// Says hello through the proxy.
pub(crate) async fn say_hello(proxy: SocketAddr) -> Saw {
    let start = Instant::now();
    let said = timeout(HANG, async {
        let mut stream = TcpStream::connect(proxy).await?;
        stream.write_all(b"hello").await?;
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await?;
        io::Result::Ok(heard)
    });
    match said.await {
        Ok(Ok(heard)) if &heard == b"hello" => Saw::Hello(start.elapsed()),
        Ok(Ok(heard)) => Saw::Other(format!("something else: {:?}", heard.escape_ascii())),
        Ok(Err(error)) => Saw::Error(error.kind()),
        Err(_) => Saw::Other("nothing".into()),
    }
}

impl fmt::Display for Saw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello(after) => write!(f, "hello came back after {} ms", after.as_millis()),
            Self::Error(kind) => write!(f, "{kind}"),
            Self::Other(what) => write!(f, "{what}"),
        }
    }
}
