//! The layer and its builder.

use std::{fmt, sync::Arc, time::Duration};

use buttress_core::{
    CircuitState, Classified, ConfigError, EventKind, Observer, Outcome, Plain, Rejection,
    RejectionKind, Reporter,
};
use tokio::time::Instant;
use tower_layer::Layer;

use crate::{
    Breaker, BreakerHandle, Snapshot,
    circuit::{Circuit, MOST_FAILURES, Refused, Settings, Ticket},
};

/// The word for this layer in errors and events.
const LAYER: &str = "breaker";

/// The most probes at a time: more would not be a careful try any more.
const MOST_PROBES: u32 = 1_000;

/// The most successes that closing may take.
const MOST_SUCCESSES: u32 = 1_000_000;

/// Five calls in a row do not fail by accident: at a failure rate of 1 % that is one in 10^10.
const CONSECUTIVE_FAILURES: u32 = 5;

/// Long enough for a process to restart, short enough for a user to try again.
const OPEN_FOR: Duration = Duration::from_secs(30);

/// As long as the open time: a probe that does not answer for as long as the dependency was
/// given to recover has answered.
const PROBE_LEASE: Duration = Duration::from_secs(30);

/// Refuses calls to a dependency that fails, until it has recovered; see the
/// [crate's page](crate).
///
/// All services that a layer and its clones make share one circuit.
#[derive(Clone)]
pub struct BreakerLayer<P = Plain> {
    shared: Arc<Shared>,
    protocol: P,
}

/// What every service and every call of one layer share.
pub(crate) struct Shared {
    circuit: Circuit,
    reporter: Reporter,
}

impl BreakerLayer {
    /// A layer with every [setting](crate#settings) at its default.
    pub fn new() -> Self {
        let BreakerLayerBuilder { settings, reporter, protocol } = Self::builder();
        Self::with(settings, reporter, protocol)
    }

    /// A builder; see the [table of settings](crate#settings).
    pub fn builder() -> BreakerLayerBuilder {
        BreakerLayerBuilder {
            settings: Settings {
                consecutive_failures: CONSECUTIVE_FAILURES,
                open_for: OPEN_FOR,
                probes: 1,
                close_after: 1,
                probe_lease: PROBE_LEASE,
            },
            reporter: Reporter::new(LAYER),
            protocol: Plain,
        }
    }
}

impl Default for BreakerLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> BreakerLayer<P> {
    fn with(settings: Settings, reporter: Reporter, protocol: P) -> Self {
        let circuit = Circuit::new(settings);
        Self { shared: Arc::new(Shared { circuit, reporter }), protocol }
    }

    /// A view of the circuit, for whoever operates it.
    pub fn handle(&self) -> BreakerHandle {
        BreakerHandle::new(Arc::clone(&self.shared))
    }
}

impl<P: Clone> BreakerLayer<P> {
    /// A layer of the same settings, name and observer with a circuit of its own, closed.
    pub fn isolated(&self) -> Self {
        let Shared { circuit, reporter } = &*self.shared;
        Self::with(*circuit.settings(), reporter.clone(), self.protocol.clone())
    }
}

/// Builds a [`BreakerLayer`].
pub struct BreakerLayerBuilder<P = Plain> {
    settings: Settings,
    reporter: Reporter,
    protocol: P,
}

impl<P> BreakerLayerBuilder<P> {
    /// Opens the circuit at this many failures in a row, from 1 to 1,000,000. Default: 5.
    ///
    /// In a row is by the order in which calls end, and neutral outcomes do not interrupt it.
    pub fn consecutive_failures(mut self, failures: u32) -> Self {
        self.settings.consecutive_failures = failures;
        self
    }

    /// Refuses every call for this long once the circuit is open; then it is half-open.
    /// Default: 30 s. `Duration::MAX` means that it stays open and is never probed.
    pub fn open_for(mut self, time: Duration) -> Self {
        self.settings.open_for = time;
        self
    }

    /// Admits this many calls at a time while half-open, from 1 to 1,000. Default: 1.
    pub fn probes(mut self, probes: u32) -> Self {
        self.settings.probes = probes;
        self
    }

