//! Around hyper's client: large bodies and trailers pass as they are.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, body::Body, extract::Path, http::HeaderMap, routing::get};
use buttress::{http::Substituted, prelude::*};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::{Server, client};

const PART: usize = 16 << 10;

/// The parts of a body of so many KiB, each of them unlike the others.
pub(crate) fn parts(kib: usize) -> impl Iterator<Item = Bytes> {
    (0..(kib << 10) / PART).map(|n| {
        let bytes = (0..=250_u8).cycle().skip(n * 31 % 251).take(PART);
        bytes.collect::<Vec<_>>().into()
    })
}

fn whole(kib: usize) -> Vec<u8> {
    parts(kib).flatten().collect()
}

fn trailers(kib: usize) -> HeaderMap {
    HeaderMap::from_iter([("x-sum".parse().unwrap(), kib.to_string().parse().unwrap())])
}

/// Sends so many KiB and then trailers, or "503" while it is down.
async fn start(down: Arc<AtomicBool>) -> Server {
    let send = async move |Path(kib): Path<usize>| {
        if down.load(Ordering::SeqCst) {
            return Response::builder().status(503).body(Body::from("down")).unwrap();
        }
        let end = stream::iter([Frame::trailers(trailers(kib))]);
        let frames = stream::iter(parts(kib)).map(Frame::data).chain(end);
        Response::new(Body::new(StreamBody::new(frames.map(Ok::<_, Infallible>))))
    };
    Server::start(Router::new().route("/{kib}", get(send))).await
}

type Passed = Substituted<Incoming, Full<Bytes>>;
type Boxed =
    BoxCloneSyncService<Request<Empty<Bytes>>, (Response<Vec<u8>>, Option<HeaderMap>), BoxError>;

/// A client that remembers answers up to 1 MiB, and reads them.
fn remembering() -> Boxed {
    let fallback = FallbackLayer::<(), Response<Full<Bytes>>>::builder()
        .protocol(Http::new())
        .keep(|request: &Request<Empty<Bytes>>| RequestHead::of(request))
        .last_known_good(
            "memory",
            LastKnownGood::new(MemoryStore::builder().build().unwrap(), |head: &RequestHead| {
                ResponseKey::new().of(head)
            }),
        )
        .build()
        .unwrap();
    let service = ServiceBuilder::new().layer(fallback).service(client(true));
    BoxCloneSyncService::new(service.and_then(async |response: Response<Passed>| {
        let (head, body) = response.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned();
        Ok((Response::from_parts(head, body.to_bytes().to_vec()), trailers))
    }))
}

#[tokio::test]
async fn bodies_and_their_trailers_pass_as_they_are_and_come_back_if_they_are_not_too_large() {
    let down = Arc::new(AtomicBool::new(false));
    let server = start(Arc::clone(&down)).await;
    let client = remembering();
    let get = async |kib: usize| {
        let uri = format!("http://{}/{kib}", server.address);
        client.clone().oneshot(Request::get(uri).body(Empty::new()).unwrap()).await.unwrap()
    };
    for is_down in [false, true] {
        down.store(is_down, Ordering::SeqCst);
        for kib in [16, 512, 10 << 10] {
            let (response, end) = get(kib).await;
            let mark = response.headers().get("x-buttress-degraded");
            if is_down && kib > 1 << 10 {
                // The original failure: there was more of it than is remembered.
                assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{kib}");
                assert_eq!((mark, &response.body()[..]), (None, &b"down"[..]), "{kib}");
                continue;
            }
            assert_eq!(response.status(), StatusCode::OK, "{kib}");
            assert_eq!(mark.is_some(), is_down, "{kib}");
            if is_down {
                let status = r#""fallback"; fwd=stale; fwd-status=503; detail="memory""#;
                assert_eq!(response.headers()["cache-status"], status);
            }
            assert!(*response.body() == whole(kib), "{kib} KiB");
            assert_eq!(end, Some(trailers(kib)), "{kib}");
        }
    }
}
