//! What the compiler has to say: auto traits, and the names that a stack can be kept under.

use std::convert::Infallible;

use buttress::{
    breaker::{Breaker, BreakerFollower},
    bulkhead::{Bulkhead, Permit},
    chaos::Chaos,
    fallback::{Failure, Fallback, Nothing},
    http::{
        AcceptDeadline, Followed, IdempotencyKey, ReplayBody, Replaying, Respond, SendDeadline,
        Substituted, TransferTimeout, Watched,
    },
    prelude::*,
    retry::JitteredRetry,
    timeout::{ConnectTimeout, Timeout, TimeoutFollower},
};
use buttress_testkit::{Probe, ScriptedBody};
use buttress_tests::{Recommended, stack};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};

use crate::{Upstream, get, text, upstream};

type Plainly = Probe<u64, u64>;

/// Kept anywhere, shared by threads, moved as one likes.
fn free<T: Send + Sync + Unpin + 'static>() {}

/// A layer or a service: free, and cloned.
fn free_clone<T: Clone + Send + Sync + Unpin + 'static>() {}

/// A future can be spawned.
fn spawned<S, Req>()
where
    S: Service<Req, Future: Send + 'static> + Clone + Send + Sync + Unpin + 'static,
{
}

#[test]
fn layers_are_free() {
    free_clone::<TimeoutLayer>();
    free_clone::<TimeoutLayer<Http>>();
    free_clone::<ConnectTimeoutLayer>();
    free_clone::<JitteredRetryLayer>();
    free_clone::<JitteredRetryLayer<Http>>();
    free_clone::<BreakerLayer>();
    free_clone::<BreakerLayer<Http>>();
    free_clone::<BulkheadLayer>();
    free_clone::<BulkheadLayer<Http>>();
    // What they answer with is made when it is needed, and need not be `Sync`.
    free_clone::<FallbackLayer<(), u64>>();
    free_clone::<FallbackLayer<(), Response<std::cell::Cell<u8>>, Http>>();
    free_clone::<ChaosLayer>();
    free_clone::<TransferTimeoutLayer>();
    free_clone::<AcceptDeadlineLayer>();
    free_clone::<SendDeadlineLayer>();
    free_clone::<IdempotencyKeyLayer>();
    free_clone::<ReplayBodyLayer>();
    free_clone::<RespondLayer>();
}

#[test]
fn services_are_free_and_their_futures_can_be_spawned() {
    type Answer = Response<Full<Bytes>>;
    type Req = Request<ScriptedBody>;
    spawned::<Timeout<Plainly>, u64>();
    spawned::<Timeout<Upstream, Http>, Req>();
    spawned::<ConnectTimeout<Plainly>, u64>();
    spawned::<JitteredRetry<Plainly>, u64>();
    spawned::<JitteredRetry<Upstream, Http>, Req>();
    spawned::<Breaker<Plainly>, u64>();
    spawned::<Breaker<Upstream, Http>, Req>();
    spawned::<Bulkhead<Plainly>, u64>();
    spawned::<Bulkhead<Upstream, Http>, Req>();
    spawned::<Fallback<Plainly, (), u64>, u64>();
    spawned::<Fallback<Upstream, (), Answer, Http, Nothing>, Req>();
    spawned::<Chaos<Plainly>, u64>();
    spawned::<TransferTimeout<Probe<Request<Watched<ScriptedBody>>, Response<ScriptedBody>>>, Req>(
    );
    spawned::<AcceptDeadline<Upstream>, Req>();
    spawned::<SendDeadline<Upstream>, Req>();
    spawned::<IdempotencyKey<Upstream>, Req>();
    spawned::<Replaying<Probe<Request<ReplayBody>, Response<ScriptedBody>>>, Req>();
    spawned::<Respond<Upstream>, Req>();
    spawned::<<Recommended as LayerOf<Upstream>>::Service, Req>();
}

