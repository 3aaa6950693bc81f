//! One of several compartments, as it is to be.

use std::{sync::Arc, time::Duration};

use buttress_core::ConfigError;
use tokio::runtime::Handle;

use crate::{
    Limit,
    settings::{Complete, Settings},
};

/// One of several compartments: its name, its places, and its queue.
///
/// A pair of a name and a number is one that lets so many calls pass at once, of which nothing more is
/// said.
///
/// ```
/// use std::time::Duration;
///
/// use buttress_bulkhead::Compartment;
///
/// let payment = Compartment::from(("payment", 10));
/// let email = Compartment::new("email", 5).max_wait(Duration::from_secs(1)).max_queue(20);
/// ```
#[derive(Debug, Clone)]
pub struct Compartment {
    name: Arc<str>,
    settings: Settings,
}

impl Compartment {
    /// One of this name that lets `max_concurrent` calls pass at once, from 1 to 1,000,000.
    pub fn new(name: impl Into<Arc<str>>, max_concurrent: usize) -> Self {
        let mut settings = Settings::default();
        settings.set_max_concurrent(max_concurrent);
        Self { name: name.into(), settings }
    }

    /// Lets as many calls pass at once as this limit says, in place of `max_concurrent`; see
    /// [`BulkheadLayerBuilder::limit`](crate::BulkheadLayerBuilder::limit).
    pub fn limit(mut self, limit: impl Limit + Clone + Sync) -> Self {
        self.settings.set_limit(limit);
        self
    }

    /// Lets a call that finds no free place wait this long for one; see
    /// [`BulkheadLayerBuilder::max_wait`](crate::BulkheadLayerBuilder::max_wait). Default: as long as
    /// [all](crate::CompartmentsBuilder::max_wait) let it wait.
    pub fn max_wait(mut self, limit: Duration) -> Self {
        self.settings.max_wait = Some(limit);
        self
    }

    /// Lets this many calls wait at once; see
    /// [`BulkheadLayerBuilder::max_queue`](crate::BulkheadLayerBuilder::max_queue).
    pub fn max_queue(mut self, calls: usize) -> Self {
        self.settings.max_queue = Some(calls);
        self
    }

    /// Lets calls wait this long where nothing was said of it.
    pub(crate) fn or_max_wait(&mut self, limit: Option<Duration>) {
        self.settings.max_wait = self.settings.max_wait.or(limit);
    }

    pub(crate) fn run_on(&mut self, runtime: Handle) {
        self.settings.runtime = Some(runtime);
    }

    /// Its name, and what holds for it; an error says which compartment is wrong.
    pub(crate) fn complete(self) -> Result<(Arc<str>, Arc<Complete>), ConfigError> {
        let Self { name, settings } = self;
        let wrong = |error: ConfigError| {
            let value = format!("{} in compartment `{name}`", error.value());
            ConfigError::new(error.setting(), value, error.allowed().to_owned())
        };
        let settings = settings.complete().map_err(wrong)?;
        Ok((name, Arc::new(settings)))
    }
}

impl<N: Into<Arc<str>>> From<(N, usize)> for Compartment {
    fn from((name, max_concurrent): (N, usize)) -> Self {
        Self::new(name, max_concurrent)
    }
}
