//! Proxies are created, shown and deleted.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::running::{Client, Server, Upstream, error, is_refused, listens_at};

#[tokio::test]
async fn a_proxy_is_created_shown_listed_and_deleted() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    assert_eq!(server.get("/proxies").await, (200, json!({})));

    let listen = server.proxy("one", &upstream).await;
    let one = json!({
        "name": "one", "listen": listen, "upstream": upstream.address, "enabled": true, "toxics": [],
    });
    Client::greeted(listen, b'a').await.is_echoed().await;
    assert_eq!(server.get("/proxies/one").await, (200, one.clone()));
    let other = server.proxy("the other", &upstream).await;
    let (status, all) = server.get("/proxies").await;
    assert_eq!((status, all.as_object().unwrap().len()), (200, 2));
    assert_eq!(all["one"], one);
    assert_eq!(all["the other"]["listen"], json!(other));
    assert_eq!(server.get("/proxies/the%20other").await, (200, all["the other"].clone()));

    let mut running = Client::greeted(listen, b'a').await;
    assert_eq!(server.delete("/proxies/one").await, (204, Value::Null));
    running.is_cut().await;
    is_refused(listen).await;
    let gone = error(404, "proxy not found");
    assert_eq!(server.get("/proxies/one").await, gone);
    assert_eq!(server.delete("/proxies/one").await, gone);
    assert_eq!(server.post("/proxies/one", &json!({})).await, gone);
    assert_eq!(server.patch("/proxies/one", &json!({})).await, gone);
    // What is not there is told before what is wrong.
    assert_eq!(server.post_text("/proxies/one", "{").await, gone);
    Client::greeted(other, b'a').await;
}

#[tokio::test]
async fn what_is_left_out_or_null_has_its_default() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let ways = [
        ("1", json!({}), "127.0.0.1"),
        ("2", json!({ "listen": null, "enabled": null }), "127.0.0.1"),
        ("3", json!({ "listen": "" }), "127.0.0.1"),
        ("4", json!({ "listen": "localhost:0" }), "127.0.0.1"),
        ("5", json!({ "listen": ":0" }), "0.0.0.0"),
        ("6", json!({ "listen": "127.0.0.1:0", "toxics": [], "more": 1 }), "127.0.0.1"),
    ];
    for (name, mut proxy, host) in ways {
        proxy["name"] = json!(name);
        proxy["upstream"] = json!(upstream.address);
        let (status, shown) = server.post("/proxies", &proxy).await;
        assert_eq!((status, &shown["enabled"]), (201, &json!(true)), "{shown}");
        let mut listen = listens_at(&shown);
        assert_eq!(listen.ip().to_string(), host);
        assert_ne!(listen.port(), 0);
        listen.set_ip([127, 0, 0, 1].into());
        Client::greeted(listen, b'a').await;
    }
}

#[tokio::test]
async fn what_can_not_be_created_is_told_and_not_there() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let listen = server.proxy("taken", &upstream).await;
    let before = server.get("/proxies").await;

    for body in
        ["", "{", "[]", "{}}", r#"{"name":1}"#, r#"{"name":"a","upstream":"b","enabled":1}"#]
    {
        let (status, told) = server.post_text("/proxies", body).await;
        assert_eq!((status, &told["status"]), (400, &json!(400)), "{body}");
        assert!(told["error"].as_str().unwrap().starts_with("bad request body: "), "{told}");
    }
    let name = error(400, "missing required field: name");
    assert_eq!(server.post("/proxies", &json!({ "upstream": "a:1" })).await, name);
    assert_eq!(server.post("/proxies", &json!({ "name": "", "upstream": "a:1" })).await, name);
    let upstream = error(400, "missing required field: upstream");
    assert_eq!(server.post("/proxies", &json!({ "name": "new" })).await, upstream);
    let exists = json!({ "name": "taken", "upstream": "a:1", "listen": "nonsense" });
    assert_eq!(server.post("/proxies", &exists).await, error(409, "proxy already exists"));

    for nonsense in ["nonsense", "127.0.0.1", ":many", "127.0.0.1:65536"] {
        let new = json!({ "name": "new", "upstream": "a:1", "listen": nonsense });
        let (status, told) = server.post("/proxies", &new).await;
        assert_eq!(status, 400, "{told}");
        let begins = format!("can not listen at `{nonsense}`: ");
        assert!(told["error"].as_str().unwrap().starts_with(&begins), "{told}");
    }
    // Another's port, and one of nobody here.
    for listen in [listen.to_string(), "192.0.2.1:0".to_owned()] {
        let new = json!({ "name": "new", "upstream": "a:1", "listen": listen });
        let (status, told) = server.post("/proxies", &new).await;
        assert_eq!((status, &told["status"]), (500, &json!(500)), "{told}");
        let begins = format!("can not listen at {listen}: ");
        assert!(told["error"].as_str().unwrap().starts_with(&begins), "{told}");
    }
    assert_eq!(server.get("/proxies").await, before);
}

#[tokio::test]
async fn of_many_who_create_the_same_one_does() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let new = json!({ "name": "one", "upstream": upstream.address });
    let all = join_all((0..32).map(|_| server.post("/proxies", &new))).await;
    let mut statuses: Vec<_> = all.iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert_eq!(statuses[1..], [409; 31]);
    let (_, created) = all.iter().find(|(status, _)| *status == 201).unwrap();
    assert_eq!(server.get("/proxies/one").await, (200, created.clone()));
}

#[tokio::test]
async fn one_that_is_created_disabled_takes_no_port_before_it_is_enabled() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let held = TcpListener::bind(server.anywhere()).await.unwrap();
    let listen = held.local_addr().unwrap();
    let new = json!({
        "name": "one", "listen": listen, "upstream": upstream.address, "enabled": false,
    });
    let (status, shown) = server.post("/proxies", &new).await;
    assert_eq!((status, &shown["enabled"]), (201, &json!(false)));
    // It can be told what it is to do.
    let toxic = json!({ "type": "limit_data", "attributes": { "bytes": 1 } });
    assert_eq!(server.post("/proxies/one/toxics", &toxic).await.0, 200);

    let enable = json!({ "enabled": true });
    let (status, told) = server.post("/proxies/one", &enable).await;
    assert_eq!(status, 500, "{told}");
    assert_eq!(server.get("/proxies/one").await.1["enabled"], false);
    drop(held);
    let (status, shown) = server.post("/proxies/one", &enable).await;
    assert_eq!((status, &shown["enabled"], listens_at(&shown)), (200, &json!(true), listen));
    Client::greeted(listen, b'a').await.is_cut().await;
}
