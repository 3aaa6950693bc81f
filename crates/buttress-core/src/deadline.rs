//! One deadline that travels with a call.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

/// The longest time that is told apart from "never": thirty years, well inside what every
/// platform's `Instant` can represent, and beyond what any call waits for.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

thread_local! {
    static CURRENT: Cell<Option<Deadline>> = const { Cell::new(None) };
}

/// The moment after which an answer is of no use to whoever waits for it.
///
/// A deadline is absolute, so it means the same at every layer a call passes, however long each
/// of them took. The one that applies to the running code is the *ambient* deadline,
/// [`Deadline::current`]: a `TimeoutLayer` scopes it for the length of every poll, call and drop
/// of what it wraps, and so a deadline set on the server's side reaches the client call that a
/// handler makes without anyone passing it on.
///
/// The ambient deadline lives in the thread, for the length of one poll. Across a spawned task
/// or a tower `Buffer` it is lost; capture [`Deadline::current`] before and [`Deadline::scope`]
/// it after.
///
/// ```
/// use std::time::Duration;
/// use buttress_core::Deadline;
///
/// # let _rt = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// let deadline = Deadline::after(Duration::from_secs(2));
/// Deadline::scope(Some(deadline), || {
///     assert_eq!(Deadline::current(), Some(deadline));
/// });
/// assert_eq!(Deadline::current(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline at this instant.
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The deadline that lies `timeout` ahead of now.
    ///
    /// A timeout too long to be represented, such as `Duration::MAX`, gives a deadline so far
    /// ahead that it means never.
    pub fn after(timeout: Duration) -> Self {
        Self::after_instant(Instant::now(), timeout)
    }

    /// The deadline that lies `timeout` after `start`; as [`Deadline::after`], with the clock
    /// read by the caller.
    pub fn after_instant(start: Instant, timeout: Duration) -> Self {
        Self(start + timeout.min(NEVER))
    }

    /// The instant at which the deadline passes.
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// What remains until the deadline: zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.remaining_at(Instant::now())
    }

    /// What remains at `now`: zero once the deadline has passed.
    pub fn remaining_at(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether nothing remains.
    pub fn is_past(self) -> bool {
        self.is_past_at(Instant::now())
    }

    /// Whether nothing remains at `now`.
    pub fn is_past_at(self, now: Instant) -> bool {
        self.0 <= now
    }

    /// The sooner of two deadlines, where the absence of one means that it never passes.
    ///
    /// ```
    /// use std::time::Duration;
    /// use buttress_core::Deadline;
    ///
    /// # let _rt = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    /// let short = Some(Deadline::after(Duration::from_secs(1)));
    /// let long = Some(Deadline::after(Duration::from_secs(9)));
    /// assert_eq!(Deadline::sooner(short, long), short);
    /// assert_eq!(Deadline::sooner(None, long), long);
    /// ```
    pub fn sooner(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }

    /// The ambient deadline: the one that applies to the code that is running now.
    ///
    /// `None` where nobody set one. Usable in handlers, for instance to size a query's own
    /// limit.
    pub fn current() -> Option<Self> {
        // A thread that is being torn down has no ambient deadline any more.
        CURRENT.try_with(Cell::get).unwrap_or(None)
    }

    /// Runs `f` with this ambient deadline, and restores the former one after it, also when `f`
    /// panics. `None` leaves the ambient deadline as it is.
    ///
    /// The given deadline replaces the ambient one, it is not merged with it: whoever scopes has
    /// merged already, by [`Deadline::sooner`], so that a child is never later than its parent.
    pub fn scope<R>(deadline: Option<Self>, f: impl FnOnce() -> R) -> R {
        let _restore = deadline.map(|deadline| Restore(replace(Some(deadline))));
        f()
    }
}

fn replace(deadline: Option<Deadline>) -> Option<Deadline> {
    CURRENT.try_with(|current| current.replace(deadline)).unwrap_or(None)
}

struct Restore(Option<Deadline>);

impl Drop for Restore {
    fn drop(&mut self) {
        replace(self.0);
    }
}
