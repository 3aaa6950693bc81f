//! The builder of the layer.

use std::{fmt, sync::Arc, time::Duration};

use buttress_core::{Classified, ConfigError, Observer, Plain, Reporter};

use crate::{Abandoned, BreakerLayer, Window, settings::Settings};

/// The word for this layer in errors and events.
const LAYER: &str = "breaker";

/// Builds a [`BreakerLayer`].
///
/// `K` says how a circuit is chosen: one for all calls, unless it is `keyed`.
pub struct BreakerLayerBuilder<P = Plain, K = ()> {
    pub(crate) settings: Settings,
    pub(crate) reporter: Reporter,
    pub(crate) protocol: P,
    pub(crate) keyed: K,
}

impl BreakerLayerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            settings: Settings::default(),
            reporter: Reporter::new(LAYER),
            protocol: Plain,
            keyed: (),
        }
    }
}

/// # What opens the circuit
impl<P, K> BreakerLayerBuilder<P, K> {
    /// Opens the circuit at this many failures in a row, from 1 to 1,000,000. Default: 5, if no
    /// rate is asked for.
    ///
    /// In a row is by the order in which calls end, and neutral outcomes do not interrupt it.
    pub fn consecutive_failures(mut self, failures: u32) -> Self {
        self.settings.conditions.consecutive_failures = Some(failures);
        self
    }

    /// Opens the circuit when this part of the calls in the [window](Self::window) failed, above
    /// 0.0 and at most 1.0. Default: it does not.
    ///
    /// Looked at when a call fails: one that goes well never opens it, though with it there may be
    /// [enough](Self::min_calls).
    pub fn failure_rate(mut self, rate: f64) -> Self {
        self.settings.conditions.failure_rate = Some(rate);
        self
    }

    /// Opens the circuit when this part of the calls in the [window](Self::window), above 0.0 and
    /// at most 1.0, took longer than this, body included, less the time in which its reader had what
    /// he asked for. Default: it does not.
    ///
    /// A failure can be slow, too. A probe that is slow has failed, and so has by default a call
    /// that was slow already when it was [abandoned](Self::abandoned). The clock is read twice a
    /// call, and twice more for each frame of a body.
    pub fn slow_call_rate(mut self, rate: f64, slower_than: Duration) -> Self {
        self.settings.conditions.slow_call_rate = Some(rate);
        self.settings.conditions.slower_than = Some(slower_than);
        self
    }

    /// Takes rates over these calls; needs one. Default: the last 100.
    pub fn window(mut self, window: Window) -> Self {
        self.settings.conditions.window = Some(window);
        self
    }

    /// Pays no heed to rates before the [window](Self::window) has this many calls, at least 1 and
    /// no more than it can hold; needs one. Default: 20, or what it can hold if that is less.
    pub fn min_calls(mut self, calls: u32) -> Self {
        self.settings.conditions.min_calls = Some(calls);
        self
    }

    /// Takes a call that is dropped before it has ended for this. Default:
    /// [`Abandoned::FailedIfLate`].
    pub fn abandoned(mut self, abandoned: Abandoned) -> Self {
        self.settings.abandoned = abandoned;
        self
    }
}

/// # While it is open
impl<P, K> BreakerLayerBuilder<P, K> {
    /// Refuses every call for this long once the circuit is open; then it is half-open.
    /// Default: 30 s. `Duration::MAX` means that it stays open and is never probed.
    pub fn open_for(mut self, time: Duration) -> Self {
        self.settings.open_time.open_for = time;
        self
    }

    /// Multiplies the open time by this, from 1.0 to 100.0, each time that the dependency has not
    /// recovered by its end, up to `max_open`. Default: it stays the same.
    pub fn open_growth(mut self, factor: f64, max_open: Duration) -> Self {
        self.settings.open_time.growth = Some((factor, max_open));
        self
    }

    /// Leaves this part of the open time, from 0.0 to 1.0, to chance, so that a fleet does not
    /// probe in step: at 0.2 it is 80 % to 100 % of what it would be. Default: 0.0.
    pub fn open_jitter(mut self, part: f64) -> Self {
        self.settings.open_time.jitter = part;
        self
    }

    /// Believes the dependency that it will be away for so long, but no longer. Default: 5 minutes.
    ///
    /// If the failure that opens the circuit carries a hint, as a 503 does in `Retry-After` and gRPC in
    /// its trailers, the circuit is open for that long, whatever the open time is; with [jitter](Self::open_jitter)
    /// somewhat longer.
    pub fn hint_limit(mut self, limit: Duration) -> Self {
        self.settings.open_time.hint_limit = limit;
        self
    }
}

/// # While it is half-open
impl<P, K> BreakerLayerBuilder<P, K> {
    /// Admits this many calls at a time while half-open, from 1 to 1,000. Default: 1.
    pub fn probes(mut self, probes: u32) -> Self {
        self.settings.probing.probes = probes;
        self
    }

