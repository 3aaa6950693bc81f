//! The published figures.

use crate::{experiment::Cell, wait::Wait};

/// How far a figure may be from the published one, as a part of it.
pub(crate) const TOLERANCE: f64 = 0.1;

/// The means of 100 runs for 10, 50 and 100 clients.
///
/// The experiment is that of Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture
/// Blog, 2015).
pub(crate) fn published(wait: Wait, clients: u32) -> Option<Cell> {
    let column = [10, 50, 100].iter().position(|&published| published == clients)?;
    let (calls, completion_ms) = match wait {
        Wait::None => [(50.0, 376.0), (689.0, 1_141.0), (2_418.0, 2_018.0)],
        Wait::Exponential => [(52.0, 3_677.0), (627.0, 36_788.0), (1_859.0, 63_697.0)],
        Wait::Full => [(39.0, 475.0), (333.0, 2_885.0), (797.0, 4_955.0)],
        Wait::Equal => [(42.0, 706.0), (347.0, 4_309.0), (812.0, 6_541.0)],
        Wait::Decorrelated => [(37.0, 430.0), (375.0, 2_210.0), (1_004.0, 4_594.0)],
    }[column];
    Some(Cell { calls, completion_ms })
}