    /// Closes a half-open circuit after this many successes, from 1 to 1,000,000; one failure
    /// opens it again. Default: 1.
    pub fn close_after(mut self, successes: u32) -> Self {
        self.settings.close_after = successes;
        self
    }

    /// Waits this long for a probe to end, its body included; then it counts as failed, and
    /// whatever it still says changes nothing. Default: 30 s. `Duration::MAX` means for ever:
    /// then a probe that hangs keeps the circuit half-open, unless a timeout cuts it.
    ///
    /// Choose it longer than a healthy call takes.
    pub fn probe_lease(mut self, lease: Duration) -> Self {
        self.settings.probe_lease = lease;
        self
    }

    /// Judges and follows responses by this protocol. Default: [`Plain`].
    pub fn protocol<Q>(self, protocol: Q) -> BreakerLayerBuilder<Q> {
        let Self { settings, reporter, protocol: _ } = self;
        BreakerLayerBuilder { settings, reporter, protocol }
    }

    /// Judges results by this classifier, often a closure, in place of the protocol's. Default:
    /// as the protocol judges.
    ///
    /// Only its outcome counts here. A [protocol](Self::protocol) that is set later replaces it.
    pub fn classify<C>(self, classifier: C) -> BreakerLayerBuilder<Classified<P, C>> {
        let Self { settings, reporter, protocol } = self;
        let protocol = Classified::new(protocol, classifier);
        BreakerLayerBuilder { settings, reporter, protocol }
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

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a count is outside its range, or `open_for` or `probe_lease` is zero.
    pub fn build(self) -> Result<BreakerLayer<P>, ConfigError> {
        let Self { settings, reporter, protocol } = self;
        for (setting, count, most) in [
            ("consecutive_failures", settings.consecutive_failures, MOST_FAILURES),
            ("probes", settings.probes, MOST_PROBES),
            ("close_after", settings.close_after, MOST_SUCCESSES),
        ] {
            ConfigError::check_count(setting, count as usize, most as usize)?;
        }
        ConfigError::check_not_zero("open_for", settings.open_for)?;
        ConfigError::check_not_zero("probe_lease", settings.probe_lease)?;
        Ok(BreakerLayer::with(settings, reporter, protocol))
    }
}

impl Shared {
    /// Asks the circuit for leave to make a call. What came of it is told by [`Shared::tell`],
    /// once whoever asked has the ticket safe.
    pub(crate) fn admit(&self) -> Result<Ticket, Refused> {
        self.circuit.admit(Instant::now)
    }

    /// Makes the rejection and tells the observer of it.
    #[cold]
    pub(crate) fn reject(&self, refused: Refused) -> Rejection {
        let Refused { retry_after, failures } = refused;
        let kind = RejectionKind::CircuitOpen { failures };
        let mut rejection = self.reporter.rejection(kind);
        if let Some(delay) = retry_after {
            rejection = rejection.with_retry_after(delay);
        }
        self.reporter.report(EventKind::Rejected(&rejection));
        rejection
    }

    /// Takes a ticket back, and tells of what came of it.
    pub(crate) fn settle(&self, ticket: Ticket, outcome: Outcome) {
        self.circuit.settle(ticket, outcome, Instant::now);
        self.tell();
    }

    pub(crate) fn state(&self) -> CircuitState {
        let state = self.circuit.state(Instant::now);
        self.tell();
        state
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let snapshot = self.circuit.snapshot(Instant::now);
        self.tell();
        snapshot
    }

    /// Tells the observer of the changes that it was not told of.
    pub(crate) fn tell(&self) {
        self.circuit.tell(|change| {
            self.reporter.report(EventKind::CircuitChanged { from: change.from, to: change.to });
        });
    }
}

impl<S, P: Clone> Layer<S> for BreakerLayer<P> {
    type Service = Breaker<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Breaker::new(inner, Arc::clone(&self.shared), self.protocol.clone())
    }
}

impl<P> fmt::Debug for BreakerLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerLayer")
            .field("name", self.reporter.name())
            .field("settings", self.circuit.settings())
            .finish_non_exhaustive()
    }
}

impl<P> fmt::Debug for BreakerLayerBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerLayerBuilder")
            .field("name", self.reporter.name())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
