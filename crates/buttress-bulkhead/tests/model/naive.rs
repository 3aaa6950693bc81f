//! The bulkhead as one would write it on paper: one thread, a queue, every call remembered. Times are
//! milliseconds from the start.

use std::collections::{BTreeMap, VecDeque};

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stands {
    /// Called at once, or after its wait.
    Inside,
    Queued,
    /// Given a place that it has not taken.
    Served,
    Refused(Why),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Full,
    Late,
    Pointless,
}

#[derive(Debug, Clone, Copy)]
struct Call {
    stands: Stands,
    since: u64,
    deadline: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Naive {
    pub(crate) limit: usize,
    pub(crate) max_queue: usize,
    /// None: without end.
    pub(crate) max_wait: Option<u64>,
    pub(crate) in_flight: usize,
    pub(crate) queue: VecDeque<usize>,
    pub(crate) made: u64,
    pub(crate) admitted: u64,
    pub(crate) waited: u64,
    pub(crate) full: u64,
    pub(crate) late: u64,
    pub(crate) pointless: u64,
    /// Those dropped while they waited, or before they took the place that they were given.
    pub(crate) left: u64,
    calls: BTreeMap<usize, Call>,
}

impl Naive {
    pub(crate) fn new(limit: usize, max_queue: usize, max_wait: Option<u64>) -> Self {
        Self {
            limit,
            max_queue,
            max_wait,
            in_flight: 0,
            queue: VecDeque::new(),
            made: 0,
            admitted: 0,
            waited: 0,
            full: 0,
            late: 0,
            pointless: 0,
            left: 0,
            calls: BTreeMap::new(),
        }
    }

    pub(crate) fn stands(&self, name: usize) -> Stands {
        self.calls[&name].stands
    }

    /// How many were given a place that they have not taken.
    pub(crate) fn served(&self) -> usize {
        self.calls.values().filter(|call| call.stands == Stands::Served).count()
    }

    fn has_room(&self) -> bool {
        self.in_flight < self.limit
    }

    pub(crate) fn call(&mut self, name: usize, now: u64, deadline: Option<u64>) -> Stands {
        self.made += 1;
        let stands = if self.has_room() && self.queue.is_empty() {
            self.in_flight += 1;
            self.admitted += 1;
            Stands::Inside
        } else if self.max_wait == Some(0) {
            self.refuse(Why::Full)
        } else if deadline.is_some_and(|deadline| deadline <= now) {
            self.refuse(Why::Pointless)
        } else if self.queue.len() >= self.max_queue {
            self.refuse(Why::Full)
        } else {
            self.queue.push_back(name);
            Stands::Queued
        };
        self.calls.insert(name, Call { stands, since: now, deadline });
        stands
    }

    fn refuse(&mut self, why: Why) -> Stands {
        match why {
            Why::Full => self.full += 1,
            Why::Late => self.late += 1,
            Why::Pointless => self.pointless += 1,
        }
        Stands::Refused(why)
    }

    /// The call is polled: it takes the place it was given, or its wait ends.
    pub(crate) fn poll(&mut self, name: usize, now: u64) -> Stands {
        let call = self.calls[&name];
        let pointless = call.deadline.is_some_and(|deadline| deadline <= now);
        let own = self.max_wait.map(|max_wait| call.since + max_wait);
        let stands = match call.stands {
            Stands::Served => {
                if pointless {
                    self.leave();
                    self.refuse(Why::Pointless)
                } else {
                    self.admitted += 1;
                    self.waited += 1;
                    Stands::Inside
                }
            }
            Stands::Queued if pointless || own.is_some_and(|own| own <= now) => {
                self.queue.retain(|other| *other != name);
                let sooner = own.is_some_and(|own| call.deadline.is_none_or(|other| own <= other));
                self.refuse(if sooner { Why::Late } else { Why::Pointless })
            }
            stands => stands,
        };
        self.calls.insert(name, Call { stands, ..call });
        stands
    }

    /// The call is dropped, or over.
    pub(crate) fn end(&mut self, name: usize) {
        match self.calls.remove(&name).map(|call| call.stands) {
            Some(Stands::Inside) => self.leave(),
            Some(Stands::Served) => {
                self.left += 1;
                self.leave();
            }
            Some(Stands::Queued) => {
                self.left += 1;
                self.queue.retain(|other| *other != name);
            }
            Some(Stands::Refused(_)) | None => {}
        }
    }

    fn leave(&mut self) {
        self.in_flight -= 1;
        self.serve();
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.serve();
    }

    fn serve(&mut self) {
        while self.has_room() {
            let Some(name) = self.queue.pop_front() else { return };
            self.in_flight += 1;
            if let Some(call) = self.calls.get_mut(&name) {
                call.stands = Stands::Served;
            }
        }
    }
}
