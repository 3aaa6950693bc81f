//! How each protocol says that a call has failed, and which headers it takes.

use buttress_core::{Classified, Spoil};
use buttress_http::{Grpc, Http};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};

/// The response by which this protocol says this status.
fn failure<P>(protocol: &P, status: u16) -> Option<P::Response>
where
    P: Spoil<Request<()>, Response<Full<Bytes>>>,
{
    protocol.failure(status)
}

#[test]
fn failures_are_of_the_protocol_s_own_statuses() {
    for (status, is_one) in [(0, false), (101, false), (200, true), (599, true), (600, false)] {
        let response = failure(&Http::new(), status);
        assert_eq!(response.is_some(), is_one, "{status}");
        if let Some(response) = response {
            assert_eq!(response.status(), status);
            assert!(response.headers().is_empty() && response.body().is_end_stream());
            assert_eq!(response.body().size_hint().exact(), Some(0));
        }
    }
    for (code, is_one) in [(0, true), (14, true), (16, true), (17, false), (503, false)] {
        let response = failure(&Grpc::new(), code);
        assert_eq!(response.is_some(), is_one, "{code}");
        if let Some(response) = response {
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["content-type"], "application/grpc");
            assert_eq!(response.headers()["grpc-status"], code.to_string());
            assert!(response.body().is_end_stream());
        }
    }
}

/// Of any status, with any headers and any body, which promises its length.
#[tokio::test]
async fn a_failure_is_any_response_that_a_function_makes() {
    fn page(bare: Response<()>) -> Response<Bytes> {
        let (head, ()) = bare.into_parts();
        let said = head.headers.get("grpc-status");
        let code = said.map_or(head.status.as_str().to_owned(), |code| format!("{code:?}"));
        let response = Response::builder().status(418).header("retry-after", 2);
        response.body(Bytes::from(format!("teapot in place of {code}"))).unwrap()
    }
    let http = failure(&Http::new().injected(page), 503).unwrap();
    let grpc = failure(&Grpc::new().injected(page), 14).unwrap();
    for (response, expected) in
        [(http, "teapot in place of 503"), (grpc, "teapot in place of \"14\"")]
    {
        let (head, mut body) = response.into_parts();
        assert_eq!(
            (head.status.as_u16(), &head.headers["retry-after"]),
            (418, &"2".parse().unwrap())
        );
        assert_eq!(head.headers.len(), 1);
        assert!(!body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(expected.len() as u64));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), expected);
        assert_eq!((body.is_end_stream(), body.size_hint().exact()), (true, Some(0)));
        assert!(body.frame().await.is_none());
    }
    // What is no status of the protocol is none of which it could make something.
    assert!(failure(&Http::new().injected(page), 14).is_none());
    assert!(failure(&Grpc::new().injected(page), 503).is_none());
}

#[test]
fn a_header_is_taken_with_all_its_values() {
    fn take<P: Spoil<Request<()>, Response<Full<Bytes>>>>(protocol: &P) {
        let bad = HeaderValue::from_bytes(b"\xff").unwrap();
        let request = Request::builder().header("x-list", "a").header("x-other", "o");
        let mut request = request.header("x-list", "b, c").header("x-bad", bad).body(()).unwrap();
        for (name, value) in [
            ("X-List", Some("a,b, c")),
            ("x-list", None),
            ("x-none", None),
            ("not a name", None),
            ("x-bad", Some("\u{fffd}")),
        ] {
            assert_eq!(protocol.take_header(&mut request, name).as_deref(), value, "{name}");
        }
        assert_eq!(request.headers().len(), 1, "another stays");
    }
    take(&Http::new());
    take(&Grpc::new());
    // A protocol stays what it is where its judging is replaced.
    take(&Classified::new(Http::new(), ()));
}
