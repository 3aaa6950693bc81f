//! What a finished call says.

use std::{error::Error, time::Duration};

use crate::{BoxError, Rejection, RejectionKind};

/// What a finished call says about the dependency, about trying again, and when.
///
/// One judgement serves every layer: the breaker and adaptive limits read the outcome, the retry
/// reads whether and when, the fallback reads whether to step in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// What the call says about the health of the dependency.
    pub outcome: Outcome,
    /// Whether sending it again may help, and for which requests that is safe.
    pub retry: Retry,
    /// How long the dependency itself asks to be left alone.
    pub after: Option<Duration>,
}

/// What a finished call says about the health of the dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The dependency served the call; a refusal on good grounds ("404 Not Found") included.
    Success,
    /// The dependency failed the call: it broke, or took too long.
    Failure,
    /// The call says nothing about the dependency: for instance, it was never sent.
    Neutral,
}

/// Whether sending a request again may help, and for which requests that is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Another attempt would end the same way, or do harm.
    Never,
    /// Another attempt may help, but the first may have taken effect: only requests that may be
    /// sent twice are repeated.
    IfRepeatable,
    /// Another attempt may help, and the first certainly had no effect: any request may be
    /// repeated.
    Safe,
}

impl Judgement {
    /// The dependency served the call.
    pub const SUCCESS: Self = Self { outcome: Outcome::Success, retry: Retry::Never, after: None };

    /// The dependency failed the call; a request that may be sent twice can be repeated.
    pub const FAILURE: Self =
        Self { outcome: Outcome::Failure, retry: Retry::IfRepeatable, after: None };

    /// The call says nothing about the dependency, and repeating it is no use.
    pub const NEUTRAL: Self = Self { outcome: Outcome::Neutral, retry: Retry::Never, after: None };

    /// The same judgement with another word on retrying.
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The same judgement with the dependency's own delay hint.
    pub const fn after(mut self, delay: Option<Duration>) -> Self {
        self.after = delay;
        self
    }

    /// What there is to say of an outcome of which nothing more is known.
    #[inline]
    pub const fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Self::SUCCESS,
            Outcome::Failure => Self::FAILURE,
            Outcome::Neutral => Self::NEUTRAL,
        }
    }

    /// Judges an error the same way in every protocol.
    ///
    /// A call that a limit cut is a failure of the dependency. A refusal by one of our own
    /// layers is neutral and not retried: the breaker or the bulkhead has just said that the
    /// dependency needs less. When the caller's deadline cut it, there is no time for another
    /// attempt. That a runtime of ours has shut down says nothing about the dependency. Any other error
    /// is a failure, which may have taken effect.
    pub fn of_error(error: &(dyn Error + 'static)) -> Self {
        match Rejection::find(error) {
            Some(rejection) if rejection.is_refusal() => {
                Self::NEUTRAL.after(rejection.retry_after())
            }
            Some(rejection) => match rejection.kind() {
                RejectionKind::DeadlineExceeded { .. } => Self::FAILURE.retry(Retry::Never),
                // Ours, and not the dependency's.
                RejectionKind::RuntimeShutDown => Self::NEUTRAL,
                _ => Self::FAILURE.after(rejection.retry_after()),
            },
            None => Self::FAILURE,
        }
    }
}

/// Judges a result as soon as it is known: for a streamed response, by its head.
///
/// What becomes known later, at the end of the body, reaches the layers through
/// [`Follow`](crate::Follow). A closure is a classifier:
///
/// ```
/// use buttress_core::{BoxError, Classify, Judgement};
///
/// let classifier = |result: Result<&u32, &BoxError>| match result {
///     Ok(0) => Judgement::FAILURE,
///     Ok(_) => Judgement::SUCCESS,
///     Err(error) => Judgement::of_error(error.as_ref()),
/// };
/// assert_eq!(classifier.classify(Ok(&0)), Judgement::FAILURE);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot judge a response of type `{Res}`",
    note = "a closure that judges such responses is `.classify(|result: Result<&{Res}, &BoxError>| …)`, \
            and gives a `Judgement`",
    note = "a protocol that does is chosen by `.protocol(…)`: `Plain` for ordinary values, `Http` of \
            buttress-http for `http::Response`"
)]
pub trait Classify<Res> {
    /// What this result says.
    fn classify(&self, result: Result<&Res, &BoxError>) -> Judgement;
}

// Or the compiler would name what the implementation lacks, and not what to do about it.
#[diagnostic::do_not_recommend]
impl<Res, F> Classify<Res> for F
where
    F: Fn(Result<&Res, &BoxError>) -> Judgement,
{
    fn classify(&self, result: Result<&Res, &BoxError>) -> Judgement {
        self(result)
    }
}
