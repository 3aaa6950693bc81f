//! The figures of a bulkhead.

use crate::WaitTimes;

/// The figures of a bulkhead, or of one of its compartments, at one moment.
///
/// What is counted is so since the compartment was made: with its layer, or, where there is one for each
/// key, when its key came, which may be again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkheadSnapshot {
    /// The most calls at once.
    pub limit: usize,
    /// The places that are taken, by calls until their responses are over. After the limit shrank it
    /// may be more, until enough have ended.
    pub in_flight: usize,
    /// The calls that wait for a place. One that has been given a place is in flight, also while it
    /// has not been polled since.
    pub queued: usize,
    /// The calls that took a place, and under `backpressure` the services that did. After 8.8 trillion it
    /// begins anew.
    pub admitted: u64,
    /// The calls that were not made.
    pub rejected: Rejected,
    /// The calls that were lost on the runtime that they were given to: they panicked, or it has
    /// shut down. They are among those admitted.
    pub lost: u64,
    /// How long those waited that took a place and did not find one free.
    pub waits: WaitTimes,
}

/// The calls that were not made, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    /// There was no place, neither to be in nor to wait in.
    pub full: u64,
    /// No place became free in `max_wait`.
    pub queue_timeout: u64,
    /// The deadline passed before there was a place.
    pub deadline_exceeded: u64,
}

impl Rejected {
    /// All of them.
    pub const fn total(self) -> u64 {
        self.full + self.queue_timeout + self.deadline_exceeded
    }
}
