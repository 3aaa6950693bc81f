//! Proxies are changed while connections run.

use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::running::{Client, Server, Upstream, is_refused, listens_at};

#[tokio::test]
async fn a_disabled_proxy_refuses_and_an_enabled_one_goes_on_at_its_port_with_its_toxics() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let listen = server.proxy("one", &upstream).await;
    let toxic = json!({ "type": "limit_data", "attributes": { "bytes": 5 } });
    let (_, toxic) = server.post("/proxies/one/toxics", &toxic).await;
    for post in [true, false] {
        let change = async |body: Value| {
            if post {
                server.post("/proxies/one", &body).await
            } else {
                server.patch("/proxies/one", &body).await
            }
        };
        let mut running = Client::greeted(listen, b'a').await;
        let (status, mut shown) = change(json!({ "enabled": false })).await;
        assert_eq!((status, &shown["enabled"]), (200, &json!(false)));
        running.is_cut().await;
        is_refused(listen).await;
        // The system gives its port to nobody who does not ask for this very one.
        assert!(TcpSocket::new_v4().unwrap().bind(listen).is_err());
        assert_eq!(server.get("/proxies/one").await, (200, shown.clone()));
        assert_eq!(change(json!({ "enabled": false })).await, (200, shown.clone()));

        shown["enabled"] = json!(true);
        assert_eq!(change(json!({ "enabled": true })).await, (200, shown.clone()));
        assert_eq!(shown["toxics"], json!([toxic]));
        let mut limited = Client::greeted(listen, b'a').await;
        limited.says("and five more").await;
        assert_eq!(limited.hears(4).await.unwrap(), b"and ");
        limited.is_cut().await;
    }
}

#[tokio::test]
async fn a_change_that_changes_nothing_lets_connections_go_on() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let new = json!({ "name": "one", "listen": "127.0.0.1:0", "upstream": upstream.address });
    let (_, shown) = server.post("/proxies", &new).await;
    let listen = listens_at(&shown);
    let mut running = Client::greeted(listen, b'a').await;
    let same = json!({
        "name": "another", "listen": listen, "upstream": upstream.address, "enabled": true,
    });
    let by_name = json!({ "listen": format!("localhost:{}", listen.port()) });
    let nulls = json!({ "listen": null, "upstream": null, "enabled": null });
    for change in [json!({}), same, by_name, nulls] {
        assert_eq!(server.post("/proxies/one", &change).await, (200, shown.clone()), "{change}");
        running.is_echoed().await;
    }
    for body in ["", "{", "[]", r#"{"enabled":"no"}"#] {
        let (status, told) = server.post_text("/proxies/one", body).await;
        assert_eq!(status, 400, "{body}");
        assert!(told["error"].as_str().unwrap().starts_with("bad request body: "), "{told}");
        running.is_echoed().await;
    }
    assert_eq!(server.post("/proxies/one", &json!({ "listen": "nowhere" })).await.0, 400);
    assert_eq!(server.get("/proxies/one").await, (200, shown));
    running.is_echoed().await;
}

#[tokio::test]
async fn another_upstream_is_a_start_anew_with_the_same_toxics() {
    let server = Server::start().await;
    let (a, b) = (Upstream::start(b'a').await, Upstream::start(b'b').await);
    let listen = server.proxy("one", &a).await;
    let toxic = json!({ "type": "limit_data", "attributes": { "bytes": 1 }, "name": "one byte" });
    assert_eq!(server.post("/proxies/one/toxics", &toxic).await.0, 200);
    let (_, mut expected) = server.get("/proxies/one").await;
    let other = json!({ "type": "bandwidth", "attributes": { "rate": 0 }, "stream": "upstream" });
    assert_eq!(server.post("/proxies/one/toxics", &other).await.0, 200);
    assert_eq!(server.delete("/proxies/one/toxics/bandwidth_upstream").await.0, 204);

    expected["upstream"] = json!(b.address);
    assert_eq!(
        server.post("/proxies/one", &json!({ "upstream": b.address })).await,
        (200, expected)
    );
    Client::greeted(listen, b'b').await.is_cut().await;

    assert_eq!(server.delete("/proxies/one/toxics/one%20byte").await.0, 204);
    let mut running = Client::greeted(listen, b'b').await;
    assert_eq!(server.post("/proxies/one", &json!({ "upstream": a.address })).await.0, 200);
    running.is_cut().await;
    Client::greeted(listen, b'a').await;

    // A disabled one stays so.
    let disabled = json!({ "upstream": b.address, "enabled": false });
    let (status, shown) = server.post("/proxies/one", &disabled).await;
    assert_eq!((status, &shown["enabled"]), (200, &json!(false)));
    is_refused(listen).await;
    let (_, shown) = server.post("/proxies/one", &json!({ "upstream": a.address })).await;
    assert_eq!(shown["enabled"], false);
    is_refused(listen).await;
    server.post("/proxies/one", &json!({ "enabled": true })).await;
    Client::greeted(listen, b'a').await;
}

#[tokio::test]
async fn another_place_to_listen_is_a_start_anew_there() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let before = server.proxy("one", &upstream).await;
    let mut running = Client::greeted(before, b'a').await;
    let (status, shown) =
        server.post("/proxies/one", &json!({ "listen": server.anywhere() })).await;
    assert_eq!((status, &shown["enabled"]), (200, &json!(true)));
    let after = listens_at(&shown);
    assert_ne!(after, before);
    running.is_cut().await;
    is_refused(before).await;
    Client::greeted(after, b'a').await;

    // Where it can not listen it is disabled, until it is told of a better place.
    let (status, told) = server.post("/proxies/one", &json!({ "listen": server.address })).await;
    assert_eq!(status, 500, "{told}");
    let (_, shown) = server.get("/proxies/one").await;
    assert_eq!((&shown["enabled"], listens_at(&shown)), (&json!(false), server.address));
    is_refused(after).await;
    let back = json!({ "listen": after, "enabled": true });
    let (status, shown) = server.post("/proxies/one", &back).await;
    assert_eq!((status, &shown["enabled"]), (200, &json!(true)));
    Client::greeted(after, b'a').await;
}

#[tokio::test]
async fn a_reset_enables_all_and_removes_all_toxics() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let disabled = server.proxy("disabled", &upstream).await;
    let enabled = server.proxy("enabled", &upstream).await;
    let never = json!({ "name": "never", "upstream": upstream.address, "enabled": false });
    server.post("/proxies", &never).await;
    for name in ["disabled", "enabled", "never"] {
        let toxic = json!({ "type": "bandwidth", "attributes": { "rate": 0 } });
        assert_eq!(server.post(&format!("/proxies/{name}/toxics"), &toxic).await.0, 200);
    }
    server.post("/proxies/disabled", &json!({ "enabled": false })).await;
    // It goes on, and hears what was held.
    let mut running = Client::try_connect(enabled).await.unwrap();

    assert_eq!(server.post_text("/reset", "").await, (204, Value::Null));
    assert_eq!(running.hears(1).await.unwrap(), b"a");
    running.is_echoed().await;
    let (_, all) = server.get("/proxies").await;
    for (name, proxy) in all.as_object().unwrap() {
        assert_eq!((&proxy["enabled"], &proxy["toxics"]), (&json!(true), &json!([])), "{name}");
        Client::greeted(listens_at(proxy), b'a').await.is_echoed().await;
    }
    assert_eq!(listens_at(&all["disabled"]), disabled);
}
