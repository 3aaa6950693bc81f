//! One fault of a timeline.

use std::{sync::Arc, time::Duration};

use buttress_core::ConfigError;

/// One fault of a [`Timeline`](crate::Timeline): from when, for how long, and on whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<F> {
    at: Duration,
    lasts: Option<Duration>,
    target: Option<Arc<str>>,
    fault: F,
}

impl<F> Step<F> {
    /// A fault that begins at this time, counted from the start. It lasts to the end and is for
    /// everybody, until told otherwise.
    pub const fn new(at: Duration, fault: F) -> Self {
        Self { at, lasts: None, target: None, fault }
    }

    /// Ends the fault when it has lasted so long. Default: it lasts to the end.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is zero.
    pub fn lasting(mut self, lasts: Duration) -> Result<Self, ConfigError> {
        if lasts.is_zero() {
            return Err(ConfigError::new("for", "0s", "longer than zero"));
        }
        self.lasts = Some(lasts);
        Ok(self)
    }

    /// For this target alone: an upstream, a proxy or a layer, by its name. Default: for all.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the name is empty.
    pub fn on(mut self, target: impl Into<Arc<str>>) -> Result<Self, ConfigError> {
        let target = target.into();
        if target.is_empty() {
            return Err(ConfigError::new("target", "empty", "a name"));
        }
        self.target = Some(target);
        Ok(self)
    }

    /// When it begins, counted from the start.
    pub const fn at(&self) -> Duration {
        self.at
    }

    /// How long it lasts; `None` if it lasts to the end.
    pub const fn lasts(&self) -> Option<Duration> {
        self.lasts
    }

    /// When it is over; `None` if it lasts to the end.
    pub fn end(&self) -> Option<Duration> {
        // What would end after the last moment there is does not end.
        self.at.checked_add(self.lasts?)
    }

    /// Whom it is for; `None` if it is for all.
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// Whether it is for `target`: that one, or all.
    pub fn is_for(&self, target: &str) -> bool {
        self.target().is_none_or(|own| own == target)
    }

    /// What it does.
    pub const fn fault(&self) -> &F {
        &self.fault
    }

    /// Whether it is in force at this time, counted from the start.
    pub fn is_active(&self, at: Duration) -> bool {
        self.at <= at && self.end().is_none_or(|end| at < end)
    }

    pub(super) fn scaled(self, factor: f64) -> Result<Self, ConfigError> {
        let at = scale(self.at, factor)?;
        // By its end, or two that follow on one another would come apart by what is rounded.
        let lasts = match self.end() {
            None => None,
            Some(end) => {
                let lasts = scale(end, factor)?.saturating_sub(at);
                Some(lasts.max(Duration::from_nanos(1)))
            }
        };
        Ok(Self { at, lasts, ..self })
    }

    pub(super) fn try_map<G, E>(
        self,
        change: impl FnOnce(F) -> Result<G, E>,
    ) -> Result<Step<G>, E> {
        let Self { at, lasts, target, fault } = self;
        Ok(Step { at, lasts, target, fault: change(fault)? })
    }
}

fn scale(time: Duration, factor: f64) -> Result<Duration, ConfigError> {
    let allowed = "a number above zero by which no time grows beyond all bounds";
    let refused = || ConfigError::new("factor", factor, allowed);
    if factor.is_nan() || factor <= 0.0 {
        return Err(refused());
    }
    Duration::try_from_secs_f64(time.as_secs_f64() * factor).map_err(|_| refused())
}
