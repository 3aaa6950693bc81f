//! The circuit as one would write it on paper: one thread, no packing, no generations, every call
//! remembered. A change of state makes every call that is out stale, by its name.

use std::time::Duration;

use buttress_core::{
    CircuitState::{self, Closed, HalfOpen, Open},
    Outcome, Trip,
};

use crate::settings::Settings;

/// How rates are asked for, in a form that needs no fractions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub(super) failure_hundredths: Option<u64>,
    pub(super) slow_hundredths: Option<u64>,
    pub(super) window: Span,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    None,
    Calls(u32),
    /// Of so long, in tenths.
    Time(Duration),
}

pub(super) struct Live {
    pub(super) call: usize,
    began: Duration,
    /// When its lease ends, if it is a probe.
    pub(super) lease: Option<Duration>,
}

struct Ramp {
    since: Duration,
    ends: Duration,
    owed: f64,
    row: u32,
}

struct Ended {
    at: Duration,
    failed: bool,
    slow: bool,
}

pub(super) struct Naive {
    settings: Settings,
    rates: Rates,
    seed: u64,
    pub(super) state: CircuitState,
    pub(super) held: bool,
    pub(super) row: u32,
    ended: Vec<Ended>,
    pub(super) counts: (u64, u64, u64),
    pub(super) open_until: Option<Duration>,
    pub(super) why: Trip,
    /// The calls whose outcome counts.
    pub(super) live: Vec<Live>,
    successes: u32,
    ramp: Option<Ramp>,
    in_vain: u32,
    pub(super) generation: u64,
    pub(super) since: Duration,
    pub(super) rejected: u64,
    pub(super) stale: u64,
    pub(super) opened: u64,
    pub(super) history: Vec<(CircuitState, CircuitState, Option<Trip>)>,
}

impl Naive {
    pub(super) fn new(settings: Settings, rates: Rates, seed: u64, now: Duration) -> Self {
        Self {
            settings,
            rates,
            seed,
            state: Closed,
            held: false,
            row: 0,
            ended: Vec::new(),
            counts: (0, 0, 0),
            open_until: None,
            why: Trip::Forced,
            live: Vec::new(),
            successes: 0,
            ramp: None,
            in_vain: 0,
            generation: 0,
            since: now,
            rejected: 0,
            stale: 0,
            opened: 0,
            history: Vec::new(),
        }
    }

    fn go(&mut self, to: CircuitState, at: Duration) {
        if self.state != to {
            self.history.push((self.state, to, (to == Open).then_some(self.why)));
        }
        self.opened += u64::from(self.state != Open && to == Open);
        self.state = to;
        self.since = at;
        self.generation += 1;
        self.live.clear();
        self.ended.clear();
        self.successes = 0;
        self.ramp = None;
        self.held = false;
    }

    fn open(&mut self, why: Trip, hint: Option<Duration>, at: Duration) {
        match self.state {
            Closed => {
                self.look_at_window(at);
                self.in_vain = 0;
            }
            HalfOpen => self.in_vain += 1,
            Open => {}
        }
        let chance = self.seed.wrapping_add(self.generation);
        let time = self.settings.open_time.after(self.in_vain, hint, chance);
        self.open_until = time.and_then(|time| at.checked_add(time));
        self.why = why;
        self.go(Open, at);
    }

    fn close(&mut self, at: Duration) {
        self.in_vain = 0;
        self.row = 0;
        self.go(Closed, at);
    }

    pub(super) fn pass_time(&mut self, now: Duration) {
        loop {
            match self.state {
                Open if self.open_until.is_some_and(|until| until <= now) => {
                    self.go(HalfOpen, self.open_until.unwrap());
                }
                HalfOpen => {
                    let lost = self.live.iter().filter_map(|live| live.lease).min();
                    let lost = lost.filter(|at| *at <= now);
                    let climbed = self.ramp.as_ref().map(|ramp| ramp.ends).filter(|at| *at <= now);
                    match (lost, climbed) {
                        (Some(lost), climbed) if climbed.is_none_or(|climbed| lost <= climbed) => {
                            self.lose(lost);
                        }
                        (_, Some(climbed)) => self.close(climbed),
                        _ => return,
                    }
                }
                Open | Closed => return,
            }
        }
    }

    pub(super) fn has_place(&self) -> bool {
        let free = self.live.len() < self.settings.probing.probes as usize;
        self.state == Closed || (self.state == HalfOpen && (free || self.ramp.is_some()))
    }

    pub(super) fn admit(&mut self, call: usize, now: Duration) -> bool {
        self.pass_time(now);
        let (admitted, lease) = match self.state {
            Closed => (true, None),
            Open => (false, None),
            HalfOpen => {
                let mut admitted = self.live.len() < self.settings.probing.probes as usize;
                if let Some(Ramp { since, ends, owed, .. }) = &mut self.ramp {
                    let whole = ends.saturating_sub(*since);
                    let gone = now.saturating_sub(*since);
                    *owed += (gone.as_secs_f64() / whole.as_secs_f64()).min(1.0);
                    admitted |= *owed >= 1.0;
                    if admitted {
                        *owed = (*owed - 1.0).max(0.0);
                    }
                }
                (admitted, now.checked_add(self.settings.probing.lease))
            }
        };
        if admitted {
            self.live.push(Live { call, began: now, lease });
        } else {
            self.rejected += 1;
        }
        admitted
    }

