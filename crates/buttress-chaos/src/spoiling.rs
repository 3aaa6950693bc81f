//! What is done to the answer of a call that was made.

use std::{io, sync::Arc};

use buttress_core::{BoxError, Break, Damage, Spoil};

use crate::{draw::Body, shared::Shared};

/// The damage that an answer is to get.
pub(crate) struct Spoiling {
    body: Body,
    shared: Arc<Shared>,
}

impl Spoiling {
    pub(crate) fn new(body: Body, shared: Arc<Shared>) -> Self {
        Self { body, shared }
    }

    /// The answer, damaged; an error where the protocol has no place for damage.
    pub(crate) fn spoil<Req, Res, P: Spoil<Req, Res>>(
        &self,
        response: Res,
        protocol: &P,
    ) -> Result<P::Response, BoxError> {
        self.tell();
        protocol.spoil(response, self.damage()).ok_or_else(|| self.shared.error())
    }

    fn damage(&self) -> Damage {
        let Body { cut, stall, slow, breaks, trailers } = self.body;
        let mut damage = Damage::default();
        // A body ends but once: where both are to happen, at the place that comes first.
        damage.breaks = match (cut, breaks) {
            (Some(after), None) => Some(Break { after, error: lost() }),
            (Some(after), Some(breaks)) if after <= breaks => Some(Break { after, error: lost() }),
            (_, Some(after)) => Some(Break { after, error: self.shared.error() }),
            (None, None) => None,
        };
        damage.stalls = stall;
        damage.pace = slow;
        damage.trailers = trailers;
        damage
    }

    fn tell(&self) {
        let Body { cut, stall, slow, breaks, trailers } = self.body;
        for (strikes, fault) in [
            (cut.is_some(), "cut"),
            (stall.is_some(), "stall"),
            (slow.is_some(), "slow"),
            (breaks.is_some(), "break"),
            (trailers.is_some(), "trailers"),
        ] {
            if strikes {
                self.shared.tell(fault);
            }
        }
    }
}

/// What a reader sees of a connection that was lost.
fn lost() -> BoxError {
    let text = "the connection was lost on purpose, before the end of the body";
    io::Error::new(io::ErrorKind::UnexpectedEof, text).into()
}
