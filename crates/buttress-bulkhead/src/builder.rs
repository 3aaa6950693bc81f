//! The builder of a layer with one compartment, or one for each key.

use std::{fmt, sync::Arc, time::Duration};

use buttress_core::{ConfigError, Observer, Plain, Reporter};
use tokio::runtime::Handle;

use crate::{
    BulkheadLayer, InPlace, Limit, OnRuntime, OneCompartment, settings::Settings, shared::LAYER,
};

/// Builds a [`BulkheadLayer`].
///
/// `K` says how a compartment is chosen: one for all calls, unless it is `keyed`; `R` where calls run:
/// in place, unless they are given to a [runtime](Self::on_runtime).
pub struct BulkheadLayerBuilder<P = Plain, K = (), R = InPlace> {
    pub(crate) settings: Settings,
    pub(crate) reporter: Reporter,
    pub(crate) protocol: P,
    pub(crate) keyed: K,
    pub(crate) runner: R,
}

impl BulkheadLayerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            settings: Settings::default(),
            reporter: Reporter::new(LAYER),
            protocol: Plain,
            keyed: (),
            runner: InPlace,
        }
    }
}

/// # How many
impl<P, K, R> BulkheadLayerBuilder<P, K, R> {
    /// Lets this many calls pass at once, from 1 to 1,000,000, counted until their responses are over.
    /// Required, unless there is a [`limit`](Self::limit).
    pub fn max_concurrent(mut self, calls: usize) -> Self {
        self.settings.set_max_concurrent(calls);
        self
    }

    /// Lets as many calls pass at once as this limit says, which may learn from how they end; in place
    /// of [`max_concurrent`](Self::max_concurrent).
    ///
    /// Calls are measured for one that learns: that takes an allocation and two looks at the clock for
    /// each, and a lock while it is told. It is cloned for each compartment, key and isolated layer.
    pub fn limit(mut self, limit: impl Limit + Clone + Sync) -> Self {
        self.settings.set_limit(limit);
        self
    }

    /// Lets a call that finds no free place wait this long for one, and never past the ambient
    /// deadline. Default: zero, it is refused at once. `Duration::MAX` means as long as the
    /// deadline allows, and without end if there is none.
    pub fn max_wait(mut self, limit: Duration) -> Self {
        self.settings.max_wait = Some(limit);
        self
    }

    /// Lets this many calls wait at once, from 1 to 1,000,000; the next is refused. Only where calls
    /// wait. Default: as many as may pass at once in the beginning, and under `backpressure`
    /// 1,000,000. Where few may pass at once and each is quick, let more wait: behind five places
    /// of 20 ms each, fifty wait no longer than 200 ms.
    pub fn max_queue(mut self, calls: usize) -> Self {
        self.settings.max_queue = Some(calls);
        self
    }
}

/// # How it works
impl<P, K, R> BulkheadLayerBuilder<P, K, R> {
    /// Runs calls on this runtime, each as a task of its own. Default: where they are polled.
    ///
    /// The bulkhead of threads: a call that computes for long, or blocks, takes the threads of that
    /// runtime, and nobody else's. The inner service is called there, under the ambient deadline of its
    /// caller, and is aborted when he leaves. Its place comes back when the task has ended and its
    /// answer was fetched or is wanted no more; one that blocks ends only later. A panic is an error of the call,
    /// [`Panicked`](buttress_core::RejectionKind::Panicked). What is streamed after the head of a
    /// response is polled where its reader is.
    ///
    /// The runtime is to have what the service needs there, as time and IO. It must be kept alive, and one
    /// of a single thread must be driven, for what it does not run does not end, and keeps its place. It
    /// must not be dropped inside async code; see tokio's `shutdown_background`. Once it has shut down,
    /// calls end with [`RuntimeShutDown`](buttress_core::RejectionKind::RuntimeShutDown). Task-locals and
    /// spans of the caller are not known there.
    ///
    /// ```
    /// use buttress_bulkhead::BulkheadLayer;
    /// use buttress_core::BoxError;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # fn main() -> Result<(), BoxError> {
    /// let mut reports = tokio::runtime::Builder::new_multi_thread();
    /// let reports = reports.worker_threads(2).enable_all().build()?;
    /// let layer =
    ///     BulkheadLayer::builder().max_concurrent(2).on_runtime(reports.handle().clone()).build()?;
    /// # let main = tokio::runtime::Builder::new_current_thread().build()?;
    /// # main.block_on(async {
    /// let service = ServiceBuilder::new()
    ///     .layer(layer)
    ///     .service(service_fn(async |n: u64| Ok::<_, BoxError>((1..=n).product::<u64>())));
    /// assert_eq!(service.oneshot(20).await?, 2_432_902_008_176_640_000);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn on_runtime(mut self, runtime: Handle) -> BulkheadLayerBuilder<P, K, OnRuntime> {
        self.settings.runtime = Some(runtime);
        let Self { settings, reporter, protocol, keyed, runner: _ } = self;
        BulkheadLayerBuilder { settings, reporter, protocol, keyed, runner: OnRuntime }
    }

    /// Follows responses by this protocol, and judges them by it where a [`limit`](Self::limit)
    /// learns. Default: [`Plain`].
    pub fn protocol<Q>(self, protocol: Q) -> BulkheadLayerBuilder<Q, K, R> {
        let Self { settings, reporter, protocol: _, keyed, runner } = self;
        BulkheadLayerBuilder { settings, reporter, protocol, keyed, runner }
    }

    /// Names the layer in errors and events. Default: `"bulkhead"`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.reporter.set_name(name);
        self
    }

    /// Tells this observer what happens. Default: [`Tracing`](buttress_core::Tracing).
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.reporter.set_observer(observer);
        self
    }
}

impl<P, R> BulkheadLayerBuilder<P, (), R> {
    /// Lets `poll_ready` wait for a place, and then for the inner service. Default: it is always ready,
    /// and places are taken inside calls.
    ///
    /// For whoever is to slow down instead of being refused, as one who reads from a queue, or a server
    /// that should not accept more. The service takes a place, or stands in the queue, from the
    /// first `poll_ready` on, and holds it until the call that follows has ended: one that is asked and
    /// not called keeps it from all others until it is dropped, also where its inner service is not ready,
    /// or whoever asked has given up. Neither `max_wait` nor a deadline ends the wait. Where
    /// [`max_queue`](Self::max_queue) wait already, `poll_ready` is ready, and the call is refused.
    pub fn backpressure(mut self) -> Self {
        self.settings.backpressure = true;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if neither `max_concurrent` nor `limit` is set, or what is set is outside 1 to
    /// 1,000,000; if `max_queue` is outside that, or set where nobody waits; if `max_wait` is set
    /// together with `backpressure`.
    pub fn build(self) -> Result<BulkheadLayer<P, OneCompartment, R>, ConfigError> {
        let Self { settings, reporter, protocol, keyed: (), runner } = self;
        Ok(BulkheadLayer::of(Arc::new(settings.complete()?), reporter, protocol, runner))
    }
}

impl<P, K, R> fmt::Debug for BulkheadLayerBuilder<P, K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadLayerBuilder")
            .field("name", self.reporter.name())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
