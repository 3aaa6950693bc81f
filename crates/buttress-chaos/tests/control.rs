//! Requests that say which faults they are to meet, and who may.

use std::time::Duration;

use buttress_chaos::{CONTROL_HEADER, ChaosLayer, Control, Faults, SECRET_HEADER};
use buttress_core::{BoxError, ConfigError, Rejection};
use buttress_http::Http;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use proptest::prelude::*;
use tokio::{runtime::Builder, task::LocalSet, time::Instant};
use tower::{Layer, ServiceExt, service_fn};

const SECRET: &str = "correct-horse-battery";
const SECOND: Duration = Duration::from_secs(1);

type Call = Request<Empty<Bytes>>;

fn request(headers: &[(&'static str, &str)]) -> Call {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).unwrap()
}

/// What comes of a request: what it answers, with the names of the headers that the inner service saw.
async fn outcome<C>(layer: &ChaosLayer<Http, buttress_chaos::All, C>, request: Call) -> String
where
    C: Control<Call> + Clone,
{
    let service = layer.layer(service_fn(async |request: Call| {
        let mut names: Vec<_> = request.headers().keys().map(ToString::to_string).collect();
        names.sort();
        Ok::<_, BoxError>(Response::new(Full::<Bytes>::from(names.join(" "))))
    }));
    match service.oneshot(request).await {
        Ok(response) => {
            let status = response.status();
            match response.into_body().collect().await {
                Ok(body) => format!("{status}: {}", String::from_utf8_lossy(&body.to_bytes())),
                Err(error) => format!("{status}, {error}"),
            }
        }
        Err(error) if Rejection::find(error.as_ref()).is_some() => "injected".into(),
        Err(error) => error.to_string(),
    }
}

fn by_secret() -> ChaosLayer<Http, buttress_chaos::All, buttress_chaos::BySecret> {
    ChaosLayer::builder().protocol(Http::new()).control(SECRET).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_knows_the_secret_meets_what_he_asks_for_and_nothing_else() {
    let layer = by_secret();
    let ask =
        |faults| request(&[(CONTROL_HEADER, faults), (SECRET_HEADER, SECRET), ("x-other", "1")]);
    for in_force in [Faults::none(), Faults::none().latency(1.0, 7 * SECOND).unwrap()] {
        layer.handle().set(in_force).unwrap();
        for (faults, expected, takes) in [
            ("", "200 OK: x-other", 0),
            ("errors", "injected", 0),
            ("latency=2s", "200 OK: x-other", 2),
            ("latency=1s, status=418", "418 I'm a teapot: ", 1),
            ("breaks=3", "200 OK, chaos `chaos`: fault injected on purpose", 0),
            ("stalls=3:3s", "200 OK: x-other", 3),
        ] {
            let start = Instant::now();
            assert_eq!(outcome(&layer, ask(faults)).await, expected, "{faults}");
            // But for the moment in which a body waits before it breaks off.
            assert_eq!(start.elapsed().as_secs(), takes, "{faults}");
        }
    }
    // Several fields are one list.
    let mut both = ask("latency=2s");
    both.headers_mut().append(CONTROL_HEADER, "errors".parse().unwrap());
    let start = Instant::now();
    assert_eq!(outcome(&layer, both).await, "injected");
    assert_eq!(start.elapsed(), 2 * SECOND);
}

#[tokio::test]
async fn what_can_not_be_read_or_is_not_allowed_is_an_error_of_the_call() {
    let ask = |faults| request(&[(CONTROL_HEADER, faults), (SECRET_HEADER, SECRET)]);
    let error = outcome(&by_secret(), ask("hang")).await;
    assert!(error.starts_with("`buttress-chaos` is hang, but must be a list of"), "{error}");
    let error = outcome(&by_secret(), ask("panics")).await;
    assert!(error.contains("allow_panics"), "{error}");

    let builder = ChaosLayer::builder().protocol(Http::new()).control(SECRET).allow_panics();
    let layer = builder.build().unwrap();
    let panics = async move { outcome(&layer, ask("panics")).await };
    let tasks = LocalSet::new();
    let panicked = tasks.run_until(tasks.spawn_local(panics)).await;
    assert!(panicked.unwrap_err().is_panic());
}

/// What is sent in vain is taken out all the same, so that no secret travels on.
#[tokio::test]
async fn a_wrong_secret_does_nothing() {
    for secrets in [
        &[][..],
        &[""],
        &["correct-horse-batter"],
        &["correct-horse-battery!"],
        &["Correct-horse-battery"],
        &["wrong-horse-batteries"],
        &[SECRET, SECRET],
        &["", SECRET],
    ] {
        let mut asks = request(&[(CONTROL_HEADER, "errors"), ("x-other", "1")]);
        for secret in secrets {
            asks.headers_mut().append(SECRET_HEADER, secret.parse().unwrap());
        }
        assert_eq!(outcome(&by_secret(), asks).await, "200 OK: x-other", "{secrets:?}");
    }
    // The secret alone asks for nothing.
    let alone = request(&[(SECRET_HEADER, SECRET)]);
    assert_eq!(outcome(&by_secret(), alone).await, "200 OK: ");
}

proptest! {
    #[test]
    fn no_other_secret_does_anything(
        secret in prop_oneof!["[ -~]{0,40}", "[a-z]{7}-horse-battery", "correct-horse-batter[ -~]{0,2}"],
    ) {
        prop_assume!(secret.trim() != SECRET);
        let headers = [(CONTROL_HEADER, "errors"), (SECRET_HEADER, &secret)];
        let runtime = Builder::new_current_thread().build().unwrap();
        let outcome = runtime.block_on(outcome(&by_secret(), request(&headers)));
        prop_assert_eq!(outcome, "200 OK: ");
    }
}

#[tokio::test]
async fn by_default_nobody_is_listened_to() {
    let asks = || request(&[(CONTROL_HEADER, "errors"), (SECRET_HEADER, SECRET)]);
    let untouched = "200 OK: buttress-chaos buttress-chaos-secret";
    let layer = ChaosLayer::builder().protocol(Http::new()).build().unwrap();
    assert_eq!(outcome(&layer, asks()).await, untouched);
    assert_eq!(outcome(&by_secret().disabled(), asks()).await, untouched);
}

#[tokio::test]
async fn a_predicate_says_who_may() {
    let may = |request: &Call| request.extensions().get::<&str>() == Some(&"tester");
    let layer = ChaosLayer::builder().protocol(Http::new()).control_if(may).build().unwrap();
    let asks = || request(&[(CONTROL_HEADER, "errors")]);
    assert_eq!(outcome(&layer, asks()).await, "200 OK: ");
    let mut tester = asks();
    tester.extensions_mut().insert("tester");
    assert_eq!(outcome(&layer, tester).await, "injected");
    assert_eq!(outcome(&layer.disabled(), asks()).await, "200 OK: buttress-chaos");
}

/// A request that is struck by its own wish draws from nothing that others draw from.
#[tokio::test]
async fn the_trace_of_the_others_stays_the_same() {
    let trace = async |asks: bool| {
        let faults = Faults::none().errors(0.5).unwrap();
        let layer = ChaosLayer::builder().protocol(Http::new()).control(SECRET).rng(7);
        let layer = layer.faults(faults).build().unwrap();
        let mut trace = Vec::new();
        for n in 0..60 {
            if asks && n % 3 == 0 {
                let errors = request(&[(CONTROL_HEADER, "errors"), (SECRET_HEADER, SECRET)]);
                assert_eq!(outcome(&layer, errors).await, "injected");
            }
            trace.push(outcome(&layer, request(&[])).await);
        }
        trace
    };
    assert_eq!(trace(true).await, trace(false).await);
}

#[tokio::test]
async fn under_plain_values_there_is_nothing_to_listen_to() {
    let layer = ChaosLayer::builder().control(SECRET).build().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(CONTROL_HEADER, "errors".parse().unwrap());
    headers.insert(SECRET_HEADER, SECRET.parse().unwrap());
    let service = layer.layer(service_fn(async |call: HeaderMap| Ok::<_, BoxError>(call.len())));
    assert_eq!(service.oneshot(headers).await.unwrap(), 2);
}

#[test]
fn a_secret_that_could_be_guessed_is_refused_and_none_is_told() {
    let build =
        |secret: &str| -> Result<_, ConfigError> { ChaosLayer::builder().control(secret).build() };
    for secret in
        ["", "guessable", "fifteen-letters", "sixteen-letters ", "sixteen-létters-and-more"]
    {
        let error = build(secret).unwrap_err();
        assert_eq!((error.setting(), error.value()), ("control", "a secret"));
    }
    let layer = build("sixteen-letters!").unwrap();
    assert!(!format!("{layer:?}").contains("sixteen"));
    // The last word counts.
    ChaosLayer::builder().control("short").control(SECRET).build().unwrap();
    ChaosLayer::builder().control("short").control_if(|(): &()| true).build().unwrap();
}
