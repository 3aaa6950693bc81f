//! The circuit against a naive one, and under threads.

use std::{
    sync::{Mutex, atomic::AtomicU64},
    thread,
};

use proptest::{prelude::*, sample::Index};

use super::*;

const MAX: Duration = Duration::MAX;

fn settings(consecutive_failures: u32) -> Settings {
    Settings {
        consecutive_failures,
        open_for: Duration::from_millis(10),
        probes: 1,
        close_after: 1,
        probe_lease: Duration::from_millis(10),
    }
}

/// What is told, taken.
fn told(circuit: &Circuit) -> Vec<Change> {
    let mut changes = Vec::new();
    circuit.tell(|change| changes.push(change));
    changes
}

fn is_legal(change: Change) -> bool {
    matches!(
        (change.from, change.to),
        (Closed | HalfOpen, Open) | (Open, HalfOpen) | (HalfOpen, Closed)
    )
}

/// The circuit as one would write it on paper: one thread, no packing, no generations. A change
/// of state makes every call that is out stale, by its name.
struct Naive {
    settings: Settings,
    state: CircuitState,
    row: u32,
    open_until: Option<Duration>,
    // The calls whose outcome counts; for a probe with the end of its lease.
    live: Vec<(usize, Option<Duration>)>,
    successes: u32,
    rejected: u64,
    history: Vec<(CircuitState, CircuitState)>,
}

impl Naive {
    fn go(&mut self, to: CircuitState, at: Duration) {
        self.history.push((self.state, to));
        self.state = to;
        self.live.clear();
        self.successes = 0;
        match to {
            Closed => self.row = 0,
            Open => self.open_until = at.checked_add(self.settings.open_for),
            HalfOpen => {}
        }
    }

    fn pass_time(&mut self, now: Duration) {
        if self.state == HalfOpen {
            let first = self.live.iter().filter_map(|(_, ends)| *ends).min();
            if let Some(ended) = first.filter(|ends| *ends <= now) {
                self.go(Open, ended);
            }
        }
        if self.state == Open && self.open_until.is_some_and(|until| until <= now) {
            self.go(HalfOpen, now);
        }
    }

    fn admit(&mut self, call: usize, now: Duration) -> bool {
        self.pass_time(now);
        let (admitted, ends) = match self.state {
            Closed => (true, None),
            Open => (false, None),
            HalfOpen => (
                self.live.len() < self.settings.probes as usize,
                now.checked_add(self.settings.probe_lease),
            ),
        };
        if admitted {
            self.live.push((call, ends));
        } else {
            self.rejected += 1;
        }
        admitted
    }

    fn settle(&mut self, call: usize, outcome: Outcome, now: Duration) {
        self.pass_time(now);
        let Some(place) = self.live.iter().position(|(live, _)| *live == call) else { return };
        self.live.remove(place);
        match (self.state, outcome) {
            (_, Outcome::Neutral) => {}
            (Closed, Outcome::Success) => self.row = 0,
            (Closed, Outcome::Failure) => {
                self.row += 1;
                if self.row == self.settings.consecutive_failures {
                    self.go(Open, now);
                }
            }
            (HalfOpen, Outcome::Failure) => self.go(Open, now),
            (HalfOpen, Outcome::Success) => {
                self.successes += 1;
                if self.successes == self.settings.close_after {
                    self.go(Closed, now);
                }
            }
            (Open, _) => unreachable!("nothing is live while open"),
        }
    }

    fn opened(&self) -> u64 {
        self.history.iter().filter(|(_, to)| *to == Open).count() as u64
    }
}

#[derive(Debug, Clone)]
enum Step {
    Admit,
    Settle(Index, Outcome),
    Wait(u64),
    Look,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Failure),
        3 => Just(Outcome::Success),
        1 => Just(Outcome::Neutral),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Admit),
        3 => (any::<Index>(), outcome()).prop_map(|(which, outcome)| Step::Settle(which, outcome)),
        2 => (0_u64..15).prop_map(Step::Wait),
        1 => Just(Step::Look),
    ]
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![8 => (1_u64..20).prop_map(Duration::from_millis), 1 => Just(MAX)]
}

