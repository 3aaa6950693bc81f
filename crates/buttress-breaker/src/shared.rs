//! What every service, every call and every handle of one circuit share.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
#[cfg(feature = "keyed")]
use std::{
    fmt::Display,
    hash::{DefaultHasher, Hash, Hasher},
};

use buttress_core::{EventKind, Rejection, RejectionKind, Reporter};
use tokio::time::Instant;

use crate::{
    circuit::{Change, Circuit, Refused, Ticket, Verdict},
    settings::Settings,
    transitions::{Transition, Transitions, subscription},
};

/// A circuit, and those who are told of it.
pub(crate) struct Shared {
    pub(crate) circuit: Circuit,
    reporter: Reporter,
    subscribers: Mutex<Vec<subscription::Sender>>,
    /// Whether it is one of many, which is forgotten when others come.
    #[cfg(feature = "keyed")]
    of_key: bool,
}

impl Shared {
    /// A closed circuit, whose jitter is that of its settings and of nobody else.
    pub(crate) fn new(settings: Arc<Settings>, reporter: Reporter) -> Self {
        let seed = settings.seed.unwrap_or_else(rand::random);
        Self::with_seed(settings, seed, reporter)
    }

    fn with_seed(settings: Arc<Settings>, seed: u64, reporter: Reporter) -> Self {
        let circuit = Circuit::new(settings, seed, Instant::now());
        Self {
            circuit,
            reporter,
            subscribers: Mutex::default(),
            #[cfg(feature = "keyed")]
            of_key: false,
        }
    }

    /// That of one of many keys.
    #[cfg(feature = "keyed")]
    pub(crate) fn of_key<K: Hash + Display>(
        key: &K,
        settings: &Arc<Settings>,
        reporter: &Reporter,
    ) -> Self {
        // Seeded, each key still has a jitter of its own.
        let seed = settings.seed.map_or_else(rand::random, |seed| {
            let mut hasher = DefaultHasher::new();
            (seed, key).hash(&mut hasher);
            hasher.finish()
        });
        let mut shared = Self::with_seed(Arc::clone(settings), seed, reporter.of_part(key));
        shared.of_key = true;
        shared
    }

    #[inline]
    pub(crate) fn settings(&self) -> &Arc<Settings> {
        self.circuit.settings()
    }

    pub(crate) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Asks the circuit for leave to make a call. What came of it is told by [`Shared::tell`], once
    /// whoever asked has the ticket safe, or by [`Shared::tell_refusal`].
    #[inline]
    pub(crate) fn admit(&self) -> Result<Ticket, Box<Rejection>> {
        if let Some(ticket) = self.circuit.admit_if_closed(Instant::now) {
            return Ok(ticket);
        }
        self.admit_unless_open()
    }

    #[cold]
    fn admit_unless_open(&self) -> Result<Ticket, Box<Rejection>> {
        self.circuit.admit_unless_open(Instant::now()).map_err(|Refused { retry_after, why }| {
            let rejection = self.reporter.rejection(RejectionKind::CircuitOpen { why });
            // Boxed at once: an open circuit has many to make, and they are large to move.
            Box::new(match retry_after {
                Some(delay) => rejection.with_retry_after(delay),
                None => rejection,
            })
        })
    }

    /// Tells the observer of what has happened, and of a refusal.
    #[cold]
    pub(crate) fn tell_refusal(&self, refusal: &Rejection) {
        self.tell();
        self.reporter.report(EventKind::Rejected(refusal));
    }

    /// Takes a ticket back, and tells of what came of it.
    #[inline]
    pub(crate) fn settle(&self, ticket: Ticket, verdict: Verdict) {
        self.circuit.settle(ticket, verdict, Instant::now);
        self.tell();
    }

    /// Looks at the circuit, or changes it, and tells of what came of that.
    pub(crate) fn operate<R>(&self, what: impl FnOnce(&Circuit) -> R) -> R {
        let result = what(&self.circuit);
        self.tell();
        result
    }

    /// Tells of the changes that nobody was told of.
    #[inline]
    pub(crate) fn tell(&self) {
        self.circuit.tell(|change| {
            let Change { from, to, why, .. } = change;
            self.publish(Transition::new(change));
            self.reporter.report(EventKind::CircuitChanged { from, to, why });
        });
    }

    pub(crate) fn subscribe(&self) -> Transitions {
        let (sender, transitions) = subscription::new();
        let mut subscribers = self.subscribers();
        // Those who have left are found with the next change, which may never come.
        subscribers.retain(|subscriber| !subscriber.is_closed());
        subscribers.push(sender);
        drop(subscribers);
        transitions
    }

    fn subscribers(&self) -> MutexGuard<'_, Vec<subscription::Sender>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, transition: Transition) {
        // To send wakes a task, which is foreign code: not under the lock.
        let mut left = self.subscribers().clone();
        left.retain(|subscriber| !subscription::send(subscriber, transition));
        if !left.is_empty() {
            self.subscribers()
                .retain(|subscriber| left.iter().all(|left| !left.same_channel(subscriber)));
        }
    }
}

/// One of many circuits that is forgotten leaves nobody in the belief that it is open.
#[cfg(feature = "keyed")]
impl Drop for Shared {
    fn drop(&mut self) {
        if self.of_key {
            self.operate(|circuit| circuit.end(Instant::now));
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerLayer")
            .field("name", self.reporter.name())
            .field("settings", self.settings())
            .finish_non_exhaustive()
    }
}
