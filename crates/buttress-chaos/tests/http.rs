//! What HTTP and gRPC add: statuses, damaged bodies, and traffic that passes untouched.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use buttress_chaos::{ChaosLayer, Faults, Latency, Pace, Selection, Step, Timeline};
use buttress_core::{BoxError, Rejection, RejectionKind};
use buttress_http::{Grpc, Http};
use buttress_testkit::{
    BodyStep, Probe, Recorder, Reply, ScriptedBody, assert_pending, http_differs, task,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use tokio::{
    runtime::Builder,
    time::{Instant, timeout},
};
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

type Call = Request<Full<Bytes>>;

fn call(path: &str) -> Call {
    Request::builder().uri(path).body(Full::default()).unwrap()
}

/// Each kind at its own rate.
fn faults(rates: [f64; 10]) -> Faults {
    let [late, hang, panic, error, status, cut, stall, slow, breaks, trailers] = rates;
    let build = || {
        Faults::none()
            .latency(late, Latency::pareto(SECOND / 100, 1.2)?)?
            .hangs(hang)?
            .panics(panic)?
            .errors(error)?
            .status(status, 503)?
            .cut(cut, 3)?
            .stalls(stall, 2, 5 * SECOND)?
            .slow(slow, Pace::EachFrame(SECOND))?
            .breaks(breaks, 4)?
            .trailers(trailers, 14)
    };
    build().unwrap()
}

fn rate() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.0..=0.4_f64, Just(1.0)]
}

async fn answer(_: Call) -> Result<Response<ScriptedBody>, BoxError> {
    let trailers = BodyStep::Trailers("grpc-status", "0");
    let steps = [BodyStep::Data("one"), BodyStep::Data("two"), BodyStep::Wait(SECOND), trailers];
    Ok(Response::new(ScriptedBody::new(steps)))
}

/// All that comes of a call, and when.
async fn story<B>(call: impl Future<Output = Result<Response<B>, BoxError>>) -> Vec<String>
where
    B: Body<Data = Bytes, Error = BoxError>,
{
    let start = Instant::now();
    let mut told = Vec::new();
    let mut tell = |what: String| told.push(format!("{:?} {what}", start.elapsed()));
    match timeout(HOUR, call).await {
        Err(_) => tell("hangs".into()),
        Ok(Err(error)) => tell(error.to_string()),
        Ok(Ok(response)) => {
            tell(format!("{} {:?}", response.status(), response.headers()));
            let mut body = Box::pin(response.into_body());
            while let Some(frame) = body.frame().await {
                tell(format!("{frame:?}"));
            }
        }
    }
    told
}

/// What a run of calls gets, with what was said of each.
async fn run(seed: u64, faults: &Faults, calls: usize) -> Vec<Vec<String>> {
    let recorder = Recorder::new();
    let layer = ChaosLayer::builder().faults(*faults).allow_panics().rng(seed);
    let layer = layer.protocol(Http::new()).observer(recorder.clone()).build().unwrap();
    let service = layer.layer(service_fn(answer));
    let mut stories = Vec::new();
    for _ in 0..calls {
        let told = tokio::spawn(story(service.clone().oneshot(call("/")))).await;
        let mut told = told.unwrap_or_else(|panicked| {
            assert!(panicked.is_panic());
            vec!["panics".into()]
        });
        told.extend(recorder.take());
        stories.push(told);
    }
    stories
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The same seed, faults and calls give the same trace: each frame at the same time.
    #[test]
    fn same_seed_same_trace(seed: u64, rates in prop::array::uniform10(rate())) {
        let trace = || {
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.unwrap().block_on(run(seed, &faults(rates), 12))
        };
        prop_assert_eq!(trace(), trace());
    }
}

#[tokio::test(start_paused = true)]
async fn another_seed_is_another_trace() {
    let faults = faults([0.5; 10]);
    assert_ne!(run(1, &faults, 20).await, run(2, &faults, 20).await);
}

/// Random traffic passes as if the layer were not there, bodies and their promises and all, where no
/// fault may strike: at rate zero, before a timeline begins, and where nothing is selected.
#[tokio::test(start_paused = true)]
async fn where_nothing_may_strike_it_is_the_identity() {
    async fn differs<Q>(layer: ChaosLayer<Http, Q>) -> Option<String>
    where
        Q: Selection<Request<ScriptedBody>> + Clone + 'static,
    {
        http_differs(|inner: Probe<Request<ScriptedBody>, _>| layer.layer(inner)).await
    }
    let builder = || ChaosLayer::builder().protocol(Http::new()).allow_panics().rng(7);
    let (never, always) = (faults([0.0; 10]), faults([1.0; 10]));
    assert!(differs(builder().faults(always).build().unwrap()).await.is_some(), "it is seen");
    assert_eq!(differs(builder().faults(never).build().unwrap()).await, None);
    let nobody = builder().faults(always).only(|_: &Request<_>| false);
    assert_eq!(differs(nobody.build().unwrap()).await, None);
    let later = builder().build().unwrap();
    let step = Step::new(1000 * HOUR, always);
    later.handle().play(Timeline::new().step(step)).unwrap();
    assert_eq!(differs(later).await, None);
    let off = builder().faults(always).build().unwrap().disabled();
    assert_eq!(differs(off).await, None);
    let controlled = builder().control("a secret of sixteen".replace(' ', "-")).build().unwrap();
    let wrap = |inner: Probe<Request<ScriptedBody>, _>| controlled.layer(inner);
    assert_eq!(http_differs(wrap).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_status_is_answered_without_a_call() {
    let (probe, inner) =
        Probe::new(|_: Call| Reply::Now(Ok(Response::new(Full::<Bytes>::default()))));
    let status = |code| Faults::none().status(1.0, code).unwrap();
    let recorder = Recorder::new();
    let layer = ChaosLayer::builder().faults(status(503)).protocol(Http::new());
    let layer = layer.observer(recorder.clone()).build().unwrap();
    let response = layer.layer(probe.clone()).oneshot(call("/")).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(recorder.take(), ["chaos chaos: injected status"]);

    let layer = ChaosLayer::builder().faults(status(14)).protocol(Grpc::new()).build().unwrap();
    let response = layer.layer(probe.clone()).oneshot(call("/")).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["grpc-status"]),
        (200, &"14".parse().unwrap())
    );

    // Under HTTP there is no status 14, and a call that was to get it does not go well all the same.
    let layer = ChaosLayer::builder().faults(status(14)).protocol(Http::new()).build().unwrap();
    let error = layer.layer(probe).oneshot(call("/")).await.unwrap_err();
    assert_eq!(Rejection::find(error.as_ref()).unwrap().kind(), &RejectionKind::Injected);
    assert_eq!(inner.calls(), 0);
}