fn any_settings() -> impl Strategy<Value = Settings> {
    (1_u32..=4, time(), 1_u32..=3, 1_u32..=3, time()).prop_map(
        |(consecutive_failures, open_for, probes, close_after, probe_lease)| Settings {
            consecutive_failures,
            open_for,
            probes,
            close_after,
            probe_lease,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_circuit_equals_a_naive_one(
        settings in any_settings(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let base = Instant::now();
        // Not zero, so that MAX after it is more than fits.
        let mut now = Duration::from_millis(1);
        let circuit = Circuit::new(settings);
        let mut naive = Naive {
            settings,
            state: Closed,
            row: 0,
            open_until: None,
            live: Vec::new(),
            successes: 0,
            rejected: 0,
            history: Vec::new(),
        };
        let mut out: Vec<(usize, Ticket)> = Vec::new();
        let mut changes = Vec::new();

        for (call, step) in steps.into_iter().enumerate() {
            let clock = || base + now;
            match step {
                Step::Wait(millis) => now += Duration::from_millis(millis),
                Step::Look => {
                    naive.pass_time(now);
                    prop_assert_eq!(circuit.state(clock), naive.state);
                }
                Step::Admit => {
                    let admitted = circuit.admit(clock);
                    prop_assert_eq!(admitted.is_ok(), naive.admit(call, now));
                    match admitted {
                        Ok(ticket) => {
                            prop_assert_ne!(naive.state, Open, "an inner call while open");
                            out.push((call, ticket));
                        }
                        Err(refused) => {
                            let until = naive.open_until.filter(|_| naive.state == Open);
                            let left = until.map(|until| until.saturating_sub(now));
                            prop_assert_eq!(refused.retry_after, left);
                            prop_assert_eq!(refused.failures, settings.consecutive_failures);
                        }
                    }
                }
                Step::Settle(which, outcome) => {
                    if out.is_empty() {
                        continue;
                    }
                    let (call, ticket) = out.swap_remove(which.index(out.len()));
                    let before = circuit.snapshot(clock);
                    naive.pass_time(now);
                    let stale = naive.live.iter().all(|(live, _)| *live != call);
                    circuit.settle(ticket, outcome, clock);
                    naive.settle(call, outcome, now);
                    if stale {
                        prop_assert_eq!(circuit.snapshot(clock), before, "a stale outcome");
                    }
                }
            }
            // A look catches up with the time, which the naive one must do, too.
            let clock = || base + now;
            naive.pass_time(now);
            let Snapshot { state, failures, generation, opened, rejected } =
                circuit.snapshot(clock);
            prop_assert_eq!(state, naive.state);
            prop_assert_eq!(failures, naive.row);
            prop_assert_eq!(generation, naive.history.len() as u64);
            prop_assert_eq!((opened, rejected), (naive.opened(), naive.rejected));

            // The laws, without the naive one.
            changes.extend(told(&circuit));
            prop_assert!(changes.iter().all(|change| is_legal(*change)));
            if state == HalfOpen {
                let current = |ticket: &Ticket| ticket.generation == generation;
                let probes = out.iter().filter(|(_, ticket)| current(ticket)).count();
                prop_assert!(probes <= settings.probes as usize, "{probes} probes at a time");
                let over = naive.live.iter().any(|(_, ends)| ends.is_some_and(|ends| ends <= now));
                prop_assert!(!over, "half-open beyond a lease");
            }
        }
        let changes: Vec<_> = changes.iter().map(|change| (change.from, change.to)).collect();
        prop_assert_eq!(changes, naive.history);
    }
}

/// A half-open circuit whose probes never come back ends with the first lease, also when nobody
/// was there to notice; the open time counts from there.
#[test]
fn half_open_ends_within_the_lease() {
    let base = Instant::now();
    let at = |millis| move || base + Duration::from_millis(millis);
    let circuit = Circuit::new(settings(1));
    let ticket = circuit.admit(at(0)).unwrap();
    circuit.settle(ticket, Outcome::Failure, at(0));
    let lost = circuit.admit(at(10)).expect("a probe");
    let refused = circuit.admit(at(19)).expect_err("its place is taken");
    assert_eq!(refused.retry_after, None, "it may end in the next moment");
    assert_eq!(circuit.state(at(20)), Open);
    assert_eq!(circuit.admit(at(25)).unwrap_err().retry_after, Some(Duration::from_millis(5)));
    circuit.settle(lost, Outcome::Success, at(26));
    assert_eq!(circuit.state(at(26)), Open, "its lease had ended");

    let _lost = circuit.admit(at(30)).expect("a probe");
    let _found = circuit.admit(at(1_000)).expect("lease and open time are long over");
    assert_eq!(circuit.snapshot(at(1_000)).opened, 3);
}

#[test]
fn max_never_ends_and_poisons_nothing() {
    let base = Instant::now();
    let century = || base + Duration::from_secs(100 * 365 * 86_400);
    let circuit = Circuit::new(Settings { open_for: MAX, ..settings(1) });
    let ticket = circuit.admit(|| base).unwrap();
    circuit.settle(ticket, Outcome::Failure, || base);
    let refused = Refused { retry_after: None, failures: 1 };
    assert_eq!(circuit.admit(century), Err(refused));
    assert!(!circuit.book.is_poisoned());

    let circuit = Circuit::new(Settings { probe_lease: MAX, ..settings(1) });
    let ticket = circuit.admit(|| base).unwrap();
    circuit.settle(ticket, Outcome::Failure, || base);
    let probe = circuit.admit(century).expect("a probe");
    assert_eq!(circuit.state(century), HalfOpen);
    circuit.settle(probe, Outcome::Success, century);
    assert_eq!(circuit.state(century), Closed);
    assert!(!circuit.book.is_poisoned());
}

#[test]
fn a_closed_circuit_reads_no_clock() {
    let no_clock = || -> Instant { panic!("the clock was read") };
    let circuit = Circuit::new(settings(3));
    for outcome in [Outcome::Failure, Outcome::Neutral, Outcome::Failure, Outcome::Success] {
        let ticket = circuit.admit(no_clock).unwrap();
        circuit.settle(ticket, outcome, no_clock);
    }
    assert_eq!(circuit.state(no_clock), Closed);
}

/// An observer that panics, or looks at the circuit and so changes it, loses no change and does
/// not tangle their order.
#[test]
fn telling_survives_its_listener() {
    let base = Instant::now();
    let circuit = Circuit::new(settings(1));
    let ticket = circuit.admit(|| base).unwrap();
    circuit.settle(ticket, Outcome::Failure, || base);
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

/// One that has told everything takes nothing from the one that tells next.
#[test]
fn one_tells_at_a_time() {
    let circuit = Circuit::new(settings(1));
    let mut first = Teller::new(&circuit).expect("nobody is telling");
    assert!(Teller::new(&circuit).is_none());
    assert_eq!(first.next(), None);
    let _second = Teller::new(&circuit).expect("the first is done");
    drop(first);
    assert!(Teller::new(&circuit).is_none(), "the second is not");
}

const THREADS: u32 = 4;
const EACH: u32 = 100_000;

#[test]
fn no_failure_is_lost_under_threads() {
    for (threshold, opened) in [(THREADS * EACH, 1), (THREADS * EACH + 1, 0)] {
        let base = Instant::now();
        let circuit = Circuit::new(settings(threshold));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        let ticket = circuit.admit(|| base).expect("the last failure trips");
                        circuit.settle(ticket, Outcome::Failure, || base);
                    }
                });
            }
        });
        let snapshot = circuit.snapshot(|| base);
        assert_eq!((snapshot.failures, snapshot.opened), (THREADS * EACH, opened));
    }
}

