//! The layer and its builder.

use std::{fmt, sync::Arc, time::Duration};

use buttress_core::{Classified, ConfigError, Observer, Plain, Randomness, Reporter};
use tower_layer::Layer;

use crate::{Backoff, Jitter, JitteredRetry, RetryBudget, Uniform, decision::Policy};

/// The word for this layer in events.
const LAYER: &str = "retry";

/// The most attempts that a layer can be built with.
///
/// At the default cap a hundred attempts hold a call for a quarter of an hour. Whoever wants
/// more wants a job queue, or has left out a decimal point.
pub(crate) const MOST_ATTEMPTS: u32 = 100;

/// Half a minute is what callers, gateways and load balancers commonly allow a request. A
/// dependency that asks for more is not coming back within this call, and a caller that is told
/// so now can do something else; one held by the hint, for an hour or for a year, can not.
const HINT_LIMIT: Duration = Duration::from_secs(30);

/// Repeats calls that failed, after a jittered backoff; see the [crate's page](crate).
#[derive(Clone)]
pub struct JitteredRetryLayer<P = Plain, T = Uniform> {
    shared: Arc<Shared>,
    protocol: P,
    per_request: T,
}

/// What every service and every call of one layer share.
pub(crate) struct Shared {
    pub(crate) policy: Policy,
    pub(crate) budget: Option<RetryBudget>,
    pub(crate) randomness: Randomness,
    pub(crate) reporter: Reporter,
    /// Whether the layer is switched off.
    pub(crate) is_off: bool,
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
                hint_limit: HINT_LIMIT,
                repeats_refusals: false,
            },
            budget: Some(RetryBudget::default()),
            randomness: Randomness::default(),
            reporter: Reporter::new(LAYER),
            protocol: Plain,
            per_request: Uniform,
        }
    }
}

impl<P, T> JitteredRetryLayer<P, T> {
    /// The budget that attempts after the first are paid for out of, unless a request brings its
    /// own; `None` if the layer was built without one.
    pub fn budget(&self) -> Option<&RetryBudget> {
        self.shared.budget.as_ref()
    }

    /// The same layer, switched off: calls pass as if it were not there. Of the same type, so that a
    /// setting can decide: `if on { layer } else { layer.disabled() }`.
    ///
    /// Each call is one attempt, which is neither judged, copied nor marked as one, and
    /// [`per_request`](JitteredRetryLayerBuilder::per_request) is not asked. Its [budget](Self::budget)
    /// is that of this layer still, so that whoever reads it finds it; nothing is put into it, nor
    /// taken out of it.
    pub fn disabled(self) -> Self {
        let Shared { policy, budget, reporter, .. } = &*self.shared;
        let shared = Shared {
            policy: policy.clone(),
            budget: budget.clone(),
            randomness: Randomness::default(),
            reporter: reporter.clone(),
            is_off: true,
        };
        Self { shared: Arc::new(shared), ..self }
    }
}

/// Builds a [`JitteredRetryLayer`].
pub struct JitteredRetryLayerBuilder<P = Plain, T = Uniform> {
    policy: Policy,
    budget: Option<RetryBudget>,
    randomness: Randomness,
    reporter: Reporter,
    protocol: P,
    per_request: T,
}

impl<P, T> JitteredRetryLayerBuilder<P, T> {
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

