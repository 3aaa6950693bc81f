//! Who came in and who left: two words, which all counts of a bulkhead are read from.

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicU64, Ordering};

/// The most calls that can be in flight, and the most that can wait.
pub(crate) const MOST: usize = 1_000_000;

/// The lower bits of a word: enough for [`MOST`].
const BITS: u32 = 21;
const LOWER: u64 = (1 << BITS) - 1;
/// One call, in the upper bits. They begin anew after 8,796,093,022,208 calls.
const CALL: u64 = 1 << BITS;

/// How many calls came in and how many left, ever, together with the limit and the queue.
///
/// What a call reads to come in is read and changed in one step: with those that came in stands the
/// limit, so that none comes in by a limit that no longer holds; with those that left stand those that
/// wait, so that whoever leaves learns of them. To come in and to leave is one change of a word each.
#[derive(Debug)]
pub(crate) struct Counts {
    /// The calls that came in, above the limit.
    came: AtomicU64,
    /// The calls that left, above those that wait.
    left: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) limit: usize,
    pub(crate) in_flight: usize,
    pub(crate) queued: usize,
    pub(crate) came: u64,
    pub(crate) left: u64,
}

impl Figures {
    fn of(came: u64, left: u64) -> Self {
        // Those that came in may have begun anew, and those that left not yet.
        let in_flight = (came >> BITS).wrapping_sub(left >> BITS) & (u64::MAX >> BITS);
        Self {
            limit: count(came & LOWER),
            in_flight: count(in_flight),
            queued: count(left & LOWER),
            came: came >> BITS,
            left: left >> BITS,
        }
    }

    fn is_full(self) -> bool {
        self.in_flight >= self.limit
    }
}

fn count(word: u64) -> usize {
    usize::try_from(word).unwrap_or(usize::MAX)
}

impl Counts {
    /// Nobody has come, and `limit` may at once, from 1 to [`MOST`].
    pub(crate) fn new(limit: usize) -> Self {
        Self { came: AtomicU64::new(limit as u64), left: AtomicU64::new(0) }
    }

    /// So many came and left already.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn after(calls: u64, limit: usize) -> Self {
        let calls = calls << BITS;
        Self { came: AtomicU64::new(calls | limit as u64), left: AtomicU64::new(calls) }
    }

    /// Comes in if there is room and nobody waits for it; else says how it was.
    #[inline]
    pub(crate) fn try_enter(&self) -> Result<(), Figures> {
        self.enter_unless(|figures| figures.is_full() || figures.queued > 0)
    }

    /// Comes in if there is room, for one who waits.
    pub(crate) fn try_enter_from_queue(&self) -> bool {
        self.enter_unless(Figures::is_full).is_ok()
    }

    #[inline]
    fn enter_unless(&self, barred: impl Fn(Figures) -> bool) -> Result<(), Figures> {
        // In this order: those that left are then never more than those that came, unless more have
        // come meanwhile; and a call that leaves meanwhile only makes room.
        let mut came = self.came.load(Ordering::Acquire);
        loop {
            let left = self.left.load(Ordering::Acquire);
            let figures = Figures::of(came, left);
            let next = if barred(figures) {
                let now = self.came.load(Ordering::Acquire);
                if now == came {
                    return Err(figures);
                }
                Err(now)
            } else {
                let next = came.wrapping_add(CALL);
                self.came.compare_exchange_weak(came, next, Ordering::AcqRel, Ordering::Acquire)
            };
            match next {
                Ok(_) => return Ok(()),
                Err(now) => came = now,
            }
        }
    }

    /// Joins the queue of at most `max_queue`, if there is no room or somebody waits for it already.
    ///
    /// Only for whoever holds the queue's lock.
    pub(crate) fn try_queue(&self, max_queue: usize) -> Result<(), NotQueued> {
        loop {
            let came = self.came.load(Ordering::Acquire);
            let left = self.left.load(Ordering::Acquire);
            let figures = Figures::of(came, left);
            if figures.queued == 0 && !figures.is_full() {
                return Err(NotQueued::Room);
            }
            if self.came.load(Ordering::Acquire) != came {
                continue;
            }
            if figures.queued >= max_queue {
                return Err(NotQueued::Full(figures));
            }
            let queued = left + 1;
            let joined =
                self.left.compare_exchange(left, queued, Ordering::AcqRel, Ordering::Relaxed);
            if joined.is_ok() {
                return Ok(());
            }
        }
    }

    /// Leaves the queue, for good or to come in. Only for whoever holds its lock.
    pub(crate) fn quit_queue(&self) {
        self.left.fetch_sub(1, Ordering::AcqRel);
    }

    /// Leaves; whether somebody waits for the room.
    #[inline]
    pub(crate) fn leave(&self) -> bool {
        self.left.fetch_add(CALL, Ordering::AcqRel) & LOWER > 0
    }

    /// Lets so many in at once from now on. Only for whoever holds the queue's lock.
    pub(crate) fn set_limit(&self, limit: usize) {
        let to_limit = |came| Some(came & !LOWER | limit as u64);
        // It always has one.
        let _ = self.came.fetch_update(Ordering::AcqRel, Ordering::Acquire, to_limit);
    }

    /// All counts, of one moment.
    pub(crate) fn figures(&self) -> Figures {
        let mut left = self.left.load(Ordering::Acquire);
        loop {
            let came = self.came.load(Ordering::Acquire);
            let now = self.left.load(Ordering::Acquire);
            if now == left {
                return Figures::of(came, left);
            }
            left = now;
        }
    }
}

/// Why a call does not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotQueued {
    /// There is room.
    Room,
    /// As many wait as may.
    Full(Figures),
}
