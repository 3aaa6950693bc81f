//! The state machine of the breaker.
//!
//! It knows nothing of services, futures or observers, and is told the time. The state, the
//! generation and the failures in a row are one atomic word, and the windows are atomics, too, so
//! that a closed circuit that stays closed takes no lock; everything that is rare is done under
//! one lock, under which nothing foreign ever runs.

mod book;
mod operate;
mod telling;
mod ticket;
mod word;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
#[cfg(not(all(test, loom)))]
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::{
    cell::LazyCell,
    sync::{Arc, PoisonError},
    time::Duration,
};

use buttress_core::{
    CircuitState::{Closed, HalfOpen, Open},
    Judgement, Outcome, Trip,
};
use tokio::time::Instant;

use self::{book::Book, word::Word};
use crate::{
    probes::Becomes,
    settings::Settings,
    window::{Ended, Record},
};

pub(crate) use self::{book::Change, operate::Admittance, ticket::Ticket};

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// How long the dependency asks to be left alone.
    pub(crate) hint: Option<Duration>,
}

/// Why a call may not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// What remains of the open time. Unknown while half-open: the probe that is out may end in
    /// the next moment.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) why: Trip,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Circuit {
    settings: Arc<Settings>,
    // Changed by compare-and-swap alone. The state and the generation change under the lock of
    // the book; the count, which moves only while closed, without it.
    word: AtomicU64,
    // Whether there is something to tell, or somebody to wake: spares the lock to whoever asks.
    news: AtomicBool,
    /// The calls of the closed spell, where a rate is asked for.
    record: Option<Box<Record>>,
    /// The outcomes that came too late to count.
    stale: AtomicU64,
    /// What the jitter of open times is drawn from.
    seed: u64,
    /// When it was made.
    start: Instant,
    book: Mutex<Book>,
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, hint: None }
    }
}

impl From<Judgement> for Verdict {
    fn from(judgement: Judgement) -> Self {
        Self { outcome: judgement.outcome, hint: judgement.after }
    }
}

