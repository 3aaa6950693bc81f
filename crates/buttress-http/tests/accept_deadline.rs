//! The deadline that comes with a request.

use std::{convert::Infallible, time::Duration};

use buttress_core::{BoxError, Deadline, Rejection, RejectionKind};
use buttress_http::{AcceptDeadlineLayer, DeadlineHeader};
use buttress_testkit::{Probe, ProbeHandle, Readiness, Recorder, Reply};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{Empty, Full};
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const TOO_LATE: RejectionKind = RejectionKind::DeadlineExceeded { called: false };

/// What the inner service sees: the ambient deadline, and that of the request.
type Sees = [Option<Deadline>; 2];

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn kind(error: &BoxError) -> &RejectionKind {
    Rejection::find(error.as_ref()).expect("a rejection").kind()
}

fn with(headers: &[(&str, &[u8])]) -> Request<()> {
    let mut request = Request::new(());
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    }
    request
}

fn saying(millis: u64) -> Request<()> {
    with(&[("x-request-timeout-ms", millis.to_string().as_bytes())])
}

/// What a service inside `layer` sees.
async fn sees(layer: &AcceptDeadlineLayer, request: Request<()>) -> Result<Sees, BoxError> {
    let inner = service_fn(async |request: Request<()>| {
        let mut response = Response::new(Empty::<Bytes>::new());
        let carried = request.extensions().get::<Deadline>().copied();
        response.extensions_mut().insert([Deadline::current(), carried]);
        Ok::<_, Infallible>(response)
    });
    Ok(*layer.layer(inner).call(request).await?.extensions().get().unwrap())
}

/// How much time a service inside `layer` is given.
async fn given(
    layer: &AcceptDeadlineLayer,
    request: Request<()>,
) -> Result<Option<Duration>, BoxError> {
    let [ambient, carried] = sees(layer, request).await?;
    assert_eq!(ambient, carried);
    Ok(ambient.map(Deadline::remaining))
}

fn probe(
    reply: impl Fn() -> Reply<Response<Full<Bytes>>> + Send + Sync + 'static,
) -> (Probe<Request<()>, Response<Full<Bytes>>>, ProbeHandle) {
    Probe::new(move |_| reply())
}

fn answers() -> (Probe<Request<()>, Response<Full<Bytes>>>, ProbeHandle) {
    probe(|| Reply::Now(Ok(Response::new(Full::from("text")))))
}

/// Values of headers, and the milliseconds that they say; the invalid say none.
fn said() -> impl Strategy<Value = (&'static str, String, Option<u64>)> {
    let millis = prop_oneof![1 => Just(0), 9 => 1..5_000_u64];
    let names =
        prop::sample::select(vec!["x-request-timeout-ms", "x-envoy-expected-rq-timeout-ms"]);
    prop_oneof![
        3 => (names.clone(), millis.clone()).prop_map(|(name, n)| (name, n.to_string(), Some(n))),
        3 => millis.prop_map(|n| ("grpc-timeout", format!("{n}m"), Some(n))),
        1 => names.prop_map(|name| (name, "soon".into(), None)),
        1 => Just(("grpc-timeout", "1ms".into(), None)),
    ]
}

