//! Whom the server answers at all, and how it ends.

use http::{Method, header::USER_AGENT};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    running::{Client, Server, Upstream, error, is_refused},
    soon,
};

const ROUTES: [(Method, &str); 17] = [
    (Method::GET, "/version"),
    (Method::POST, "/reset"),
    (Method::POST, "/populate"),
    (Method::GET, "/proxies"),
    (Method::POST, "/proxies"),
    (Method::GET, "/proxies/one"),
    (Method::POST, "/proxies/one"),
    (Method::PATCH, "/proxies/one"),
    (Method::DELETE, "/proxies/one"),
    (Method::GET, "/proxies/one/toxics"),
    (Method::POST, "/proxies/one/toxics"),
    (Method::GET, "/proxies/one/toxics/latency_downstream"),
    (Method::POST, "/proxies/one/toxics/latency_downstream"),
    (Method::PATCH, "/proxies/one/toxics/latency_downstream"),
    (Method::DELETE, "/proxies/one/toxics/latency_downstream"),
    (Method::GET, "/nowhere"),
    (Method::PUT, "/proxies"),
];

#[tokio::test]
async fn a_browser_is_refused_everywhere_and_nothing_is_done() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    server.proxy("one", &upstream).await;
    let latency = json!({ "type": "latency" });
    server.post("/proxies/one/toxics", &latency).await;
    let before = server.get("/proxies").await;
    let body = json!({ "name": "new", "upstream": upstream.address, "enabled": false });
    for (method, path) in ROUTES {
        let mut request = server.request(method, path, body.to_string());
        let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36";
        request.headers_mut().insert(USER_AGENT, agent.parse().unwrap());
        let refused = (403, Value::from("User agent not allowed\n"));
        assert_eq!(server.send(request).await, refused, "{path}");
    }
    assert_eq!(server.get("/proxies").await, before);
    for agent in ["curl/8.0", "python-requests/2.0", "not Mozilla/5.0"] {
        let mut request = server.request(Method::GET, "/proxies", String::new());
        request.headers_mut().insert(USER_AGENT, agent.parse().unwrap());
        assert_eq!(server.send(request).await, before, "{agent}");
    }
}

#[tokio::test]
async fn the_version_is_one_of_toxiproxy_and_other_routes_are_not_there() {
    let server = Server::start().await;
    let (status, said) = server.get("/version").await;
    assert_eq!(status, 200);
    assert!(said["version"].as_str().unwrap().starts_with("2."), "{said}");
    for path in ["/", "/proxy", "/proxies/one/toxics/two/three"] {
        assert_eq!(server.get(path).await, error(404, "no such route"), "{path}");
    }
    let no_method = error(405, "no such method of this route");
    for path in ["/reset", "/populate"] {
        assert_eq!(server.get(path).await, no_method, "{path}");
    }
    assert_eq!(server.delete("/proxies").await, no_method);
}

#[tokio::test]
async fn told_to_stop_it_ends_and_with_it_all_proxies() {
    let (mut server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let listen = server.proxy("one", &upstream).await;
    let mut running = Client::greeted(listen, b'a').await;
    // Who never says what he wants can not keep it.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    silent.write_all(b"GET /pro").await.unwrap();

    server.stop();
    server.ended().await;
    running.is_cut().await;
    is_refused(listen).await;
    is_refused(server.address).await;
    drop(silent);
}

#[tokio::test]
async fn a_request_that_has_begun_when_it_is_told_to_stop_is_answered() {
    let mut server = Server::start().await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let head =
        "POST /proxies HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    // By this it says that it has begun.
    let mut told = [0; 25];
    soon("it goes on", slow.read_exact(&mut told)).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");

    server.stop();
    slow.write_all(b"{}").await.unwrap();
    let mut answer = String::new();
    soon("it answers", slow.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("missing required field: name"), "{answer}");
    server.ended().await;
}
