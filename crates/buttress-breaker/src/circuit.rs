//! The state machine of the breaker.
//!
//! It knows nothing of services, futures or observers, and is told the time. The state, the
//! generation and the failures in a row are one atomic word, so that a closed circuit that stays
//! closed is one load; everything that is rare is done under one lock, under which nothing
//! foreign ever runs.

mod word;

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use buttress_core::{
    CircuitState::{self, Closed, HalfOpen, Open},
    Outcome,
};
use tokio::time::Instant;

use self::word::Word;

pub(crate) use self::word::MOST_FAILURES;

/// When a circuit trips and how it recovers; checked by the builder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) consecutive_failures: u32,
    pub(crate) open_for: Duration,
    pub(crate) probes: u32,
    pub(crate) close_after: u32,
    pub(crate) probe_lease: Duration,
}

/// Leave to make one call; given back by [`Circuit::settle`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    generation: u64,
    /// The number of the place that it holds, if the circuit was half-open.
    probe: Option<u64>,
}

/// Why a call may not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// What remains of the open time. Unknown while half-open: the probe that is out may end in
    /// the next moment.
    pub(crate) retry_after: Option<Duration>,
    /// The failures in a row that opened the circuit.
    pub(crate) failures: u32,
}

/// A change of state that has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) from: CircuitState,
    pub(crate) to: CircuitState,
    /// The generation that began with it.
    pub(crate) generation: u64,
}

/// What a circuit looked like at one moment.
///
/// Taken by [`BreakerHandle::snapshot`](crate::BreakerHandle::snapshot).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The state.
    pub state: CircuitState,
    /// While closed, the failures in a row so far; else those that opened the circuit.
    pub failures: u32,
    /// The changes of state so far; an outcome of a call that was admitted in an earlier
    /// generation changes nothing.
    pub generation: u64,
    /// How often the circuit opened, from closed or from half-open.
    pub opened: u64,
    /// The calls that were refused.
    pub rejected: u64,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Circuit {
    settings: Settings,
    // Changed by compare-and-swap alone. The state and the generation change under the lock of
    // the book; the count, which moves only while closed, without it.
    word: AtomicU64,
    // Whether the book holds changes that nobody was told of: spares the lock to whoever asks.
    news: AtomicBool,
    book: Mutex<Book>,
}

/// What is of interest only while the circuit is not closed.
#[derive(Debug, Default)]
struct Book {
    /// When the open time ends; `None` is never.
    open_until: Option<Instant>,
    /// The probes that are out.
    probes: Vec<Probe>,
    /// The probes that were ever sent: numbers the next one.
    sent: u64,
    /// The probes that succeeded since the circuit became half-open.
    successes: u32,
    opened: u64,
    rejected: u64,
    untold: VecDeque<Change>,
    telling: bool,
}

#[derive(Debug)]
struct Probe {
    number: u64,
    /// When its lease ends; `None` is never.
    ends: Option<Instant>,
}

impl Circuit {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            word: AtomicU64::new(Word::FIRST.bits()),
            news: AtomicBool::new(false),
            book: Mutex::default(),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Asks for leave to make a call. A closed circuit does not ask for the time.
    pub(crate) fn admit(&self, now: impl FnOnce() -> Instant) -> Result<Ticket, Refused> {
        let word = self.load();
        if word.state() == Closed {
            return Ok(Ticket { generation: word.generation(), probe: None });
        }
        self.admit_unless_open(now())
    }

    #[cold]
    fn admit_unless_open(&self, now: Instant) -> Result<Ticket, Refused> {
        let mut book = self.lock();
        let word = self.catch_up(&mut book, now);
        let generation = word.generation();
        let retry_after = match word.state() {
            Closed => return Ok(Ticket { generation, probe: None }),
            HalfOpen if book.probes.len() < self.settings.probes as usize => {
                let number = book.sent;
                book.sent += 1;
                let ends = now.checked_add(self.settings.probe_lease);
                book.probes.push(Probe { number, ends });
                return Ok(Ticket { generation, probe: Some(number) });
            }
            HalfOpen => None,
            Open => book.open_until.map(|until| until.saturating_duration_since(now)),
        };
        book.rejected += 1;
        Err(Refused { retry_after, failures: word.failures() })
    }

    /// Takes a ticket back, with what came of its call. A success that finds nothing to reset
    /// writes nothing, and only what may change the state asks for the time.
    #[expect(clippy::needless_pass_by_value, reason = "no ticket can be settled twice")]
    pub(crate) fn settle(&self, ticket: Ticket, outcome: Outcome, now: impl FnOnce() -> Instant) {
        let Ticket { generation, probe } = ticket;
        match (probe, outcome) {
            (Some(number), _) => self.settle_probe(generation, number, outcome, now()),
            (None, Outcome::Success) => self.reset(generation),
            (None, Outcome::Failure) => self.count(generation, now),
            (None, Outcome::Neutral) => {}
        }
    }

    fn reset(&self, generation: u64) {
        let mut word = self.load();
        while word.generation() == generation && word.failures() != 0 {
            match self.swap(word, word.with_failures(0)) {
                Ok(()) => return,
                Err(current) => word = current,
            }
        }
    }

