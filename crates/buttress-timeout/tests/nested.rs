//! Limits inside limits: the one whose limit it is cuts, and none of them relies on it.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use buttress_core::{BoxError, Rejection, RejectionKind};
use buttress_testkit::{Probe, ProbeHandle, Reply, assert_pending, assert_ready, task};
use buttress_timeout::{Timeout, TimeoutLayer};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::{
    runtime::{Builder, Handle},
    task::block_in_place,
    time::{Instant, advance, sleep, timeout},
};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than anything here takes: what has not ended by then never does.
const FOR_EVER: Duration = Duration::from_secs(3_600);

fn layer(name: &str, overall: Duration) -> TimeoutLayer {
    TimeoutLayer::builder().overall(overall).name(name).build().unwrap()
}

/// A layer of this limit around what never answers.
fn hangs(overall: Duration) -> (Timeout<Probe<(), ()>>, ProbeHandle) {
    let (probe, handle) = Probe::new(|_: ()| Reply::Never);
    (layer("inner", overall).layer(probe), handle)
}

fn kind(error: &BoxError) -> &RejectionKind {
    Rejection::find(error.as_ref()).expect("a rejection").kind()
}

/// The first answer is given, and the rest goes on in a task of its own, which nobody polls before
/// one of its calls wakes it.
#[tokio::test(start_paused = true)]
async fn calls_that_move_away_unpolled_are_cut_all_the_same() {
    let (probe, handle) =
        Probe::new(
            |quick: bool| {
                if quick { Reply::After(SECOND / 10, Ok(())) } else { Reply::Never }
            },
        );
    let inner = layer("inner", 9 * SECOND).layer(probe);
    let outer = layer("outer", SECOND).layer(service_fn(move |_: ()| {
        let inner = inner.clone();
        async move {
            let calls = [true, false].map(|quick| inner.clone().call(quick));
            let mut calls: FuturesUnordered<_> = calls.into_iter().collect();
            calls.next().await.unwrap().unwrap();
            Ok::<_, Infallible>(tokio::spawn(async move { calls.next().await.unwrap() }))
        }
    }));
    let start = Instant::now();
    let rest = outer.oneshot(()).await.unwrap();
    let error = timeout(FOR_EVER, rest).await.expect("it ends").unwrap().unwrap_err();
    assert_eq!(kind(&error), &RejectionKind::DeadlineExceeded { called: true });
    assert_eq!((start.elapsed(), handle.dropped()), (SECOND, 1));
}

/// Two callers wait for one call: it has the deadline of the first, who leaves when that passes.
#[tokio::test(start_paused = true)]
async fn a_call_that_two_wait_for_ends_for_both() {
    let (inner, handle) = hangs(9 * SECOND);
    let flight = Arc::new(Mutex::new(None));
    let shared = service_fn(move |_: ()| {
        let mut flight = flight.lock().unwrap();
        let call = || inner.clone().call(()).map(|result| result.map_err(|e| e.to_string()));
        let call = flight.get_or_insert_with(|| call().boxed().shared()).clone();
        async move { call.await.map_err(BoxError::from) }
    });
    let first = tokio::spawn(layer("outer", SECOND).layer(shared.clone()).oneshot(()));
    sleep(SECOND / 10).await;
    let second = tokio::spawn(shared.oneshot(()));
    let error = first.await.unwrap().unwrap_err();
    assert_eq!(Rejection::find(error.as_ref()).unwrap().name(), "outer");
    let error = timeout(FOR_EVER, second).await.expect("it ends").unwrap().unwrap_err();
    assert_eq!(error.to_string(), "timeout `inner`: the deadline passed during the call");
    assert_eq!(handle.dropped(), 1);
}

/// The one outside can cut nothing while his thread is blocked in what he polls.
#[test]
fn a_call_that_blocks_the_one_outside_ends() {
    let rt = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let (inner, handle) = hangs(FOR_EVER);
    let outer = layer("outer", SECOND / 2).layer(service_fn(move |_: ()| {
        let inner = inner.clone();
        async move { block_in_place(|| Handle::current().block_on(inner.oneshot(()))) }
    }));
    let (ended, end) = mpsc::channel();
    rt.spawn(outer.oneshot(()).map(move |result| ended.send(result.map_err(|e| e.to_string()))));
    // How long it takes is the machine's: that it ends at all is what is asked.
    let result = end.recv_timeout(Duration::from_secs(60));
    rt.shutdown_background();
    let error = result.expect("it ends").unwrap_err();
    assert_eq!(error, "timeout `inner`: the deadline passed during the call");
    assert_eq!(handle.dropped(), 1);
}

/// A machine that is late wakes both of them late, and the one inside is asked first.
#[tokio::test(start_paused = true)]
async fn however_late_the_one_outside_is_named() {
    let (inner, handle) = hangs(9 * SECOND);
    let middle = TimeoutLayer::builder().name("middle").build().unwrap();
    let outer = layer("outer", SECOND);
    let mut call = task::spawn(outer.layer(middle.layer(inner)).call(()));
    assert_pending!(call.poll());
    advance(5 * SECOND).await;
    let error = assert_ready!(call.poll()).unwrap_err();
    assert_eq!(Rejection::find(error.as_ref()).unwrap().name(), "outer");
    assert_eq!((outer.handle().snapshot().overall, handle.dropped()), (1, 1));
    assert_eq!(middle.handle().snapshot().deadline, 0);
}

/// Whose limit it is cuts; at the same moment, both are, and the one inside is asked first.
#[tokio::test(start_paused = true)]
async fn a_tie_is_the_inner_ones_own() {
    let (inner, _handle) = hangs(SECOND);
    let error = layer("outer", SECOND).layer(inner).oneshot(()).await.unwrap_err();
    assert_eq!(Rejection::find(error.as_ref()).unwrap().name(), "inner");
    assert!(matches!(kind(&error), RejectionKind::TimedOut { .. }), "{error}");
}

/// A timer is made in a runtime, and here is none after the first poll: it must still be that one.
#[test]
fn the_timer_of_a_call_is_made_once() {
    let rt = Builder::new_current_thread().enable_time().build().unwrap();
    let (inner, _handle) = hangs(FOR_EVER);
    let mut call = task::spawn(layer("outer", FOR_EVER).layer(inner).call(()));
    assert_pending!(rt.block_on(async { call.poll() }));
    for _ in 0..3 {
        assert_pending!(call.poll());
    }
}
