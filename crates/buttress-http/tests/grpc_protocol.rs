//! What a client of gRPC alone makes of what it gets, and of what it sends again.

use std::{
    future::ready,
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress_core::{
    Attempt, BoxError, Classify, End, Follow, Follower, Judgement, Repeat, Repeatability, Retry,
    Substitute,
};
use buttress_http::{Grpc, Repeatable};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty, Full};

fn judge(grpc: Grpc, status: u16, fields: &[(&str, &str)]) -> Judgement {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    grpc.classify(Ok(&response.body(()).unwrap()))
}

const GRPC: (&str, &str) = ("content-type", "application/grpc+proto");

#[test]
fn what_is_not_grpc_is_judged_by_the_code_for_its_status() {
    let never = |judgement: Judgement| judgement.retry(Retry::Never);
    for (status, expected) in [
        (200, never(Judgement::FAILURE)),
        (204, never(Judgement::FAILURE)),
        (302, never(Judgement::FAILURE)),
        (400, never(Judgement::FAILURE)),
        (401, Judgement::SUCCESS),
        (403, Judgement::SUCCESS),
        (404, Judgement::NEUTRAL),
        (418, never(Judgement::FAILURE)),
        (429, Judgement::FAILURE),
        (500, never(Judgement::FAILURE)),
        (502, Judgement::FAILURE),
        (503, Judgement::FAILURE),
        (504, Judgement::FAILURE),
    ] {
        assert_eq!(
            judge(Grpc::new(), status, &[("content-type", "text/html")]),
            expected,
            "{status}"
        );
    }
    assert_eq!(judge(Grpc::new(), 200, &[GRPC]), Judgement::SUCCESS, "the trailers will say");
    let pushed = judge(Grpc::new(), 503, &[("grpc-retry-pushback-ms", "250")]);
    assert_eq!(pushed, Judgement::FAILURE.after(Some(Duration::from_millis(250))));
    // A proxy that answers in the server's place has only HTTP's means.
    let thirty = ("retry-after", "30");
    let told = judge(Grpc::new(), 503, &[thirty]);
    assert_eq!(told, Judgement::FAILURE.after(Some(Duration::from_secs(30))));
    let pushed = judge(Grpc::new(), 503, &[thirty, ("grpc-retry-pushback-ms", "250")]);
    assert_eq!(pushed.after, Some(Duration::from_millis(250)), "gRPC's own goes before it");
    let stopped = judge(Grpc::new(), 503, &[thirty, ("grpc-retry-pushback-ms", "-1")]);
    assert_eq!(stopped, Judgement::FAILURE.retry(Retry::Never));
    assert_eq!(judge(Grpc::new(), 404, &[thirty]).after, None);
}

#[test]
fn a_status_in_the_head_is_believed_whatever_comes_with_it() {
    for (status, content_type) in [(200, GRPC.1), (200, "text/html"), (500, GRPC.1)] {
        let said = |code| {
            judge(Grpc::new(), status, &[("content-type", content_type), ("grpc-status", code)])
        };
        assert_eq!(said("5"), Judgement::SUCCESS, "{status} {content_type}");
        assert_eq!(said("14"), Judgement::FAILURE, "{status} {content_type}");
    }
}

#[test]
fn codes_are_judged_as_told() {
    let grpc = Grpc::new().codes(|code| match code {
        5 => Some(Judgement::FAILURE),
        14 => Some(Judgement::NEUTRAL),
        _ => None,
    });
    let said = |code, pushback| {
        judge(grpc, 200, &[GRPC, ("grpc-status", code), ("grpc-retry-pushback-ms", pushback)])
    };
    assert_eq!(said("5", "7").after, Some(Duration::from_millis(7)));
    assert_eq!(said("5", "-1"), Judgement::FAILURE.retry(Retry::Never));
    assert_eq!(said("14", "7"), Judgement::NEUTRAL);
    assert_eq!(said("3", "7"), Judgement::SUCCESS, "of which nothing was said");
    assert_eq!(said("x", "7"), Judgement::FAILURE.retry(Retry::Never), "no code");
    assert_eq!(judge(grpc, 503, &[]), Judgement::NEUTRAL, "as the code for it");
}

#[test]
fn a_stream_is_timed_to_its_head_where_that_is_told() {
    let to_head = |grpc: Grpc| grpc.timed_to_head(&Response::new(Full::<Bytes>::default()));
    assert!(to_head(Grpc::new().slow_by_head()));
    assert!(!to_head(Grpc::new()));
}

#[test]
fn methods_are_repeated_as_told() {
    let grpc = Grpc::new().repeatable(|path| path.starts_with("/shop.Catalogue/Get"));
    let when = |request: &Request<Full<Bytes>>| grpc.repeat(request).unwrap().when;
    let request = |path: &str| Request::post(path).body(Full::from("message")).unwrap();
    assert_eq!(when(&request("http://shop/shop.Catalogue/GetItem")), Repeatability::Always);
    assert_eq!(when(&request("/shop.Catalogue/Buy")), Repeatability::OnlyUnsent);
    let mut marked = request("/shop.Catalogue/Buy");
    marked.extensions_mut().insert(Repeatable);
    assert_eq!(when(&marked), Repeatability::Always);
    let mut keyed = request("/shop.Catalogue/Buy");
    keyed.headers_mut().insert("idempotency-key", "a".parse().unwrap());
    assert_eq!(when(&keyed), Repeatability::Always);
    // A GET is no request of gRPC.
    let get = Request::get("/shop.Catalogue/Buy").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(Grpc::new().repeat(&get).unwrap().when, Repeatability::OnlyUnsent);
}