    fn count(&self, generation: u64, now: impl FnOnce() -> Instant) {
        let mut word = self.load();
        while word.generation() == generation {
            let failures = word.failures() + 1;
            if failures >= self.settings.consecutive_failures {
                return self.count_or_trip(generation, now());
            }
            match self.swap(word, word.with_failures(failures)) {
                Ok(()) => return,
                Err(current) => word = current,
            }
        }
    }

    #[cold]
    fn count_or_trip(&self, generation: u64, now: Instant) {
        let mut book = self.lock();
        let mut word = self.load();
        // Under the lock nobody else changes the state, but the count still moves: a success may
        // have come between.
        while word.generation() == generation {
            let failures = word.failures() + 1;
            let counted = word.with_failures(failures);
            let counted = if failures < self.settings.consecutive_failures {
                self.swap(word, counted)
            } else {
                self.change(&mut book, word, counted.next(Open), now)
            };
            match counted {
                Ok(()) => return,
                Err(current) => word = current,
            }
        }
    }

    #[cold]
    fn settle_probe(&self, generation: u64, number: u64, outcome: Outcome, now: Instant) {
        let mut book = self.lock();
        let word = self.catch_up(&mut book, now);
        if word.generation() != generation {
            return;
        }
        book.probes.retain(|probe| probe.number != number);
        match outcome {
            Outcome::Neutral => {}
            Outcome::Failure => self.enter(&mut book, word.next(Open), now),
            Outcome::Success => {
                book.successes += 1;
                if book.successes >= self.settings.close_after {
                    self.enter(&mut book, word.with_failures(0).next(Closed), now);
                }
            }
        }
    }

    /// The state now. Like an admission it makes the changes that are due, so that whoever looks,
    /// whoever calls and whoever is told of changes see the same circuit.
    pub(crate) fn state(&self, now: impl FnOnce() -> Instant) -> CircuitState {
        match self.load().state() {
            Closed => Closed,
            Open | HalfOpen => self.snapshot(now).state,
        }
    }

    /// All there is to see now; makes the changes that are due, as [`Circuit::state`].
    pub(crate) fn snapshot(&self, now: impl FnOnce() -> Instant) -> Snapshot {
        let now = now();
        let mut book = self.lock();
        let word = self.catch_up(&mut book, now);
        Snapshot {
            state: word.state(),
            failures: word.failures(),
            generation: word.generation(),
            opened: book.opened,
            rejected: book.rejected,
        }
    }

    /// Makes the changes that time alone brings: an open time that is over, a lease that ended.
    ///
    /// What a lease brings happened when it ended, however late that is noticed: the new open
    /// time counts from there, and may be over, too.
    fn catch_up(&self, book: &mut Book, now: Instant) -> Word {
        loop {
            let word = self.load();
            let is_past = |end: Option<Instant>| end.filter(|&end| end <= now);
            match word.state() {
                Open if is_past(book.open_until).is_some() => {
                    self.enter(book, word.next(HalfOpen), now);
                }
                HalfOpen => {
                    let first = book.probes.iter().filter_map(|probe| probe.ends).min();
                    let Some(ended) = is_past(first) else { return word };
                    self.enter(book, word.next(Open), ended);
                }
                Closed | Open => return word,
            }
        }
    }

    /// Leaves a state other than closed: there every change is made under the lock, so that
    /// nobody can come between.
    fn enter(&self, book: &mut Book, to: Word, since: Instant) {
        let left = self.change(book, self.load(), to, since);
        debug_assert!(left.is_ok(), "the word changed under the lock");
    }

    /// Changes the state, if the word is still `from`, and keeps the book.
    fn change(&self, book: &mut Book, from: Word, to: Word, since: Instant) -> Result<(), Word> {
        self.swap(from, to)?;
        book.probes.clear();
        book.successes = 0;
        if to.state() == Open {
            book.opened += 1;
            book.open_until = since.checked_add(self.settings.open_for);
        }
        let change = Change { from: from.state(), to: to.state(), generation: to.generation() };
        book.untold.push_back(change);
        self.news.store(true, Ordering::Release);
        Ok(())
    }

    /// Tells of the changes that nobody was told of yet: each once, in their order, and outside
    /// the lock.
    ///
    /// Only one thread tells at a time, or the order could not be kept: another one that comes
    /// meanwhile, be it from within `tell`, leaves its changes to the first.
    pub(crate) fn tell(&self, mut tell: impl FnMut(Change)) {
        if !self.news.load(Ordering::Acquire) {
            return;
        }
        let Some(mut teller) = Teller::new(self) else { return };
        while let Some(change) = teller.next() {
            tell(change);
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

/// The one that tells of changes; lets another take over should the telling panic.
struct Teller<'a> {
    circuit: &'a Circuit,
    done: bool,
}

impl<'a> Teller<'a> {
    fn new(circuit: &'a Circuit) -> Option<Self> {
        let mut book = circuit.lock();
        if book.telling {
            return None;
        }
        book.telling = true;
        Some(Self { circuit, done: false })
    }

    fn next(&mut self) -> Option<Change> {
        let mut book = self.circuit.lock();
        let next = book.untold.pop_front();
        if next.is_none() {
            // In the same breath as the last look, so that a change that comes later finds
            // nobody telling.
            book.telling = false;
            self.circuit.news.store(false, Ordering::Release);
            self.done = true;
        }
        next
    }
}

impl Drop for Teller<'_> {
    fn drop(&mut self) {
        // Once done, somebody else may be telling already.
        if !self.done {
            self.circuit.lock().telling = false;
        }
    }
}
