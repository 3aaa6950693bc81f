//! A gateway that is a process of its own.

use std::{
    env,
    io::{self, Read},
    process::Stdio,
    time::Duration,
};

use axum::Router;
use buttress::prelude::*;
use buttress_redis::RedisStore;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    task::spawn_blocking,
    time::timeout,
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::{
    HANG,
    upstream::{Upstream, text},
};

/// Tell the process where they are.
const REDIS: &str = "BUTTRESS_TEST_REDIS";
const UPSTREAM: &str = "BUTTRESS_TEST_UPSTREAM";
/// What it says before it says where it is.
const SAYS: &str = "gateway at ";

/// What recalling may take.
pub(crate) const WITHIN: Duration = Duration::from_millis(200);

type HyperClient = Client<HttpConnector, Empty<Bytes>>;

fn client() -> HyperClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Serves until it is dropped.
pub(crate) struct Gateway {
    address: String,
    client: HyperClient,
    _process: Child,
}

/// What a gateway answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    status: StatusCode,
    text: String,
    /// The tier that served.
    degraded: Option<String>,
    has_age: bool,
}

impl Answer {
    pub(crate) fn fresh(product: u32) -> Self {
        let (status, text) = (StatusCode::OK, text(product));
        Self { status, text, degraded: None, has_age: false }
    }

    pub(crate) fn remembered(product: u32) -> Self {
        Self { degraded: Some("redis".to_owned()), has_age: true, ..Self::fresh(product) }
    }

    pub(crate) fn failed() -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self { status, text: String::new(), degraded: None, has_age: false }
    }

    fn of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let degraded = headers.get("x-buttress-degraded").map(|mark| mark.to_str().unwrap());
        let degraded = degraded.map(|mark| mark.split(';').next().unwrap().to_owned());
        let text = String::from_utf8(body.to_vec()).unwrap();
        Self { status, text, degraded, has_age: headers.contains_key("age") }
    }
}

impl Gateway {
    pub(crate) async fn start(redis: &str, upstream: &Upstream) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "gateway::serves_until_killed", "--ignored", "--nocapture"])
            .env(REDIS, redis)
            .env(UPSTREAM, upstream.address.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = async {
            while let Some(line) = said.next_line().await.unwrap() {
                if let Some((_, address)) = line.split_once(SAYS) {
                    return address.to_owned();
                }
            }
            panic!("the gateway ended");
        };
        let address = timeout(HANG, address).await.expect("the gateway says where it is");
        Self { address, client: client(), _process: process }
    }

    pub(crate) async fn price(&self, product: u32) -> Answer {
        let uri: Uri = format!("http://{}/{product}", self.address).parse().unwrap();
        let asking = async {
            let response = self.client.get(uri).await.unwrap();
            let (head, body) = response.into_parts();
            Answer::of(head.status, &head.headers, &body.collect().await.unwrap().to_bytes())
        };
        timeout(HANG, asking).await.expect("an answer")
    }
}

/// Asks the upstream, and remembers what it says in Redis.
fn router(redis: &str, upstream: &str) -> Result<Router, BoxError> {
    let store = RedisStore::builder(redis).prefix("prices:").build()?;
    let key = ResponseKey::new();
    let fallback = FallbackLayer::<(), Response<Full<Bytes>>>::builder()
        .protocol(Http::new())
        .keep(|request: &Request<Empty<Bytes>>| RequestHead::of(request))
        .last_known_good("redis", LastKnownGood::new(store, move |head: &RequestHead| key.of(head)))
        .tier_within(WITHIN)
        .build()?;
    let upstream = upstream.to_owned();
    let stack = ServiceBuilder::new().layer(RespondLayer::new()).layer(fallback).service(client());
    let proxy = service_fn(move |request: Request<axum::body::Body>| {
        let uri = format!("http://{upstream}{}", request.uri().path());
        let request = Request::get(uri).body(Empty::new()).expect("a valid request");
        stack.clone().oneshot(request)
    });
    Ok(Router::new().fallback_service(proxy))
}

#[tokio::test]
#[ignore = "it is the gateway process that another test starts"]
async fn serves_until_killed() {
    // Whoever runs the ignored tests means no server.
    let (Ok(redis), Ok(upstream)) = (env::var(REDIS), env::var(UPSTREAM)) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{SAYS}{}", listener.local_addr().unwrap());
    // Nothing is written there; it ends when the process that holds it does, however it ends.
    let orphaned = spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        served = axum::serve(listener, router(&redis, &upstream).unwrap()) => served.unwrap(),
        _ = orphaned => {}
    }
}
