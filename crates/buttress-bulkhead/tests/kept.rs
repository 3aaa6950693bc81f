//! What was set is kept: whatever is said after it, and in an isolated layer.

use std::{future::poll_fn, time::Duration};

use buttress_bulkhead::{BulkheadLayer, BulkheadLayerBuilder, Compartment, CompartmentsBuilder};
use buttress_core::{BoxError, Plain, Rejection, RejectionKind};
use buttress_testkit::{Probe, Recorder, Reply, assert_pending, assert_ready, task};
use tokio::{runtime::Handle, time::timeout};
use tower::{Layer, Service};

const SECOND: Duration = Duration::from_secs(1);

type Request = &'static str;
type Hangs = Probe<Request, ()>;

fn hangs() -> Hangs {
    Probe::new(|_: Request| Reply::Never).0
}

/// None of them is what holds if nothing is said.
fn set(recorder: &Recorder) -> BulkheadLayerBuilder {
    BulkheadLayer::builder()
        .max_concurrent(2)
        .max_wait(3 * SECOND)
        .max_queue(1)
        .name("shop")
        .observer(recorder.clone())
}

/// The same for compartments: one of them, and one for all others whose name is not the first.
fn compartments(
    recorder: &Recorder,
) -> CompartmentsBuilder<Plain, impl Fn(&Request) -> &str + Clone + Send + Sync + 'static> {
    BulkheadLayer::compartments(|to: &Request| *to)
        .max_wait(3 * SECOND)
        .name("shop")
        .observer(recorder.clone())
        .default_compartment(Compartment::new("the rest", 2).max_queue(1))
        .compartment(Compartment::new("payment", 2).max_queue(1))
}

/// Asks for one place too many while another call waits until it gives up. What the observer hears of
/// the two names every setting.
async fn overfill<S>(service: &mut S, request: Request, recorder: &Recorder) -> Vec<String>
where
    S: Service<Request, Response = (), Error = BoxError>,
{
    let _in_flight = [service.call(request), service.call(request)];
    let waits = service.call(request);
    let mut refused = task::spawn(service.call(request));
    assert_ready!(refused.poll()).expect_err("one too many");
    timeout(60 * SECOND, waits).await.expect("it gives up").expect_err("there was no place");
    recorder.take()
}

fn as_set(name: &str) -> [String; 2] {
    [
        format!("bulkhead {name}: rejected: full, 2 of 2 places taken and 1 waiting"),
        format!(
            "bulkhead {name}: rejected: no place became free in 3.0s, 2 of 2 taken and 0 waiting"
        ),
    ]
}

/// Whether it waits where it is asked whether it is ready.
fn waits<S>(service: &mut S) -> bool
where
    S: Service<Request, Response = (), Error = BoxError>,
{
    task::spawn(poll_fn(|cx| service.poll_ready(cx))).poll().is_pending()
}

#[tokio::test(start_paused = true)]
async fn what_a_builder_was_told_outlives_what_it_is_told_later() {
    let recorder = Recorder::new();
    let mut plain = set(&recorder).protocol(Plain).build().unwrap().layer(hangs());
    assert_eq!(overfill(&mut plain, "", &recorder).await, as_set("shop"));
    let apart = set(&recorder).on_runtime(Handle::current()).build().unwrap();
    assert_eq!(overfill(&mut apart.layer(hangs()), "", &recorder).await, as_set("shop"));

    let builder = || BulkheadLayer::builder().max_concurrent(1).backpressure();
    let plain = builder().protocol(Plain).build().unwrap();
    let (mut first, mut second) = (plain.layer(hangs()), plain.layer(hangs()));
    assert_eq!((waits(&mut first), waits(&mut second)), (false, true));
    let apart = builder().on_runtime(Handle::current()).build().unwrap();
    let (mut first, mut second) = (apart.layer(hangs()), apart.layer(hangs()));
    assert_eq!((waits(&mut first), waits(&mut second)), (false, true));
}

#[tokio::test(start_paused = true)]
async fn what_a_builder_of_compartments_was_told_outlives_what_it_is_told_later() {
    let recorder = Recorder::new();
    let mut plain = compartments(&recorder).protocol(Plain).build().unwrap().layer(hangs());
    let mut apart = compartments(&recorder)
        .compartment_on_runtime(("apart", 1), Handle::current())
        .build()
        .unwrap()
        .layer(hangs());
    for (request, name) in [("payment", "shop/payment"), ("unheard of", "shop/the rest")] {
        assert_eq!(overfill(&mut plain, request, &recorder).await, as_set(name));
        assert_eq!(overfill(&mut apart, request, &recorder).await, as_set(name));
    }
}