/// A single fault, its word in events, and what a reader sees of it.
#[tokio::test(start_paused = true)]
async fn each_damage_is_told_once_and_seen() {
    let none = Faults::none();
    let whole = "onetwo, trailers 0 after 1s";
    for (faults, told, seen) in [
        (none, vec![], whole),
        (none.cut(1.0, 4).unwrap(), vec!["cut"], "onet, UnexpectedEof after 5ms"),
        (none.cut(1.0, 7).unwrap(), vec!["cut"], whole),
        (none.breaks(1.0, 4).unwrap(), vec!["break"], "onet, on purpose after 5ms"),
        (none.stalls(1.0, 4, SECOND).unwrap(), vec!["stall"], "onetwo, trailers 0 after 2s"),
        (
            none.slow(1.0, Pace::EachFrame(SECOND)).unwrap(),
            vec!["slow"],
            "onetwo, trailers 0 after 4s",
        ),
        (none.trailers(1.0, 14).unwrap(), vec!["trailers"], "onetwo, trailers 14 after 1s"),
        // A body ends but once.
        (
            none.cut(1.0, 2).unwrap().breaks(1.0, 3).unwrap(),
            vec!["cut", "break"],
            "on, UnexpectedEof after 5ms",
        ),
        (
            none.cut(1.0, 3).unwrap().breaks(1.0, 2).unwrap(),
            vec!["cut", "break"],
            "on, on purpose after 5ms",
        ),
    ] {
        let recorder = Recorder::new();
        let layer = ChaosLayer::builder().faults(faults).protocol(Http::new());
        let layer = layer.error(|| "on purpose").observer(recorder.clone()).build().unwrap();
        let response = layer.layer(service_fn(answer)).oneshot(call("/")).await.unwrap();
        let told: Vec<_> =
            told.iter().map(|fault| format!("chaos chaos: injected {fault}")).collect();
        assert_eq!(recorder.take(), told);
        assert_eq!(read(response.into_body()).await, seen);
        assert_eq!(recorder.take(), [""; 0]);
    }
}

async fn read(body: impl Body<Data = Bytes, Error = BoxError>) -> String {
    let (mut body, mut seen, start) = (Box::pin(body), Vec::new(), Instant::now());
    while let Some(frame) = body.frame().await {
        seen.push(match frame.map(Frame::into_data) {
            Ok(Ok(data)) => String::from_utf8(data.into()).unwrap(),
            Ok(Err(trailers)) => {
                let code = trailers.trailers_ref().unwrap()["grpc-status"].to_str().unwrap();
                format!(", trailers {code}")
            }
            Err(error) => match error.downcast_ref::<io::Error>() {
                Some(error) => format!(", {:?}", error.kind()),
                None => format!(", {error}"),
            },
        });
    }
    format!("{} after {:?}", seen.concat(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_dropped_in_its_stall_lets_go_of_the_one_inside() {
    let (probe, _inner) = Probe::new(|body: ScriptedBody| Reply::Now(Ok(Response::new(body))));
    let service = probe.map_request(|call: Request<ScriptedBody>| call.into_body());
    let faults = Faults::none().stalls(1.0, 1, Duration::MAX).unwrap();
    let layer = ChaosLayer::builder().faults(faults).protocol(Http::new()).build().unwrap();
    let body = ScriptedBody::new([BodyStep::Data("12")]);
    let dropped = body.dropped();
    let response = layer.layer(service).oneshot(Request::new(body)).await.unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    let mut stalled = task::spawn(body.frame());
    assert_pending!(stalled.poll());
    drop(stalled);
    assert!(!dropped.load(Ordering::SeqCst));
    drop(body);
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn only_what_is_selected_is_struck() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let layer = ChaosLayer::builder()
        .protocol(Http::new())
        .only(|request: &Call| {
            ASKED.fetch_add(1, Ordering::SeqCst);
            request.uri().path().starts_with("/pay/") && request.headers().contains_key("x-test")
        })
        .build()
        .unwrap();
    let service = layer.layer(service_fn(answer));
    let strikes = async |path, header: bool| {
        let mut request = call(path);
        if header {
            request.headers_mut().insert("x-test", 1.into());
        }
        service.clone().oneshot(request).await.is_err()
    };
    assert!(!strikes("/pay/1", true).await);
    assert_eq!(ASKED.load(Ordering::SeqCst), 0, "nobody is asked while nothing is in force");
    layer.handle().set(Faults::none().errors(1.0).unwrap()).unwrap();
    for (path, header, struck) in
        [("/pay/1", true, true), ("/pay/1", false, false), ("/stock/1", true, false)]
    {
        assert_eq!(strikes(path, header).await, struck, "{path} {header}");
    }
}
