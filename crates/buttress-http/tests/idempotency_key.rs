//! One key for a call, the same for all its attempts.

use std::sync::{Arc, Mutex};

use buttress_http::{Http, IdempotencyKeyLayer};
use buttress_retry::{JitteredRetryLayer, RetryBudget};
use buttress_testkit::{
    Probe, ProbeHandle, Readiness, Reply, assert_layer_traits, assert_pending, task,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Empty;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

type Body = Empty<bytes::Bytes>;
type Server = Probe<Request<Body>, Response<Body>>;
type Keys = Arc<Mutex<Vec<Vec<String>>>>;

const KEY: &str = "idempotency-key";

/// A server that is never well, and the keys of the requests that it saw.
fn server() -> (Server, ProbeHandle, Keys) {
    let keys = Keys::default();
    let seen = Arc::clone(&keys);
    let (probe, handle) = Probe::new(move |request: Request<Body>| {
        let keys = request.headers().get_all(KEY).iter();
        seen.lock().unwrap().push(keys.map(|key| key.to_str().unwrap().to_owned()).collect());
        let response = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
        Reply::Now(Ok(response.body(Body::new()).unwrap()))
    });
    (probe, handle, keys)
}

fn request(method: Method) -> Request<Body> {
    Request::builder().method(method).body(Body::new()).unwrap()
}

fn seen(keys: &Keys) -> Vec<Vec<String>> {
    std::mem::take(&mut *keys.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn all_attempts_of_a_call_have_one_key_and_no_two_calls_the_same() {
    let (probe, _handle, keys) = server();
    let retry = JitteredRetryLayer::builder()
        .max_attempts(4)
        .budget(RetryBudget::builder().burst(4_000).build().unwrap())
        .protocol(Http::new());
    let service = ServiceBuilder::new()
        .layer(IdempotencyKeyLayer::new())
        .layer(retry.build().unwrap())
        .service(probe);
    let mut calls = Vec::new();
    for _ in 0..50 {
        service.clone().oneshot(request(Method::POST)).await.unwrap();
        let attempts = seen(&keys);
        assert_eq!(attempts.len(), 4, "a request with a key is repeated");
        assert!(attempts.iter().all(|keys| keys.len() == 1 && *keys == attempts[0]));
        calls.push(attempts[0][0].clone());
    }
    calls.sort();
    calls.dedup();
    assert_eq!(calls.len(), 50);
}

/// A string of RFC 9651 with a UUID of version 4, of which 122 bits are random.
#[tokio::test]
async fn a_key_has_the_form_of_the_draft() {
    let (probe, _handle, keys) = server();
    let service = IdempotencyKeyLayer::new().layer(probe);
    for _ in 0..100 {
        service.clone().oneshot(request(Method::POST)).await.unwrap();
    }
    for key in seen(&keys).concat() {
        let uuid = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap();
        let parts: Vec<_> = uuid.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts.concat().bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
        assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{uuid}");
    }
}

#[tokio::test]
async fn who_needs_none_or_brings_one_gets_none() {
    let (probe, _handle, keys) = server();
    let service = IdempotencyKeyLayer::new().layer(probe);
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        service.clone().oneshot(request(method)).await.unwrap();
    }
    assert!(seen(&keys).iter().all(Vec::is_empty));
    for method in [Method::POST, Method::PATCH, Method::CONNECT] {
        service.clone().oneshot(request(method)).await.unwrap();
    }
    assert!(seen(&keys).iter().all(|keys| keys.len() == 1));

    let mut own = request(Method::POST);
    own.headers_mut().insert(KEY, HeaderValue::from_static("mine"));
    service.clone().oneshot(own).await.unwrap();
    assert_eq!(seen(&keys), [["mine"]]);
    let mut says_nothing = request(Method::POST);
    says_nothing.headers_mut().insert(KEY, HeaderValue::from_static(" "));
    service.clone().oneshot(says_nothing).await.unwrap();
    let [replaced] = &seen(&keys)[..] else { panic!("one request") };
    assert!(replaced.len() == 1 && replaced[0].len() == 38, "{replaced:?}");
}

#[tokio::test]
async fn a_seed_repeats_a_run() {
    let run = async |seed| {
        let (probe, _handle, keys) = server();
        let layer = IdempotencyKeyLayer::builder().rng(seed).build();
        for _ in 0..3 {
            layer.layer(probe.clone()).oneshot(request(Method::POST)).await.unwrap();
        }
        seen(&keys).concat()
    };
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
    assert!(first[0] != first[1] && first[1] != first[2], "services of one layer share it");
}

/// `HeaderMap` holds so many headers and no more; to insert one more panics.
#[tokio::test]
async fn a_map_that_is_full_is_no_panic() {
    let (probe, handle, _keys) = server();
    let mut full = HeaderMap::new();
    for n in 0.. {
        let name = HeaderName::try_from(format!("x-{n}")).unwrap();
        if full.try_insert(name, HeaderValue::from_static("")).is_err() {
            break;
        }
    }
    let mut request = request(Method::POST);
    *request.headers_mut() = full;
    IdempotencyKeyLayer::new().layer(probe).oneshot(request).await.unwrap();
    assert_eq!(handle.calls(), 1);
}

/// It claims no readiness of its own, and calls the instance that was found ready.
#[tokio::test]
async fn readiness_is_the_inner_services() {
    let (probe, handle, _keys) = server();
    let layer = IdempotencyKeyLayer::new();
    assert_layer_traits(&layer);
    let mut service = layer.layer(probe);
    handle.set_readiness(Readiness::Pending);
    {
        let mut ready = task::spawn(service.ready());
        assert_pending!(ready.poll());
        handle.set_readiness(Readiness::Ready);
        assert!(ready.is_woken());
    }
    service.ready().await.unwrap().call(request(Method::POST)).await.unwrap();
    assert_eq!((handle.calls(), handle.reserved()), (1, 0));
}
