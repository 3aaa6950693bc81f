//! The layer and its builder.

use std::{fmt, sync::Arc};

use buttress_core::{Classified, ConfigError, Observer, Plain, Randomness, Reporter};
use tower_layer::Layer;

use crate::{Backoff, Jitter, JitteredRetry, decision::Policy};

/// The word for this layer in events.
const LAYER: &str = "retry";

/// The most attempts that a layer can be built with.
///
/// At the default cap a hundred attempts hold a call for a quarter of an hour. Whoever wants
/// more wants a job queue, or has left out a decimal point.
const MOST_ATTEMPTS: usize = 100;

/// Repeats calls that failed, after a jittered backoff; see the [crate's page](crate).
#[derive(Clone)]
pub struct JitteredRetryLayer<P = Plain> {
    shared: Arc<Shared>,
    protocol: P,
}

/// What every service and every call of one layer share.
pub(crate) struct Shared {
    pub(crate) policy: Policy,
    pub(crate) randomness: Randomness,
    pub(crate) reporter: Reporter,
}

impl JitteredRetryLayer {
    /// A layer that makes at most `max_attempts` in all, the first included, with the default
    /// backoff.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `max_attempts` is zero or above 100.
    pub fn new(max_attempts: u32) -> Result<Self, ConfigError> {
        Self::builder().max_attempts(max_attempts).build()
    }

    /// A builder; see the [table of settings](crate#settings).
    pub fn builder() -> JitteredRetryLayerBuilder {
        JitteredRetryLayerBuilder {
            policy: Policy {
                max_attempts: 3,
                backoff: Backoff::default(),
                jitter: Jitter::default(),
            },
            randomness: Randomness::default(),
            reporter: Reporter::new(LAYER),
            protocol: Plain,
        }
    }
}

/// Builds a [`JitteredRetryLayer`].
pub struct JitteredRetryLayerBuilder<P = Plain> {
    policy: Policy,
    randomness: Randomness,
    reporter: Reporter,
    protocol: P,
}

impl<P> JitteredRetryLayerBuilder<P> {
    /// Makes at most this many attempts in all, the first included; from 1, which never repeats,
    /// to 100. Default: 3, for a failure that two repetitions do not mend is seldom brief, and
    /// each further one multiplies the load of a dependency that has least to spare.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.policy.max_attempts = attempts;
        self
    }

    /// Waits this long between attempts, before jitter. Default: exponential, from 100 ms,
    /// doubling, up to 10 s; see [`Backoff`] for the reasons.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.policy.backoff = backoff;
        self
    }

    /// Draws the waits in this way. Default: [`Jitter::Full`].
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.policy.jitter = jitter;
        self
    }

    /// Draws jitter from one generator that starts at `seed`, shared by all calls of the layer,
    /// so that a run can be repeated. Default: each thread's own generator, seeded by the
    /// operating system.
    pub fn rng(mut self, seed: u64) -> Self {
        self.randomness = Randomness::seeded(seed);
        self
    }

    /// Judges results and repeats requests by this protocol. Default: [`Plain`].
    pub fn protocol<Q>(self, protocol: Q) -> JitteredRetryLayerBuilder<Q> {
        self.map_protocol(|_| protocol)
    }

    /// Judges results by this classifier, and leaves the rest to the protocol chosen before.
    /// Default: the protocol's own judgement.
    ///
    /// What it says of [`Retry`](buttress_core::Retry) decides; an [`Outcome`] does not.
    ///
    /// [`Outcome`]: buttress_core::Outcome
    pub fn classify<C>(self, classifier: C) -> JitteredRetryLayerBuilder<Classified<P, C>> {
        self.map_protocol(|protocol| Classified::new(protocol, classifier))
    }

    /// Names the layer in events. Default: `"retry"`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.reporter.set_name(name);
        self
    }

    /// Tells this observer what happens. Default: [`Tracing`](buttress_core::Tracing).
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.reporter.set_observer(observer);
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `max_attempts` is zero or above 100, or if the backoff's base is zero,
    /// its cap below its base, or its factor below 1 or not finite.
    pub fn build(self) -> Result<JitteredRetryLayer<P>, ConfigError> {
        let Self { policy, randomness, reporter, protocol } = self;
        // Where a count does not fit it is too large anyway.
        let attempts = usize::try_from(policy.max_attempts).unwrap_or(usize::MAX);
        ConfigError::check_count("max_attempts", attempts, MOST_ATTEMPTS)?;
        policy.backoff.check()?;
        let shared = Arc::new(Shared { policy, randomness, reporter });
        Ok(JitteredRetryLayer { shared, protocol })
    }

    fn map_protocol<Q>(self, map: impl FnOnce(P) -> Q) -> JitteredRetryLayerBuilder<Q> {
        let Self { policy, randomness, reporter, protocol } = self;
        let protocol = map(protocol);
        JitteredRetryLayerBuilder { policy, randomness, reporter, protocol }
    }
}

impl<S: Clone, P: Clone> Layer<S> for JitteredRetryLayer<P> {
    type Service = JitteredRetry<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        JitteredRetry::new(inner, Arc::clone(&self.shared), self.protocol.clone())
    }
}

impl<P> fmt::Debug for JitteredRetryLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JitteredRetryLayer")
            .field("name", self.reporter.name())
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl<P> fmt::Debug for JitteredRetryLayerBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JitteredRetryLayerBuilder")
            .field("name", self.reporter.name())
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
