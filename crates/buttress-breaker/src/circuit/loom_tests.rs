//! Every interleaving of admission, settling, tripping and probing by a few threads.

use loom::{sync::Arc as Shared, thread};

use super::*;
use crate::{Window, open_time::OpenTime, probes::Probing, trip::Conditions};

const MILLI: Duration = Duration::from_millis(1);

fn circuit(conditions: Conditions, now: Instant) -> Shared<Circuit> {
    let settings = Settings {
        conditions,
        open_time: OpenTime { open_for: MILLI, ..OpenTime::default() },
        probing: Probing { lease: Duration::MAX, ..Probing::default() },
        ..Settings::default()
    };
    Shared::new(Circuit::new(Arc::new(settings.complete().expect("valid")), 0, now))
}

/// For what has too many steps to try every interleaving: those in which a thread is put to sleep
/// at most three times.
fn model_bounded(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

fn in_a_row(failures: u32) -> Conditions {
    Conditions { consecutive_failures: Some(failures), ..Conditions::default() }
}

/// Makes one call, which ends like this; whether it was admitted.
fn call(circuit: &Circuit, outcome: Outcome, now: Instant) -> bool {
    let ticket = circuit.admit(|| now);
    ticket.is_ok_and(|ticket| {
        circuit.settle(ticket, outcome.into(), || now);
        true
    })
}

fn by_threads(
    circuit: &Shared<Circuit>,
    run: impl Fn(&Circuit, usize) -> bool + Copy + Send + 'static,
) -> [bool; 2] {
    let other = {
        let circuit = Shared::clone(circuit);
        thread::spawn(move || run(&circuit, 1))
    };
    let here = run(circuit, 0);
    [here, other.join().unwrap()]
}

/// Two calls that fail at once open the circuit once, whether it takes both or each is enough.
#[test]
fn failures_at_once_trip_once() {
    for failures in [1, 2] {
        loom::model(move || {
            let now = Instant::now();
            let circuit = circuit(in_a_row(failures), now);
            let tickets = [circuit.admit(|| now).unwrap(), circuit.admit(|| now).unwrap()];
            let threads = tickets.map(|ticket| {
                let circuit = Shared::clone(&circuit);
                thread::spawn(move || circuit.settle(ticket, Outcome::Failure.into(), || now))
            });
            threads.map(|thread| thread.join().unwrap());
            let snapshot = circuit.snapshot(|| now);
            assert_eq!((snapshot.state, snapshot.opened, snapshot.generation), (Open, 1, 1));
            assert!(!call(&circuit, Outcome::Success, now));
        });
    }
}

/// The same by a rate over a window, while a call that is out goes well: it is counted before, or it
/// is stale.
#[test]
fn a_rate_trips_once_and_leaves_an_empty_window() {
    model_bounded(|| {
        let now = Instant::now();
        let conditions = Conditions {
            failure_rate: Some(1.0),
            min_calls: Some(1),
            window: Some(Window::last_calls(2)),
            ..Conditions::default()
        };
        let circuit = circuit(conditions, now);
        let tickets = [circuit.admit(|| now).unwrap(), circuit.admit(|| now).unwrap()];
        let [first, second] = tickets.map(|ticket| {
            let circuit = Shared::clone(&circuit);
            thread::spawn(move || circuit.settle(ticket, Outcome::Failure.into(), || now))
        });
        first.join().unwrap();
        second.join().unwrap();
        let snapshot = circuit.snapshot(|| now);
        assert_eq!((snapshot.state, snapshot.opened), (Open, 1));
        // Then a probe closes it, and nothing of before counts.
        let later = now + MILLI;
        assert!(call(&circuit, Outcome::Success, later));
        let snapshot = circuit.snapshot(|| later);
        assert_eq!((snapshot.state, snapshot.calls, snapshot.failures), (Closed, 0, 0));
    });
}

/// Two who come when the open time is over: one is the probe and one is refused, or comes after it.
#[test]
fn one_probe_at_a_time() {
    loom::model(|| {
        let now = Instant::now();
        let circuit = circuit(in_a_row(1), now);
        call(&circuit, Outcome::Failure, now);
        let later = now + MILLI;
        let tickets = Shared::new(loom::sync::Mutex::new(Vec::new()));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (circuit, tickets) = (Shared::clone(&circuit), Shared::clone(&tickets));
                thread::spawn(move || {
                    if let Ok(ticket) = circuit.admit(|| later) {
                        tickets.lock().unwrap().push(ticket);
                    }
                })
            })
            .collect();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(tickets.lock().unwrap().len(), 1);
        assert_eq!(circuit.snapshot(|| later).state, HalfOpen);
    });
}

