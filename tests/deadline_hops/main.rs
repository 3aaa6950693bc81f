//! One deadline across three hops: axum, axum, tonic. No handler passes anything on.

mod clock;
mod hops;

use std::time::Duration;

use buttress::prelude::*;
use bytes::Bytes;
use clock::{Answer, Clock};
use hops::{Hop, remaining};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;

/// What the caller gives the first hop, which answers with what it had left, and its callees.
async fn ask(uri: &Uri, timeout: &str) -> (StatusCode, Vec<Duration>) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = Request::get(uri).header("x-request-timeout-ms", timeout);
    let response = client.request(request.body(Full::default()).unwrap()).await.unwrap();
    let status = response.status();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    (status, remaining(&text))
}

#[tokio::test]
async fn each_hop_sees_less_than_the_one_before() {
    let last = Clock::serve(Answer::Remaining).await;
    let second = Hop::over_grpc(last.uri().clone()).await;
    let first = Hop::over_http(second.uri().clone()).await;
    // A machine that stalls for half a second proves nothing, and is asked again.
    for _ in 0..20 {
        let (status, seen) = ask(first.uri(), "500").await;
        if status != StatusCode::OK {
            continue;
        }
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert!(seen[0] <= Duration::from_millis(500), "{seen:?}");
        assert!(seen[0] > seen[1] && seen[1] > seen[2] && seen[2] > Duration::ZERO, "{seen:?}");
        return;
    }
    panic!("not one call of twenty came through in half a second");
}

#[tokio::test]
async fn a_call_with_nothing_left_is_refused_at_the_door_of_the_last_hop() {
    let last = Clock::serve(Answer::Remaining).await;
    let (status, message) = last.call("0m").await;
    assert_eq!((status.as_str(), message), ("4", Bytes::new()), "DEADLINE_EXCEEDED");
    assert_eq!((last.calls(), last.refused()), (0, 1));
    let (status, message) = last.call("30S").await;
    assert_eq!((status.as_str(), remaining(&message).len()), ("0", 1));
    assert_eq!((last.calls(), last.refused()), (1, 1));
}

#[tokio::test]
async fn a_hop_with_nothing_left_sends_nothing_on() {
    let last = Clock::serve(Answer::Remaining).await;
    let second = Hop::over_grpc(last.uri().clone()).await;
    let first = Hop::that_dawdles(second.uri().clone()).await;
    let (status, _) = ask(first.uri(), "100").await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    let (status, _) = ask(second.uri(), "0").await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(last.calls(), 0);
}

#[tokio::test]
async fn what_hangs_at_the_last_hop_ends_at_every_hop() {
    let last = Clock::serve(Answer::Nothing).await;
    let second = Hop::over_grpc(last.uri().clone()).await;
    let first = Hop::over_http(second.uri().clone()).await;
    // At the last moment all clocks of the chain fire, tonic's own too: whichever was first.
    for _ in 0..5 {
        let (status, _) = ask(first.uri(), "100").await;
        assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    }
    last.all_gone().await;
}

/// tonic's client goes by the header that it is given to send, and here nobody else is there to cut:
/// the peer takes the request, and that is all.
#[tokio::test]
async fn what_tonics_client_cuts_is_cut_by_the_deadline() {
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", peer.local_addr().unwrap()).parse().unwrap();
    // A machine that stalls until there is nothing left to send proves nothing, and is asked again.
    for _ in 0..20 {
        let deadline = Deadline::after(Duration::from_millis(100));
        let call = Deadline::scoped(Some(deadline), clock::call(Uri::clone(&uri)));
        let error = call.await.unwrap_err();
        let rejection = Rejection::find(error.as_ref()).expect("a rejection");
        if rejection.is_refusal() {
            continue;
        }
        assert_eq!(rejection.kind(), &RejectionKind::DeadlineExceeded { called: true });
        assert!(error.source().unwrap().to_string().contains("transport"), "tonic's, as cause");
        return;
    }
    panic!("not one call of twenty was sent in time");
}

/// The head of the answer has been sent, with all well: only trailers can still say otherwise.
#[tokio::test]
async fn a_stream_that_is_cut_in_its_midst_ends_with_the_status() {
    let last = Clock::serve(Answer::Stalls).await;
    let (status, message) = last.call("200m").await;
    assert_eq!((status.as_str(), &message[..]), ("4", &b"half"[..]));
    last.all_gone().await;
}
