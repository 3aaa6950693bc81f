//! An upstream that goes down, and comes back.

use std::time::Duration;

use buttress::{
    core::CircuitState,
    http::{Followed, Http},
    prelude::*,
};
use bytes::Bytes;
use http::{Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, Service, ServiceExt};

use crate::{PATIENCE, client, get, is_refusal, upstream::Upstream};

const OPEN_FOR: Duration = Duration::from_millis(300);
const THRESHOLD: u32 = 5;

type Breaker = buttress::breaker::Breaker<Client<HttpConnector, Full<Bytes>>, Http>;
type Answer = Response<Followed<Incoming, buttress::breaker::BreakerFollower>>;

/// A client that checks of each call that the breaker keeps to its time.
struct Caller {
    breaker: Breaker,
    handle: BreakerHandle,
    uri: Uri,
    // Between which two moments the circuit opened last.
    opened: Option<(Instant, Instant)>,
}

enum NoAnswer {
    /// The breaker refused the call, which took this long.
    Refusal(Duration),
    Failure,
}

impl Caller {
    fn new(uri: Uri) -> Self {
        let layer = BreakerLayer::builder()
            .consecutive_failures(THRESHOLD)
            .open_for(OPEN_FOR)
            .protocol(Http::new())
            .build()
            .unwrap();
        Self { breaker: layer.layer(client()), handle: layer.handle(), uri, opened: None }
    }

    async fn call(&mut self) -> Result<Answer, NoAnswer> {
        let breaker = self.breaker.ready().await.unwrap();
        let start = Instant::now();
        let call = breaker.call(get(&self.uri));
        let admitted = Instant::now();
        let answer = timeout(PATIENCE, call).await.expect("it ends");
        let end = Instant::now();
        let refused = answer.as_ref().is_err_and(|error| is_refusal(error.as_ref()));
        // No call here is made while a probe is out, unless it says so.
        if let Some((earliest, latest)) = self.opened {
            if refused {
                assert!(start < latest + OPEN_FOR, "refused when its time was over");
            } else {
                assert!(admitted >= earliest + OPEN_FOR, "admitted before its time");
            }
        }
        answer.map_err(|_| {
            if refused {
                return NoAnswer::Refusal(end - start);
            }
            let opened = self.handle.state() != CircuitState::Closed;
            self.opened = opened.then(|| (start, Instant::now()));
            NoAnswer::Failure
        })
    }

    /// The number that the upstream gave the call; `None` if it was not answered.
    async fn number(&mut self) -> Option<u32> {
        let response = self.call().await.ok()?;
        Some(number(response).await)
    }
}

async fn number(response: Answer) -> u32 {
    let body = timeout(PATIENCE, response.into_body().collect()).await.expect("it ends");
    let text = body.unwrap().to_bytes();
    std::str::from_utf8(&text).unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_upstream_that_goes_down_opens_it_and_one_probe_of_it_closes_it() {
    let upstream = Upstream::start().await;
    let mut caller = Caller::new(upstream.uri());
    for expected in 1..=3 {
        assert_eq!(caller.number().await, Some(expected));
    }

    upstream.proxy.handle().refuse().await.unwrap();
    for failure in 1..=THRESHOLD {
        assert_eq!(caller.handle.state(), CircuitState::Closed, "before failure {failure}");
        assert!(matches!(caller.call().await, Err(NoAnswer::Failure)), "failure {failure}");
    }
    assert_eq!(caller.handle.snapshot().opened, 1);

    let mut refusals = Vec::new();
    while refusals.len() < 100 {
        match caller.call().await {
            Err(NoAnswer::Refusal(took)) => refusals.push(took),
            // A machine that takes longer over them than the circuit is open sees probes fail.
            Err(NoAnswer::Failure) => {}
            Ok(_) => panic!("nobody is there to answer"),
        }
    }
    refusals.sort_unstable();
    let median = refusals[refusals.len() / 2];
    assert!(median < Duration::from_millis(1), "half of the refusals took {median:?} or more");

    upstream.proxy.handle().enable().await.unwrap();
    let probe = loop {
        match caller.call().await {
            Ok(response) => break response,
            Err(NoAnswer::Refusal(_)) => sleep(Duration::from_millis(1)).await,
            Err(NoAnswer::Failure) => panic!("the upstream accepts connections"),
        }
    };
    // Until all of its answer has come, the probe is the only call.
    caller.opened = None;
    assert_eq!(caller.handle.state(), CircuitState::HalfOpen);
    for _ in 0..10 {
        assert!(matches!(caller.call().await, Err(NoAnswer::Refusal(_))), "a second probe");
    }
    assert_eq!(number(probe).await, 4, "the first that reached it since it is back");
    assert_eq!(caller.handle.state(), CircuitState::Closed);
    for expected in 5..=7 {
        assert_eq!(caller.number().await, Some(expected));
    }
}