#[test]
fn an_attempt_says_how_many_came_before_it() {
    let mut request = Request::new(Empty::<Bytes>::new());
    Repeat::mark(&Grpc::new(), &mut request, Attempt::new(1, 3));
    assert!(request.headers().is_empty());
    assert_eq!(request.extensions().get(), Some(&Attempt::new(1, 3)));
    Repeat::mark(&Grpc::new(), &mut request, Attempt::new(3, 3));
    assert_eq!(request.headers()["grpc-previous-rpc-attempts"], "2");
    // A gateway's server would else be told of the attempts of another client, and then of fewer.
    Repeat::mark(&Grpc::new(), &mut request, Attempt::new(1, 3));
    assert!(request.headers().is_empty());
}

#[test]
fn errors_prove_what_they_are_said_to_prove() {
    let grpc = Grpc::new().unsent(|error| error.to_string() == "refused");
    let judge = |text: &str| {
        Classify::<Response<()>>::classify(&grpc, Err(&BoxError::from(text.to_owned())))
    };
    assert_eq!(judge("refused").retry, Retry::Safe);
    assert_eq!(judge("reset"), Judgement::FAILURE);
}

#[test]
fn a_substitute_must_be_an_answer_by_the_same_word() {
    let grpc = Grpc::new().codes(|code| (code == 5).then_some(Judgement::FAILURE));
    let check = |status: u16, code: Option<&str>| {
        let mut response = Response::builder().status(status).header(GRPC.0, GRPC.1);
        if let Some(code) = code {
            response = response.header("grpc-status", code);
        }
        let alternative = response.body(Empty::<Bytes>::new()).unwrap();
        let checked = Substitute::<Response<Empty<Bytes>>, _>::check(&grpc, &alternative);
        checked.map_err(|error| error.to_string())
    };
    assert_eq!(check(200, Some("0")), Ok(()));
    assert_eq!(check(200, Some("5")), Err("it answered gRPC status \"5\"".into()));
    assert_eq!(check(503, None), Err("it answered 503 Service Unavailable".into()));
    let page = Response::builder().header("content-type", "text/html").body(Empty::<Bytes>::new());
    let checked = Substitute::<Response<Empty<Bytes>>, _>::check(&grpc, &page.unwrap());
    assert_eq!(checked.unwrap_err().to_string(), "it answered 200 OK, which is not gRPC");
}

struct Told(Arc<Mutex<Option<Judgement>>>);

impl Follower for Told {
    fn ended(self, end: End<'_>) {
        let End::Complete(judgement) = end else { panic!("{end:?}") };
        *self.0.lock().unwrap() = Some(judgement);
    }
}

/// The word for a code holds for the trailers, too, and the server's hint comes with them.
#[tokio::test]
async fn trailers_are_judged_as_told() {
    let grpc = Grpc::new().codes(|code| (code == 8).then_some(Judgement::FAILURE));
    for (fields, expected) in [
        (vec![("grpc-status", "8")], Judgement::FAILURE),
        (
            vec![("grpc-status", "8"), ("grpc-retry-pushback-ms", "250")],
            Judgement::FAILURE.after(Some(Duration::from_millis(250))),
        ),
        (vec![("grpc-status", "0")], Judgement::SUCCESS),
        (vec![("grpc-status", "1")], Judgement::NEUTRAL),
        (vec![("x", "y")], Judgement::FAILURE.retry(Retry::Never)),
    ] {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let trailers: HeaderMap = fields.collect();
        let body = Full::<Bytes>::from("message").with_trailers(ready(Some(Ok(trailers.clone()))));
        let response = Response::builder().header(GRPC.0, GRPC.1).body(body).unwrap();
        let told = Arc::new(Mutex::new(None));
        let response = grpc.follow(response, Told(Arc::clone(&told)));
        assert_eq!(*told.lock().unwrap(), None);
        response.into_body().collect().await.unwrap();
        assert_eq!(*told.lock().unwrap(), Some(expected), "{trailers:?}");
    }
}

/// A body that ends without a word is UNKNOWN, as what is no gRPC at all is.
#[tokio::test]
async fn no_status_is_judged_as_told_for_unknown() {
    let grpc = Grpc::new().codes(|code| (code == 2).then_some(Judgement::NEUTRAL));
    let body = Full::<Bytes>::from("message");
    let response = Response::builder().header(GRPC.0, GRPC.1).body(body).unwrap();
    let told = Arc::new(Mutex::new(None));
    let response = grpc.follow(response, Told(Arc::clone(&told)));
    response.into_body().collect().await.unwrap();
    assert_eq!(*told.lock().unwrap(), Some(Judgement::NEUTRAL));
    assert_eq!(judge(grpc, 200, &[("content-type", "text/html")]), Judgement::NEUTRAL);
}