    /// Closes a half-open circuit after this many successes, from 1 to 1,000,000; one failure
    /// opens it again. Default: 1.
    pub fn close_after(mut self, successes: u32) -> Self {
        self.settings.probing.close_after = successes;
        self
    }

    /// Waits this long for a probe to end, its body included; then it counts as failed, and
    /// whatever it still says changes nothing. Default: 30 s. `Duration::MAX` means for ever:
    /// then a probe that hangs keeps the circuit half-open, unless a timeout cuts it.
    ///
    /// Choose it longer than a healthy call takes.
    pub fn probe_lease(mut self, lease: Duration) -> Self {
        self.settings.probing.lease = lease;
        self
    }

    /// Does not close the circuit at once after these successes, but lets in a share of all calls
    /// that grows from none to all in this time, at most a day. Default: closes at once.
    ///
    /// For a large fleet, whose calls all at once a dependency that has just started, with cold
    /// caches, can not bear. [`probes`](Self::probes) at a time are let in besides. Of many calls some
    /// always fail, so from here on it opens again by what opens a closed circuit, counted from the
    /// beginning of the ramp; a call whose [lease](Self::probe_lease) ends is one that failed.
    ///
    /// Not together with [`readiness`](Self::readiness), where "ready" is a promise.
    pub fn ramp(mut self, time: Duration) -> Self {
        self.settings.probing.ramp = Some(time);
        self
    }
}

/// # How it works
impl<P, K> BreakerLayerBuilder<P, K> {
    /// Judges and reports, and refuses nothing: to see in production what it would do. Default:
    /// it refuses.
    ///
    /// The circuit opens and recovers as it would, but calls that it would refuse are made, and
    /// count only in [`would_have_rejected`](crate::Snapshot::would_have_rejected).
    pub fn shadow(mut self) -> Self {
        self.settings.shadow = true;
        self
    }

    /// Lets `poll_ready` wait while a call would be refused, and for the inner service. Default: it
    /// is always ready.
    ///
    /// For use under tower's `Balance`, which then sends calls elsewhere. An open circuit is pending,
    /// and wakes its task when it becomes half-open. What happens between `poll_ready` and `call` is
    /// up to `call`, which refuses if the circuit has opened meanwhile; what was claimed of the inner
    /// service is held until either is called again. With circuits by key there is no request to ask
    /// about, and only the inner service is waited for.
    ///
    /// Not under `Steer`, which waits until all its services are ready, so that one that is open
    /// would stop them all: leave its breakers always ready, and pick by
    /// [`BreakerHandle::state`](crate::BreakerHandle::state).
    pub fn readiness(mut self) -> Self {
        self.settings.readiness = true;
        self
    }

    /// Draws [jitter](Self::open_jitter) from this seed, so that a run can be repeated. Default: one
    /// that nobody knows.
    pub fn rng(mut self, seed: u64) -> Self {
        self.settings.seed = Some(seed);
        self
    }

    /// Judges results by this classifier, often a closure, in place of the protocol's. Default:
    /// as the protocol judges.
    ///
    /// Only its outcome and its hint count here. It judges heads: what gRPC says in its trailers is still
    /// the protocol's to judge. Said after [`protocol`](BreakerLayerBuilder::protocol).
    pub fn classify<C>(self, classifier: C) -> BreakerLayerBuilder<Classified<P, C>, K> {
        let Self { settings, reporter, protocol, keyed } = self;
        let protocol = Classified::new(protocol, classifier);
        BreakerLayerBuilder { settings, reporter, protocol, keyed }
    }

    /// Names the layer in errors and events. Default: `"breaker"`.
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

impl<K> BreakerLayerBuilder<Plain, K> {
    /// Judges and follows responses by this protocol. Said at most once, before
    /// [`classify`](Self::classify). Default: [`Plain`].
    pub fn protocol<Q>(self, protocol: Q) -> BreakerLayerBuilder<Q, K> {
        let Self { settings, reporter, protocol: Plain, keyed } = self;
        BreakerLayerBuilder { settings, reporter, protocol, keyed }
    }
}

impl<P> BreakerLayerBuilder<P> {
    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a count, a rate or a factor is outside its range, `min_calls` is more
    /// than the window holds, a time that must not be is zero, there is a window or `min_calls` and no
    /// rate, or `ramp` with `readiness`.
    pub fn build(self) -> Result<BreakerLayer<P>, ConfigError> {
        let Self { settings, reporter, protocol, keyed: () } = self;
        Ok(BreakerLayer::of(Arc::new(settings.complete()?), reporter, protocol))
    }
}

impl<P, K> fmt::Debug for BreakerLayerBuilder<P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerLayerBuilder")
            .field("name", self.reporter.name())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
