//! The failure that a fallback stands in for.

use buttress_core::{BoxError, Judgement, Outcome, Rejection};

/// What a tier is told about the call that it stands in for.
///
/// The failed response itself is not shown: it is kept as it is, for it is what the caller gets
/// if no tier serves.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    judgement: Judgement,
    error: Option<&'a BoxError>,
}

impl<'a> Failure<'a> {
    pub(crate) fn new(judgement: Judgement, error: Option<&'a BoxError>) -> Self {
        Self { judgement, error }
    }

    /// What the protocol made of the result: a dependency that failed, or a call that was never
    /// sent; and how long it asks to be left alone.
    pub fn judgement(&self) -> Judgement {
        self.judgement
    }

    /// The error that the call ended with; none if it ended with a response.
    pub fn error(&self) -> Option<&'a BoxError> {
        self.error
    }

    /// The outermost rejection in the chain of the error: which Buttress layer refused or cut the
    /// call, and why. None if the dependency itself failed.
    pub fn rejection(&self) -> Option<&'a Rejection> {
        self.error.and_then(|error| Rejection::find(error.as_ref()))
    }
}

/// The default of the builder's `when`: the dependency failed, or one of our own layers refused
/// the call, so that there is no answer at all.
pub(crate) fn leaves_no_answer(failure: &Failure<'_>) -> bool {
    failure.judgement().outcome == Outcome::Failure
        || failure.rejection().is_some_and(Rejection::is_refusal)
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc, time::Duration};

    use buttress_core::{Phase, RejectionKind, Trip};

    use super::*;

    fn steps_in(error: impl Into<BoxError>) -> bool {
        let error = error.into();
        leaves_no_answer(&Failure::new(Judgement::of_error(error.as_ref()), Some(&error)))
    }

    fn rejection(kind: RejectionKind) -> Rejection {
        Rejection::new("some", Arc::from("layer"), kind)
    }

    #[test]
    fn steps_in_wherever_there_is_no_answer() {
        let limit = Duration::from_secs(1);
        let full = || RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 };
        assert!(steps_in("the dependency broke"));
        assert!(steps_in(rejection(RejectionKind::TimedOut { phase: Phase::Overall, limit })));
        assert!(steps_in(rejection(RejectionKind::DeadlineExceeded { called: true })));
        assert!(steps_in(rejection(RejectionKind::DeadlineExceeded { called: false })));
        assert!(steps_in(rejection(RejectionKind::CircuitOpen {
            why: Trip::ConsecutiveFailures(5)
        })));
        assert!(steps_in(rejection(full())));
        assert!(steps_in(rejection(RejectionKind::QueueTimeout {
            limit: 1,
            in_flight: 1,
            queued: 0,
            waited: limit
        })));
        assert!(steps_in(io::Error::other(rejection(full()))), "wrapped by foreign code");
    }

    #[test]
    fn leaves_alone_what_says_nothing_about_the_dependency() {
        let neutral = |error| Failure::new(Judgement::NEUTRAL, error);
        assert!(!leaves_no_answer(&neutral(None)), "a neutral response");
        let error = BoxError::from("a bad request");
        assert!(!leaves_no_answer(&neutral(Some(&error))), "a neutral error");
    }
}
