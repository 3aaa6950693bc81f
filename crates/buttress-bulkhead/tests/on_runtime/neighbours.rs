//! Compartments beside each other, where the calls of one take its threads for good.

use std::{
    convert::Infallible,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    time::Duration,
};

use buttress_bulkhead::{BulkheadLayer, CompartmentsHandle};
use buttress_core::RejectionKind;
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
/// thread that all of them run on. The word that `payment` blocks for is that `email` was served; on one
/// thread for both, as it is here, it never comes while it blocks.
#[tokio::test]
async fn without_runtimes_of_their_own_it_holds_up_all_of_them() {
    const LOOK: Duration = Duration::from_millis(100);

    let layer =
        BulkheadLayer::compartments(to).compartment(("payment", 2)).compartment(("email", 1));
    let layer = layer.build().unwrap();
    let mut service = layer.layer(service_fn(async |call: Call| {
        Ok::<_, Infallible>(call.until.map(|until| until.recv_timeout(LOOK)))
    }));
    let (release, blocks) = Call::blocking("payment");
    let blocked = tokio::spawn(service.call(blocks));
    let email = service.call(Call::to("email"));
    let email = tokio::spawn(async move {
        let answer = email.await;
        // Nobody listens any more, if it is too late.
        let _ = release.send(());
        answer
    });
    assert_eq!(in_flight(&layer.handle()), [("email", 1), ("payment", 1)], "both are made");

    let heard = within_patience(blocked).await.unwrap().unwrap();
    assert_eq!(heard, Some(Err(RecvTimeoutError::Timeout)), "it blocked, and email was not served");
    assert_eq!(within_patience(email).await.unwrap().unwrap(), None, "the thread is free");
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
