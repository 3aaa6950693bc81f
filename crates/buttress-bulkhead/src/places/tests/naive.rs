//! The places as one would write them on paper: one thread, a counter, a queue.

use std::collections::{BTreeMap, VecDeque};

/// What the naive places say of one who joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Entered,
    Queued,
    Full,
}

#[derive(Debug)]
pub(super) struct Naive {
    pub(super) limit: usize,
    pub(super) in_flight: usize,
    pub(super) came: u64,
    pub(super) left: u64,
    pub(super) queue: VecDeque<usize>,
    /// Those who were given a place and did not take it yet.
    pub(super) served: Vec<usize>,
    /// The last waker that each has given, and how often it is to have been woken.
    pub(super) woken: BTreeMap<usize, usize>,
}

impl Naive {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            in_flight: 0,
            came: 0,
            left: 0,
            queue: VecDeque::new(),
            served: Vec::new(),
            woken: BTreeMap::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.in_flight >= self.limit
    }

    fn enter(&mut self) {
        self.in_flight += 1;
        self.came += 1;
    }

    pub(super) fn try_enter(&mut self) -> bool {
        let enters = !self.is_full() && self.queue.is_empty();
        if enters {
            self.enter();
        }
        enters
    }

    pub(super) fn enter_or_queue(&mut self, name: usize, max_queue: usize) -> Asked {
        if self.try_enter() {
            Asked::Entered
        } else if self.queue.len() >= max_queue {
            Asked::Full
        } else {
            self.queue.push_back(name);
            Asked::Queued
        }
    }

    pub(super) fn is_served(&mut self, name: usize) -> bool {
        let served = self.served.contains(&name);
        if served {
            self.served.retain(|other| *other != name);
            self.woken.remove(&name);
        } else {
            self.woken.insert(name, 0);
        }
        served
    }

    pub(super) fn quit(&mut self, name: usize) {
        self.woken.remove(&name);
        if self.served.contains(&name) {
            self.served.retain(|other| *other != name);
            self.leave();
        } else {
            self.queue.retain(|other| *other != name);
        }
    }

    pub(super) fn leave(&mut self) {
        self.in_flight -= 1;
        self.left += 1;
        self.serve();
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.serve();
    }

    fn serve(&mut self) {
        while !self.is_full() {
            let Some(name) = self.queue.pop_front() else { return };
            self.enter();
            self.served.push(name);
            if let Some(woken) = self.woken.get_mut(&name) {
                *woken += 1;
            }
        }
    }
}
