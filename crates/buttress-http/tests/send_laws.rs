//! The laws of a deadline from hop to hop, as properties over a paused clock.

use std::{convert::Infallible, task::Poll, time::Duration};

use buttress_core::{BoxError, Deadline};
use buttress_http::{AcceptDeadlineLayer, DeadlineHeader, SendDeadlineLayer};
use buttress_testkit::{Probe, ProbeHandle, Readiness, Reply, task};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body_util::Empty;
use proptest::prelude::*;
use tokio::{
    runtime::{Builder, Runtime},
    time::advance,
};
use tower::{Layer, ServiceExt, service_fn};

const MILLIS: &str = "x-request-timeout-ms";
const ENVOY: &str = "x-envoy-expected-rq-timeout-ms";
const GRPC: &str = "grpc-timeout";
const KNOWN: [DeadlineHeader; 3] = [
    DeadlineHeader::GRPC_TIMEOUT,
    DeadlineHeader::REQUEST_TIMEOUT_MS,
    DeadlineHeader::ENVOY_EXPECTED_TIMEOUT_MS,
];

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
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

fn empty() -> Response<Empty<Bytes>> {
    Response::new(Empty::new())
}

/// One hop of a chain: what it is to the layers, and how long it takes before it sends.
#[derive(Debug, Clone)]
struct Hop {
    grpc: bool,
    own: &'static str,
    /// The headers that came in are passed on.
    proxy: bool,
    max: Option<u64>,
    micros: u64,
}

fn hop() -> impl Strategy<Value = Hop> {
    let own = prop::sample::select(vec![MILLIS, ENVOY, "x-left"]);
    let max = prop::option::weighted(0.2, 1..3_000_u64);
    (any::<bool>(), own, any::<bool>(), max, 0..400_000_u64)
        .prop_map(|(grpc, own, proxy, max, micros)| Hop { grpc, own, proxy, max, micros })
}

/// A hop that accepts a request with these headers, works, and sends one: the deadline that it was
/// given, and the headers that it sent, if it did.
async fn pass(hop: Hop, headers: HeaderMap) -> Option<(Deadline, Option<HeaderMap>)> {
    let left = DeadlineHeader::millis(HeaderName::from_static("x-left"));
    let mut accept = AcceptDeadlineLayer::builder().headers(KNOWN.into_iter().chain([left]));
    if let Some(max) = hop.max {
        accept = accept.max(Duration::from_millis(max));
    }
    let (probe, handle) = echo();
    let client = own(hop.own).layer(probe);
    let handler = service_fn(move |request: Request<()>| {
        let (client, handle, hop) = (client.clone(), handle.clone(), hop.clone());
        async move {
            let given = Deadline::current().expect("every request has one");
            let came = if hop.proxy { request.headers().clone() } else { HeaderMap::new() };
            let mut outgoing = with(came);
            outgoing.headers_mut().remove(CONTENT_TYPE);
            if hop.grpc {
                let value = HeaderValue::from_static("application/grpc");
                outgoing.headers_mut().insert(CONTENT_TYPE, value);
            }
            // One half before the call, and the other until the client is ready.
            handle.set_readiness(Readiness::Pending);
            advance(Duration::from_micros(hop.micros / 2)).await;
            let mut call = task::spawn(client.oneshot(outgoing));
            let early = call.poll();
            advance(Duration::from_micros(hop.micros / 2)).await;
            handle.set_readiness(Readiness::Ready);
            let result = if let Poll::Ready(result) = early { result } else { call.await };
            let mut response = empty();
            response
                .extensions_mut()
                .insert((given, result.ok().map(|sent| sent.headers().clone())));
            Ok::<_, Infallible>(response)
        }
    });
    let response = accept.build().unwrap().layer(handler).oneshot(with(headers)).await.ok()?;
    response.extensions().get::<(Deadline, Option<HeaderMap>)>().cloned()
}

proptest! {
    /// What one hop sends is at most what the hop before it was given, less the time it took, and
    /// no more is lost than is cut off with the milliseconds.
    #[test]
    fn no_hop_has_more_than_the_one_before(
        first in 1..3_000_u64,
        hops in prop::collection::vec(hop(), 1..6),
    ) {
        paused().block_on(async {
            let mut headers = map(&[(MILLIS, &first.to_string())]);
            let mut before = Deadline::after(Duration::from_millis(first));
            for hop in hops {
                let Some((given, sent)) = pass(hop.clone(), headers).await else {
                    prop_assert!(false, "what is sent is never zero");
                    break;
                };
                prop_assert!(given <= before, "{:?} more", given.instant() - before.instant());
                let lost = before.instant() - given.instant();
                prop_assert!(lost < Duration::from_millis(1) || hop.max.is_some(), "{lost:?} lost");
                before = given;
                let Some(sent) = sent else {
                    prop_assert!(given.remaining() < Duration::from_millis(1));
                    break;
                };
                // Of a header that its layer was not told of, a proxy passes on what came in.
                let own = DeadlineHeader::millis(HeaderName::from_static(hop.own));
                for header in KNOWN.iter().chain([&own]) {
                    for value in sent.get_all(header.name()) {
                        prop_assert!(header.parse(value).unwrap() <= given.remaining());
                    }
                }
                let primary = if hop.grpc { GRPC } else { hop.own };
                prop_assert!(sent.contains_key(primary), "{primary}");
                headers = sent;
            }
            Ok(())
        })?;
    }

    /// Whatever stood there before, what is sent is valid and says no more than remains.
    #[test]
    fn no_header_says_more_than_remains(
        values in prop::collection::vec(
            (
                prop::sample::select(vec![MILLIS, ENVOY, GRPC]),
                prop_oneof![
                    "[0-9]{1,22}[HMSmun]?".prop_map(String::into_bytes),
                    prop::collection::vec(prop_oneof![Just(b'\t'), 32..127_u8, 128..=255_u8], 0..12),
                ],
            ),
            0..6,
        ),
        grpc in any::<bool>(),
        remaining in 1..5_000_000_u64,
    ) {
        paused().block_on(async {
            let mut headers = HeaderMap::new();
            for (name, value) in values {
                headers.append(name, HeaderValue::from_bytes(&value).unwrap());
            }
            if grpc {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            }
            let primary = if grpc { GRPC } else { MILLIS };
            let remaining = Duration::from_micros(remaining);
            let least = |headers: &HeaderMap, header: &DeadlineHeader| {
                headers.get_all(header.name()).iter().filter_map(|value| header.parse(value)).min()
            };
            let layer = SendDeadlineLayer::new();
            let result = sent(&layer, headers.clone(), remaining).await;
            let mut nothing_left = false;
            let least_said = KNOWN.iter().filter_map(|header| least(&headers, header)).min();
            let said = least_said.map_or(remaining, |said| said.min(remaining));
            for header in KNOWN {
                let written = headers.contains_key(header.name()) || header.name() == primary;
                let expected = written
                    .then(|| match header.name().as_str() {
                        GRPC => said,
                        _ => Duration::from_millis(u64::try_from(said.as_millis()).unwrap()),
                    });
                nothing_left |= expected == Some(Duration::ZERO);
                if let Ok(sent) = &result {
                    prop_assert_eq!(least(sent, &header), expected, "{}", header.name());
                    let count = sent.get_all(header.name()).iter().count();
                    prop_assert_eq!(count, usize::from(written));
                }
            }
            prop_assert_eq!(result.is_err(), nothing_left);
            Ok(())
        })?;
    }
}
