//! One toxic upon one direction of one connection: what goes in, and what comes out when.

use std::{collections::VecDeque, mem, time::Duration};

use bytes::Bytes;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use tokio::time::Instant;

use super::toxic::{Toxic, ToxicKind};

/// A piece of bandwidth is what passes in this time, so that a slow line trickles and does not gush.
const PIECES_A_SECOND: u64 = 100;
/// And no more than this, so that a piece is not larger than what is read at once.
const LARGEST_PIECE: u64 = 16 * 1024;

/// What flows through a pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Data(Bytes),
    /// Nothing follows this way; the other way goes on.
    End,
    /// The connection closes.
    Close,
    /// The connection is reset.
    Reset,
}

/// An item on its way.
#[derive(Debug)]
pub(super) struct Held {
    arrived: Instant,
    /// When it may go on; what that is by is the work's to say.
    due: Instant,
    item: Item,
}

impl Held {
    fn new(at: Instant, item: Item) -> Self {
        Self { arrived: at, due: at, item }
    }

    /// What it takes of the bound on a connection's memory: its bytes, and the room for itself.
    fn cost(&self) -> usize {
        let bytes = if let Item::Data(bytes) = &self.item { bytes.len() } else { 0 };
        bytes + size_of::<Self>()
    }
}

/// One toxic upon one direction of one connection.
#[derive(Debug)]
pub(super) struct Stage {
    work: Work,
    /// In the order in which they arrived.
    queue: VecDeque<Held>,
    cost: usize,
    /// What this connection has drawn for this toxic, once: it is struck by a larger toxicity.
    draw: f64,
    /// Whether it has closed or reset the connection, after which nothing comes out of it.
    closed: bool,
    rng: StdRng,
}

/// What a stage does, and what it has to remember for that.
#[derive(Debug)]
enum Work {
    Pass,
    Latency { delay: Duration, jitter: Duration, last: Instant },
    Bandwidth { rate: u64, free: Instant },
    Slicer { average: usize, variation: usize, delay: Duration, free: Instant, piece: usize },
    LimitData { bytes: u64, passed: u64, reached: Option<Instant> },
    Timeout { ends: Option<Instant>, swallowed: bool },
    Blackhole,
    ResetPeer { at: Instant },
    SlowClose { delay: Duration },
}

impl Stage {
    /// This toxic comes upon a connection.
    pub(super) fn new(now: Instant, toxic: &Toxic, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let draw = rng.random::<f64>();
        let work = Work::new(now, toxic, draw, &mut rng);
        Self { work, queue: VecDeque::new(), cost: 0, draw, closed: false, rng }
    }

    pub(super) fn is_latency(&self) -> bool {
        matches!(self.work, Work::Latency { .. })
    }

    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    /// Takes what arrives at this time, which is not before what arrived last.
    pub(super) fn push(&mut self, at: Instant, item: Item) {
        if self.closed {
            return;
        }
        let mut held = Held::new(at, item);
        match &mut self.work {
            Work::Latency { delay, jitter, last } => {
                held.due = (at + spread(*delay, *jitter, &mut self.rng)).max(*last);
                *last = held.due;
            }
            Work::Timeout { swallowed, .. } if matches!(held.item, Item::Data(_) | Item::End) => {
                *swallowed = true;
                return;
            }
            _ => {}
        }
        self.cost += held.cost();
        self.queue.push_back(held);
    }

    /// When something comes out next, as far as is known now.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let front = self.queue.front().and_then(|held| self.work.lets_go(held));
        match (self.work.alarm(), front) {
            (Some(alarm), Some(front)) => Some(alarm.min(front)),
            (alarm, front) => alarm.or(front),
        }
    }

    /// Takes out what is [due](Self::due) at this time.
    pub(super) fn take(&mut self, due: Instant) -> Option<Item> {
        let item = match self.work.alarm_rings(due) {
            Some(item) => item,
            None => self.take_front(due)?,
        };
        if matches!(item, Item::Close | Item::Reset) {
            self.closed = true;
            self.queue.clear();
            self.cost = 0;
        }
        Some(item)
    }

    fn take_front(&mut self, due: Instant) -> Option<Item> {
        let front = self.queue.front_mut()?;
        let Item::Data(bytes) = &mut front.item else {
            let held = self.queue.pop_front()?;
            self.cost -= held.cost();
            return Some(held.item);
        };
        let Some(most) = self.work.most() else { return Some(Item::Close) };
        let taken = bytes.split_to(bytes.len().min(most));
        self.cost -= taken.len();
        if bytes.is_empty() {
            self.cost -= size_of::<Held>();
            self.queue.pop_front();
        }
        self.work.passed(due, taken.len(), &mut self.rng);
        Some(Item::Data(taken))
    }

    /// The toxic has changed. What is held stays held, by what is now in force.
    pub(super) fn change(&mut self, now: Instant, toxic: &Toxic) {
        if self.closed {
            return;
        }
        let work = Work::new(now, toxic, self.draw, &mut self.rng);
        let before = mem::replace(&mut self.work, work);
        let held = mem::take(&mut self.queue);
        self.cost = 0;
        match (&mut self.work, &before) {
            (
                Work::LimitData { bytes, passed, reached },
                Work::LimitData { passed: before, .. },
            ) => {
                *passed = *before;
                *reached = (*passed > 0 && passed >= bytes).then_some(now);
            }
            (Work::Timeout { swallowed, .. }, before) => *swallowed = before.has_swallowed(),
            // The hole in what it let pass stays there, whatever it does from now on.
            (_, before) if before.has_swallowed() => self.push(now, Item::Close),
            _ => {}
        }
        // Of one latency after another, the new one counts from when the bytes arrived.
        let still_late = self.is_latency() && matches!(before, Work::Latency { .. });
        for Held { arrived, item, .. } in held {
            self.push(if still_late { arrived } else { now }, item);
        }
    }

    /// The toxic is removed: what it held flows on.
    pub(super) fn into_held(self) -> impl Iterator<Item = Item> {
        let hole = (self.work.has_swallowed() && !self.closed).then_some(Item::Close);
        hole.into_iter().chain(self.queue.into_iter().map(|held| held.item))
    }
}

