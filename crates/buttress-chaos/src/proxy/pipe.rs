//! How bytes flow one way through the toxics of a connection. Knows no socket and no clock.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    stage::{Item, Stage},
    toxics::Named,
};

/// What is held at most where no latency needs more.
const SHORT: usize = 64 * 1024;

/// One direction of one connection: what was read goes in, what is to be written comes out.
///
/// Each item passes from stage to stage at the time at which it is due, and not at that at which
/// somebody looks: so the times of several toxics add up exactly, however late the machine is.
#[derive(Debug)]
pub(super) struct Pipe {
    stages: Vec<(Arc<Named>, Stage)>,
    /// What has passed all stages.
    out: VecDeque<Item>,
    out_cost: usize,
    /// What all stages hold at most while there is latency, in bytes.
    buffer: usize,
    /// No bytes are let in any more.
    ended: bool,
    /// Nothing is let in any more: it has been closed or reset, by a peer or a toxic.
    closed: bool,
    seed: u64,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Write this.
    Write(Bytes),
    /// Write nothing any more; what flows the other way goes on.
    Finish,
    /// Close the connection, both ways.
    Close,
    /// Reset the connection, both ways.
    Reset,
    /// Nothing before this time, or before something is read or changed.
    Wait(Option<Instant>),
}

impl Pipe {
    pub(super) fn new(buffer: usize, seed: u64) -> Self {
        let (stages, out) = (Vec::new(), VecDeque::new());
        Self { stages, out, out_cost: 0, buffer, ended: false, closed: false, seed }
    }

    /// How many bytes may be read now.
    pub(super) fn room(&self) -> usize {
        if self.ended || self.closed {
            return 0;
        }
        let (mut held, mut most) = (self.out_cost, SHORT.min(self.buffer));
        for (_, stage) in &self.stages {
            held += stage.cost();
            if stage.is_latency() {
                most = self.buffer;
            }
        }
        most.saturating_sub(held)
    }

    /// Takes what was read.
    pub(super) fn push(&mut self, now: Instant, bytes: Bytes) {
        if !self.ended {
            self.enter(now, Item::Data(bytes));
        }
    }

    /// There is nothing more to read.
    pub(super) fn end(&mut self, now: Instant) {
        if !self.ended {
            self.enter(now, Item::End);
            self.ended = true;
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whoever is read from has reset the connection, be it before its end or after.
    pub(super) fn reset(&mut self, now: Instant) {
        self.enter(now, Item::Reset);
    }

    fn enter(&mut self, now: Instant, item: Item) {
        self.flow(now);
        if !self.closed {
            self.put(0, now, item);
        }
    }

    /// Puts these toxics in force in place of those before, in this order. What a removed one holds
    /// flows on, in order; a new one at the end strikes what has not passed the others yet.
    pub(super) fn set(&mut self, now: Instant, toxics: &[Arc<Named>]) {
        self.flow(now);
        let mut place = 0;
        while let Some((old, _)) = self.stages.get(place) {
            if toxics.iter().any(|new| new.id == old.id) {
                place += 1;
                continue;
            }
            let (_, stage) = self.stages.remove(place);
            for item in stage.into_held() {
                self.put(place, now, item);
            }
        }
        // What is left stands in the order of the new ones, which come after all others.
        for (place, toxic) in toxics.iter().enumerate() {
            match self.stages.get_mut(place) {
                None => {
                    let stage = Stage::new(now, &toxic.toxic, toxic.seed(self.seed));
                    self.stages.push((Arc::clone(toxic), stage));
                }
                Some((known, stage)) => {
                    if known.toxic != toxic.toxic {
                        stage.change(now, &toxic.toxic);
                    }
                    *known = Arc::clone(toxic);
                }
            }
        }
    }

    /// What is to be done now.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        self.flow(now);
        match self.out.pop_front() {
            Some(Item::Data(bytes)) => {
                self.out_cost -= cost(bytes.len());
                Next::Write(bytes)
            }
            Some(Item::End) => Next::Finish,
            Some(Item::Close) => Next::Close,
            Some(Item::Reset) => Next::Reset,
            None => Next::Wait(self.due()),
        }
    }

    /// Lets all flow that is due, and says when something will be next.
    pub(super) fn wake(&mut self, now: Instant) -> Option<Instant> {
        self.flow(now);
        self.due()
    }

    /// Whether a reset has passed all stages, for which nothing that comes before it is waited for.
    pub(super) fn is_reset(&self) -> bool {
        self.out.back() == Some(&Item::Reset)
    }

    fn due(&self) -> Option<Instant> {
        self.stages.iter().filter_map(|(_, stage)| stage.due()).min()
    }

    /// Lets all flow that is due.
    fn flow(&mut self, now: Instant) {
        for place in 0..self.stages.len() {
            while let Some(due) = self.stages[place].1.due().filter(|due| *due <= now) {
                let Some(item) = self.stages[place].1.take(due) else { break };
                self.put(place + 1, due, item);
            }
        }
    }

    /// Gives it to the stage at this place, or out.
    fn put(&mut self, place: usize, at: Instant, item: Item) {
        // What has closed the connection is the last to pass.
        self.closed |= matches!(item, Item::Close | Item::Reset);
        match (self.stages.get_mut(place), item) {
            (Some((_, stage)), item) => stage.push(at, item),
            (None, item) => {
                if let Item::Data(bytes) = &item {
                    self.out_cost += cost(bytes.len());
                }
                self.out.push_back(item);
            }
        }
    }
}

/// What so many bytes that wait to be written take.
const fn cost(length: usize) -> usize {
    length + size_of::<Item>()
}

#[cfg(test)]
mod laws;
