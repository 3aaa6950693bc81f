//! Compartments beside each other, where the calls of one take its threads for good.

use std::{
    convert::Infallible,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use buttress_bulkhead::{BulkheadLayer, CompartmentsHandle};
use buttress_core::RejectionKind;
use tokio::runtime::Builder;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{
    apart::{Apart, PATIENCE, thread_name, within_patience},
    kind,
};

/// A call of one compartment, which may block the thread that it runs on until there is word.
struct Call {
    to: &'static str,
    until: Option<Receiver<()>>,
}

impl Call {
    fn to(to: &'static str) -> Self {
        Self { to, until: None }
    }

    fn blocking(to: &'static str) -> (Sender<()>, Self) {
        let (release, until) = mpsc::channel();
        (release, Self { to, until: Some(until) })
    }
}

/// Answers with the thread that it ran on.
async fn answer(call: Call) -> Result<String, Infallible> {
    if let Some(until) = call.until {
        // A thread that is blocked, as by a library that knows nothing of async.
        until.recv_timeout(PATIENCE).expect("word comes");
    }
    Ok(thread_name())
}

fn to(call: &Call) -> &str {
    call.to
}

fn in_flight(handle: &CompartmentsHandle) -> Vec<(&str, usize)> {
    handle.handles().map(|(name, of)| (name, of.in_flight())).collect()
}

/// Word comes only when all calls of the other compartments are done: were a thread of theirs blocked,
/// it would never come.
#[tokio::test]
async fn a_compartment_whose_threads_are_blocked_holds_up_no_other() {
    let (payment, email) = (Apart::new("payment"), Apart::new("email"));
    let layer = BulkheadLayer::compartments(to)
        .compartment_on_runtime(("payment", 2), payment.handle())
        .compartment_on_runtime(("email", 1), email.handle())
        .compartment(("inventory", 1))
        .build()
        .unwrap();
    let (handle, mut service) = (layer.handle(), layer.layer(service_fn(answer)));

    let (release, blocks) = Call::blocking("payment");
    let blocked = service.call(blocks);
    // It has a place, and no thread.
    let behind = service.call(Call::to("payment"));
    for _ in 0..20 {
        let call = service.call(Call::to("email"));
        assert_eq!(within_patience(call).await.unwrap(), "email");
        // One without a runtime runs where it is awaited.
        let call = service.call(Call::to("inventory"));
        assert_eq!(within_patience(call).await.unwrap(), thread_name());
        let error = within_patience(service.call(Call::to("payment"))).await.unwrap_err();
        assert!(matches!(kind(&error), RejectionKind::BulkheadFull { limit: 2, .. }));
    }
    assert_eq!(in_flight(&handle), [("email", 0), ("inventory", 0), ("payment", 2)]);

    release.send(()).unwrap();
    assert_eq!(within_patience(blocked).await.unwrap(), "payment");
    assert_eq!(within_patience(behind).await.unwrap(), "payment");
    assert_eq!(in_flight(&handle), [("email", 0), ("inventory", 0), ("payment", 0)]);
}

/// What this protects from: compartments bound how many calls there are, and not what they do to the
/// thread that all of them run on.
#[test]
fn without_runtimes_of_their_own_it_holds_up_all_of_them() {
    let layer =
        BulkheadLayer::compartments(to).compartment(("payment", 2)).compartment(("email", 1));
    let service = layer.build().unwrap().layer(service_fn(answer));
    let (release, blocks) = Call::blocking("payment");
    let (done, email_done) = mpsc::channel();

    // One thread for both, as it is in `payment` and in `email` above.
    let shared = thread::spawn(move || {
        Builder::new_current_thread().build().unwrap().block_on(async {
            let blocked = tokio::spawn(service.clone().oneshot(blocks));
            let email = tokio::spawn(service.oneshot(Call::to("email")));
            email.await.unwrap().unwrap();
            done.send(()).unwrap();
            blocked.await.unwrap().unwrap();
        });
    });
    // Only as long as somebody watches: it could never come before the word.
    let early = email_done.recv_timeout(Duration::from_millis(100));
    assert_eq!(early, Err(RecvTimeoutError::Timeout));
    release.send(()).unwrap();
    email_done.recv_timeout(PATIENCE).expect("the thread is free");
    shared.join().unwrap();
}

/// A task of its own is what only a runtime of its own is worth: elsewhere a call is a part of its
/// caller's, panics included.
#[tokio::test]
async fn a_compartment_without_a_runtime_runs_in_the_task_of_its_caller() {
    let email = Apart::new("email");
    let layer = BulkheadLayer::compartments(to)
        .compartment_on_runtime(("email", 1), email.handle())
        .compartment(("inventory", 1))
        .build()
        .unwrap();
    let task_of = service_fn(async |_: Call| Ok::<_, Infallible>(tokio::task::try_id()));
    let service = layer.layer(task_of);
    let callers = tokio::spawn(async move {
        let here = tokio::task::try_id();
        let email = within_patience(service.clone().oneshot(Call::to("email"))).await.unwrap();
        let inventory = within_patience(service.oneshot(Call::to("inventory"))).await.unwrap();
        (inventory == here, email.is_some() && email != here)
    });
    assert_eq!(callers.await.unwrap(), (true, true));
}

#[tokio::test]
async fn the_default_compartment_and_isolated_ones_keep_to_what_they_are() {
    let payment = Apart::new("payment");
    let layer = BulkheadLayer::compartments(to)
        .compartment_on_runtime(("payment", 1), payment.handle())
        .default_compartment(("others", 1))
        .build()
        .unwrap();
    let isolated = layer.isolated();
    let services = [layer.layer(service_fn(answer)), isolated.layer(service_fn(answer))];
    let (release, blocks) = Call::blocking("payment");
    let [mut service, mut other] = services;
    let blocked = service.call(blocks);
    // Places of its own, on the same threads.
    let behind = other.call(Call::to("payment"));
    assert_eq!(within_patience(service.call(Call::to("invoice"))).await.unwrap(), thread_name());
    assert_eq!(in_flight(&layer.handle()), [("others", 0), ("payment", 1)]);
    assert_eq!(in_flight(&isolated.handle()), [("others", 0), ("payment", 1)]);
    release.send(()).unwrap();
    for call in [blocked, behind] {
        assert_eq!(within_patience(call).await.unwrap(), "payment");
    }
}
