//! A pipe over times that a test chooses.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    super::{Next, Pipe},
    BUFFER,
};
use crate::proxy::{Toxic, toxic::Direction, toxics::Toxics};

/// A pipe, its toxics, and what came out of it when.
pub(super) struct Run {
    pub(super) pipe: Pipe,
    pub(super) toxics: Toxics,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) fed: usize,
    pub(super) out: Vec<(Duration, Bytes)>,
    pub(super) finished: Vec<Duration>,
    pub(super) ended: Option<(Duration, Next)>,
}

impl Run {
    pub(super) fn new(buffer: usize, seed: u64) -> Self {
        let now = Instant::now();
        let pipe = Pipe::new(buffer, seed);
        let (out, finished) = (Vec::new(), Vec::new());
        Self { pipe, toxics: Toxics::new(), start: now, now, fed: 0, out, finished, ended: None }
    }

    pub(super) fn under(toxics: &[Toxic], seed: u64) -> Self {
        let mut run = Self::new(BUFFER, seed);
        for (place, toxic) in toxics.iter().enumerate() {
            run.toxics.add(&format!("{place}"), *toxic).unwrap();
        }
        run.set();
        run
    }

    pub(super) fn set(&mut self) {
        let toxics = self.toxics.watch().borrow().of(Direction::Downstream);
        self.pipe.set(self.now, &toxics);
    }

    /// As many as there is room for, numbered on.
    pub(super) fn feed(&mut self, length: usize) -> usize {
        let length = length.min(self.pipe.room());
        if length > 0 {
            let bytes: Vec<_> = (self.fed..self.fed + length).map(byte).collect();
            self.pipe.push(self.now, bytes.into());
            self.fed += length;
        }
        length
    }

    /// Feeds all of it as soon as there is room, or as much as is let in before the connection closes.
    pub(super) fn feed_all(&mut self, length: usize) {
        let all = self.fed + length;
        while self.fed < all && self.ended.is_none() {
            self.feed((all - self.fed).min(16 * 1024));
            let wake = self.write_all();
            if self.pipe.room() == 0 && self.ended.is_none() {
                let wake = wake.expect("there will be room, or an end");
                assert!(wake > self.now, "what is due has come out");
                self.now = wake;
            }
        }
    }

    /// Writes what is to be written now, and says when to look again.
    pub(super) fn write_all(&mut self) -> Option<Instant> {
        loop {
            let at = self.now - self.start;
            match self.pipe.next(self.now) {
                Next::Write(bytes) => {
                    assert!(!bytes.is_empty());
                    self.out.push((at, bytes));
                }
                Next::Finish => self.finished.push(at),
                Next::Wait(until) => return until,
                ending => {
                    self.ended = Some((at, ending));
                    return None;
                }
            }
        }
    }

    /// Lets time pass, and writes whenever there is something to be written.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(wake) = self.write_all().filter(|wake| *wake <= until) {
            assert!(wake > self.now, "what is due has come out");
            self.now = wake;
        }
        self.now = until;
    }

    pub(super) fn written(&self) -> Vec<u8> {
        self.out.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect()
    }

    pub(super) fn written_length(&self) -> usize {
        self.out.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// For each byte, when it came out.
    pub(super) fn times(&self) -> impl Iterator<Item = Duration> {
        self.out.iter().flat_map(|(at, bytes)| bytes.iter().map(move |_| *at))
    }

    pub(super) fn last(&self) -> Duration {
        self.out.last().unwrap().0
    }
}

/// So that neither a lost nor a moved one goes unseen.
#[expect(clippy::cast_possible_truncation, reason = "any byte will do")]
fn byte(place: usize) -> u8 {
    (place ^ (place >> 8).wrapping_mul(31) ^ (place >> 16).wrapping_mul(17)) as u8
}

pub(super) fn payload(length: usize) -> Vec<u8> {
    (0..length).map(byte).collect()
}
