//! A list of proxies to be there.

use serde_json::{Value, json};

use crate::{
    api::Proxies,
    running::{Client, Server, Upstream, error, is_refused, listens_at},
};

#[tokio::test]
async fn a_server_begins_with_what_it_is_configured_with() {
    let upstream = Upstream::start(b'a').await;
    let mut proxies = Proxies::new(None);
    let one = json!({ "name": "one", "listen": "127.0.0.1:0", "upstream": upstream.address });
    proxies.populate(json!([one]).to_string().as_bytes()).await.unwrap();
    let wrong = proxies.populate(b"{}").await.unwrap_err();
    assert!(wrong.to_string().starts_with("bad request body: "), "{wrong}");
    let taken = json!([{ "name": "two", "listen": upstream.address, "upstream": "a:1" }]);
    proxies.populate(taken.to_string().as_bytes()).await.unwrap_err();

    let server = Server::with(proxies).await;
    let (_, all) = server.get("/proxies").await;
    assert_eq!(all.as_object().unwrap().len(), 1, "{all}");
    Client::greeted(listens_at(&all["one"]), b'a').await.is_echoed().await;
}

#[tokio::test]
async fn a_list_is_there_and_asking_for_it_again_changes_nothing() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let list = json!([
        { "name": "one", "listen": server.anywhere(), "upstream": upstream.address },
        { "name": "two", "listen": server.anywhere(), "upstream": upstream.address, "enabled": false },
    ]);
    let (status, mut said) = server.post("/populate", &list).await;
    assert_eq!(status, 201);
    let (_, all) = server.get("/proxies").await;
    assert_eq!(said, json!({ "proxies": [all["one"], all["two"]] }));
    assert_eq!((&all["one"]["enabled"], &all["two"]["enabled"]), (&json!(true), &json!(false)));

    let listen = listens_at(&all["one"]);
    let mut running = Client::greeted(listen, b'a').await;
    let toxic = json!({ "type": "latency" });
    let (_, toxic) = server.post("/proxies/one/toxics", &toxic).await;
    let list = said["proxies"].clone();
    said["proxies"][0]["toxics"] = json!([toxic]);
    assert_eq!(server.post("/populate", &list).await, (201, said));
    running.is_echoed().await;
    assert_eq!(server.post("/populate", &json!([])).await, (201, json!({ "proxies": [] })));
}

#[tokio::test]
async fn one_that_is_elsewhere_is_replaced_without_its_toxics() {
    let server = Server::start().await;
    let (a, b) = (Upstream::start(b'a').await, Upstream::start(b'b').await);
    let listen = server.proxy("one", &a).await;
    let mut running = Client::greeted(listen, b'a').await;
    let toxic = json!({ "type": "bandwidth" });
    assert_eq!(server.post("/proxies/one/toxics", &toxic).await.0, 200);

    let list = json!([{ "name": "one", "listen": listen, "upstream": b.address }]);
    let (status, said) = server.post("/populate", &list).await;
    assert_eq!((status, &said["proxies"][0]["toxics"]), (201, &json!([])), "{said}");
    running.is_cut().await;
    Client::greeted(listen, b'b').await.is_echoed().await;

    let list = json!([{ "name": "one", "listen": server.anywhere(), "upstream": b.address }]);
    let (_, said) = server.post("/populate", &list).await;
    is_refused(listen).await;
    Client::greeted(listens_at(&said["proxies"][0]), b'b').await;
}

#[tokio::test]
async fn a_list_with_a_mistake_does_nothing_and_one_that_fails_says_how_far_it_came() {
    let (server, upstream) = (Server::start().await, Upstream::start(b'a').await);
    let without = |(status, mut said): (u16, Value)| {
        assert_eq!(said["proxies"], Value::Null);
        said.as_object_mut().unwrap().remove("proxies").expect("it is null");
        (status, said)
    };
    let good = json!({ "name": "one", "listen": server.anywhere(), "upstream": upstream.address });
    let name = json!([good, { "upstream": "a:1" }]);
    let missing = error(400, "missing required field: name at proxy 2");
    assert_eq!(without(server.post("/populate", &name).await), missing);
    let upstream = json!([{ "name": "one", "upstream": "" }, good]);
    let missing = error(400, "missing required field: upstream at proxy 1");
    assert_eq!(without(server.post("/populate", &upstream).await), missing);
    for body in ["", "{}", "[", r#"[{"name":1}]"#] {
        let (status, told) = without(server.post_text("/populate", body).await);
        assert_eq!(status, 400, "{body}");
        assert!(told["error"].as_str().unwrap().starts_with("bad request body: "), "{told}");
    }
    assert_eq!(server.get("/proxies").await, (200, json!({})));

    let taken = json!({ "name": "two", "listen": server.address, "upstream": "a:1" });
    let (status, said) = server.post("/populate", &json!([good, taken, good])).await;
    assert_eq!((status, &said["status"]), (500, &json!(500)));
    assert!(said["error"].is_string());
    let (_, all) = server.get("/proxies").await;
    assert_eq!(said["proxies"], json!([all["one"]]));
    assert_eq!(all.as_object().unwrap().len(), 1);
    Client::greeted(listens_at(&all["one"]), b'a').await;
}
