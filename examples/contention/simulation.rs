//! One run: clients that want to write the same row, in virtual time.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use rand::Rng;
use rand_distr::{Distribution, Normal};

use crate::wait::{Wait, Waits};

/// What one message takes of the way from a client to the server, or back: the mean and the
/// standard deviation, in milliseconds.
const WAY_MS: (f64, f64) = (10.0, 2.0);

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Writes that were sent.
    pub(crate) calls: u32,
    /// When the last client knew that it had written.
    pub(crate) completion: Duration,
}

/// A message that arrives. The server takes no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    /// At the server: what is the version of the row?
    Read,
    /// At the client: it is this.
    Version(u32),
    /// At the server: write, if the version is still this.
    Write(u32),
    /// At the client: it was.
    Written,
    /// At the client: it was not.
    Stale,
}

/// When, from or to which client, what.
type Event = (Duration, usize, Message);

struct Simulation<'a> {
    events: BinaryHeap<Reverse<Event>>,
    way: Normal<f64>,
    rng: &'a mut dyn Rng,
}

/// Lets so many clients begin at once, each to write the row once. The row has a version: a write
/// succeeds only if nobody has written since it was read, and else the client waits, and reads anew.
pub(crate) fn run(clients: u32, wait: Wait, rng: &mut dyn Rng) -> Outcome {
    let (mean, deviation) = WAY_MS;
    let way = Normal::new(mean, deviation).expect("the deviation is finite");
    let mut simulation = Simulation { events: BinaryHeap::new(), way, rng };
    let mut clients: Vec<_> = (0..clients).map(|_| Waits::new(wait)).collect();
    for client in 0..clients.len() {
        simulation.send(Duration::ZERO, client, Message::Read);
    }
    let mut current = 0;
    let mut outcome = Outcome { calls: 0, completion: Duration::ZERO };
    while let Some(Reverse((now, client, message))) = simulation.events.pop() {
        match message {
            Message::Read => simulation.send(now, client, Message::Version(current)),
            Message::Version(version) => {
                outcome.calls += 1;
                simulation.send(now, client, Message::Write(version));
            }
            Message::Write(version) if version == current => {
                current += 1;
                simulation.send(now, client, Message::Written);
            }
            Message::Write(_) => simulation.send(now, client, Message::Stale),
            Message::Stale => {
                let wait = clients[client].next(simulation.rng);
                simulation.send(now + wait, client, Message::Read);
            }
            Message::Written => outcome.completion = now,
        }
    }
    outcome
}

impl Simulation<'_> {
    /// Sends a message, that arrives later.
    fn send(&mut self, now: Duration, client: usize, message: Message) {
        // Nothing arrives before it was sent, not even where the distribution has it so.
        let way = self.way.sample(self.rng).abs();
        self.events.push(Reverse((now + Duration::from_secs_f64(way / 1000.0), client, message)));
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn outcome(clients: u32, wait: Wait, seed: u64) -> Outcome {
        run(clients, wait, &mut StdRng::seed_from_u64(seed))
    }

    /// Read, version, write, written: four ways of about 10 ms.
    #[test]
    fn who_is_alone_writes_once() {
        for wait in Wait::ALL {
            let Outcome { calls, completion } = outcome(1, wait, 1);
            assert_eq!(calls, 1);
            assert!((20..60).contains(&completion.as_millis()), "{completion:?}");
        }
    }

    /// Both have read the first version before either can write, so one of them fails.
    #[test]
    fn of_two_the_later_writes_again() {
        for seed in 0..100 {
            assert_eq!(outcome(2, Wait::Exponential, seed).calls, 3);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_run() {
        assert_eq!(outcome(20, Wait::Full, 1), outcome(20, Wait::Full, 1));
        assert_ne!(outcome(20, Wait::Full, 1), outcome(20, Wait::Full, 2));
    }
}
