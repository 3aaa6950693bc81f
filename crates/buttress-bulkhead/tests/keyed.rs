//! A compartment for each key, in a bounded map.
#![cfg(feature = "keyed")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use buttress_bulkhead::{BulkheadLayer, BulkheadLayerBuilder};
use buttress_core::{BoxError, Rejection, RejectionKind};
use buttress_testkit::{
    Probe, Reply, assert_future_traits, assert_layer_traits, assert_pending, assert_ready,
    assert_service_traits, seeded, task,
};
use rand::RngExt;
use tower::{Layer, Service};

/// Of this tenant, and whether it hangs.
type Request = (u32, bool);

fn hangs() -> Probe<Request, ()> {
    let reply = |(_, hangs)| if hangs { Reply::Never } else { Reply::Now(Ok(())) };
    Probe::new(reply).0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as a layer gives it")]
fn tenant(request: &Request) -> u32 {
    request.0
}

fn two_places() -> BulkheadLayerBuilder {
    BulkheadLayer::builder().max_concurrent(2).name("tenants")
}

fn rejection(error: &BoxError) -> &Rejection {
    Rejection::find(error.as_ref()).expect("a rejection")
}

#[tokio::test(start_paused = true)]
async fn a_tenant_takes_his_own_places_and_nobody_elses() {
    let layer = two_places().keyed(tenant).build().unwrap();
    let handle = layer.handle();
    let mut service = layer.layer(hangs());
    let taken = [service.call((1, true)), service.call((1, true))];
    let error = service.call((1, true)).await.unwrap_err();
    assert_eq!(rejection(&error).name(), "tenants/1");
    assert_eq!(
        rejection(&error).kind(),
        &RejectionKind::BulkheadFull { limit: 2, in_flight: 2, queued: 0 }
    );
    service.call((2, false)).await.unwrap();
    let mut handles = handle.handles();
    handles.sort_by_key(|(tenant, _)| *tenant);
    let seen: Vec<_> = handles.iter().map(|(tenant, of)| (*tenant, of.in_flight())).collect();
    assert_eq!((seen, handle.len(), handle.is_empty()), (vec![(1, 2), (2, 0)], 2, false));
    drop(taken);
    service.call((1, false)).await.unwrap();
    assert_eq!(handle.get(&1).expect("kept").snapshot().admitted, 3);
    assert!(handle.get(&3).is_none(), "to look makes none");
    assert!(layer.isolated().handle().is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_has_its_own_queue() {
    let waits = two_places().max_queue(1).max_wait(Duration::MAX);
    let layer = waits.keyed(tenant).build().unwrap();
    let mut service = layer.layer(hangs());
    let mut taken: Vec<_> = (0..2).map(|_| service.call((1, true))).collect();
    let mut waiting = task::spawn(service.call((1, false)));
    assert_pending!(waiting.poll());
    let error = service.call((1, false)).await.unwrap_err();
    let full = RejectionKind::BulkheadFull { limit: 2, in_flight: 2, queued: 1 };
    assert_eq!(rejection(&error).kind(), &full);
    service.call((2, false)).await.unwrap();
    taken.pop();
    assert!(waiting.is_woken());
    assert_ready!(waiting.poll()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_in_use_or_was_told_is_never_forgotten() {
    let layer = two_places().max_queue(1).max_wait(Duration::MAX).keyed(tenant).max_keys(4);
    let layer = layer.build().unwrap();
    let handle = layer.handle();
    let mut service = layer.layer(hangs());
    // One in flight, one that waits alone by now, one told its limit, one in an operator's hand.
    let _in_flight = service.call((1, true));
    let filled = [service.call((2, true)), service.call((2, true))];
    let mut waits = task::spawn(service.call((2, true)));
    assert_pending!(waits.poll());
    handle.of(&3).expect("room").set_limit(7).unwrap();
    let held = handle.of(&4).expect("room");
    for tenant in 100..300 {
        service.call((tenant, false)).await.unwrap();
    }
    drop(filled);
    let of = |tenant: &u32| handle.get(tenant).map(|of| (of.limit(), of.in_flight(), of.queued()));
    assert_eq!(of(&1), Some((2, 1, 0)));
    assert_eq!(of(&2), Some((2, 1, 0)), "who waited has the place");
    assert_eq!((of(&3), of(&4)), (Some((7, 0, 0)), Some((2, 0, 0))));
    assert_eq!(handle.len(), 4);
    assert!(handle.of(&5).is_none(), "there is no room for another");

    // Once nobody needs it, it makes room.
    drop(held);
    assert!(handle.of(&5).is_some());
    assert!(handle.get(&4).is_none());
    handle.get(&3).expect("kept").reset_limit();
    let _held = handle.of(&5).expect("kept");
    assert!(handle.of(&6).is_some(), "the operator's word is taken back");
    assert!(handle.get(&3).is_none());
}

#[tokio::test(start_paused = true)]
async fn keys_that_there_is_no_room_for_share_one() {
    let layer = two_places().keyed(tenant).max_keys(3).build().unwrap();
    let handle = layer.handle();
    let mut service = layer.layer(hangs());
    let _kept: Vec<_> = (0..3).map(|tenant| service.call((tenant, true))).collect();
    let flood: Vec<_> = (100..102).map(|tenant| service.call((tenant, true))).collect();
    for tenant in 102..110 {
        let error = service.call((tenant, false)).await.unwrap_err();
        assert_eq!(rejection(&error).name(), "tenants", "that of none of them");
    }
    assert_eq!((handle.overflow().in_flight(), handle.len()), (2, 3));
    assert_eq!(handle.overflow().snapshot().rejected.full, 8);
    for tenant in 0..3 {
        service.call((tenant, false)).await.expect("he has his own");
    }
    drop(flood);
    service.call((110, false)).await.unwrap();
    assert_eq!(handle.overflow().in_flight(), 0);
}

/// However many keys come, on however many threads: each compartment, kept or shared, holds its limit,
/// and no more calls are in flight than those of all.
#[test]
fn a_flood_of_keys_stays_within_all_bounds() {
    const KEYS: usize = 8;
    let layer = two_places().keyed(tenant).max_keys(KEYS).build().unwrap();
    let in_flight = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (layer, in_flight) = (&layer, &in_flight);
            scope.spawn(move || {
                let mut rng = seeded(&format!("a_flood_of_keys_stays_within_all_bounds {thread}"));
                let (mut service, handle) = (layer.layer(hangs()), layer.handle());
                let mut held = Vec::new();
                for _ in 0..5_000 {
                    let mut call = task::spawn(service.call((rng.random_range(0..40), true)));
                    if call.poll().is_pending() {
                        let now = in_flight.fetch_add(1, Ordering::SeqCst) + 1;
                        assert!(now <= 2 * (KEYS + 1), "{now} at once");
                        held.push(call);
                    }
                    if rng.random_ratio(1, 2) && !held.is_empty() {
                        // Counted as gone first: whoever takes its place is never one too many.
                        in_flight.fetch_sub(1, Ordering::SeqCst);
                        drop(held.swap_remove(rng.random_range(0..held.len())));
                    }
                    assert!(handle.len() <= KEYS);
                }
                in_flight.fetch_sub(held.len(), Ordering::SeqCst);
            });
        }
    });
    let handle = layer.handle();
    assert_eq!(handle.overflow().in_flight(), 0);
    assert!(handle.handles().iter().all(|(_, of)| of.in_flight() == 0));
}

#[tokio::test(start_paused = true)]
async fn the_key_is_made_once_for_each_call() {
    let made = Arc::new(AtomicUsize::new(0));
    let key = {
        let made = Arc::clone(&made);
        move |request: &Request| {
            made.fetch_add(1, Ordering::Relaxed);
            request.0
        }
    };
    let mut service = two_places().keyed(key).build().unwrap().layer(hangs());
    for n in 0..5 {
        service.call((n % 2, false)).await.unwrap();
    }
    assert_eq!(made.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn auto_traits() {
    let layer = two_places().keyed(tenant).build().unwrap();
    assert_layer_traits(&layer);
    assert_layer_traits(&layer.handle());
    let mut service = layer.layer(hangs());
    assert_service_traits(&service);
    assert_future_traits(&service.call((1, false)));
}
