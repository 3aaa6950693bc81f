//! One circuit for each key.
#![cfg(feature = "keyed")]

use std::{
    collections::BTreeMap,
    future::{Ready, ready},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use buttress_breaker::{BreakerLayer, BreakerLayerBuilder, KeyedBreakerHandle};
use buttress_core::{BoxError, CircuitState, Event, EventKind, Rejection};
use buttress_testkit::{
    Probe, ProbeHandle, Recorder, Reply, assert_layer_traits, assert_pending,
    assert_service_traits, task,
};
use tokio::time::advance;
use tower::{Layer, Service};

const OPEN_FOR: Duration = Duration::from_secs(30);

/// What the inner service shall do.
#[derive(Debug, Clone, Copy)]
enum Act {
    Succeed,
    Fail,
    Hang,
}

/// To this host.
type Request = (&'static str, Act);

fn host(request: &Request) -> String {
    request.0.to_owned()
}

fn first_failure() -> BreakerLayerBuilder {
    BreakerLayer::builder().consecutive_failures(1).open_for(OPEN_FOR).name("hosts")
}

fn actor() -> (Probe<Request, ()>, ProbeHandle) {
    Probe::new(|(_, act)| match act {
        Act::Succeed => Reply::Now(Ok(())),
        Act::Fail => Reply::Now(Err("down".into())),
        Act::Hang => Reply::Never,
    })
}

fn refused_by(error: &BoxError) -> Option<&str> {
    Rejection::find(error.as_ref()).map(Rejection::name)
}

fn states(handle: &KeyedBreakerHandle<String>) -> BTreeMap<String, CircuitState> {
    handle.handles().into_iter().map(|(key, circuit)| (key, circuit.state())).collect()
}

#[tokio::test(start_paused = true)]
async fn each_key_has_a_circuit_of_its_own_and_is_named() {
    let recorder = Recorder::new();
    let layer = first_failure().observer(recorder.clone()).keyed(host).build().unwrap();
    let handle = layer.handle();
    assert_layer_traits(&layer);
    assert_layer_traits(&handle);
    let (probe, inner) = actor();
    let mut service = layer.layer(probe);
    assert_service_traits(&service);
    assert!(handle.is_empty());
    service.call(("up", Act::Succeed)).await.unwrap();
    service.call(("down", Act::Fail)).await.unwrap_err();
    let error = service.call(("down", Act::Succeed)).await.unwrap_err();
    assert_eq!(refused_by(&error), Some("hosts/down"));
    // Also through another service of this layer.
    let mut other = layer.clone().layer(actor().0);
    assert_eq!(
        refused_by(&other.call(("down", Act::Succeed)).await.unwrap_err()),
        Some("hosts/down")
    );
    service.call(("up", Act::Succeed)).await.expect("the neighbour is well");
    assert_eq!(inner.calls(), 3);
    let rejected = "breaker hosts/down: rejected: circuit open, since a call failed";
    let events = ["breaker hosts/down: circuit closed -> open", rejected, rejected];
    assert_eq!(recorder.take(), events);

    let expected = [("down", CircuitState::Open), ("up", CircuitState::Closed)];
    assert_eq!(states(&handle), expected.map(|(key, state)| (key.to_owned(), state)).into());
    assert_eq!((handle.len(), handle.is_empty(), handle.overflowed()), (2, false, 0));
    let down = handle.get("down").unwrap();
    assert_eq!((down.name(), down.snapshot().rejected), ("hosts/down", 2));
    assert!(handle.get("unheard of").is_none());
    down.reset();
    service.call(("down", Act::Succeed)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn isolated_knows_no_key_and_shares_none() {
    let layer = first_failure().keyed(host).max_keys(1).build().unwrap();
    let mut service = layer.layer(actor().0);
    service.call(("down", Act::Fail)).await.unwrap_err();
    let apart = layer.isolated();
    assert!(apart.handle().is_empty());
    let mut service = apart.layer(actor().0);
    service.call(("down", Act::Succeed)).await.expect("a circuit of its own");
    let error = service.call(("down", Act::Fail)).await.unwrap_err();
    assert_eq!(refused_by(&error), None);
    let error = service.call(("down", Act::Fail)).await.unwrap_err();
    assert_eq!(refused_by(&error), Some("hosts/down"), "of the same settings and name");
    service.call(("other", Act::Succeed)).await.unwrap();
    assert_eq!((apart.handle().len(), apart.handle().overflowed()), (1, 1), "of the same bound");
    assert_eq!(layer.handle().overflowed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_forgotten_comes_again_closed() {
    let layer = first_failure().consecutive_failures(2).keyed(host).max_keys(1).build().unwrap();
    let (mut service, handle) = (layer.layer(actor().0), layer.handle());
    let failures = |key| handle.get(key).map(|circuit| circuit.snapshot().failures);
    service.call(("a", Act::Fail)).await.unwrap_err();
    assert_eq!(failures("a"), Some(1));
    service.call(("b", Act::Fail)).await.unwrap_err();
    assert_eq!((failures("a"), failures("b")), (None, Some(1)));
    service.call(("a", Act::Fail)).await.unwrap_err();
    assert_eq!((failures("a"), handle.overflowed()), (Some(1), 0), "begun anew");

    // One that is open is kept, and let go when its time is over.
    service.call(("a", Act::Fail)).await.unwrap_err();
    service.call(("b", Act::Succeed)).await.unwrap();
    assert_eq!((failures("a"), failures("b"), handle.overflowed()), (Some(2), None, 1));
    advance(OPEN_FOR).await;
    service.call(("b", Act::Succeed)).await.unwrap();
    assert_eq!((failures("a"), failures("b"), handle.overflowed()), (None, Some(0), 1));
    service.call(("a", Act::Succeed)).await.unwrap();
    assert_eq!(handle.get("a").unwrap().snapshot().opened, 0);
}

/// Where no key can be forgotten, a new one's calls are let in and count for nothing.
#[tokio::test(start_paused = true)]
async fn what_does_not_fit_passes_and_counts_for_nothing() {
    let recorder = Recorder::new();
    let layer = first_failure().observer(recorder.clone()).keyed(host).max_keys(1).build().unwrap();
    let (probe, inner) = actor();
    let (mut service, handle) = (layer.layer(probe), layer.handle());
    let mut in_use = task::spawn(service.call(("busy", Act::Hang)));
    assert_pending!(in_use.poll());
    for calls in 1..=3 {
        let error = service.call(("more", Act::Fail)).await.unwrap_err();
        assert_eq!(refused_by(&error), None);
        assert_eq!((handle.len(), handle.overflowed()), (1, calls));
    }
    assert_eq!((handle.get("more").is_none(), inner.calls()), (true, 4));
    assert!(handle.of(&"more".to_owned()).is_none(), "there is no place for it");
    assert_eq!(recorder.take(), [""; 0]);
    drop(in_use);
    service.call(("more", Act::Fail)).await.unwrap_err();
    let error = service.call(("more", Act::Fail)).await.unwrap_err();
    assert_eq!(refused_by(&error), Some("hosts/more"), "there was a place for it");
    // What an operator holds, by its handle or by force, is kept as well.
    for (forced, in_hand) in [(false, true), (true, false), (false, false)] {
        let layer = first_failure().keyed(host).max_keys(1).build().unwrap();
        let (mut service, handle) = (layer.layer(actor().0), layer.handle());
        service.call(("held", Act::Succeed)).await.unwrap();
        let circuit = handle.get("held");
        if forced {
            circuit.as_ref().unwrap().force_closed();
        }
        let _handle = circuit.filter(|_| in_hand);
        service.call(("other", Act::Succeed)).await.unwrap();
        assert_eq!(handle.get("held").is_some(), forced || in_hand);
    }
}

/// Answers at once, with little work, for a million calls are to be quick.
#[derive(Clone)]
struct FailsForEveryFourth;

impl Service<u32> for FailsForEveryFourth {
    type Response = ();
    type Error = &'static str;
    type Future = Ready<Result<(), &'static str>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, key: u32) -> Self::Future {
        ready(if key < FIRST && key.is_multiple_of(4) { Err("down") } else { Ok(()) })
    }
}

/// The keys that are there before the flood.
const FIRST: u32 = 40;

/// Whoever makes up hosts neither fills the memory nor makes an open circuit forgotten.
#[tokio::test(start_paused = true)]
async fn a_flood_of_keys_stays_within_the_bound_and_keeps_what_is_needed() {
    const MAX_KEYS: usize = 1_000;
    let layer = first_failure().keyed(|key: &u32| *key).max_keys(MAX_KEYS).build().unwrap();
    let (mut service, handle) = (layer.layer(FailsForEveryFourth), layer.handle());
    let mut in_use = Vec::new();
    for key in 0..FIRST {
        let call = service.call(key);
        match key % 4 {
            0 => assert!(call.await.is_err()),
            1 => handle.get(&key).unwrap().force_open(),
            2 => handle.get(&key).unwrap().force_closed(),
            _ => in_use.push(call),
        }
    }
    for key in FIRST..1_000_000 {
        service.call(key).await.unwrap();
        if key % 10_000 == 0 {
            assert!(handle.handles().len() <= MAX_KEYS);
        }
    }
    assert_eq!((handle.len(), handle.handles().len()), (MAX_KEYS, MAX_KEYS));
    assert_eq!(handle.overflowed(), 0, "there was always one to forget");
    for key in 0..FIRST {
        let snapshot = handle.get(&key).map(|circuit| circuit.snapshot()).expect("it is needed");
        let is_open = snapshot.state == CircuitState::Open;
        assert_eq!((is_open, snapshot.forced), (key % 4 < 2, [1, 2].contains(&(key % 4))), "{key}");
    }
    drop(in_use);
}

/// Whatever it is told of, no lock is held meanwhile that a look takes.
#[tokio::test(start_paused = true)]
async fn an_observer_may_use_the_handle() {
    let told = Arc::new(AtomicUsize::new(0));
    let map = Arc::new(OnceLock::<KeyedBreakerHandle<String>>::new());
    let (told_too, map_too) = (Arc::clone(&told), Arc::clone(&map));
    let observer = move |event: &Event<'_>| {
        let map = map_too.get().unwrap();
        assert_eq!(map.handles().len(), map.len());
        // One that is forgotten says that it ends.
        let key = event.name.strip_prefix("hosts/").unwrap();
        let Some(circuit) = map.get(key) else { return };
        if matches!(event.kind, EventKind::Rejected(_)) {
            circuit.reset();
        }
        told_too.fetch_add(1, Ordering::SeqCst);
    };
    let layer = first_failure().observer(observer).keyed(host).max_keys(2).build().unwrap();
    assert!(map.set(layer.handle()).is_ok());
    let mut service = layer.layer(actor().0);
    for (told_before, key) in [(0, "a"), (1, "b"), (2, "c"), (3, "d")] {
        service.call((key, Act::Fail)).await.unwrap_err();
        assert_eq!(told.load(Ordering::SeqCst), told_before + 1);
        // So that those which make room for the next are found to be half-open by then.
        advance(OPEN_FOR / 2).await;
    }
    service.call(("d", Act::Succeed)).await.unwrap_err();
    assert_eq!(told.load(Ordering::SeqCst), 6, "refused, and reset");
    service.call(("d", Act::Succeed)).await.unwrap();
}

/// A peer's fault: a gauge that is never cleared. What was said to be open is said to be closed when
/// its key is forgotten.
#[tokio::test(start_paused = true)]
async fn a_forgotten_circuit_is_not_believed_to_be_open() {
    let recorder = Recorder::new();
    let layer = first_failure().observer(recorder.clone()).keyed(host).max_keys(1).build().unwrap();
    let mut service = layer.layer(actor().0);
    service.call(("a", Act::Fail)).await.unwrap_err();
    advance(OPEN_FOR).await;
    service.call(("b", Act::Succeed)).await.unwrap();
    assert!(layer.handle().get("a").is_none());
    let told = ["closed -> open", "open -> half-open", "half-open -> closed"];
    assert_eq!(recorder.take(), told.map(|change| format!("breaker hosts/a: circuit {change}")));
}

/// Before it is ever called.
#[tokio::test(start_paused = true)]
async fn an_operator_may_hold_a_key_open() {
    let layer = first_failure().keyed(host).build().unwrap();
    layer.handle().of(&"a".to_owned()).expect("a place").force_open();
    let mut service = layer.layer(actor().0);
    let error = service.call(("a", Act::Succeed)).await.unwrap_err();
    assert_eq!(refused_by(&error), Some("hosts/a"));
    service.call(("b", Act::Succeed)).await.unwrap();
    assert_eq!(layer.handle().len(), 2);
}
