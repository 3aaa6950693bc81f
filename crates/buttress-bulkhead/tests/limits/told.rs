//! A limit that says what it was told.

use std::{
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress_bulkhead::{Limit, Sample};
use buttress_core::Outcome;
use tokio::time::Instant;

/// Keeps what it is told, and is what it was set to.
#[derive(Clone)]
pub(crate) struct Told {
    limit: Arc<Mutex<usize>>,
    samples: Arc<Mutex<Vec<Sample>>>,
}

impl Told {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: Arc::new(Mutex::new(limit)), samples: Arc::default() }
    }

    pub(crate) fn set(&self, limit: usize) {
        *self.limit.lock().unwrap() = limit;
    }

    /// What it was told since it was last asked.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        mem::take(&mut *self.samples.lock().unwrap())
    }

    /// The same: how long each took, how many there were with it, and how it ended.
    pub(crate) fn take(&self) -> Vec<(Duration, usize, Outcome)> {
        let samples = self.samples().into_iter();
        samples.map(|it| (it.latency, it.in_flight, it.judgement.outcome)).collect()
    }
}

impl Limit for Told {
    fn current(&self) -> usize {
        *self.limit.lock().unwrap()
    }

    fn learn(&mut self, sample: &Sample) {
        assert_eq!(sample.now, Instant::now());
        self.samples.lock().unwrap().push(*sample);
    }
}
