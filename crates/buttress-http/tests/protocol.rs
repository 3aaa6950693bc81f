//! What statuses, headers and methods mean.

use std::time::{Duration, SystemTime};

use buttress_core::{BoxError, Classify, Judgement, Outcome, Repeat, Repeatability, Retry};
use buttress_http::{Http, retry_after};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Version, header::RETRY_AFTER};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;

fn judge(status: u16) -> Judgement {
    let response = Response::builder().status(status).body(()).unwrap();
    Http::new().classify(Ok(&response))
}

#[test]
fn statuses() {
    let expected = |status| match status {
        429 => (Outcome::Neutral, Retry::IfRepeatable),
        501 | 505 => (Outcome::Neutral, Retry::Never),
        502..=504 => (Outcome::Failure, Retry::IfRepeatable),
        500.. => (Outcome::Failure, Retry::Never),
        _ => (Outcome::Success, Retry::Never),
    };
    for status in 100..=999 {
        let judgement = judge(status);
        assert_eq!((judgement.outcome, judgement.retry), expected(status), "{status}");
        assert_eq!(judgement.after, None);
    }
}

#[test]
fn a_hint_comes_with_the_judgement() {
    for (status, hint) in [(503, Some(7)), (429, Some(7)), (500, None), (200, None)] {
        let response =
            Response::builder().status(status).header(RETRY_AFTER, "7").body(()).unwrap();
        let judgement = Http::new().classify(Ok(&response));
        assert_eq!(judgement.after, hint.map(Duration::from_secs), "{status}");
    }
}

#[test]
fn statuses_are_judged_as_told() {
    let http = Http::new().statuses(|status| match status.as_u16() {
        408 => Some(Judgement::NEUTRAL.retry(Retry::IfRepeatable)),
        503 => Some(Judgement::NEUTRAL),
        500 => Some(Judgement::FAILURE.after(Some(Duration::from_secs(1)))),
        _ => None,
    });
    let judge = |status: u16| {
        let response = Response::builder().status(status).header(RETRY_AFTER, "7");
        http.classify(Ok(&response.body(()).unwrap()))
    };
    let seven = Some(Duration::from_secs(7));
    assert_eq!(judge(408), Judgement::NEUTRAL.retry(Retry::IfRepeatable).after(seven));
    assert_eq!(judge(503), Judgement::NEUTRAL, "no hint where there is to be no other attempt");
    assert_eq!(judge(500).after, Some(Duration::from_secs(1)), "its own delay");
    assert_eq!(judge(502), Judgement::FAILURE.after(seven), "as by the table");
    assert_eq!(judge(200), Judgement::SUCCESS);
    // Under gRPC the status of HTTP says nothing.
    let response = Response::builder().header("content-type", "application/grpc");
    let response = response.header("grpc-status", "14").body(()).unwrap();
    let all = Http::new().statuses(|_| Some(Judgement::SUCCESS));
    assert_eq!(all.classify(Ok(&response)), Judgement::FAILURE);
    // Also where the trailers are to say it.
    let response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let none = Http::new().statuses(|_| Some(Judgement::FAILURE));
    assert_eq!(none.classify(Ok(&response)), Judgement::SUCCESS);
}

#[test]
fn the_hint_is_read_where_told() {
    let http = Http::new().hint(|headers| {
        headers.get("x-wait")?.to_str().ok()?.parse().ok().map(Duration::from_millis)
    });
    let judge = |status: u16, name: &str| {
        let response = Response::builder().status(status).header(name, "7");
        http.classify(Ok(&response.body(()).unwrap())).after
    };
    assert_eq!(judge(503, "x-wait"), Some(Duration::from_millis(7)));
    assert_eq!(judge(429, "x-wait"), Some(Duration::from_millis(7)));
    assert_eq!(judge(503, "retry-after"), None, "in place of the usual one");
    assert_eq!(judge(200, "x-wait"), None);
}

#[test]
fn methods_are_idempotent_as_told() {
    let when = |http: Http, method: &Method, key: bool| {
        let mut request = Request::builder().method(method).body(Full::<Bytes>::default()).unwrap();
        if key {
            request.headers_mut().insert("idempotency-key", "a".parse().unwrap());
        }
        http.repeat(&request).unwrap().when
    };
    let safe = Http::new().idempotent(Method::is_safe);
    assert_eq!(when(safe, &Method::GET, false), Repeatability::Always);
    assert_eq!(when(safe, &Method::PUT, false), Repeatability::OnlyUnsent);
    assert_eq!(when(safe, &Method::PUT, true), Repeatability::Always);
    assert_eq!(when(Http::new(), &Method::PUT, false), Repeatability::Always);
}

