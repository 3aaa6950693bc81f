//! What a circuit is made with.

use buttress_core::ConfigError;

use crate::{open_time::OpenTime, probes::Probing, trip::Conditions};

/// What a call that nobody waits for any more says about the dependency.
///
/// It is dropped before the head of its response, or as a plain value before it was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Abandoned {
    /// It failed if its deadline had passed, or if it already was a slow call; else it says
    /// nothing, for its caller hung up.
    #[default]
    FailedIfLate,
    /// It failed, always: for callers whose limits are not known here, so that being dropped is the
    /// only sign that a call took too long.
    Failed,
    /// It says nothing, ever.
    Neutral,
}

/// When a circuit opens, how it recovers, and what it does meanwhile.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Settings {
    pub(crate) conditions: Conditions,
    pub(crate) open_time: OpenTime,
    pub(crate) probing: Probing,
    pub(crate) abandoned: Abandoned,
    /// What the jitter of open times is drawn from; by default what nobody knows.
    pub(crate) seed: Option<u64>,
    /// Judges and reports, and refuses nothing.
    pub(crate) shadow: bool,
    /// Whether `poll_ready` says what `call` is going to do.
    pub(crate) readiness: bool,
}

impl Settings {
    /// The settings with what was not said filled in, or which of them makes no sense.
    pub(crate) fn complete(self) -> Result<Self, ConfigError> {
        self.open_time.check()?;
        self.probing.check()?;
        if let (Some(ramp), true) = (self.probing.ramp, self.readiness) {
            // Ready is a promise, and the share is drawn call by call.
            return Err(ConfigError::new("ramp", format!("{ramp:?}"), "none with `readiness`"));
        }
        Ok(Self { conditions: self.conditions.complete()?, ..self })
    }
}
