//! The circuit, its windows included, against the naive one under random histories.

use std::env;

use proptest::{prelude::*, sample::select};
use tokio::time::Instant;

use super::{
    is_legal,
    naive::{Naive, Rates, Span},
    *,
};
use crate::{Snapshot, Window, open_time::OpenTime, probes::Probing, trip::Conditions};

/// How many calls, waits and looks all histories have together, unless `BUTTRESS_EVENTS` says
/// otherwise.
const EVENTS: u32 = 10_000_000;

/// Histories are cut into so many, each with settings of its own.
const CASES: u32 = 2_000;

fn events() -> u32 {
    env::var("BUTTRESS_EVENTS").ok().and_then(|events| events.parse().ok()).unwrap_or(EVENTS)
}

fn millis(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn never_or(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    prop_oneof![8 => millis(range), 1 => Just(Duration::MAX)]
}

prop_compose! {
    fn conditions()(
        row in prop::option::of(1_u32..=5),
        failure in prop::option::of(1_u64..=100),
        slow in prop::option::of((1_u64..=100, millis(1..30))),
        window in prop_oneof![
            (1_u32..=12).prop_map(Span::Calls),
            (10_u64..=30).prop_map(|tens| Span::Time(Duration::from_millis(tens * 10))),
        ],
        min_calls in 1_u32..=12,
    ) -> (Conditions, Rates) {
        let has_window = failure.is_some() || slow.is_some();
        let rate = |hundredths: u64| hundredths as f64 / 100.0;
        let (public, most) = match window {
            Span::Calls(calls) => (Window::last_calls(calls), calls),
            Span::Time(time) => (Window::last(time), u32::MAX),
            Span::None => unreachable!(),
        };
        let conditions = Conditions {
            consecutive_failures: row,
            failure_rate: failure.map(rate),
            slow_call_rate: slow.map(|(hundredths, _)| rate(hundredths)),
            slower_than: slow.map(|(_, time)| time),
            window: has_window.then_some(public),
            min_calls: has_window.then_some(min_calls.min(most)),
        };
        let rates = Rates {
            failure_hundredths: failure,
            slow_hundredths: slow.map(|(hundredths, _)| hundredths),
            window: if has_window { window } else { Span::None },
        };
        (conditions, rates)
    }
}

prop_compose! {
    fn any_settings()(
        (conditions, rates) in conditions(),
        open_for in never_or(1..20),
        growth in prop::option::of((1.0..4.0_f64, millis(20..100))),
        jitter in select(vec![0.0, 0.3, 1.0]),
        hint_limit in millis(1..50),
        probes in 1_u32..=3,
        close_after in 1_u32..=3,
        lease in never_or(1..20),
        ramp in prop::option::of(millis(1..40)),
        shadow in prop::bool::weighted(0.2),
    ) -> (Settings, Rates) {
        let growth = growth.filter(|_| open_for != Duration::MAX);
        let settings = Settings {
            conditions,
            open_time: OpenTime { open_for, growth, jitter, hint_limit },
            probing: Probing { probes, close_after, lease, ramp },
            shadow,
            ..Settings::default()
        };
        (settings.complete().expect("valid"), rates)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn the_circuit_equals_a_naive_one(
        (settings, rates) in any_settings(),
        seed: u64,
        // Which shrinks to the shortest history that shows what is wrong.
        events in 0..=events() / CASES * 2,
    ) {
        History::new(settings, rates, seed).run(events)?;
    }
}

/// One history: both circuits, and the calls that are out.
struct History {
    circuit: Circuit,
    naive: Naive,
    base: Instant,
    now: Duration,
    random: u64,
    probes: usize,
    shadow: bool,
    out: Vec<(usize, Ticket)>,
    told: Vec<Change>,
}

impl History {
    fn new(settings: Settings, rates: Rates, seed: u64) -> Self {
        let base = Instant::now();
        Self {
            circuit: Circuit::new(Arc::new(settings), seed, base),
            naive: Naive::new(settings, rates, seed, Duration::ZERO),
            base,
            now: Duration::ZERO,
            random: seed,
            probes: settings.probing.probes as usize,
            shadow: settings.shadow,
            out: Vec::new(),
            told: Vec::new(),
        }
    }

    /// A number below this.
    fn draw(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99_991);
        (self.random >> 33) % below
    }

    fn run(mut self, events: u32) -> Result<(), TestCaseError> {
        for event in 0..events as usize {
            match self.draw(1_000) {
                0..400 => self.admit(event)?,
                400..800 => self.settle()?,
                800..950 => self.wait(8),
                950..970 => self.wait(150),
                970..996 => self.look()?,
                _ => self.operate(),
            }
            if event % 8 == 0 {
                self.compare()?;
            }
        }
        self.compare()?;
        self.check_what_was_told()
    }

    fn wait(&mut self, below: u64) {
        let millis = self.draw(below);
        self.now += Duration::from_millis(millis);
    }

    fn clock(&self) -> impl Fn() -> Instant + use<> {
        let now = self.base + self.now;
        move || now
    }

    fn admit(&mut self, call: usize) -> Result<(), TestCaseError> {
        if self.out.len() > 15 {
            return Ok(());
        }
        let admitted = self.circuit.admit(self.clock());
        let expected = self.naive.admit(call, self.now);
        match admitted {
            Ok(ticket) if ticket == Ticket::UNCOUNTED => {
                prop_assert!(self.shadow && !expected);
                self.out.push((usize::MAX, ticket));
            }
            Ok(ticket) => {
                prop_assert!(expected);
                prop_assert_ne!(self.naive.state, Open, "an inner call while open");
                self.out.push((call, ticket));
            }
            Err(refused) => {
                prop_assert!(!self.shadow && !expected);
                let until = self.naive.open_until.filter(|_| self.naive.state == Open);
                let retry_after = until.map(|until| until.saturating_sub(self.now));
                prop_assert_eq!(refused, Refused { retry_after, why: self.naive.why });
            }
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), TestCaseError> {
        if self.out.is_empty() {
            return Ok(());
        }
        let which = self.draw(self.out.len() as u64);
        let (call, ticket) = self.out.swap_remove(usize::try_from(which).unwrap());
        let outcome = match self.draw(10) {
            0..4 => Outcome::Failure,
            4 => Outcome::Neutral,
            _ => Outcome::Success,
        };
        let hint = Some(Duration::from_millis(self.draw(60))).filter(|hint| hint.as_millis() > 50);
        let verdict = Verdict { outcome, hint };
        // To look at the circuit, as is done below, catches up with the time.
        self.naive.pass_time(self.now);
        if call == usize::MAX {
            let before = self.circuit.snapshot(self.clock());
            self.circuit.settle(ticket, verdict, self.clock());
            prop_assert_eq!(self.circuit.snapshot(self.clock()), before, "it counts for nothing");
            return Ok(());
        }
        let is_live = self.naive.live.iter().any(|live| live.call == call);
        if is_live {
            self.circuit.settle(ticket, verdict, self.clock());
        } else {
            let mut before = self.circuit.snapshot(self.clock());
            self.circuit.settle(ticket, verdict, self.clock());
            before.stale += 1;
            let after = self.circuit.snapshot(self.clock());
            prop_assert_eq!(after, before, "a stale outcome changes a counter");
        }
        self.naive.settle(call, outcome, hint, self.now);
        Ok(())
    }

    fn look(&mut self) -> Result<(), TestCaseError> {
        self.naive.pass_time(self.now);
        prop_assert_eq!(self.circuit.state(self.clock()), self.naive.state);
        let mut place = None;
        let admittance = self.circuit.admittance(&mut place, Waker::noop(), self.clock());
        let expected = self.naive.has_place() || self.shadow;
        prop_assert_eq!(admittance == Admittance::Now, expected);
        prop_assert_eq!(place.is_none(), expected);
        if let Admittance::Later(until) = admittance {
            let leases = self.naive.live.iter().filter_map(|live| live.lease);
            let expected =
                if self.naive.state == Open { self.naive.open_until } else { leases.min() };
            prop_assert_eq!(until, expected.map(|until| self.base + until));
        }
        if let Some(place) = place {
            self.circuit.leave(place);
        }
        let needed = self.naive.held || self.naive.state == Open;
        prop_assert_eq!(self.circuit.is_needed(self.clock()), needed);
        Ok(())
    }

    fn operate(&mut self) {
        let now = self.base + self.now;
        match self.draw(8) {
            0 => {
                self.circuit.force_open(now);
                self.naive.force_open(self.now);
            }
            1 => {
                self.circuit.force_closed(now);
                self.naive.force_closed(self.now);
            }
            2..5 => {
                self.circuit.resume(now);
                self.naive.resume(self.now);
            }
            _ => {
                self.circuit.reset(now);
                self.naive.reset(self.now);
            }
        }
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        let Self { naive, now, .. } = self;
        // A look catches up with the time, which the naive one must do, too.
        naive.pass_time(*now);
        naive.look_at_window(*now);
        let (calls, failed, slow) = naive.counts;
        let probes = if naive.state == HalfOpen { naive.live.len() } else { 0 };
        let expected = Snapshot {
            state: naive.state,
            forced: naive.held,
            since: self.base + naive.since,
            open_until: naive
                .open_until
                .filter(|_| naive.state == Open)
                .map(|until| self.base + until),
            why: (naive.state != Closed).then_some(naive.why),
            failures: naive.row,
            calls,
            failed,
            slow,
            probes: u32::try_from(probes).unwrap(),
            generation: naive.generation,
            opened: naive.opened,
            rejected: if self.shadow { 0 } else { naive.rejected },
            would_have_rejected: if self.shadow { naive.rejected } else { 0 },
            stale: naive.stale,
        };
        prop_assert_eq!(self.circuit.snapshot(self.clock()), expected);

        // The laws, without the naive one.
        if self.naive.state == HalfOpen && self.circuit.settings().probing.ramp.is_none() {
            let current = Some(expected.generation);
            let probes =
                self.out.iter().filter(|(_, ticket)| ticket.generation() == current).count();
            prop_assert!(probes <= self.probes, "{probes} probes at a time");
        }
        let over = self.naive.live.iter().any(|live| live.lease.is_some_and(|end| end <= self.now));
        prop_assert!(!over, "half-open beyond a lease");
        self.circuit.tell(|change| self.told.push(change));
        Ok(())
    }

    fn check_what_was_told(self) -> Result<(), TestCaseError> {
        let told = self.told.iter().map(|change| (change.from, change.to, change.why));
        prop_assert_eq!(told.collect::<Vec<_>>(), self.naive.history);
        let forced = |change: &Change| change.why == Some(Trip::Forced) || change.to == Closed;
        prop_assert!(self.told.iter().all(|change| is_legal(*change) || forced(change)));
        let numbers = self.told.windows(2).all(|pair| pair[0].generation < pair[1].generation);
        prop_assert!(numbers, "told in order");
        Ok(())
    }
}