impl Circuit {
    /// A closed circuit. The settings are complete.
    pub(crate) fn new(settings: Arc<Settings>, seed: u64, now: Instant) -> Self {
        let record = settings.conditions.window.map(|window| Box::new(Record::new(window, now)));
        Self {
            settings,
            word: AtomicU64::new(Word::FIRST.bits()),
            news: AtomicBool::new(false),
            record,
            stale: AtomicU64::new(0),
            seed,
            start: now,
            book: Mutex::new(Book::new(now)),
        }
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Asks for leave to make a call. A closed circuit asks for the time only where slow calls
    /// count.
    #[inline]
    pub(crate) fn admit_if_closed(&self, now: impl FnOnce() -> Instant) -> Option<Ticket> {
        let word = self.load();
        (word.state() == Closed).then(|| Ticket::closed(word.generation(), self.began(now)))
    }

    #[inline]
    pub(crate) fn admit_unless_open(&self, now: Instant) -> Result<Ticket, Refused> {
        let mut book = self.lock();
        let word = self.catch_up(&mut book, now);
        let generation = word.generation();
        let began = self.began(|| now);
        let retry_after = match word.state() {
            Closed => return Ok(Ticket::closed(generation, began)),
            HalfOpen => match book.probes.admit(&self.settings.probing, now) {
                Some(place) => return Ok(Ticket::probe(generation, place, began)),
                None => None,
            },
            Open => book.open_until.map(|until| until.saturating_duration_since(now)),
        };
        book.rejected += 1;
        if self.settings.shadow {
            return Ok(Ticket::UNCOUNTED);
        }
        Err(Refused { retry_after, why: book.why })
    }

    /// When a call begins, where it matters how long it takes.
    #[inline]
    fn began(&self, now: impl FnOnce() -> Instant) -> Option<Duration> {
        self.settings.conditions.slower_than?;
        Some(now().saturating_duration_since(self.start))
    }

    /// Whether a call takes, or took, longer than it should, where that counts.
    pub(crate) fn is_slow(&self, ticket: &Ticket, now: impl FnOnce() -> Instant) -> bool {
        let took = ticket
            .began()
            .map(|began| now().saturating_duration_since(self.start).saturating_sub(began));
        self.settings.conditions.is_slow(took)
    }

    /// Takes a ticket back, with what came of its call. Only what may change the state, or where
    /// it matters how long a call took, asks for the time.
    #[inline]
    pub(crate) fn settle(&self, ticket: Ticket, verdict: Verdict, now: impl FnOnce() -> Instant) {
        // Most calls go well and leave everything as it was.
        if verdict.outcome == Outcome::Success && self.record.is_none() {
            let word = self.load();
            let generation = Some(word.generation());
            let is_probe = ticket.place().is_some();
            if ticket.generation() == generation && word.failures() == 0 && !is_probe {
                return;
            }
        }
        self.settle_with_effect(ticket, verdict, now);
    }

    #[expect(clippy::needless_pass_by_value, reason = "no ticket can be settled twice")]
    fn settle_with_effect(&self, ticket: Ticket, verdict: Verdict, now: impl FnOnce() -> Instant) {
        let Some(generation) = ticket.generation() else { return };
        let now = LazyCell::new(now);
        if let Some(place) = ticket.place() {
            let slow = self.is_slow(&ticket, || *now);
            return self.settle_probe(generation, place, verdict, slow, *now);
        }
        let word = self.load();
        if word.generation() != generation {
            self.stale.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if verdict.outcome == Outcome::Neutral || word.is_held_closed() {
            return;
        }
        let failed = verdict.outcome == Outcome::Failure;
        let ended = Ended { failed, slow: self.is_slow(&ticket, || *now) };
        let by_rate = self.note(generation, ended, || *now);
        let row = if failed { self.lengthen_row(generation) } else { self.end_row(generation) };
        if let Some(why) = by_rate.or_else(|| self.settings.conditions.by_row(row)) {
            self.trip(generation, why, row, verdict.hint, *now);
        }
    }

    /// Notes a call in the window, and whether a rate says that this is too much.
    fn note(&self, generation: u64, ended: Ended, now: impl FnOnce() -> Instant) -> Option<Trip> {
        let record = self.record.as_ref()?;
        let is_current = || self.load().generation() == generation;
        let counts = record.note(ended, generation, is_current, now)?;
        self.settings.conditions.by_rate(ended, counts)
    }

    /// Ends the row of failures. A success that finds nothing to reset writes nothing.
    fn end_row(&self, generation: u64) -> u32 {
        let mut word = self.load();
        while word.generation() == generation && word.failures() != 0 {
            match self.swap(word, word.with_failures(0)) {
                Ok(()) => break,
                Err(current) => word = current,
            }
        }
        0
    }

    /// Makes the row of failures longer by one, and says how long it is then.
    fn lengthen_row(&self, generation: u64) -> u32 {
        let mut word = self.load();
        while word.generation() == generation {
            let counted = word.with_failures(word.failures() + 1);
            match self.swap(word, counted) {
                Ok(()) => return counted.failures(),
                Err(current) => word = current,
            }
        }
        0
    }

    #[cold]
    fn trip(&self, generation: u64, why: Trip, row: u32, hint: Option<Duration>, now: Instant) {
        let mut book = self.lock();
        // Of several calls that are each too much the first opens the circuit.
        if self.load().generation() == generation {
            self.open(&mut book, why, Some(row), hint, now);
        }
    }

    #[cold]
    fn settle_probe(
        &self,
        generation: u64,
        place: u64,
        verdict: Verdict,
        slow: bool,
        now: Instant,
    ) {
        let mut book = self.lock();
        let word = self.catch_up(&mut book, now);
        if word.generation() != generation {
            self.stale.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if !book.probes.end(place) {
            // Its lease ended in a ramp, and it has counted as failed.
            self.stale.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let becomes = match verdict.outcome {
            Outcome::Neutral => None,
            outcome => {
                let ended = Ended { failed: outcome == Outcome::Failure, slow };
                book.probes.ended(ended, &self.settings, now)
            }
        };
        match becomes {
            Some(Becomes::Open(why)) => self.open(&mut book, why, None, verdict.hint, now),
            Some(Becomes::Close) => self.close(&mut book, now),
            // A place has become free.
            None => self.stir(&mut book),
        }
    }

    fn load(&self) -> Word {
        Word::from_bits(self.word.load(Ordering::Acquire))
    }

    fn swap(&self, from: Word, to: Word) -> Result<(), Word> {
        self.word
            .compare_exchange(from.bits(), to.bits(), Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
            .map_err(Word::from_bits)
    }

    // Nothing that runs under the lock panics half way through a change.
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What its callers do in two steps.
#[cfg(test)]
impl Circuit {
    fn admit(&self, now: impl Fn() -> Instant) -> Result<Ticket, Refused> {
        self.admit_if_closed(&now).map_or_else(|| self.admit_unless_open(now()), Ok)
    }
}
