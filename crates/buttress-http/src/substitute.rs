//! How the answer of a fallback stands in for the original, and how a good one is remembered.

mod body;
mod copy;
mod copying;
mod fields;
mod mark;
mod storable;

use buttress_core::{
    BoxError, Classify, Degraded, Held, Outcome, Recording, Remembers, Substitute,
};
use bytes::Bytes;
use http::Response;
use http_body::Body;

pub use body::Substituted;
pub(crate) use mark::DEGRADED;
pub use mark::DEGRADED_HEADER;
pub(crate) use storable::says;

use crate::{Http, judge};
use copying::Copying;

impl Remembers for Http {}

impl<B, A> Substitute<Response<B>, Response<A>> for Http
where
    B: Body<Data = Bytes>,
    A: Body<Data = Bytes>,
{
    type Response = Response<Substituted<B, A>>;

    fn original(&self, response: Response<B>) -> Self::Response {
        response.map(|body| Substituted::original(body, None))
    }

    fn check(&self, alternative: &Response<A>) -> Result<(), BoxError> {
        if self.classify(Ok(alternative)).outcome == Outcome::Success {
            return Ok(());
        }
        Err(judge::refusal(alternative.status(), alternative.headers()).into())
    }

    fn alternative(&self, alternative: Response<A>, held: Held) -> Self::Response {
        alternative.map(|body| Substituted::alternative(body, held))
    }

    fn mark(
        &self,
        response: &mut Self::Response,
        degraded: Degraded,
        failed: Option<&Response<B>>,
    ) {
        mark::response(response, degraded, failed.map(Response::status), self.degraded_header);
    }

    fn record(&self, response: Response<B>, recording: Recording) -> Self::Response {
        let (head, body) = response.into_parts();
        let copying = if !storable::is_good(&head, recording.key(), self.degraded_header) {
            None
        } else if let Some(unsuited) = storable::unsuited(&head.headers, recording.key()) {
            recording.fail(unsuited.into());
            None
        } else {
            Copying::begin(&head, &body, recording)
        };
        Response::from_parts(head, Substituted::original(body, copying))
    }

    fn recall(&self, copy: Bytes) -> Result<Self::Response, BoxError> {
        Ok(copy::read(copy)?.map(Substituted::remembered))
    }
}
