//! The request itself, for a service that is to answer in place of the one it was for.

use std::{fmt, time::Duration};

use buttress_core::{BoxError, Obstacle, Rejection, Repeat, Repeatability, Repeated, Retry};
use tokio::time::sleep;

use crate::Failure;

/// How often, and how long apart, one who has failed is asked for the body that he was sending.
const ASKED: (u32, Duration) = (10, Duration::from_millis(1));

/// A view that is the whole request, for tiers to which it is sent again:
/// [`resend`](crate::FallbackLayerBuilder::resend).
///
/// ```
/// use buttress_core::Plain;
/// use buttress_fallback::Whole;
///
/// let keep = |request: &String| Whole::of(request, Plain);
/// # fn is_keep<Req>(_: impl buttress_fallback::Keep<Req>) {}
/// # is_keep(keep);
/// ```
///
/// The copy is made on every call, also on those that go well, by the protocol: under
/// HTTP one of a request with a few headers takes some allocations, and there is none of a body that
/// can be had once only.
pub struct Whole<Req, R> {
    copy: Option<Repeated<Req>>,
    repeat: R,
    refusals: bool,
}

impl<Req, R: Repeat<Req>> Whole<Req, R> {
    /// The copy of this request that the protocol `repeat` gives.
    pub fn of(request: &Req, repeat: R) -> Self {
        Self { copy: repeat.repeat(request), repeat, refusals: false }
    }

    /// Takes a refusal by one of our layers, such as an open circuit, for proof that the request was not
    /// executed. Default: it is none.
    ///
    /// It is one around a client. Around a handler it may come from a client of the handler's own, which
    /// had done something before.
    pub fn repeat_refusals(mut self) -> Self {
        self.refusals = true;
        self
    }

    /// The copy, to look at; none if the request can not be had twice.
    pub fn get(&self) -> Option<&Req> {
        self.copy.as_ref().map(|copy| &copy.request)
    }

    /// What is to be sent now that the call has failed in this way, if it may be.
    pub(crate) fn again(&self, failure: &Failure<'_>) -> Result<Again<Req, R>, BoxError>
    where
        R: Clone,
    {
        let Some(Repeated { request, when }) = &self.copy else {
            return Err("the request can not be had twice".into());
        };
        if *when == Repeatability::OnlyUnsent && !self.is_unsent(failure) {
            return Err("the request may not be sent twice".into());
        }
        let Some(Repeated { request, .. }) = self.repeat.repeat(request) else {
            return Err("the copy of the request can not be had twice".into());
        };
        Ok(Again { request, repeat: self.repeat.clone(), answered: failure.error().is_none() })
    }

    /// Whether it is proved that the request was not executed. The error itself is asked: what it wraps
    /// may come from a service that had done something before.
    fn is_unsent(&self, failure: &Failure<'_>) -> bool {
        let refused = failure.error().and_then(|error| error.downcast_ref::<Rejection>());
        failure.judgement().retry == Retry::Safe
            || (self.refusals && refused.is_some_and(Rejection::is_refusal))
    }
}

/// A request on its way to another service.
pub(crate) struct Again<Req, R> {
    request: Req,
    repeat: R,
    answered: bool,
}

impl<Req, R: Repeat<Req>> Again<Req, R> {
    /// The request, once nobody else sends it any more.
    pub(crate) async fn request(mut self) -> Result<Req, BoxError> {
        let (mut tries, pause) = ASKED;
        loop {
            match self.repeat.obstacle(&mut self.request, self.answered) {
                None => return Ok(self.request),
                // One who has failed is about to let go of the body, on a thread of his own.
                Some(Obstacle::StillSending) if !self.answered && tries > 1 => {
                    tries -= 1;
                    sleep(pause).await;
                }
                Some(obstacle) => return Err(obstacle.to_string().into()),
            }
        }
    }
}

impl<Req, R> fmt::Debug for Whole<Req, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whole").field("copied", &self.copy.is_some()).finish_non_exhaustive()
    }
}
