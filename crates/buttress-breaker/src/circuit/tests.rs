//! The circuit by itself, against a naive one, and under threads.

mod history;
mod naive;
mod threads;

use std::{task::Waker, thread};

use super::{telling::Teller, *};
use crate::{open_time::OpenTime, probes::Probing, trip::Conditions};

const MAX: Duration = Duration::MAX;

fn settings(consecutive_failures: u32) -> Settings {
    let conditions =
        Conditions { consecutive_failures: Some(consecutive_failures), ..Conditions::default() };
    Settings {
        conditions,
        open_time: OpenTime { open_for: Duration::from_millis(10), ..OpenTime::default() },
        probing: Probing { lease: Duration::from_millis(10), ..Probing::default() },
        ..Settings::default()
    }
}

/// A circuit with these settings, which are valid.
fn with(settings: Settings, now: Instant) -> Circuit {
    Circuit::new(Arc::new(settings.complete().expect("valid")), 0, now)
}

fn is_legal(change: Change) -> bool {
    matches!(
        (change.from, change.to),
        (Closed | HalfOpen, Open) | (Open, HalfOpen) | (HalfOpen, Closed)
    )
}

/// A half-open circuit whose probes never come back ends with the first lease, also when nobody
/// was there to notice; the open time counts from there.
#[test]
fn half_open_ends_within_the_lease() {
    let base = Instant::now();
    let at = |millis| move || base + Duration::from_millis(millis);
    let circuit = with(settings(1), base);
    let ticket = circuit.admit(at(0)).unwrap();
    circuit.settle(ticket, Outcome::Failure.into(), at(0));
    let lost = circuit.admit(at(10)).expect("a probe");
    let refused = circuit.admit(at(19)).expect_err("its place is taken");
    assert_eq!(refused.retry_after, None, "it may end in the next moment");
    assert_eq!(circuit.state(at(20)), Open);
    assert_eq!(circuit.admit(at(25)).unwrap_err().retry_after, Some(Duration::from_millis(5)));
    circuit.settle(lost, Outcome::Success.into(), at(26));
    assert_eq!(circuit.state(at(26)), Open, "its lease had ended");

    let _lost = circuit.admit(at(30)).expect("a probe");
    let _found = circuit.admit(at(1_000)).expect("lease and open time are long over");
    assert_eq!(circuit.snapshot(at(1_000)).opened, 3);
}

#[test]
fn max_never_ends_and_poisons_nothing() {
    let open_for = |open_for| Settings {
        open_time: OpenTime { open_for, ..OpenTime::default() },
        ..settings(1)
    };
    let lease =
        |lease| Settings { probing: Probing { lease, ..Probing::default() }, ..settings(1) };
    let base = Instant::now();
    let century = || base + Duration::from_secs(100 * 365 * 86_400);
    let circuit = with(open_for(MAX), base);
    let ticket = circuit.admit(|| base).unwrap();
    circuit.settle(ticket, Outcome::Failure.into(), || base);
    let refused = Refused { retry_after: None, why: Trip::ConsecutiveFailures(1) };
    assert_eq!(circuit.admit(century), Err(refused));
    assert!(!circuit.book.is_poisoned());

    let circuit = with(lease(MAX), base);
    let ticket = circuit.admit(|| base).unwrap();
    circuit.settle(ticket, Outcome::Failure.into(), || base);
    let probe = circuit.admit(century).expect("a probe");
    assert_eq!(circuit.state(century), HalfOpen);
    circuit.settle(probe, Outcome::Success.into(), century);
    assert_eq!(circuit.state(century), Closed);
    assert!(!circuit.book.is_poisoned());
}

#[test]
fn a_closed_circuit_reads_no_clock() {
    let no_clock = || -> Instant { panic!("the clock was read") };
    let circuit = with(settings(3), Instant::now());
    for outcome in [Outcome::Failure, Outcome::Neutral, Outcome::Failure, Outcome::Success] {
        let ticket = circuit.admit(no_clock).unwrap();
        circuit.settle(ticket, outcome.into(), no_clock);
    }
    assert_eq!(circuit.state(no_clock), Closed);
}