    /// Pays for attempts after the first out of this budget, which may be shared with other
    /// layers. Default: a [`RetryBudget::default`] of the layer's own, shared by all services
    /// that the layer and its clones make, so that retries do not keep a dependency down.
    pub fn budget(mut self, budget: RetryBudget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Repeats without a budget. For where something else bounds the load: with three attempts a
    /// dependency that fails is asked three times as often, and may never recover.
    pub fn no_budget(mut self) -> Self {
        self.budget = None;
        self
    }

    /// Waits for no delay hint of the dependency that is longer than this: then no further
    /// attempt is made. Default: 30 s, the usual patience of a caller. `Duration::MAX` means any.
    ///
    /// A hint is spread upward by up to half of itself, but not above this.
    pub fn hint_limit(mut self, limit: Duration) -> Self {
        self.policy.hint_limit = limit;
        self
    }

    /// Repeats also what the breaker or the bulkhead inside refused: a circuit that is open, a
    /// full bulkhead, a queue that took too long. Default: no, for they have just said that the
    /// dependency needs less.
    ///
    /// Such a call was certainly not sent, so any request of which there is a copy is repeated,
    /// after the time that the refusal names. A refusal counts only if it is the error itself;
    /// one that an error carries inside may come from a service that had done something before. So
    /// what stands inside must be a client: a handler that first did something, and then passed on
    /// the refusal of a client of its own, would do it again.
    pub fn repeat_refusals(mut self, repeat: bool) -> Self {
        self.policy.repeats_refusals = repeat;
        self
    }

    /// Gives each request [terms](crate::Terms) of its own, by a function of it: how many
    /// attempts, and which budget. Default: no difference between requests.
    ///
    /// ```
    /// use buttress_retry::{JitteredRetryLayer, Terms};
    ///
    /// # fn main() -> Result<(), buttress_core::ConfigError> {
    /// let layer = JitteredRetryLayer::builder()
    ///     .per_request(|request: &http::Request<()>| match request.uri().path() {
    ///         "/report" => Terms::new().max_attempts(1),
    ///         _ => Terms::new(),
    ///     })
    ///     .build()?;
    /// # let _: JitteredRetryLayer<buttress_core::Plain, _> = layer;
    /// # Ok(())
    /// # }
    /// ```
    pub fn per_request<U>(self, per_request: U) -> JitteredRetryLayerBuilder<P, U> {
        let Self { policy, budget, randomness, reporter, protocol, per_request: _ } = self;
        JitteredRetryLayerBuilder { policy, budget, randomness, reporter, protocol, per_request }
    }

    /// Draws jitter from one generator that starts at `seed`, shared by all calls of the layer,
    /// so that a run can be repeated. Default: each thread's own generator, seeded by the
    /// operating system.
    pub fn rng(mut self, seed: u64) -> Self {
        self.randomness = Randomness::seeded(seed);
        self
    }

    /// Judges results by this classifier, and leaves the rest to the protocol chosen before.
    /// Default: the protocol's own judgement.
    ///
    /// What it says of [`Retry`](buttress_core::Retry) decides; an [`Outcome`] does not.
    ///
    /// [`Outcome`]: buttress_core::Outcome
    pub fn classify<C>(self, classifier: C) -> JitteredRetryLayerBuilder<Classified<P, C>, T> {
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
    /// its cap below its base, its factor below 1 or not finite, or if `hint_limit` is zero.
    pub fn build(self) -> Result<JitteredRetryLayer<P, T>, ConfigError> {
        let Self { policy, budget, randomness, reporter, protocol, per_request } = self;
        // Where a count does not fit it is too large anyway.
        let attempts = usize::try_from(policy.max_attempts).unwrap_or(usize::MAX);
        ConfigError::check_count("max_attempts", attempts, MOST_ATTEMPTS as usize)?;
        policy.backoff.check(policy.jitter)?;
        ConfigError::check_not_zero("hint_limit", policy.hint_limit)?;
        let shared = Arc::new(Shared { policy, budget, randomness, reporter, is_off: false });
        Ok(JitteredRetryLayer { shared, protocol, per_request })
    }

    fn map_protocol<Q>(self, map: impl FnOnce(P) -> Q) -> JitteredRetryLayerBuilder<Q, T> {
        let Self { policy, budget, randomness, reporter, protocol, per_request } = self;
        let protocol = map(protocol);
        JitteredRetryLayerBuilder { policy, budget, randomness, reporter, protocol, per_request }
    }
}

impl<T> JitteredRetryLayerBuilder<Plain, T> {
    /// Judges results and repeats requests by this protocol. Said at most once, before
    /// [`classify`](Self::classify). Default: [`Plain`].
    pub fn protocol<Q>(self, protocol: Q) -> JitteredRetryLayerBuilder<Q, T> {
        self.map_protocol(|Plain| protocol)
    }
}

impl<S: Clone, P: Clone, T: Clone> Layer<S> for JitteredRetryLayer<P, T> {
    type Service = JitteredRetry<S, P, T>;

    fn layer(&self, inner: S) -> Self::Service {
        let (protocol, per_request) = (self.protocol.clone(), self.per_request.clone());
        JitteredRetry::new(inner, Arc::clone(&self.shared), protocol, per_request)
    }
}

impl<P, T> fmt::Debug for JitteredRetryLayer<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JitteredRetryLayer")
            .field("name", self.reporter.name())
            .field("policy", &self.policy)
            .field("budget", &self.budget)
            .field("is_off", &self.is_off)
            .finish_non_exhaustive()
    }
}

impl<P, T> fmt::Debug for JitteredRetryLayerBuilder<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JitteredRetryLayerBuilder")
            .field("name", self.reporter.name())
            .field("policy", &self.policy)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