    pub(super) fn settle(
        &mut self,
        call: usize,
        outcome: Outcome,
        hint: Option<Duration>,
        now: Duration,
    ) {
        // Nobody looks at the clock for a closed circuit's sake, but nothing is due then.
        self.pass_time(now);
        let Some(place) = self.live.iter().position(|live| live.call == call) else {
            self.stale += 1;
            return;
        };
        let Live { began, .. } = self.live.remove(place);
        let slower_than = self.settings.conditions.slower_than;
        let slow = slower_than.is_some_and(|most| now.saturating_sub(began) > most);
        let failed = outcome == Outcome::Failure;
        if outcome == Outcome::Neutral || (self.state == Closed && self.held) {
            return;
        }
        match self.state {
            Closed => {
                self.ended.push(Ended { at: now, failed, slow });
                self.row = if failed { self.row + 1 } else { 0 };
                if let Some(why) = self.too_much(failed, slow, now) {
                    self.open(why, hint, now);
                }
            }
            HalfOpen if self.ramp.is_some() => self.end_in_ramp(failed, slow, hint, now),
            HalfOpen if failed => self.open(Trip::ProbeFailed, hint, now),
            HalfOpen if slow => self.open(Trip::ProbeSlow, hint, now),
            HalfOpen => {
                self.successes += 1;
                if self.successes >= self.settings.probing.close_after {
                    match self.settings.probing.ramp {
                        Some(time) => {
                            self.ramp =
                                Some(Ramp { since: now, ends: now + time, owed: 0.0, row: 0 });
                        }
                        None => self.close(now),
                    }
                }
            }
            Open => unreachable!("nothing is live while open"),
        }
    }

    /// The lease of a probe ends, the oldest of those whose lease does.
    fn lose(&mut self, at: Duration) {
        if self.ramp.is_none() {
            return self.open(Trip::ProbeLost, None, at);
        }
        let oldest = self.live.iter().position(|live| live.lease == Some(at));
        self.live.remove(oldest.expect("there is one"));
        self.end_in_ramp(true, false, None, at);
    }

    fn end_in_ramp(&mut self, failed: bool, slow: bool, hint: Option<Duration>, now: Duration) {
        self.ended.push(Ended { at: now, failed, slow });
        let ramp = self.ramp.as_mut().expect("in a ramp");
        ramp.row = if failed { ramp.row + 1 } else { 0 };
        let row = ramp.row;
        let count = |of: fn(&Ended) -> bool| self.ended.iter().filter(|e| of(e)).count() as u64;
        let all = (self.ended.len() as u64, count(|e| e.failed), count(|e| e.slow));
        if let Some(why) = self.judged(failed, slow, all, row) {
            self.open(why, hint, now);
        }
    }

    /// What is in the window now; the old is forgotten.
    pub(super) fn look_at_window(&mut self, now: Duration) {
        if self.state == Closed {
            match self.rates.window {
                Span::None => self.ended.clear(),
                Span::Calls(calls) => {
                    let old = self.ended.len().saturating_sub(calls as usize);
                    self.ended.drain(..old);
                }
                Span::Time(time) => {
                    let part = |at: Duration| at.as_nanos() / (time / 10).as_nanos();
                    self.ended.retain(|ended| part(ended.at) + 10 > part(now));
                }
            }
            let count = |of: fn(&Ended) -> bool| self.ended.iter().filter(|e| of(e)).count() as u64;
            self.counts = (count(|_| true), count(|e| e.failed), count(|e| e.slow));
        }
    }

    fn too_much(&mut self, failed: bool, slow: bool, now: Duration) -> Option<Trip> {
        self.look_at_window(now);
        self.judged(failed, slow, self.counts, self.row)
    }

    fn judged(
        &self,
        failed: bool,
        slow: bool,
        (calls, all_failed, all_slow): (u64, u64, u64),
        row: u32,
    ) -> Option<Trip> {
        let enough = calls >= u64::from(self.settings.conditions.min_calls.unwrap_or(1));
        let reaches = |count: u64, hundredths: Option<u64>| {
            enough && hundredths.is_some_and(|hundredths| count * 100 >= hundredths * calls)
        };
        if failed && reaches(all_failed, self.rates.failure_hundredths) {
            return Some(Trip::FailureRate { failed: all_failed, calls });
        }
        if slow && reaches(all_slow, self.rates.slow_hundredths) {
            return Some(Trip::SlowCallRate { slow: all_slow, calls });
        }
        let most = self.settings.conditions.consecutive_failures;
        (failed && most.is_some_and(|most| row >= most)).then_some(Trip::ConsecutiveFailures(row))
    }

    pub(super) fn force_open(&mut self, now: Duration) {
        self.pass_time(now);
        if !(self.state == Open && self.held) {
            self.open(Trip::Forced, None, now);
            self.open_until = None;
            self.held = true;
        }
    }

    pub(super) fn force_closed(&mut self, now: Duration) {
        self.pass_time(now);
        if !(self.state == Closed && self.held) {
            self.close(now);
            self.held = true;
        }
    }

    pub(super) fn resume(&mut self, now: Duration) {
        self.pass_time(now);
        match self.state {
            Closed if self.held => self.close(now),
            Open if self.held => self.go(HalfOpen, now),
            _ => {}
        }
    }

    pub(super) fn reset(&mut self, now: Duration) {
        self.pass_time(now);
        self.close(now);
    }
}
