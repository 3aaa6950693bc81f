//! Requests with a body, answered with one of the same length, both read to their end. No sockets.
//!
//! Ours speak the protocol `Http`: all five follow the response to the end of its body, and what is sent of the
//! request is kept, so that it could be sent again. The peers are over when the head has come; they keep of
//! the request a clone of its body, which here is a number.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use buttress::prelude::*;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceBuilder, service_fn};

use crate::{
    call::answer,
    inner::{Down, Inner, reach},
    peers::{self, ATTEMPTS, FAILURES, LIMIT, OPEN_FOR, PLACES},
    results::Who,
    subject::{Subject, Subjects},
};

/// What a socket gives at once.
const PART: usize = 16 << 10;

const BODIES: [(usize, &str); 3] = [
    (0, "five under HTTP, empty bodies"),
    (256, "five under HTTP, 256 bytes"),
    (1 << 20, "five under HTTP, 1 MiB in 64 frames"),
];

/// A body of so many bytes, a part at a time; it costs nothing to make.
#[derive(Debug, Clone, Default)]
struct Parts {
    left: usize,
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static BYTES: [u8; PART] = [7; PART];
        let part = PART.min(self.left);
        self.left -= part;
        Poll::Ready((part > 0).then(|| Ok(Frame::data(Bytes::from_static(&BYTES[..part])))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

pub(super) fn add(to: &mut Subjects) {
    for (bytes, row) in BODIES {
        add_service(to, row, Who::Bare, bytes, echoes());
        add_service(to, row, Who::Buttress, bytes, stacked(echoes()));
        add_service(to, row, Who::Tower, bytes, peers::tower::stacked(echoes()));
        #[cfg(feature = "peers")]
        {
            let none = Response::new(Parts::default());
            let peer = peers::tower_resilience::stacked(none.clone(), echoes());
            add_service(to, row, Who::TowerResilience, bytes, peer);
            add_service(to, row, Who::Seatbelt, bytes, peers::seatbelt::stacked(none, echoes()));
        }
    }
}

/// The one of ours with bodies of so many bytes.
pub fn ours(bytes: usize) -> Subject {
    let mut only = Subjects::default();
    add_service(&mut only, "five under HTTP", Who::Buttress, bytes, stacked(echoes()));
    only.all.pop().expect("it was added")
}

/// Reads the request to its end, and answers with as many bytes.
fn echoes<B>() -> impl Inner<Request<B>, Response = Response<Parts>>
where
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Send + 'static,
{
    service_fn(async |request: Request<B>| {
        let left = length(request.into_body()).await;
        reach();
        let mut response = Response::new(Parts { left });
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        Ok::<_, Down>(response)
    })
}

async fn length<B>(body: B) -> usize
where
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let mut body = std::pin::pin!(body);
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame.expect("no body fails").data_ref().map_or(0, Bytes::len);
    }
    bytes
}

/// As the facade recommends it.
fn stacked<S>(
    inner: S,
) -> impl Service<Request<Parts>, Response = Response<impl Body<Data = Bytes, Error: std::fmt::Debug>>>
where
    S: Inner<Request<buttress::http::ReplayBody>, Response = Response<Parts>>,
{
    let bulkhead = BulkheadLayer::builder().max_concurrent(PLACES).protocol(Http::new());
    let breaker = BreakerLayer::builder()
        .consecutive_failures(FAILURES)
        .open_for(OPEN_FOR)
        .protocol(Http::new());
    let retry = JitteredRetryLayer::builder().max_attempts(ATTEMPTS).protocol(Http::new());
    let timeout = TimeoutLayer::builder().overall(LIMIT).protocol(Http::new());
    let fallback = FallbackLayer::builder()
        .protocol(Http::new())
        .value("none", |(): &(), _: &_| Response::new(Full::<Bytes>::default()));
    ServiceBuilder::new()
        .layer(fallback.build().expect("valid"))
        .layer(timeout.build().expect("valid"))
        .layer(ReplayBodyLayer::new())
        .layer(retry.build().expect("valid"))
        .layer(breaker.build().expect("valid"))
        .layer(bulkhead.build().expect("valid"))
        .service(inner)
}

fn add_service<S, B>(to: &mut Subjects, row: &str, who: Who, bytes: usize, mut service: S)
where
    S: Service<Request<Parts>, Response = Response<B>> + 'static,
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    to.add(row, who, 1, move || {
        let mut request = Request::new(Parts { left: std::hint::black_box(bytes) });
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        let response = answer(&mut service, request).expect("it answers");
        length(response.into_body()).now_or_never() == Some(bytes)
    });
}