/// A call from before the trip ends while a probe does: what it says changes nothing.
#[test]
fn a_stale_outcome_changes_nothing() {
    for stale in [Outcome::Success, Outcome::Failure] {
        loom::model(move || {
            let now = Instant::now();
            let circuit = circuit(in_a_row(1), now);
            let old = circuit.admit(|| now).unwrap();
            call(&circuit, Outcome::Failure, now);
            let later = now + MILLI;
            let other = {
                let circuit = Shared::clone(&circuit);
                thread::spawn(move || circuit.settle(old, stale.into(), || later))
            };
            assert!(call(&circuit, Outcome::Success, later), "the probe");
            other.join().unwrap();
            let snapshot = circuit.snapshot(|| later);
            assert_eq!((snapshot.state, snapshot.failures), (Closed, 0));
            assert_eq!((snapshot.stale, snapshot.opened), (1, 1));
        });
    }
}

/// A success and a failure at once, one before the limit: the row is one long or none, and the word
/// is not torn.
#[test]
fn a_success_ends_the_row() {
    loom::model(|| {
        let now = Instant::now();
        let circuit = circuit(in_a_row(3), now);
        call(&circuit, Outcome::Failure, now);
        let _ = by_threads(&circuit, move |circuit, thread| {
            let outcome = if thread == 0 { Outcome::Success } else { Outcome::Failure };
            call(circuit, outcome, now)
        });
        let snapshot = circuit.snapshot(|| now);
        assert_eq!(snapshot.state, Closed);
        assert!(snapshot.failures <= 1, "{} in a row", snapshot.failures);
    });
}

/// Changes that two threads make are told once and in order, whoever tells: each begins where the one
/// before has ended, and the last where the circuit is.
#[test]
fn changes_are_told_once_and_in_order() {
    model_bounded(|| {
        let now = Instant::now();
        let circuit = circuit(in_a_row(1), now);
        let told = Shared::new(loom::sync::Mutex::new(Vec::new()));
        let tell = |circuit: &Circuit, told: &loom::sync::Mutex<Vec<Change>>| {
            circuit.tell(|change| told.lock().unwrap().push(change));
        };
        let other = {
            let (circuit, told) = (Shared::clone(&circuit), Shared::clone(&told));
            thread::spawn(move || {
                call(&circuit, Outcome::Failure, now);
                tell(&circuit, &told);
            })
        };
        circuit.reset(now);
        circuit.force_open(now);
        tell(&circuit, &told);
        other.join().unwrap();
        let told = told.lock().unwrap();
        let mut state = Closed;
        let mut generation = 0;
        for change in told.iter() {
            assert_eq!(change.from, state, "{told:?}");
            assert!(change.generation > generation, "{told:?}");
            (state, generation) = (change.to, change.generation);
        }
        assert_eq!(circuit.snapshot(|| now).state, state, "{told:?}");
    });
}

/// A reset while a call comes: what the new spell opens by is its own.
#[test]
fn a_reset_leaves_nothing_to_the_next_spell() {
    loom::model(|| {
        let now = Instant::now();
        let conditions = Conditions {
            failure_rate: Some(1.0),
            min_calls: Some(2),
            window: Some(Window::last_calls(2)),
            ..Conditions::default()
        };
        let circuit = circuit(conditions, now);
        call(&circuit, Outcome::Failure, now);
        let other = {
            let circuit = Shared::clone(&circuit);
            thread::spawn(move || {
                let ticket = circuit.admit(|| now).unwrap();
                let generation = ticket.generation();
                circuit.settle(ticket, Outcome::Failure.into(), || now);
                generation
            })
        };
        circuit.reset(now);
        let generation = other.join().unwrap();
        let snapshot = circuit.snapshot(|| now);
        if generation == Some(1) {
            assert_eq!(
                snapshot.state, Closed,
                "one call of this spell, two are asked for: {snapshot:?}"
            );
        }
    });
}

/// Who waits while one tells of what was, and another lets calls in again, is woken.
#[test]
fn who_waits_is_woken() {
    #[derive(Default)]
    struct Woken(std::sync::atomic::AtomicBool);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, std::sync::atomic::Ordering::SeqCst);
        }
    }
    model_bounded(|| {
        let now = Instant::now();
        let circuit = circuit(in_a_row(1), now);
        circuit.force_open(now);
        let others = [false, true].map(|resets| {
            let circuit = Shared::clone(&circuit);
            thread::spawn(move || {
                if resets {
                    circuit.reset(now);
                }
                circuit.tell(|_| {});
            })
        });
        let woken = Arc::new(Woken::default());
        let waker = std::task::Waker::from(Arc::clone(&woken));
        let admittance = circuit.admittance(&mut None, &waker, || now);
        for other in others {
            other.join().unwrap();
        }
        let was_woken = woken.0.load(std::sync::atomic::Ordering::SeqCst);
        assert!(admittance == Admittance::Now || was_woken);
    });
}
