//! A response that is copied while it passes.

use std::time::Duration;

use buttress_core::Recording;
use http::{HeaderMap, header::TRAILER, response::Parts};
use http_body::Body;

use crate::judge::{Codes, Verdict};

use super::{
    copy,
    fields::{self, Fields},
};

/// The copy of a response whose head has passed.
pub(super) struct Copying {
    recording: Recording,
    which: Fields,
    /// How long the fields of the head are in the copy.
    fields: u32,
    /// How old it was when it came.
    age: Duration,
    /// How long the head says that the body is.
    announced: Option<u64>,
    /// How much of it has come.
    came: u64,
    /// Whether the head or the trailers say how the call went.
    verdict: Verdict,
    /// Whether trailers are to come.
    trailers: bool,
}

impl Copying {
    /// Copies the head, if there is room for what it or the body announces. Boxed: a response that is
    /// not copied does not pay for the room.
    pub(super) fn begin(
        head: &Parts,
        body: &impl Body,
        mut recording: Recording,
    ) -> Option<Box<Self>> {
        let announced = fields::announced(&head.headers).ok()?;
        // After a HEAD. It looks like a body that was lost, and a key need not look at the method.
        if body.is_end_stream() && announced.is_some_and(|length| length > 0) {
            return None;
        }
        let which = Fields::after(&head.headers);
        let to_come = announced.unwrap_or_else(|| body.size_hint().lower());
        let fields = copy::write_head(&mut recording, head, &which, to_come)?;
        Some(Box::new(Self {
            recording,
            which,
            fields,
            age: fields::age(&head.headers),
            announced,
            came: 0,
            // Whether it is an answer is for gRPC's OK alone, whatever else is made of the codes.
            verdict: Verdict::announced(head.status, &head.headers, Codes::TABLE),
            trailers: head.headers.contains_key(TRAILER),
        }))
    }

    /// Copies a part of the body; whether the copy goes on.
    pub(super) fn data(&mut self, data: &[u8]) -> bool {
        self.came = self.came.saturating_add(data.len() as u64);
        self.recording.write(data)
    }

    /// Stores the copy, now that the body has come to its end with these trailers or with none: if
    /// it is as long as was announced, and if it says itself that the call went well.
    pub(super) fn end(mut self, trailers: Option<&HeaderMap>) {
        let is_whole = self.announced.is_none_or(|announced| announced == self.came);
        if is_whole
            && self.verdict.ends_as_answer(trailers)
            && copy::write_end(&mut self.recording, self.fields, trailers, &self.which)
        {
            self.recording.whole(self.age);
        }
    }

    /// The body is dropped. Those who know its length from the head do not ask for its end, so that
    /// it may have come all the same; if no trailers were to follow, which may be missing then.
    pub(super) fn left(self) {
        if self.announced.is_some() && !self.trailers {
            self.end(None);
        }
    }
}