#[tokio::test(start_paused = true)]
async fn an_isolated_layer_keeps_all_but_the_places() {
    let recorder = Recorder::new();
    let layer = set(&recorder).build().unwrap();
    let mut first = layer.layer(hangs());
    let _taken = [first.call(""), first.call(""), first.call("")];
    let isolated = layer.isolated();
    assert_eq!(overfill(&mut isolated.layer(hangs()), "", &recorder).await, as_set("shop"));
    let places = [layer.handle(), isolated.handle()].map(|of| (of.in_flight(), of.queued()));
    assert_eq!(places, [(2, 1), (0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn an_isolated_layer_keeps_backpressure() {
    let layer = BulkheadLayer::builder().max_concurrent(1).max_queue(1).backpressure();
    let layer = layer.build().unwrap();
    let isolated = layer.isolated();
    let mut taken = layer.layer(hangs());
    assert!(!waits(&mut taken));
    let mut services: Vec<_> = (0..3).map(|_| isolated.layer(hangs())).collect();
    let asked: Vec<_> = services.iter_mut().map(waits).collect();
    // One has the place, one waits for it, and one is ready to be refused.
    assert_eq!(asked, [false, true, false]);
    let error = assert_ready!(task::spawn(services[2].call("")).poll()).unwrap_err();
    assert_eq!(
        Rejection::find(error.as_ref()).expect("a rejection").kind(),
        &RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 1 }
    );
    drop(taken);
    assert!(waits(&mut services[1]), "for the place of its own layer");
    assert_eq!((layer.handle().in_flight(), isolated.handle().in_flight()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn isolated_compartments_keep_all_but_the_places() {
    let recorder = Recorder::new();
    let layer = compartments(&recorder).build().unwrap();
    let mut first = layer.layer(hangs());
    let mut taken: Vec<_> = ["payment", "payment", "unheard of", "unheard of"]
        .map(|request| task::spawn(first.call(request)))
        .into();
    let mut isolated = layer.isolated().layer(hangs());
    for (request, name) in [("payment", "shop/payment"), ("unheard of", "shop/the rest")] {
        assert_eq!(overfill(&mut isolated, request, &recorder).await, as_set(name));
    }
    for taken in &mut taken {
        assert_pending!(taken.poll());
    }

    // Of one without a default, what names none of them is refused, and heard of.
    let layer = BulkheadLayer::compartments(|to: &Request| *to).compartment(("payment", 1));
    let layer = layer.name("shop").observer(recorder.clone()).build().unwrap().isolated();
    let mut refused = task::spawn(layer.layer(hangs()).call("paiment"));
    assert_ready!(refused.poll()).unwrap_err();
    let heard = "bulkhead shop: rejected: no compartment is called `paiment`";
    assert_eq!(recorder.take(), [heard]);
}

#[cfg(feature = "keyed")]
mod keyed {
    use buttress_bulkhead::KeyedBulkheadHandle;

    use super::*;

    /// How many keys are kept while somebody holds each, if there are more than enough.
    fn room(handle: &KeyedBulkheadHandle<u32>) -> usize {
        let held: Vec<_> = (0..1_100).map_while(|key| handle.of(&key)).collect();
        assert_eq!(handle.len(), held.len());
        held.len()
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_builder_was_told_holds_for_each_key() {
        let recorder = Recorder::new();
        let layer = set(&recorder).keyed(|to: &Request| *to).max_keys(1).build().unwrap();
        for layer in [layer.clone(), layer.isolated()] {
            let mut service = layer.layer(hangs());
            let heard = overfill(&mut service, "7", &recorder).await;
            assert_eq!(heard, as_set("shop/7"));
            // What there is no room for has the layer's own name.
            let _kept = layer.handle().get("7").expect("kept");
            let heard = overfill(&mut service, "8", &recorder).await;
            assert_eq!(heard, as_set("shop"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn how_many_keys_there_is_room_for_is_what_was_said_and_else_a_thousand() {
        let builder = || BulkheadLayer::builder().max_concurrent(1).keyed(|key: &u32| *key);
        for (builder, expected) in [(builder(), 1_000), (builder().max_keys(3), 3)] {
            let layer = builder.protocol(Plain).on_runtime(Handle::current()).build().unwrap();
            assert_eq!(room(&layer.handle()), expected);
            assert_eq!(room(&layer.isolated().handle()), expected, "isolated");
        }
    }
}
