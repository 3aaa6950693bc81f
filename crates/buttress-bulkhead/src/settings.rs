//! What a compartment is told, and whether it makes sense.

use std::time::Duration;

use buttress_core::ConfigError;
use tokio::runtime::Handle;

use crate::{
    counts::MOST,
    limit::{Fixed, Limit, LimitSource},
};

/// What a compartment was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    limit: Option<LimitSource>,
    pub(crate) max_wait: Option<Duration>,
    pub(crate) max_queue: Option<usize>,
    pub(crate) backpressure: bool,
    pub(crate) runtime: Option<Handle>,
}

/// What holds for a compartment.
#[derive(Debug, Clone)]
pub(crate) struct Complete {
    pub(crate) limit: LimitSource,
    pub(crate) max_wait: Duration,
    pub(crate) max_queue: usize,
    pub(crate) backpressure: bool,
    pub(crate) runtime: Option<Handle>,
}

impl Settings {
    pub(crate) fn set_max_concurrent(&mut self, calls: usize) {
        self.limit = Some(LimitSource::new("max_concurrent", Fixed(calls)));
    }

    pub(crate) fn set_limit(&mut self, limit: impl Limit + Clone + Sync) {
        self.limit = Some(LimitSource::new("limit", limit));
    }

    pub(crate) fn complete(self) -> Result<Complete, ConfigError> {
        let Self { limit, max_wait, max_queue, backpressure, runtime } = self;
        let Some(limit) = limit else {
            let allowed = format!("from 1 to {MOST}");
            return Err(ConfigError::new("max_concurrent", "not set", allowed));
        };
        let most = limit.check()?;
        let max_wait = max_wait.unwrap_or(Duration::ZERO);
        if backpressure && !max_wait.is_zero() {
            let allowed = "left unset together with `backpressure`";
            return Err(ConfigError::new("max_wait", format!("{max_wait:?}"), allowed));
        }
        if let Some(calls) = max_queue {
            ConfigError::check_count("max_queue", calls, MOST)?;
            if max_wait.is_zero() && !backpressure {
                let allowed = "left unset where `max_wait` is zero";
                return Err(ConfigError::new("max_queue", calls, allowed));
            }
        }
        let max_queue = max_queue.unwrap_or(if backpressure { MOST } else { most });
        Ok(Complete { limit, max_wait, max_queue, backpressure, runtime })
    }
}
