//! Many runs of each kind, and their means.

use rand::{SeedableRng, rngs::StdRng};
use serde::Serialize;

use crate::{
    published::{TOLERANCE, published},
    simulation,
    wait::Wait,
};

/// The means of the runs with one way to wait and one number of clients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Cell {
    /// Writes that were sent.
    pub(crate) calls: f64,
    /// When the last client was done.
    pub(crate) completion_ms: f64,
}

/// A cell beside the published one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Compared {
    pub(crate) clients: u32,
    pub(crate) measured: Cell,
    /// None for a number of clients that nothing was published for.
    pub(crate) published: Option<Cell>,
    /// The measured figures over the published ones, less one.
    pub(crate) deviation: Option<Cell>,
}

/// The means of so many runs.
pub(crate) fn cell(clients: u32, wait: Wait, runs: u32, seed: u64) -> Cell {
    // One generator for a cell: runs differ, and a cell does not depend on which others there are.
    let mut rng = StdRng::seed_from_u64(seed);
    let mut sum = Cell { calls: 0.0, completion_ms: 0.0 };
    for _ in 0..runs {
        let outcome = simulation::run(clients, wait, &mut rng);
        sum.calls += f64::from(outcome.calls);
        sum.completion_ms += outcome.completion.as_secs_f64() * 1000.0;
    }
    let runs = f64::from(runs);
    Cell { calls: sum.calls / runs, completion_ms: sum.completion_ms / runs }
}

impl Compared {
    pub(crate) fn new(clients: u32, wait: Wait, measured: Cell) -> Self {
        let published = published(wait, clients);
        let deviation = published.map(|published| Cell {
            calls: measured.calls / published.calls - 1.0,
            completion_ms: measured.completion_ms / published.completion_ms - 1.0,
        });
        Self { clients, measured, published, deviation }
    }

    /// Whether both figures are within a tenth of the published ones, where there are any.
    pub(crate) fn agrees(&self) -> bool {
        self.deviation.is_none_or(|Cell { calls, completion_ms }| {
            calls.abs() <= TOLERANCE && completion_ms.abs() <= TOLERANCE
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_as_far_as_a_cell_may_be() {
        let agrees = |calls, completion_ms| {
            Compared::new(10, Wait::None, Cell { calls, completion_ms }).agrees()
        };
        assert!(agrees(54.9, 339.0));
        assert!(!agrees(55.1, 376.0));
        assert!(!agrees(44.9, 376.0));
        assert!(!agrees(50.0, 338.0));
        assert!(!agrees(50.0, 414.0));
        let unpublished = Compared::new(11, Wait::None, Cell { calls: 1.0, completion_ms: 1.0 });
        assert!(unpublished.agrees(), "there is nothing to agree with");
    }

    /// Of so many runs that chance, in what was measured, plays no part.
    #[test]
    fn ten_clients_are_as_published() {
        for wait in Wait::ALL {
            let compared = Compared::new(10, wait, cell(10, wait, 2_000, 1));
            assert!(compared.agrees(), "{wait:?}: {compared:?}");
        }
    }
}