/// hyper asks its request bodies to be `Unpin`, and boxes want them `Send`, some `Sync` as well.
#[test]
fn bodies_are_free() {
    free::<Followed<ScriptedBody, TimeoutFollower>>();
    free::<Followed<ScriptedBody, BreakerFollower>>();
    free::<Followed<ScriptedBody, Permit>>();
    free::<Watched<ScriptedBody>>();
    free::<Substituted<ScriptedBody, Full<Bytes>>>();
    free::<ReplayBody>();
}

/// A `Layer`, of which the service alone is to be named.
trait LayerOf<S> {
    type Service;
}

impl<S, L: Layer<S>> LayerOf<S> for tower::ServiceBuilder<L> {
    type Service = L::Service;
}

/// The whole stack around a client, by its name.
type Stacked<C> = <Recommended as LayerOf<C>>::Service;

/// A client that keeps its stack by name.
struct Named {
    service: Stacked<Upstream>,
}

/// One that keeps it in a box, and so under no type but those of request and response.
struct Boxed {
    service: BoxCloneSyncService<Request<ScriptedBody>, Response<Full<Bytes>>, Infallible>,
}

/// One that leaves the type to whoever makes it.
struct Generic<S> {
    service: S,
}

/// Said as `impl Trait`, nothing has to be named at all.
fn client() -> impl Service<
    Request<ScriptedBody>,
    Response = Response<impl http_body::Body<Data = Bytes, Error: Into<BoxError>>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ Sync
+ 'static {
    stack().unwrap().service(upstream().0)
}

#[tokio::test(start_paused = true)]
async fn a_stack_can_be_kept_by_name_in_a_box_and_as_what_it_is() {
    let named = Named { service: stack().unwrap().service(upstream().0) };
    assert_eq!(
        text(named.service.clone().oneshot(get("/")).await.unwrap()).await,
        "the real thing"
    );
    let whole = client().and_then(async |response: Response<_>| {
        Ok(Response::new(Full::from(text(response).await)))
    });
    let boxed = Boxed { service: BoxCloneSyncService::new(whole) };
    assert_eq!(text(boxed.service.oneshot(get("/")).await.unwrap()).await, "the real thing");
    let generic = Generic { service: client() };
    assert_eq!(text(generic.service.oneshot(get("/")).await.unwrap()).await, "the real thing");
}

/// Nothing has to be told to the compiler that it could know: around an ordinary function, and under
/// HTTP, each builder is used without naming a type.
#[tokio::test(start_paused = true)]
async fn no_type_has_to_be_named() {
    let double = tower::service_fn(async |n: u64| Ok::<_, Infallible>(2 * n));
    let service = tower::ServiceBuilder::new()
        .layer(FallbackLayer::builder().value("none", |_, _| 0).build().unwrap())
        .layer(TimeoutLayer::builder().build().unwrap())
        .layer(JitteredRetryLayer::builder().build().unwrap())
        .layer(BreakerLayer::builder().build().unwrap())
        .layer(BulkheadLayer::builder().max_concurrent(1).build().unwrap())
        .layer(ChaosLayer::builder().build().unwrap())
        .service(double);
    assert_eq!(service.oneshot(21).await.unwrap(), 42);
    let http = Http::new();
    let placeholder = |_: &(), _: &Failure<'_>| Response::new(Full::from("a placeholder"));
    let service = tower::ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(AcceptDeadlineLayer::new())
        .layer(FallbackLayer::builder().value("none", placeholder).protocol(http).build().unwrap())
        .layer(TimeoutLayer::builder().protocol(http).build().unwrap())
        .layer(IdempotencyKeyLayer::new())
        .layer(JitteredRetryLayer::builder().protocol(http).build().unwrap())
        .layer(BreakerLayer::builder().protocol(http).build().unwrap())
        .layer(BulkheadLayer::builder().max_concurrent(1).protocol(http).build().unwrap())
        .layer(SendDeadlineLayer::new())
        .service(upstream().0);
    assert_eq!(text(service.oneshot(get("/")).await.unwrap()).await, "the real thing");
}
