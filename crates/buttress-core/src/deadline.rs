//! One deadline that travels with a call.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project::{pin_project, pinned_drop};
use tokio::time::Instant;

/// The longest time that is told apart from "never": thirty years, well inside what every
/// platform's `Instant` can represent, and beyond what any call waits for.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

thread_local! {
    static CURRENT: Cell<Option<Ambient>> = const { Cell::new(None) };
}

/// The ambient deadline, and that at which somebody outside ends what runs: not sooner, if there is
/// one.
#[derive(Debug, Clone, Copy)]
struct Ambient {
    deadline: Deadline,
    enforced: Option<Deadline>,
    seen: Seen,
}

/// What is known of the ambient deadline in this run.
// As wide as a word: what is saved and restored in odd parts the processor waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum Seen {
    Nothing,
    /// That it lies ahead.
    Ahead,
}

/// How a deadline is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Anyone,
    /// One who has just seen that it lies ahead.
    Begin,
    /// One who ends the call when it passes.
    Enforce,
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
/// or a tower `Buffer` it is lost; capture [`Deadline::current`] before, and carry it by
/// [`Deadline::scoped`].
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
    /// How long somebody outside who [enforces](Self::enforce) a deadline has to end the call, once
    /// a layer inside has found it to have passed: 2 ms.
    ///
    /// He ends it in the very poll in which it is found, and needs no time at all. One who does not,
    /// for the call was moved away from under him or his thread is blocked in it, does not come later
    /// either: so there is no more of it than a timer needs to tell two moments apart.
    pub const GRACE: Duration = Duration::from_millis(2);

    /// The deadline at this instant.
    #[inline]
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
    #[inline]
    pub fn after_instant(start: Instant, timeout: Duration) -> Self {
        Self(start + timeout.min(NEVER))
    }

    /// The instant at which the deadline passes.
    #[inline]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// What remains until the deadline: zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.remaining_at(Instant::now())
    }

    /// What remains at `now`: zero once the deadline has passed.
    #[inline]
    pub fn remaining_at(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether nothing remains.
    #[inline]
    pub fn is_past(self) -> bool {
        self.is_past_at(Instant::now())
    }

    /// Whether nothing remains at `now`.
    #[inline]
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
    #[inline]
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
    #[inline]
    pub fn current() -> Option<Self> {
        ambient().map(|ambient| ambient.deadline)
    }

    /// The soonest deadline at which somebody outside ends the running code: see
    /// [`Deadline::enforce`]. It may be later than the ambient one, which nobody enforces then.
    ///
    /// A layer that would itself cut at that deadline leaves it to the one outside, who knows
    /// whose limit it was, and whose error says so. It asks at each poll, and keeps a timer of its
    /// own all the same: the one outside cuts only what he polls, and a call may be moved away
    /// from under him, or block him.
    #[inline]
    pub fn enforced() -> Option<Self> {
        ambient().and_then(|ambient| ambient.enforced)
    }

    /// Whether somebody outside ends the running code when this deadline passes, or sooner: see
    /// [`Deadline::enforced`]. He has [`GRACE`](Self::GRACE) to do so.
    #[inline]
    pub fn is_enforced(self) -> bool {
        Self::enforced().is_some_and(|outside| outside <= self)
    }

    /// Runs `f` with this ambient deadline, and restores the former one after it, also when `f`
    /// panics. `None` leaves the ambient deadline as it is.
    ///
    /// Where there is an ambient deadline already the sooner of the two holds: a child is never
    /// later than its parent. For a future use [`Deadline::scoped`].
    #[inline]
    pub fn scope<R>(deadline: Option<Self>, f: impl FnOnce() -> R) -> R {
        run(deadline, By::Anyone, f)
    }

    /// As [`Deadline::scope`], for one who begins a call by `f` and has read the clock for it: the
    /// deadline lies ahead.
    ///
    /// So an [`Allowance`](crate::Allowance) that is taken inside does not read it again, which would
    /// take longer than whatever else a layer does. It holds for the length of this one run, in which
    /// an inner service is called and nobody waits.
    #[inline]
    pub fn begin<R>(deadline: Option<Self>, f: impl FnOnce() -> R) -> R {
        run(deadline, By::Begin, f)
    }

    /// Whether nothing remains of the ambient deadline; reads the clock if nobody outside has for
    /// this run.
    #[inline]
    pub(crate) fn current_is_past() -> bool {
        ambient().is_some_and(|ambient| ambient.seen == Seen::Nothing && ambient.deadline.is_past())
    }

    /// As [`Deadline::scope`], for one who ends what `f` is a part of when the deadline passes.
    ///
    /// It is a promise for the length of this one run: once `f` has returned and the deadline has
    /// passed, what `f` is a part of is ended, before anything else is done. Layers inside rely on
    /// it to have the right one named, and not to have the call end: where nobody keeps the promise
    /// they cut a moment later themselves.
    #[inline]
    pub fn enforce<R>(deadline: Option<Self>, f: impl FnOnce() -> R) -> R {
        run(deadline, By::Enforce, f)
    }

    /// Runs `f` without any ambient deadline, and restores the former one after it, also when `f`
    /// panics: for what is not a part of the call that is running, but begun by it.
    pub fn unscoped<R>(f: impl FnOnce() -> R) -> R {
        let _restore = Restore(ambient());
        set(None);
        f()
    }

    /// Runs a future with this ambient deadline: each of its polls, and its drop.
    ///
    /// It sets what [`Deadline::current`] says and does not cut the future; that is the business
    /// of a `TimeoutLayer`. To carry a deadline into a spawned task:
    ///
    /// ```
    /// use buttress_core::Deadline;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let work = async { Deadline::current() };
    /// # let deadline = Deadline::after(std::time::Duration::from_secs(1));
    /// # Deadline::scope(Some(deadline), || {
    /// let carried = Deadline::scoped(Deadline::current(), work);
    /// let task = tokio::spawn(carried);
    /// # task
    /// # }).await.unwrap();
    /// # }
    /// ```
    pub fn scoped<F: Future>(deadline: Option<Self>, future: F) -> Scoped<F> {
        Scoped { future: Some(future), deadline }
    }
}

