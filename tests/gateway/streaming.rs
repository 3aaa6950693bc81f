//! Bodies stream, in both directions, whatever is spoken on either side.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use crate::{
    bodies::{bit_by_bit, empty, full, read, same},
    running::{Gateway, WAYS, client, head, send},
    upstream::Upstream,
};

#[tokio::test]
async fn a_response_comes_before_its_request_has_ended() {
    let upstream = Upstream::echo().await;
    for (ours, theirs) in WAYS {
        let gateway = Gateway::start(&[("/", &upstream.speaking(theirs))]).await;
        let (frames, body) = bit_by_bit();
        let request = Request::post(gateway.uri("/")).body(body).unwrap();
        frames.data("one").await;
        let mut response = head(&client(ours), request).await.into_body();
        assert_eq!(read(&mut response, 3).await, b"one", "{ours:?} to {theirs:?}");
        frames.data("two").await;
        assert_eq!(read(&mut response, 3).await, b"two", "{ours:?} to {theirs:?}");
        drop(frames);
    }
}

#[tokio::test]
async fn ten_mebibytes_each_way_are_unchanged() {
    let bytes: Vec<u8> =
        (0..10_u32 << 20).map(|n| (n ^ (n >> 8) ^ (n >> 16)).to_le_bytes()[0]).collect();
    let bytes = Bytes::from(bytes);
    let upstream = Upstream::echo().await;
    for (ours, theirs) in WAYS {
        let gateway = Gateway::start(&[("/", &upstream.speaking(theirs))]).await;
        let request = Request::put(gateway.uri("/")).body(full(bytes.clone())).unwrap();
        let response = send(&client(ours), request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.body() == &bytes, "{ours:?} to {theirs:?}: another body");
    }
}

/// The answer is passed on while the upload goes on, and the upload is not repeated: nobody knows what
/// the upstream did with what it took.
#[tokio::test]
async fn an_upload_of_unknown_length_is_answered_early() {
    // Kept as they are: to drop a request would be to refuse the rest.
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let upstream = Upstream::start(move |request| {
        keep.lock().unwrap().push(request);
        async {
            let busy = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
            Ok(busy.body(full("not now"))?)
        }
    })
    .await;
    for (number, (ours, theirs)) in WAYS.into_iter().enumerate() {
        let gateway = Gateway::start(&[("/", &upstream.speaking(theirs))]).await;
        let (frames, body) = bit_by_bit();
        let request = Request::put(gateway.uri("/")).body(body).unwrap();
        frames.data("the first part").await;
        let response = send(&client(ours), request).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{ours:?} to {theirs:?}");
        assert_eq!(response.body(), "not now", "{ours:?} to {theirs:?}");
        assert_eq!(upstream.requests(), number + 1, "{ours:?} to {theirs:?}");
    }
}

/// A body that comes whole is sent again where its request may be.
#[tokio::test]
async fn what_fails_once_is_repeated_with_its_body() {
    let failed = Mutex::new(false);
    let upstream = Upstream::start(move |request| {
        let fails = !std::mem::replace(&mut *failed.lock().unwrap(), true);
        async move {
            let body = same(request.into_body());
            if fails {
                // Read to its end first.
                let _ = http_body_util::BodyExt::collect(body).await?;
                return Ok(Response::builder().status(503).body(empty())?);
            }
            Ok(Response::new(body))
        }
    })
    .await;
    let gateway = Gateway::start(&[("/", &upstream.h1())]).await;
    let request = Request::put(gateway.uri("/")).body(full("a thing")).unwrap();
    let response = send(&client(crate::running::Speaks::H1), request).await;
    assert_eq!((response.status(), &response.body()[..]), (StatusCode::OK, &b"a thing"[..]));
    assert_eq!(upstream.requests(), 2);
}
