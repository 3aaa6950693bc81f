//! What stands between the callers and the server: the layers that are compared.

use std::{convert::Infallible, time::Duration};

use buttress::{prelude::*, retry::JitteredRetryLayerBuilder};
use tower::{Service, ServiceBuilder, util::BoxCloneSyncService};

/// The attempts of one call where it is repeated, the first included: those of the model.
const ATTEMPTS: u32 = 2;

/// The model repeats at once. A layer waits at least a nanosecond, and a clock of the runtime a
/// millisecond.
const AT_ONCE: Duration = Duration::from_millis(1);

/// The time that the dependency gets to recover, where it is not the default.
const SHORTLY: Duration = Duration::from_secs(5);

/// What one call of the whole stack may take with all its attempts.
const OVERALL: Duration = Duration::from_secs(3);

/// Calls at once of the whole stack. A healthy server has 8 of them on average, and seldom 60.
const CALLS_AT_ONCE: usize = 100;

/// One call through the layers.
pub(crate) type Client = BoxCloneSyncService<(), (), BoxError>;

/// A way to stand between the callers and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Defence {
    /// One attempt.
    NoRetries,
    /// Two attempts, whatever comes.
    PlainRetry,
    /// Two attempts, as far as the default budget goes.
    Budget,
    /// The same around a breaker that stays open for 5 s.
    BudgetAndBreaker,
    /// The recommended stack, with every setting that has a default at its default.
    WholeStack,
}

impl Defence {
    pub(crate) const ALL: [Self; 5] =
        [Self::NoRetries, Self::PlainRetry, Self::Budget, Self::BudgetAndBreaker, Self::WholeStack];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoRetries => "no retries",
            Self::PlainRetry => "plain retry",
            Self::Budget => "default budget",
            Self::BudgetAndBreaker => "budget, breaker 5 s",
            Self::WholeStack => "whole stack",
        }
    }

    /// When the server recovered in rebuilds of the experiment, with other seeds.
    pub(crate) const fn reference(self) -> Option<&'static str> {
        match self {
            Self::NoRetries => Some("111-123 s"),
            Self::PlainRetry => Some("never"),
            // A fifth of the successes, without a floor and without anything saved.
            Self::Budget => Some("131-141 s"),
            Self::BudgetAndBreaker => Some("3 s"),
            Self::WholeStack => None,
        }
    }

    /// Puts the layers around a client. Each attempt is given `patience`; `seed` decides on jitter.
    pub(crate) fn around<S>(
        self,
        client: S,
        patience: Duration,
        seed: u64,
    ) -> Result<Client, ConfigError>
    where
        S: Service<(), Response = (), Error = Infallible, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let attempt = TimeoutLayer::new(patience)?;
        let layers = ServiceBuilder::new();
        Ok(match self {
            Self::NoRetries => BoxCloneSyncService::new(layers.layer(attempt).service(client)),
            Self::PlainRetry => {
                let layers = layers.layer(at_once().no_budget().build()?);
                BoxCloneSyncService::new(layers.layer(attempt).service(client))
            }
            Self::Budget => {
                let layers = layers.layer(at_once().build()?);
                BoxCloneSyncService::new(layers.layer(attempt).service(client))
            }
            Self::BudgetAndBreaker => {
                let breaker = BreakerLayer::builder().open_for(SHORTLY).build()?;
                let layers = layers.layer(at_once().build()?).layer(breaker);
                BoxCloneSyncService::new(layers.layer(attempt).service(client))
            }
            Self::WholeStack => {
                let layers = layers
                    .layer(TimeoutLayer::new(OVERALL)?)
                    .layer(JitteredRetryLayer::builder().rng(seed).build()?)
                    .layer(BreakerLayer::new())
                    .layer(BulkheadLayer::new(CALLS_AT_ONCE)?);
                BoxCloneSyncService::new(layers.layer(attempt).service(client))
            }
        })
    }
}

/// Another attempt right after the first, as the model has it.
fn at_once() -> JitteredRetryLayerBuilder {
    JitteredRetryLayer::builder()
        .max_attempts(ATTEMPTS)
        .backoff(Backoff::exponential(AT_ONCE, AT_ONCE))
        .jitter(Jitter::None)
}