/// An observer that panics, or looks at the circuit and so changes it, loses no change and does
/// not tangle their order.
#[test]
fn telling_survives_its_listener() {
    let base = Instant::now();
    let circuit = with(settings(1), base);
    let ticket = circuit.admit(|| base).unwrap();
    circuit.settle(ticket, Outcome::Failure.into(), || base);
    let panicked = thread::scope(|scope| {
        scope.spawn(|| circuit.tell(|_| panic!("the listener panics"))).join()
    });
    assert!(panicked.is_err());

    let _probe = circuit.admit(|| base + Duration::from_millis(10)).expect("a probe");
    let mut changes = Vec::new();
    circuit.tell(|change| {
        circuit.state(|| base + Duration::from_millis(20));
        circuit.tell(|_| panic!("two tell at once"));
        changes.push((change.from, change.to));
    });
    assert_eq!(changes, [(Open, HalfOpen), (HalfOpen, Open)]);
}

/// Of a hundred calls one fails as always, and the ramp comes to its end all the same; but what opens
/// a closed circuit opens it here.
#[test]
fn a_ramp_is_climbed_at_an_ordinary_error_rate() {
    for (one_fails_of, becomes) in [(100, Closed), (2, Open)] {
        let base = Instant::now();
        let conditions = Conditions { failure_rate: Some(0.5), ..Conditions::default() };
        let probing = Probing { ramp: Some(Duration::from_secs(60)), ..settings(1).probing };
        let circuit = with(Settings { conditions, probing, ..settings(1) }, base);
        circuit.force_open(base);
        circuit.resume(base);
        for call in 0..6_000_u32 {
            let now = || base + call * Duration::from_millis(10);
            if let Ok(ticket) = circuit.admit(now) {
                let failed = call % one_fails_of == 1;
                let outcome = if failed { Outcome::Failure } else { Outcome::Success };
                circuit.settle(ticket, outcome.into(), now);
            }
            if circuit.state(now) == Open {
                break;
            }
        }
        let snapshot = circuit.snapshot(|| base + Duration::from_secs(61));
        let state = if becomes == Open { HalfOpen } else { Closed };
        assert_eq!((snapshot.state, snapshot.opened), (state, if becomes == Open { 2 } else { 1 }));
    }
}

/// Of many calls some take long: in a ramp one whose lease ends is one that failed, and what it says
/// later is nothing.
#[test]
fn one_lost_call_does_not_end_a_ramp() {
    let base = Instant::now();
    let at = |millis| move || base + Duration::from_millis(millis);
    let conditions = Conditions { consecutive_failures: Some(2), ..Conditions::default() };
    let probing = Probing { ramp: Some(Duration::from_millis(100)), ..settings(1).probing };
    let circuit = with(Settings { conditions, probing, ..settings(1) }, base);
    circuit.force_open(base);
    circuit.resume(base);
    let first = circuit.admit(at(0)).expect("a probe");
    circuit.settle(first, Outcome::Success.into(), at(0));
    let slow = circuit.admit(at(0)).expect("a place");
    assert_eq!((circuit.state(at(11)), circuit.snapshot(at(11)).probes), (HalfOpen, 0));
    circuit.settle(slow, Outcome::Failure.into(), at(12));
    let snapshot = circuit.snapshot(at(12));
    assert_eq!((snapshot.state, snapshot.stale), (HalfOpen, 1));
    let _lost = circuit.admit(at(13)).expect("a place");
    let snapshot = circuit.snapshot(at(23));
    assert_eq!((snapshot.state, snapshot.why), (Open, Some(Trip::ConsecutiveFailures(2))));
}

/// One that has told everything takes nothing from the one that tells next.
#[test]
fn one_tells_at_a_time() {
    let circuit = with(settings(1), Instant::now());
    let mut first = Teller::new(&circuit).expect("nobody is telling");
    assert!(Teller::new(&circuit).is_none());
    assert_eq!(first.next(), None);
    let _second = Teller::new(&circuit).expect("the first is done");
    drop(first);
    assert!(Teller::new(&circuit).is_none(), "the second is not");
}
