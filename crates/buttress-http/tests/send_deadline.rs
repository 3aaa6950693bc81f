//! What remains of the deadline, sent along with a request.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Rejection, RejectionKind};
use buttress_http::{AcceptDeadlineLayer, DeadlineHeader, SendDeadlineLayer};
use buttress_testkit::{
    Probe, ProbeHandle, Readiness, Recorder, Reply, assert_pending, assert_ready, task,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::Empty;
use tokio::time::advance;
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const TOO_LATE: RejectionKind = RejectionKind::DeadlineExceeded { called: false };
const MILLIS: &str = "x-request-timeout-ms";
const ENVOY: &str = "x-envoy-expected-rq-timeout-ms";
const GRPC: &str = "grpc-timeout";

type Header = (&'static str, &'static str);
type Headers = &'static [Header];

fn kind(error: &BoxError) -> &RejectionKind {
    Rejection::find(error.as_ref()).expect("a rejection").kind()
}

fn own(name: &'static str) -> SendDeadlineLayer {
    let header = DeadlineHeader::millis(HeaderName::from_static(name));
    SendDeadlineLayer::builder().header(header).build().unwrap()
}

fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    map
}

fn with(headers: HeaderMap) -> Request<()> {
    let mut request = Request::new(());
    *request.headers_mut() = headers;
    request
}

/// A service that answers with the head of the request.
fn echo() -> (Probe<Request<()>, Request<()>>, ProbeHandle) {
    Probe::new(|request| Reply::Now(Ok(request)))
}

/// What is sent of a request with these headers that has so long.
async fn sent(
    layer: &SendDeadlineLayer,
    headers: HeaderMap,
    remaining: Duration,
) -> Result<HeaderMap, BoxError> {
    let (probe, handle) = echo();
    let deadline = Deadline::after(remaining);
    let result = Deadline::scoped(Some(deadline), layer.layer(probe).oneshot(with(headers))).await;
    assert_eq!((handle.calls(), handle.reserved()), (usize::from(result.is_ok()), 0));
    let request = result?;
    assert_eq!(request.extensions().get(), Some(&deadline));
    Ok(request.into_parts().0.headers)
}

