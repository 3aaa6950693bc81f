//! Whether an error proves that its request was never sent.

use std::error::Error;

use buttress_core::{Judgement, Retry};

/// What is believed to prove that a request was never sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unsent {
    told: Option<fn(&(dyn Error + 'static)) -> bool>,
}

impl Unsent {
    /// The errors of the clients that are known.
    pub(crate) const fn new() -> Self {
        Self { told: None }
    }

    /// Those, and what this function says.
    pub(crate) const fn or(proves: fn(&(dyn Error + 'static)) -> bool) -> Self {
        Self { told: Some(proves) }
    }

    /// Judges an error.
    pub(crate) fn judge(self, error: &(dyn Error + 'static)) -> Judgement {
        let judgement = Judgement::of_error(error);
        if is_proved_by(error) || self.told.is_some_and(|proves| proves(error)) {
            return judgement.retry(Retry::Safe);
        }
        judgement
    }
}

/// Whether this error, as it came out of a client, proves that the request had no effect.
///
/// The error itself is asked, and not whatever it carries inside: a service that called another one
/// may have done something before that call failed.
#[cfg(feature = "client")]
fn is_proved_by(error: &(dyn Error + 'static)) -> bool {
    use hyper_util::client::legacy;

    let Some(client) = error.downcast_ref::<legacy::Error>() else { return false };
    client.is_connect() || is_refused_stream(client)
}

/// Without the feature no client's errors are known.
#[cfg(not(feature = "client"))]
fn is_proved_by(_error: &(dyn Error + 'static)) -> bool {
    false
}

/// Whether the server closed the HTTP/2 stream by REFUSED_STREAM, which promises that it did
/// nothing of what was asked: RFC 9113, section 8.7.
#[cfg(feature = "client")]
fn is_refused_stream(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(h2) = error.downcast_ref::<h2::Error>() {
            return h2.is_remote()
                && h2.is_reset()
                && h2.reason() == Some(h2::Reason::REFUSED_STREAM);
        }
        next = error.source();
    }
    false
}