#[inline]
fn run<R>(deadline: Option<Deadline>, by: By, f: impl FnOnce() -> R) -> R {
    let _restore = deadline.map(|deadline| {
        let before = ambient();
        let enforced = (by == By::Enforce).then_some(deadline);
        let seen = if by == By::Begin { Seen::Ahead } else { Seen::Nothing };
        set(Some(match before {
            None => Ambient { deadline, enforced, seen },
            Some(before) => Ambient {
                deadline: before.deadline.min(deadline),
                enforced: Deadline::sooner(before.enforced, enforced),
                // Of the sooner one, if it is that of before, what was seen of it before.
                seen: if before.deadline < deadline { before.seen } else { seen },
            },
        }));
        Restore(before)
    });
    f()
}

#[inline]
fn ambient() -> Option<Ambient> {
    // A thread that is being torn down has no ambient deadline any more.
    CURRENT.try_with(Cell::get).unwrap_or(None)
}

#[inline]
fn set(ambient: Option<Ambient>) {
    let _ = CURRENT.try_with(|current| current.set(ambient));
}

struct Restore(Option<Ambient>);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        set(self.0);
    }
}

/// A future that runs with an ambient deadline; made by [`Deadline::scoped`].
#[pin_project(PinnedDrop)]
#[derive(Debug)]
pub struct Scoped<F> {
    // None once it was dropped.
    #[pin]
    future: Option<F>,
    deadline: Option<Deadline>,
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future.as_pin_mut().expect("only its drop takes it");
        Deadline::scope(*this.deadline, || future.poll(cx))
    }
}

#[pinned_drop]
impl<F> PinnedDrop for Scoped<F> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        Deadline::scope(*this.deadline, || this.future.set(None));
    }
}