#[tokio::test(start_paused = true)]
async fn writes_what_remains() {
    let plain = SendDeadlineLayer::new();
    let other = own("x-left");
    let proto = ("content-type", "application/grpc+proto");
    let web = ("content-type", "application/grpc-web");
    let (in_millis, in_grpc) = ((MILLIS, "2000"), (GRPC, "2000000u"));
    let in_envoy = (ENVOY, "2000");
    let cases: [(&SendDeadlineLayer, Headers, Vec<Header>); 15] = [
        (&plain, &[], vec![in_millis]),
        (
            &plain,
            &[("content-type", "text/plain")],
            vec![("content-type", "text/plain"), in_millis],
        ),
        (
            &plain,
            &[("content-type", "application/grpc")],
            vec![("content-type", "application/grpc"), in_grpc],
        ),
        (&plain, &[("content-type", "application/grpc+proto")], vec![proto, in_grpc]),
        (&plain, &[("content-type", "application/grpc-web")], vec![web, in_millis]),
        (&other, &[], vec![("x-left", "2000")]),
        (&other, &[("content-type", "application/grpc+proto")], vec![proto, in_grpc]),
        // What came in longer is not passed on, whichever header it was in.
        (&plain, &[(MILLIS, "9000")], vec![in_millis]),
        (&plain, &[(GRPC, "1H"), (ENVOY, "9000")], vec![in_grpc, in_envoy, in_millis]),
        (&other, &[(MILLIS, "9000"), (GRPC, "9S")], vec![in_millis, in_grpc, ("x-left", "2000")]),
        (
            &other,
            &[("content-type", "application/grpc+proto"), ("x-left", "9000"), (MILLIS, "9000")],
            vec![proto, in_grpc, in_millis, ("x-left", "2000")],
        ),
        // What came in shorter is, in every header; of several the shortest.
        (&plain, &[(MILLIS, "700"), (GRPC, "9S")], vec![(MILLIS, "700"), (GRPC, "700000u")]),
        (&plain, &[(MILLIS, "9000"), (MILLIS, "800"), (MILLIS, "900")], vec![(MILLIS, "800")]),
        (&plain, &[(GRPC, "1S"), (GRPC, "soon")], vec![(GRPC, "1000000u"), (MILLIS, "1000")]),
        // What makes no sense is replaced.
        (&plain, &[(MILLIS, "-1"), (MILLIS, "+1"), (ENVOY, "")], vec![in_millis, in_envoy]),
    ];
    for (layer, came, goes) in cases {
        let sent = sent(layer, map(came), SECOND * 2).await.unwrap();
        assert_eq!(sent, map(&goes), "{came:?}");
    }
    assert_eq!(plain.handle().snapshot().refused + other.handle().snapshot().refused, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_a_unit_is_not_sent() {
    let layer = SendDeadlineLayer::new();
    let grpc: Headers = &[("content-type", "application/grpc")];
    let nanos = Duration::from_nanos;
    assert_eq!(sent(&layer, map(&[]), nanos(1_999_999)).await.unwrap(), map(&[(MILLIS, "1")]));
    assert_eq!(sent(&layer, map(grpc), nanos(1)).await.unwrap()[GRPC], "1n");

    let refused: [(Headers, Duration); 6] = [
        (&[], nanos(999_999)),
        (&[], Duration::ZERO),
        (grpc, Duration::ZERO),
        // One that has to be written as well, and has room for milliseconds only.
        (&[("content-type", "application/grpc"), (ENVOY, "9000")], nanos(999_999)),
        // The caller says that nothing is left.
        (&[(MILLIS, "0")], SECOND),
        (&[(GRPC, "0S")], SECOND),
    ];
    for (n, (headers, remaining)) in (1..).zip(refused) {
        let error = sent(&layer, map(headers), remaining).await.unwrap_err();
        assert_eq!(kind(&error), &TOO_LATE, "{headers:?}");
        assert_eq!(layer.handle().snapshot().refused, n);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_a_request_passes_untouched() {
    let came = map(&[(MILLIS, "0"), (MILLIS, "soon"), (GRPC, "1H"), ("x", "y")]);
    let request = with(came.clone());
    let (probe, _handle) = echo();
    let seen = SendDeadlineLayer::new().layer(probe).oneshot(request).await.unwrap();
    assert_eq!(seen.headers(), &came);
    assert!(seen.extensions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_sooner_of_the_ambient_deadline_and_the_requests_holds() {
    let (probe, _handle) = echo();
    let service = SendDeadlineLayer::new().layer(probe);
    for (ambient, carried, expected) in [
        (Some(3), None, "3000"),
        (None, Some(3), "3000"),
        (Some(2), Some(3), "2000"),
        (Some(3), Some(2), "2000"),
    ] {
        let at = |seconds| Deadline::after(SECOND * seconds);
        let mut request = Request::new(());
        if let Some(carried) = carried.map(at) {
            request.extensions_mut().insert(carried);
        }
        let call = service.clone().oneshot(request);
        let seen = Deadline::scoped(ambient.map(at), call).await.unwrap();
        assert_eq!(seen.headers()[MILLIS], expected);
        let sooner = Deadline::sooner(ambient.map(at), carried.map(at));
        assert_eq!(seen.extensions().get::<Deadline>().copied(), sooner);
    }
}

#[tokio::test(start_paused = true)]
async fn time_is_taken_when_the_request_is_handed_over() {
    let (probe, handle) = echo();
    handle.set_readiness(Readiness::Pending);
    let mut service = SendDeadlineLayer::new().layer(probe);
    let deadline = Some(Deadline::after(SECOND));
    let mut call = task::spawn(Deadline::scope(deadline, || service.call(Request::new(()))));
    assert_pending!(call.poll());
    advance(Duration::from_micros(299_500)).await;
    assert!(!call.is_woken());
    handle.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    let seen = assert_ready!(call.poll()).unwrap();
    assert_eq!(seen.headers()[MILLIS], "700");
    assert_eq!(seen.extensions().get::<Deadline>().copied(), deadline);
}

#[tokio::test(start_paused = true)]
async fn time_that_went_with_waiting_is_a_refusal_that_claims_nothing() {
    let recorder = Recorder::new();
    let layer =
        SendDeadlineLayer::builder().name("to-stock").observer(recorder.clone()).build().unwrap();
    let (probe, handle) = echo();
    let mut service = layer.layer(probe);
    handle.set_readiness(Readiness::Pending);
    let deadline = Some(Deadline::after(SECOND));
    let mut call = task::spawn(Deadline::scope(deadline, || service.call(Request::new(()))));
    assert_pending!(call.poll());
    advance(SECOND).await;
    assert_pending!(call.poll(), "it does not cut");
    handle.set_readiness(Readiness::Ready);
    let error = assert_ready!(call.poll()).unwrap_err();
    assert_eq!(kind(&error), &TOO_LATE);
    assert_eq!((handle.calls(), handle.reserved()), (0, 0), "while the future still exists");
    let told = "send-deadline to-stock: rejected: the deadline had passed before the call";
    assert_eq!(recorder.take(), [told]);
    assert_eq!((layer.handle().snapshot().refused, layer.handle().name()), (1, "to-stock"));

    // One whose deadline has passed when it comes does not even ask.
    handle.set_readiness(Readiness::Broken);
    let service = service.ready().await.expect("refusals never come from poll_ready");
    let error = Deadline::scope(deadline, || service.call(Request::new(()))).await.unwrap_err();
    assert_eq!(kind(&error), &TOO_LATE);
    handle.set_readiness(Readiness::Ready);

    // A readiness that was claimed in place and is not used is given back as well.
    let soon = Some(Deadline::after(Duration::from_nanos(1)));
    let refused = Deadline::scope(soon, || service.call(Request::new(())));
    assert_eq!(handle.reserved(), 0);
    assert_eq!(kind(&refused.await.unwrap_err()), &TOO_LATE);
    assert_eq!(recorder.take().len(), 2);
    assert_eq!(layer.handle().snapshot().refused, 3);

    service.call(Request::new(())).await.unwrap();
    assert_eq!((handle.calls(), handle.reserved()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_says_less() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (probe, _handle) = Probe::new({
        let seen = Arc::clone(&seen);
        move |request: Request<()>| {
            let left = request.headers()[MILLIS].to_str().unwrap().parse::<u64>().unwrap();
            seen.lock().unwrap().push(left);
            Reply::After(SECOND / 4, Err::<(), _>("unavailable".into()))
        }
    });
    let client = SendDeadlineLayer::new().layer(probe);
    // A retry as plain as can be: the same request, as long as it is sent.
    let retry = service_fn(move |request: Request<()>| {
        let client = client.clone();
        async move {
            loop {
                let error = client.clone().oneshot(request.clone()).await.unwrap_err();
                if Rejection::find(error.as_ref()).is_some() {
                    return Err::<(), BoxError>(error);
                }
            }
        }
    });
    let outer = AcceptDeadlineLayer::new().layer(retry.map_response(|()| empty()));
    let error = outer.oneshot(with(map(&[(MILLIS, "1000")]))).await.unwrap_err();
    assert_eq!(kind(&error), &TOO_LATE);
    assert_eq!(*seen.lock().unwrap(), [1_000, 750, 500, 250]);
}

fn empty() -> Response<Empty<Bytes>> {
    Response::new(Empty::new())
}

/// A map holds so many headers and no more: one that has no room is sent without, and none that
/// says too much stays.
#[tokio::test(start_paused = true)]
async fn a_map_without_room_is_no_panic() {
    let full = |mut headers: HeaderMap| {
        let mut n = 0_u32;
        while headers
            .try_append(format!("x-{n}").parse::<HeaderName>().unwrap(), HeaderValue::from(1))
            .is_ok()
        {
            n += 1;
        }
        headers
    };
    let layer = SendDeadlineLayer::new();
    let headers = sent(&layer, full(HeaderMap::new()), SECOND).await.unwrap();
    assert!(!headers.contains_key(MILLIS));
    let headers = sent(&layer, full(map(&[(MILLIS, "9000")])), SECOND).await.unwrap();
    assert_eq!(headers[MILLIS], "1000");
}

#[tokio::test]
async fn settings_that_make_no_sense() {
    let wrong = DeadlineHeader::millis(HeaderName::from_static("grpc-timeout"));
    let error = SendDeadlineLayer::builder().header(wrong).build().unwrap_err();
    assert_eq!(error.setting(), "header");
    SendDeadlineLayer::builder().header(DeadlineHeader::GRPC_TIMEOUT).build().unwrap();
}

/// What came in by one header is not lengthened in another.
#[tokio::test(start_paused = true)]
async fn no_header_says_more_than_any_that_came_in() {
    let echo = tower::service_fn(async |request: Request<()>| Ok::<_, BoxError>(request));
    let request = Request::post("/")
        .header("content-type", "application/grpc")
        .header("x-request-timeout-ms", "100")
        .body(())
        .unwrap();
    let call = tower::ServiceExt::oneshot(SendDeadlineLayer::new().layer(echo), request);
    let sent = Deadline::scoped(Some(Deadline::after(Duration::from_secs(2))), call);
    let sent = sent.await.unwrap();
    let said = DeadlineHeader::GRPC_TIMEOUT.parse(&sent.headers()["grpc-timeout"]);
    assert_eq!(said, Some(Duration::from_millis(100)));
}
