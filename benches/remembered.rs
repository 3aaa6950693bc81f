//! What it costs to remember a good answer, beside passing it on: per response, and per KiB.
//!
//! Answers of several lengths, in parts of 16 KiB as a socket gives them, are passed through a fallback
//! that remembers nothing, and through one that does: in a store that forgets at once, so that what is
//! measured is the layer and the copy, and in the store of this process.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    task::{Context, Poll},
    time::Duration,
};

use buttress::{fallback::Store, http::Substituted, prelude::*};
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use futures_util::{FutureExt, stream};
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use tower::{Layer, Service};

/// What a socket gives at once.
const PART: usize = 16 << 10;

type Parts = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

/// Answers with so many bytes.
#[derive(Clone)]
struct Answers(usize);

impl Service<Request<()>> for Answers {
    type Response = Response<Parts>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Parts>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<()>) -> Self::Future {
        static BYTES: [u8; PART] = [7; PART];
        let mut parts = Vec::with_capacity(self.0.div_ceil(PART));
        for start in (0..self.0).step_by(PART) {
            let part = Bytes::from_static(&BYTES[..PART.min(self.0 - start)]);
            parts.push(Ok(Frame::data(part)));
        }
        let mut response = Response::new(StreamBody::new(stream::iter(parts)));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        ready(Ok(response))
    }
}

/// Takes whatever it is given, and has nothing.
struct Forgets;

impl Store for Forgets {
    async fn get(&self, _key: &str) -> Result<Option<Bytes>, BoxError> {
        Ok(None)
    }

    async fn put(&self, _key: &str, value: Bytes, _keep_for: Duration) -> Result<(), BoxError> {
        black_box(value);
        Ok(())
    }
}

fn remembers<S: Store>(store: S, bytes: usize) -> impl Service<Request<()>, Response = Passed> {
    FallbackLayer::<(), Response<Full<Bytes>>>::builder()
        .protocol(Http::new())
        .last_known_good(
            "memory",
            LastKnownGood::new(store, |(): &()| Some("a key of some length")),
        )
        .build()
        .expect("valid")
        .layer(Answers(bytes))
}

type Passed = Response<Substituted<Parts, Full<Bytes>>>;

fn forgets(bytes: usize) -> impl Service<Request<()>, Response = Passed> {
    FallbackLayer::builder()
        .protocol(Http::new())
        .value("none", |(): &(), _: &_| Response::new(Full::default()))
        .build()
        .expect("valid")
        .layer(Answers(bytes))
}

/// Passes an answer on to its end.
fn pass<S, B>(service: &mut S) -> usize
where
    S: Service<Request<()>, Response = Response<B>>,
    B: Body<Data = Bytes> + Unpin,
{
    let Some(Ok(response)) = service.call(Request::new(())).now_or_never() else {
        panic!("a ready service answers at once");
    };
    let mut body = response.into_body();
    let mut bytes = 0;
    while let Some(Some(Ok(frame))) = body.frame().now_or_never() {
        bytes += frame.data_ref().map_or(0, Bytes::len);
    }
    bytes
}

fn remembered(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("remembered");
    for kib in [0, 1, 16, 256] {
        let bytes = kib << 10;
        let store = || MemoryStore::builder().build().expect("valid");
        let mut service = Answers(bytes);
        group.bench_function(BenchmarkId::new("bare", kib), |b| b.iter(|| pass(&mut service)));
        let mut service = forgets(bytes);
        group.bench_function(BenchmarkId::new("passed", kib), |b| b.iter(|| pass(&mut service)));
        let mut service = remembers(Forgets, bytes);
        group.bench_function(BenchmarkId::new("copied", kib), |b| b.iter(|| pass(&mut service)));
        let mut service = remembers(store(), bytes);
        group.bench_function(BenchmarkId::new("stored", kib), |b| b.iter(|| pass(&mut service)));
    }
    group.finish();
}

criterion_group!(benches, remembered);
criterion_main!(benches);
