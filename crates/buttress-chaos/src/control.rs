//! Requests that say themselves which faults they are to meet.

mod text;

use std::{fmt, sync::Arc};

use buttress_core::{ConfigError, Spoil};
use subtle::ConstantTimeEq;

use crate::{Faults, Selection};

/// The header in which a request says which faults it is to meet; see
/// [`control`](crate::ChaosLayerBuilder::control) for what stands there.
pub const CONTROL_HEADER: &str = "buttress-chaos";

/// The header in which such a request says the [secret](crate::ChaosLayerBuilder::control).
pub const SECRET_HEADER: &str = "buttress-chaos-secret";

/// The fewest characters of a secret.
const LEAST_SECRET: usize = 16;

/// Whether requests may say which faults they are to meet; made by the builder's
/// [`control`](crate::ChaosLayerBuilder::control) and
/// [`control_if`](crate::ChaosLayerBuilder::control_if).
pub trait Control<Req> {
    /// The faults that this request says it is to meet, if it may say so. What it said is taken out of
    /// it, whether it may or not, so that no secret travels on.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it may, and what it says can not be read.
    fn faults<Res, P: Spoil<Req, Res>>(
        &self,
        request: &mut Req,
        protocol: &P,
    ) -> Result<Option<Faults>, ConfigError>;
}

/// No request says which faults it is to meet: the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uncontrolled;

/// Requests may that know a secret.
#[derive(Clone)]
pub struct BySecret(Arc<str>);

/// Requests may that a predicate selects.
#[derive(Clone)]
pub struct ByPredicate<F>(pub(crate) F);

impl BySecret {
    pub(crate) fn new(secret: Arc<str>) -> Self {
        Self(secret)
    }

    /// Refuses what could be guessed, or stand in no header.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let visible = self.0.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && self.0.len() >= LEAST_SECRET {
            return Ok(());
        }
        // Not even a wrong one is told.
        let allowed = format!("at least {LEAST_SECRET} visible characters of ASCII");
        Err(ConfigError::new("control", "a secret", allowed))
    }

    /// Takes as long whatever part of it is right.
    fn is(&self, said: &str) -> bool {
        self.0.as_bytes().ct_eq(said.as_bytes()).into()
    }
}

impl<Req> Control<Req> for Uncontrolled {
    fn faults<Res, P: Spoil<Req, Res>>(
        &self,
        _request: &mut Req,
        _protocol: &P,
    ) -> Result<Option<Faults>, ConfigError> {
        Ok(None)
    }
}

impl<Req> Control<Req> for BySecret {
    fn faults<Res, P: Spoil<Req, Res>>(
        &self,
        request: &mut Req,
        protocol: &P,
    ) -> Result<Option<Faults>, ConfigError> {
        let said = protocol.take_header(request, CONTROL_HEADER);
        let secret = protocol.take_header(request, SECRET_HEADER);
        let may = secret.is_some_and(|secret| self.is(&secret));
        said.filter(|_| may).map(|said| text::read(&said)).transpose()
    }
}

impl<Req, F: Selection<Req>> Control<Req> for ByPredicate<F> {
    fn faults<Res, P: Spoil<Req, Res>>(
        &self,
        request: &mut Req,
        protocol: &P,
    ) -> Result<Option<Faults>, ConfigError> {
        let may = self.0.selects(request);
        let said = protocol.take_header(request, CONTROL_HEADER);
        said.filter(|_| may).map(|said| text::read(&said)).transpose()
    }
}

impl fmt::Debug for BySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BySecret").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for ByPredicate<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByPredicate").finish_non_exhaustive()
    }
}