proptest! {
    /// Of all that was said the soonest holds, whoever said it; what is invalid is ignored.
    #[test]
    fn the_soonest_holds(
        headers in prop::collection::vec(said(), 0..5),
        carried in prop::option::of(prop_oneof![1 => Just(0), 9 => 1..5_000_u64]),
        ambient in prop::option::of(prop_oneof![1 => Just(0), 9 => 1..5_000_u64]),
        max in prop::option::of(1..5_000_u64),
    ) {
        paused().block_on(async {
            let recorder = Recorder::new();
            let mut layer = AcceptDeadlineLayer::builder().observer(recorder.clone());
            if let Some(max) = max {
                layer = layer.max(Duration::from_millis(max));
            }
            let layer = layer.build().unwrap();
            let lines: Vec<_> = headers.iter().map(|(name, text, _)| (*name, text.as_bytes())).collect();
            let mut request = with(&lines);
            let at = |millis| Deadline::after(Duration::from_millis(millis));
            if let Some(carried) = carried {
                request.extensions_mut().insert(at(carried));
            }

            let valid = headers.iter().filter_map(|(.., said)| *said);
            let expected = valid.chain(carried).chain(ambient).chain(max).min();
            let result =
                Deadline::scoped(ambient.map(at), given(&layer, request)).await;
            let invalid = headers.iter().filter(|(.., said)| said.is_none()).count();
            let snapshot = layer.handle().snapshot();
            prop_assert_eq!(snapshot.ignored, invalid as u64);
            prop_assert_eq!(snapshot.refused, u64::from(expected == Some(0)));
            prop_assert_eq!(recorder.take().len(), invalid + usize::from(expected == Some(0)));
            if expected == Some(0) {
                let error = result.unwrap_err();
                prop_assert_eq!(kind(&error), &TOO_LATE);
            } else {
                prop_assert_eq!(result.unwrap(), expected.map(Duration::from_millis));
            }
            Ok(())
        })?;
    }

    /// Whatever bytes come, nothing panics, and nobody is given more than `max`.
    #[test]
    fn never_more_than_max(
        values in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(prop_oneof![Just(b'\t'), 32..127_u8, 128..=255_u8], 0..24),
                "[0-9]{1,24}[HMSmun]?".prop_map(String::into_bytes),
            ],
            0..4,
        ),
    ) {
        paused().block_on(async {
            let layer = AcceptDeadlineLayer::builder().max(SECOND).build().unwrap();
            let names = ["grpc-timeout", "x-request-timeout-ms", "x-envoy-expected-rq-timeout-ms"];
            let lines: Vec<_> =
                values.iter().flat_map(|value| names.map(|name| (name, value.as_slice()))).collect();
            match given(&layer, with(&lines)).await {
                Ok(given) => prop_assert!(given.unwrap() <= SECOND),
                Err(error) => prop_assert_eq!(kind(&error), &TOO_LATE),
            }
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn bad_values_are_ignored_counted_and_told() {
    let recorder = Recorder::new();
    let layer = AcceptDeadlineLayer::builder()
        .max(SECOND)
        .name("edge")
        .observer(recorder.clone())
        .build()
        .unwrap();
    let bad: [&[u8]; 12] = [
        b"",
        b" ",
        b"-1S",
        b"+1S",
        b"1 S",
        b" 1S",
        b"1S ",
        b"12345678",
        b"123456789S",
        b"1ms",
        b"12345678901234567890",
        b"\xff1S",
    ];
    for (n, value) in (1..).zip(bad) {
        assert_eq!(given(&layer, with(&[("grpc-timeout", value)])).await.unwrap(), Some(SECOND));
        let said = HeaderValue::from_bytes(value).unwrap();
        let told = format!("accept-deadline edge: ignored grpc-timeout: {said:?}");
        assert_eq!(recorder.take(), [told]);
        assert_eq!(layer.handle().snapshot().ignored, n);
    }
    // The value beside a bad one holds.
    let both = [("grpc-timeout", &b"soon"[..]), ("grpc-timeout", b"250m")];
    let quarter = Some(SECOND / 4);
    assert_eq!(given(&layer, with(&both)).await.unwrap(), quarter);
    assert_eq!(layer.handle().snapshot().refused, 0);
    assert_eq!(layer.handle().name(), "edge");
}

#[tokio::test(start_paused = true)]
async fn the_longest_values_saturate() {
    let layer = AcceptDeadlineLayer::new();
    let most = u64::MAX.to_string();
    for header in [("grpc-timeout", &b"99999999H"[..]), ("x-request-timeout-ms", most.as_bytes())] {
        let given = given(&layer, with(&[header])).await.unwrap().unwrap();
        assert!(given > SECOND * 86_400 * 365, "{given:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_with_no_time_left_is_refused_at_the_door() {
    let (probe, handle) = answers();
    // An inner service that is asked whether it is ready answers with another error.
    handle.set_readiness(Readiness::Broken);
    let recorder = Recorder::new();
    let layer = AcceptDeadlineLayer::builder().observer(recorder.clone()).build().unwrap();
    let mut service = layer.layer(probe);
    let service = service.ready().await.expect("refusals never come from poll_ready");
    let error = service.call(saying(0)).await.unwrap_err();
    assert_eq!(kind(&error), &TOO_LATE);
    assert_eq!((handle.calls(), handle.reserved()), (0, 0));
    let told = "accept-deadline accept-deadline: rejected: the deadline had passed before the call";
    assert_eq!(recorder.take(), [told]);
    assert_eq!(layer.handle().snapshot().refused, 1);
    assert_eq!(layer.layer(()).into_inner(), ());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_elsewhere_is_refused_as_well() {
    let layer = AcceptDeadlineLayer::new();
    let past = Deadline::after(Duration::ZERO);
    let call = Deadline::scoped(Some(past), given(&layer, Request::new(())));
    assert_eq!(kind(&call.await.unwrap_err()), &TOO_LATE);
    let mut request = Request::new(());
    request.extensions_mut().insert(past);
    assert_eq!(kind(&given(&layer, request).await.unwrap_err()), &TOO_LATE);
    assert_eq!(layer.handle().snapshot().refused, 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_says_nothing_passes_as_it_came() {
    let layer = AcceptDeadlineLayer::new();
    assert_eq!(sees(&layer, Request::new(())).await.unwrap(), [None, None]);
    let unlisted = with(&[("x-my-timeout-ms", b"1"), ("timeout", b"1")]);
    assert_eq!(sees(&layer, unlisted).await.unwrap(), [None, None]);
    assert_eq!(layer.handle().snapshot(), AcceptDeadlineLayer::default().handle().snapshot());
}

#[tokio::test(start_paused = true)]
async fn only_listed_headers_are_read() {
    let own = DeadlineHeader::millis(HeaderName::from_static("x-left"));
    let layer = AcceptDeadlineLayer::builder().headers([own.clone(), own]).build().unwrap();
    let request = with(&[("x-left", b"40"), ("grpc-timeout", b"1m")]);
    assert_eq!(given(&layer, request).await.unwrap(), Some(Duration::from_millis(40)));
    given(&layer, with(&[("x-left", b"40ms")])).await.unwrap();
    assert_eq!(layer.handle().snapshot().ignored, 1, "once, though it is listed twice");

    let none = AcceptDeadlineLayer::builder().headers([]).max(SECOND).build().unwrap();
    assert_eq!(given(&none, saying(40)).await.unwrap(), Some(SECOND));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_request_is_replaced_and_never_lengthened() {
    let layer = AcceptDeadlineLayer::new();
    for (carried, expected) in [(5, 2), (1, 1)] {
        let mut request = saying(2_000);
        request.extensions_mut().insert(Deadline::after(SECOND * carried));
        assert_eq!(given(&layer, request).await.unwrap(), Some(SECOND * expected));
    }
}

#[tokio::test]
async fn settings_that_make_no_sense() {
    let error = AcceptDeadlineLayer::builder().max(Duration::ZERO).build().unwrap_err();
    assert_eq!((error.setting(), error.value()), ("max", "0s"));
    let wrong = DeadlineHeader::millis(HeaderName::from_static("grpc-timeout"));
    let headers = [DeadlineHeader::REQUEST_TIMEOUT_MS, wrong];
    let error = AcceptDeadlineLayer::builder().headers(headers).build().unwrap_err();
    assert_eq!(error.setting(), "headers");

    let never = AcceptDeadlineLayer::builder().max(Duration::MAX).build().unwrap();
    assert_eq!(sees(&never, Request::new(())).await.unwrap(), [None, None]);
}
