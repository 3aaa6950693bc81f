//! Several compartments, each with a name.

use std::{convert::Infallible, time::Duration};

use buttress_bulkhead::{BulkheadHandle, BulkheadLayer, Compartment, CompartmentsHandle};
use buttress_core::{BoxError, Rejection, RejectionKind};
use buttress_testkit::{
    Probe, ProbeHandle, Recorder, Reply, assert_future_traits, assert_layer_traits, assert_pending,
    assert_service_traits, task,
};
use tokio::time::{Instant, advance, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// To this dependency, and how long it takes; none if it hangs.
type Request = (&'static str, Option<Duration>);

fn hangs(to: &'static str) -> Request {
    (to, None)
}

fn quick(to: &'static str) -> Request {
    (to, Some(Duration::ZERO))
}

fn shop()
-> (impl Service<Request, Response = (), Error = BoxError> + Clone, CompartmentsHandle, ProbeHandle)
{
    let layer = BulkheadLayer::compartments(|request: &Request| request.0)
        .compartment(("payment", 10))
        .compartment(("inventory", 15))
        .compartment(Compartment::new("email", 5).max_wait(SECOND).max_queue(2))
        .name("shop")
        .build()
        .unwrap();
    let (probe, inner) = Probe::new(|(_, takes): Request| match takes {
        Some(takes) => Reply::After(takes, Ok(())),
        None => Reply::Never,
    });
    let handle = layer.handle();
    (layer.layer(probe), handle, inner)
}

fn rejection(error: &BoxError) -> &Rejection {
    Rejection::find(error.as_ref()).expect("a rejection")
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_takes_its_own_places_and_nobody_elses() {
    let (mut shop, handle, _inner) = shop();
    let mut hanging: Vec<_> = (0..10).map(|_| task::spawn(shop.call(hangs("payment")))).collect();
    for call in &mut hanging {
        assert_pending!(call.poll());
    }
    let error = shop.call(hangs("payment")).await.unwrap_err();
    let full = RejectionKind::BulkheadFull { limit: 10, in_flight: 10, queued: 0 };
    assert_eq!((rejection(&error).name(), rejection(&error).kind()), ("shop/payment", &full));

    let start = Instant::now();
    for _ in 0..100 {
        shop.call(quick("inventory")).await.unwrap();
        shop.call(quick("email")).await.unwrap();
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody has waited");
    let of = |name| handle.get(name).expect("it is there").snapshot();
    assert_eq!((of("payment").in_flight, of("payment").rejected.full), (10, 1));
    for name in ["inventory", "email"] {
        let snapshot = of(name);
        assert_eq!((snapshot.in_flight, snapshot.admitted), (0, 100));
        assert_eq!((snapshot.rejected.total(), snapshot.waits.count()), (0, 0));
    }
    drop(hanging);
    shop.call(quick("payment")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_has_its_own_wait_and_queue() {
    let (mut shop, handle, inner) = shop();
    let mut hanging: Vec<_> = (0..5).map(|_| shop.call(hangs("email"))).collect();
    let mut waits = task::spawn(shop.call(hangs("email")));
    let gives_up = shop.call(quick("email"));
    let error = shop.call(quick("email")).await.unwrap_err();
    let full = RejectionKind::BulkheadFull { limit: 5, in_flight: 5, queued: 2 };
    assert_eq!(rejection(&error).kind(), &full);
    assert_pending!(waits.poll());

    advance(SECOND / 4).await;
    hanging.pop();
    assert!(waits.is_woken());
    assert_pending!(waits.poll(), "it is called now");
    let error = timeout(2 * SECOND, gives_up).await.expect("it ends").unwrap_err();
    let late = RejectionKind::QueueTimeout { limit: 5, in_flight: 5, queued: 0, waited: SECOND };
    assert_eq!((rejection(&error).name(), rejection(&error).kind()), ("shop/email", &late));
    assert!(rejection(&error).retry_after().is_some());

    let email = handle.get("email").expect("it is there").snapshot();
    assert_eq!((email.in_flight, email.queued, email.admitted), (5, 0, 6));
    let waited: Vec<_> = email.waits.buckets().filter(|(_, count)| *count > 0).collect();
    assert_eq!(waited, [(Duration::from_millis(256), 1)], "the one that was given a place");
    assert_eq!(inner.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_all_holds_where_one_says_nothing_of_its_own() {
    let layer = BulkheadLayer::compartments(|request: &Request| request.0)
        .max_wait(SECOND)
        .compartment(("payment", 1))
        .compartment(Compartment::new("inventory", 1).max_wait(Duration::ZERO))
        .compartment(Compartment::new("email", 1).max_wait(3 * SECOND))
        .default_compartment(("other", 1))
        .build()
        .unwrap();
    let (probe, _inner) = Probe::new(|_: Request| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    for (to, seconds) in [("payment", 1), ("inventory", 0), ("email", 3), ("unheard of", 1)] {
        let _taken = service.call(hangs(to));
        let start = Instant::now();
        let waits = timeout(60 * SECOND, service.call(hangs(to)));
        assert!(waits.await.expect("it ends").is_err());
        assert_eq!(start.elapsed(), seconds * SECOND, "{to}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_there_is_not_is_an_error_and_says_which() {
    let recorder = Recorder::new();
    let layer = BulkheadLayer::compartments(|request: &Request| request.0)
        .compartment(("payment", 1))
        .observer(recorder.clone())
        .build()
        .unwrap();
    let (probe, inner) = Probe::new(|_: Request| Reply::Now(Ok(())));
    let mut service = layer.layer(probe);
    let error = service.ready().await.unwrap().call(quick("paiment")).await.unwrap_err();
    let unknown = RejectionKind::UnknownCompartment { compartment: "paiment".into() };
    assert_eq!((rejection(&error).name(), rejection(&error).kind()), ("bulkhead", &unknown));
    assert!(rejection(&error).is_refusal());
    assert_eq!(
        recorder.take(),
        ["bulkhead bulkhead: rejected: no compartment is called `paiment`"]
    );
    assert_eq!((layer.handle().unknown(), inner.calls()), (1, 0));
    service.call(quick("payment")).await.unwrap();
}

/// Wherever its name stands among the others: the first, in the middle, the last.
#[tokio::test(start_paused = true)]
async fn the_default_takes_what_names_none_of_the_others() {
    for default in ["all others", "not known", "the rest"] {
        let layer = BulkheadLayer::compartments(|request: &Request| request.0)
            .compartment(("payment", 1))
            .compartment(("email", 1))
            .default_compartment((default, 2))
            .build()
            .unwrap();
        for layer in [layer.clone(), layer.isolated()] {
            let handle = layer.handle();
            let (probe, _inner) = Probe::new(|_: Request| Reply::<()>::Never);
            let mut service = layer.layer(probe);
            // One that nobody knows, its own name, and none.
            let _calls = [service.call(hangs("unheard of")), service.call(hangs(default))];
            let error = service.call(hangs("")).await.unwrap_err();
            assert_eq!(rejection(&error).name(), format!("bulkhead/{default}"));
            let in_flight = |name| handle.get(name).map(BulkheadHandle::in_flight);
            assert_eq!(in_flight(default), Some(2));
            assert_eq!((in_flight("payment"), in_flight("email")), (Some(0), Some(0)));
            assert_eq!(handle.unknown(), 0);
        }
    }
}

#[tokio::test]
async fn an_operator_sees_all_and_changes_one() {
    let (_shop, handle, _inner) = shop();
    assert_eq!(handle.names().collect::<Vec<_>>(), ["email", "inventory", "payment"]);
    let limits: Vec<_> = handle.handles().map(|(name, of)| (name, of.name(), of.limit())).collect();
    let expected = [
        ("email", "shop/email", 5),
        ("inventory", "shop/inventory", 15),
        ("payment", "shop/payment", 10),
    ];
    assert_eq!(limits, expected);
    handle.get("payment").expect("it is there").set_limit(2).unwrap();
    let limits: Vec<_> = handle.handles().map(|(_, of)| of.limit()).collect();
    assert_eq!(limits, [5, 15, 2]);
    assert!(handle.get("pay").is_none());
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_places_and_isolated_layers_do_not() {
    let layer = BulkheadLayer::compartments(|request: &Request| request.0)
        .compartment(("payment", 1))
        .build()
        .unwrap();
    let (probe, _inner) = Probe::new(|_: Request| Reply::<()>::Never);
    let _taken = layer.layer(probe.clone()).call(hangs("payment"));
    let mut same = layer.clone().layer(probe.clone()).clone();
    assert!(same.call(hangs("payment")).await.is_err());
    let isolated = layer.isolated();
    assert_eq!(format!("{isolated:?}"), format!("{layer:?}"));
    let _taken_too = isolated.layer(probe).call(hangs("payment"));
    let in_flight =
        |handle: CompartmentsHandle| handle.get("payment").map(BulkheadHandle::in_flight);
    assert_eq!((in_flight(layer.handle()), in_flight(isolated.handle())), (Some(1), Some(1)));
}

#[tokio::test]
async fn auto_traits() {
    let layer =
        BulkheadLayer::compartments(|_: &()| "one").compartment(("one", 1)).build().unwrap();
    assert_layer_traits(&layer);
    assert_layer_traits(&layer.handle());
    let mut service = layer.layer(service_fn(async |_: ()| Ok::<_, Infallible>(())));
    assert_service_traits(&service);
    assert_future_traits(&service.call(()));
}