#[test]
fn the_counters_come_out_exact_under_threads() {
    let base = Instant::now();
    let micros = AtomicU64::new(0);
    let clock = || base + Duration::from_micros(micros.load(Ordering::SeqCst));
    let limits = Settings { probes: 2, close_after: 3, ..settings(3) };
    let circuit = Circuit::new(limits);
    let changes = Mutex::new(Vec::new());
    // The half-open generation, and the probes that are out in it.
    let half_open = Mutex::new((0_u64, 0_u32));

    let run = |seed: u64| {
        let (mut random, mut refused) = (seed, 0_u64);
        let mut out = Vec::new();
        for _ in 0..EACH {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed | 1);
            let draw = (random >> 33) % 100;
            if draw < 55 {
                match circuit.admit(clock) {
                    Ok(ticket) => {
                        if ticket.probe.is_some() {
                            let mut half_open = half_open.lock().unwrap();
                            if half_open.0 < ticket.generation {
                                *half_open = (ticket.generation, 0);
                            }
                            if half_open.0 == ticket.generation {
                                half_open.1 += 1;
                                assert!(half_open.1 <= limits.probes, "too many probes");
                            }
                        }
                        out.push(ticket);
                    }
                    Err(_) => refused += 1,
                }
            } else if draw < 90 {
                let Some(ticket) = out.pop() else { continue };
                if ticket.probe.is_some() {
                    let mut half_open = half_open.lock().unwrap();
                    if half_open.0 == ticket.generation {
                        half_open.1 -= 1;
                    }
                }
                let outcome = match draw {
                    55..65 => Outcome::Failure,
                    65..70 => Outcome::Neutral,
                    _ => Outcome::Success,
                };
                circuit.settle(ticket, outcome, clock);
            } else {
                micros.fetch_add(draw, Ordering::SeqCst);
            }
            circuit.tell(|change| changes.lock().unwrap().push(change));
        }
        refused
    };
    let refused: u64 = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|seed| scope.spawn(move || run(u64::from(seed) + 7))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });

    let changes = changes.into_inner().unwrap();
    let snapshot = circuit.snapshot(|| base);
    assert_eq!(snapshot.rejected, refused);
    assert_eq!(snapshot.generation, changes.len() as u64);
    let opened = changes.iter().filter(|change| change.to == Open).count();
    assert_eq!(snapshot.opened, opened as u64);
    assert!(opened > 100, "only {opened} trips: the test tests nothing");
    for (before, change) in changes.iter().enumerate() {
        assert!(is_legal(*change), "{change:?}");
        assert_eq!(change.generation, before as u64 + 1, "told once and in order");
    }
    for pair in changes.windows(2) {
        assert_eq!(pair[0].to, pair[1].from);
    }
}

/// A success that comes between the last look at the count and the trip prevents it. The clock is
/// asked just there.
#[test]
fn a_success_in_the_last_moment_prevents_the_trip() {
    let circuit = Circuit::new(settings(2));
    let base = Instant::now();
    let admit = || circuit.admit(|| base).unwrap();
    let (success, last) = (admit(), admit());
    circuit.settle(admit(), Outcome::Failure, || base);
    circuit.settle(last, Outcome::Failure, || {
        circuit.settle(success, Outcome::Success, || base);
        base
    });
    let snapshot = circuit.snapshot(|| base);
    assert_eq!((snapshot.state, snapshot.failures), (Closed, 1));
}
