//! The server with a proxy, an upstream that says what it hears, and Python's client.

use std::{future::pending, net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    api::{self, Proxies},
    python::Python,
};

/// Nobody else is here, so that ports that a proxy lets go of stay free. Elsewhere this machine has no more
/// than one address of its own.
const HOST: &str = if cfg!(target_os = "linux") { "127.0.1.1" } else { "127.0.0.1" };

pub(crate) struct Stage {
    pub(crate) upstream: SocketAddr,
    pub(crate) python: Python,
    _serving: JoinSet<()>,
}

impl Stage {
    /// With a proxy `before` that it was configured with.
    pub(crate) async fn set() -> Self {
        let mut serving = JoinSet::new();
        let (listener, upstream) = listen().await;
        serving.spawn(echo(listener));
        let mut proxies = Proxies::new(Some(7));
        let list = json!([{ "name": "before", "upstream": upstream }]).to_string();
        proxies.populate(list.as_bytes()).await.unwrap();
        let (listener, server) = listen().await;
        serving.spawn(async move {
            api::serve(listener, proxies, pending()).await.unwrap();
        });
        Self { upstream, python: Python::run(server), _serving: serving }
    }

    /// Has a proxy of this name, and says where.
    pub(crate) async fn create(&mut self, name: &str) -> Value {
        let (listen, upstream) = (format!("{HOST}:0"), self.upstream.to_string());
        let proxy = json!({ "name": name, "listen": listen, "upstream": upstream });
        self.python.does("create", proxy).await["listen"].take()
    }

    /// What was said through the proxy came back, after this time.
    pub(crate) async fn is_echoed(&mut self, listen: &Value) -> Duration {
        let said = self.python.does("say", json!({ "address": listen, "text": "hello" })).await;
        assert_eq!(said["heard"], "hello");
        Duration::from_secs_f64(said["seconds"].as_f64().unwrap())
    }

    /// The error that came instead.
    pub(crate) async fn fails(&mut self, listen: &Value) -> String {
        self.python.raises("say", json!({ "address": listen, "text": "hello" })).await.0
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn echo(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        connections.spawn(async move {
            let (mut from, mut to) = stream.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
        });
    }
}
