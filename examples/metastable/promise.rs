//! What must be seen of a defence.

use std::fmt;

use crate::defence::Defence;

/// What must be seen of a defence, whatever the seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// No run recovers: without that the experiment shows nothing.
    Never,
    /// Each run recovers within so many seconds.
    Within(usize),
}

impl Promise {
    /// None for what is only reported.
    pub(crate) const fn of(defence: Defence) -> Option<Self> {
        match defence {
            Defence::PlainRetry => Some(Self::Never),
            Defence::Budget => Some(Self::Within(150)),
            Defence::BudgetAndBreaker => Some(Self::Within(10)),
            Defence::NoRetries | Defence::WholeStack => None,
        }
    }

    /// Whether it is kept by runs that recovered after so many seconds, or never.
    pub(crate) fn is_kept(self, recovered: &[Option<usize>]) -> bool {
        match self {
            Self::Never => recovered.iter().all(Option::is_none),
            Self::Within(most) => recovered.iter().all(|r| r.is_some_and(|after| after <= most)),
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Within(most) => write!(f, "within {most} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_for_all_seeds() {
        assert!(Promise::Never.is_kept(&[None, None]));
        assert!(!Promise::Never.is_kept(&[None, Some(500)]));
        assert!(Promise::Within(10).is_kept(&[Some(10), Some(0)]));
        assert!(!Promise::Within(10).is_kept(&[Some(11), Some(0)]));
        assert!(!Promise::Within(10).is_kept(&[None, Some(0)]));
    }
}
