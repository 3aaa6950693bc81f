//! What there is to say about a circuit breaker.

use std::fmt;

/// The state of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CircuitState {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// A few calls pass, to find out whether the dependency has recovered.
    HalfOpen,
}

/// Why a circuit opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trip {
    /// So many calls in a row failed.
    ConsecutiveFailures(u32),
    /// Too large a part of the calls failed.
    FailureRate {
        /// The calls in the window that failed.
        failed: u64,
        /// The calls in the window.
        calls: u64,
    },
    /// Too large a part of the calls was slow.
    SlowCallRate {
        /// The calls in the window that were slow.
        slow: u64,
        /// The calls in the window.
        calls: u64,
    },
    /// While half-open a call failed.
    ProbeFailed,
    /// While half-open a call was slow, where slow calls count.
    ProbeSlow,
    /// While half-open a call neither ended nor was dropped in time.
    ProbeLost,
    /// An operator opened it.
    Forced,
}

impl fmt::Display for CircuitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        })
    }
}

impl fmt::Display for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConsecutiveFailures(1) => f.write_str("a call failed"),
            Self::ConsecutiveFailures(failures) => write!(f, "{failures} calls in a row failed"),
            Self::FailureRate { failed, calls } => write!(f, "{failed} of {calls} calls failed"),
            Self::SlowCallRate { slow, calls } => write!(f, "{slow} of {calls} calls were slow"),
            Self::ProbeFailed => f.write_str("a probe failed"),
            Self::ProbeSlow => f.write_str("a probe was slow"),
            Self::ProbeLost => f.write_str("a probe did not end in time"),
            Self::Forced => f.write_str("it was opened on purpose"),
        }
    }
}