impl Work {
    fn has_swallowed(&self) -> bool {
        matches!(self, Self::Timeout { swallowed: true, .. })
    }

    fn new(now: Instant, toxic: &Toxic, draw: f64, rng: &mut StdRng) -> Self {
        if draw >= toxic.share() {
            return Self::Pass;
        }
        match *toxic.kind() {
            ToxicKind::Latency { delay, jitter } => Self::Latency { delay, jitter, last: now },
            ToxicKind::Bandwidth { rate } => Self::Bandwidth { rate, free: now },
            ToxicKind::Slicer { average, variation, delay } => {
                let piece = size(average, variation, rng);
                Self::Slicer { average, variation, delay, free: now, piece }
            }
            ToxicKind::LimitData { bytes } => Self::LimitData { bytes, passed: 0, reached: None },
            ToxicKind::Timeout { after } => {
                let ends = (!after.is_zero()).then(|| now + after);
                Self::Timeout { ends, swallowed: false }
            }
            ToxicKind::Blackhole => Self::Blackhole,
            ToxicKind::ResetPeer { after } => Self::ResetPeer { at: now + after },
            ToxicKind::SlowClose { delay } => Self::SlowClose { delay },
        }
    }

    /// When the first one that is held may go on, or the first part of it.
    fn lets_go(&self, held: &Held) -> Option<Instant> {
        let length = if let Item::Data(bytes) = &held.item { Some(bytes.len()) } else { None };
        match *self {
            Self::Latency { .. } => Some(held.due),
            Self::Bandwidth { rate, free } => {
                let begins = held.arrived.max(free);
                let length = length.map_or(0, |length| length.min(piece_of(rate)));
                Some(begins + time_for(length, rate))
            }
            Self::Slicer { free, .. } => Some(held.arrived.max(free)),
            Self::Blackhole => None,
            Self::SlowClose { delay } => match held.item {
                Item::End | Item::Close => Some(held.arrived + delay),
                Item::Data(_) | Item::Reset => Some(held.arrived),
            },
            Self::Pass | Self::LimitData { .. } | Self::Timeout { .. } | Self::ResetPeer { .. } => {
                Some(held.arrived)
            }
        }
    }

    /// How many bytes it lets go at once; `None` if it closes instead.
    fn most(&self) -> Option<usize> {
        match *self {
            Self::Bandwidth { rate, .. } => Some(piece_of(rate)),
            Self::Slicer { piece, .. } => Some(piece),
            Self::LimitData { bytes, passed, .. } => {
                let left = bytes.saturating_sub(passed);
                (left > 0).then(|| usize::try_from(left).unwrap_or(usize::MAX))
            }
            _ => Some(usize::MAX),
        }
    }

    /// So many bytes have passed at this time.
    fn passed(&mut self, due: Instant, length: usize, rng: &mut StdRng) {
        match self {
            Self::Bandwidth { free, .. } => *free = due,
            Self::Slicer { average, variation, delay, free, piece } => {
                *free = due + *delay;
                *piece = size(*average, *variation, rng);
            }
            Self::LimitData { bytes, passed, reached } => {
                *passed += length as u64;
                *reached = (*passed >= *bytes).then_some(due);
            }
            _ => {}
        }
    }

    /// When it strikes whether or not anything is held.
    fn alarm(&self) -> Option<Instant> {
        match *self {
            Self::LimitData { reached, .. } => reached,
            Self::Timeout { ends, .. } => ends,
            Self::ResetPeer { at } => Some(at),
            _ => None,
        }
    }

    fn alarm_rings(&self, due: Instant) -> Option<Item> {
        if self.alarm().is_none_or(|alarm| alarm > due) {
            return None;
        }
        Some(if matches!(self, Self::ResetPeer { .. }) { Item::Reset } else { Item::Close })
    }
}

/// Evenly spread around `middle`, and never less than zero.
fn spread(middle: Duration, by: Duration, rng: &mut dyn Rng) -> Duration {
    if by.is_zero() {
        return middle;
    }
    (middle + by.mul_f64(2.0 * rng.random::<f64>())).saturating_sub(by)
}

fn size(average: usize, variation: usize, rng: &mut dyn Rng) -> usize {
    rng.random_range(average - variation..=average.saturating_add(variation))
}

fn piece_of(rate: u64) -> usize {
    // At most LARGEST_PIECE, which fits.
    usize::try_from((rate / PIECES_A_SECOND).clamp(1, LARGEST_PIECE)).unwrap_or(1)
}

/// Rounded up, so that it is never faster.
fn time_for(length: usize, rate: u64) -> Duration {
    let nanos = (length as u128 * 1_000_000_000).div_ceil(u128::from(rate));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