/// A gRPC status counts only where gRPC is spoken, and there only under the status of HTTP that it
/// comes with.
#[test]
fn a_grpc_status_counts_under_grpc_alone() {
    for (content_type, status, expected) in [
        ("application/grpc", 200, Judgement::FAILURE),
        ("application/json", 200, Judgement::SUCCESS),
        ("application/grpc-web", 200, Judgement::SUCCESS),
        ("application/grpc", 404, Judgement::SUCCESS),
        ("application/grpc", 500, Judgement::FAILURE.retry(Retry::Never)),
    ] {
        let response = Response::builder()
            .status(status)
            .header("content-type", content_type)
            .header("grpc-status", "14")
            .body(())
            .unwrap();
        assert_eq!(Http::new().classify(Ok(&response)), expected, "{content_type} {status}");
    }
}

#[test]
fn errors_are_judged_as_everywhere() {
    let error: BoxError = "connection reset".into();
    let result: Result<&Response<()>, _> = Err(&error);
    assert_eq!(Http::new().classify(result), Judgement::FAILURE);
}

fn hint(value: &[u8], now: SystemTime) -> Option<Duration> {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, value.try_into().ok()?);
    retry_after(&headers, now)
}

#[test]
fn both_forms_of_retry_after() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(hint(b"0", now), seconds(0));
    assert_eq!(hint(b" 120 ", now), seconds(120));
    assert_eq!(hint(b"99999999999999999999999", now), seconds(u64::MAX));
    // 784,111,777 is Sun, 06 Nov 1994 08:49:37 GMT.
    assert_eq!(hint(b"Sun, 06 Nov 1994 08:49:47 GMT", now), seconds(10));
    assert_eq!(hint(b"Sun, 06 Nov 1994 08:49:27 GMT", now), seconds(0), "past");
    for malformed in [&b""[..], b"-1", b"+1", b"1.5", b"soon", b"1 2", b"\xff"] {
        assert_eq!(hint(malformed, now), None, "{malformed:?}");
    }
}

proptest! {
    #[test]
    fn no_header_value_panics(value: Vec<u8>) {
        hint(&value, SystemTime::UNIX_EPOCH);
    }
}

fn request(method: Method, body: &'static str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = "http://upstream/path?query".parse().unwrap();
    request.headers_mut().insert("x-kept", "yes".parse().unwrap());
    request.extensions_mut().insert(7_u32);
    *request.version_mut() = Version::HTTP_2;
    request
}

#[tokio::test]
async fn a_copy_is_like_the_first() {
    let first = request(Method::PUT, "content");
    let repeated = Http::new().repeat(&first).expect("PUT is idempotent");
    assert_eq!(repeated.when, Repeatability::Always);
    let copy = repeated.request;
    assert_eq!(copy.method(), Method::PUT);
    assert_eq!(copy.uri(), first.uri());
    assert_eq!(copy.version(), Version::HTTP_2);
    assert_eq!(copy.headers(), first.headers());
    assert_eq!(copy.extensions().get::<u32>(), Some(&7));
    assert_eq!(copy.into_body().collect().await.unwrap().to_bytes(), "content");
}

#[test]
fn only_idempotent_methods_or_keyed_requests() {
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let repeated = Http::new().repeat(&request(method, "")).expect("a copy");
        assert_eq!(repeated.when, Repeatability::Always);
    }
    let when = |request| Http::new().repeat(&request).map(|repeated| repeated.when);
    for method in [Method::POST, Method::PATCH, Method::CONNECT] {
        assert_eq!(when(request(method, "")), Some(Repeatability::OnlyUnsent));
    }
    for (key, repeatable) in [("\"8e03978e\"", true), ("", false), (" ", false)] {
        let mut keyed = request(Method::POST, "order");
        keyed.headers_mut().insert("idempotency-key", key.parse().unwrap());
        assert_eq!(when(keyed) == Some(Repeatability::Always), repeatable, "{key:?}");
    }
}

#[test]
fn a_streamed_body_cannot_be_had_twice_but_an_empty_one_of_any_type_can() {
    use buttress_testkit::{BodyStep, ScriptedBody};
    let empty = Request::new(ScriptedBody::default());
    assert!(Http::new().repeat(&empty).is_some());
    let streamed = Request::new(ScriptedBody::new([BodyStep::Data("a")]));
    assert!(Http::new().repeat(&streamed).is_none());
}
