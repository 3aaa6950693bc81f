//! The builder of a layer.

use std::{fmt, sync::Arc};

use buttress_core::{BoxError, ConfigError, Observer, Plain, Reporter};

use crate::{
    All, ByPredicate, BySecret, ChaosLayer, Faults, Uncontrolled,
    shared::{Chance, MakeError, Shared},
    switch::Switch,
};

/// The word for this layer in errors and events.
const LAYER: &str = "chaos";

/// Builds a [`ChaosLayer`].
pub struct ChaosLayerBuilder<P = Plain, Q = All, C = Uncontrolled> {
    faults: Faults,
    chance: Chance,
    panics_allowed: bool,
    error: Option<MakeError>,
    reporter: Reporter,
    protocol: P,
    selection: Q,
    control: C,
    /// What was wrong with a setting.
    wrong: Option<ConfigError>,
}

impl ChaosLayerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            faults: Faults::none(),
            chance: Chance::default(),
            panics_allowed: false,
            error: None,
            reporter: Reporter::new(LAYER),
            protocol: Plain,
            selection: All,
            control: Uncontrolled,
            wrong: None,
        }
    }
}

/// # What strikes
impl<P, Q, C> ChaosLayerBuilder<P, Q, C> {
    /// Begins with these faults in force. Default: [`Faults::none`].
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Makes the error of calls that are to [fail](Faults::errors), of bodies that
    /// [break off](Faults::breaks), and of readiness that is [refused](Faults::unready). Default: a
    /// [`Rejection`](buttress_core::Rejection) of the kind
    /// [`Injected`](buttress_core::RejectionKind::Injected), which breakers and retries judge as any
    /// failure of the dependency.
    ///
    /// ```
    /// use std::io;
    /// use buttress_chaos::ChaosLayer;
    ///
    /// # fn main() -> Result<(), buttress_core::ConfigError> {
    /// let layer = ChaosLayer::builder()
    ///     .error(|| io::Error::from(io::ErrorKind::ConnectionReset))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn error<E: Into<BoxError>>(
        mut self,
        make: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        self.error = Some(Arc::new(move || make().into()));
        self
    }

    /// Takes faults that [panic](Faults::panics). Default: they are refused, by the builder as by the
    /// handle, for a panic that nobody catches may end the program.
    pub fn allow_panics(mut self) -> Self {
        self.panics_allowed = true;
        self
    }

    /// Draws from generators that start at `seed`, shared by all calls of the layer, so that
    /// a run can be repeated: the same faults strike the same calls, counted from the first one
    /// that is [selected](Self::only) while any fault is in force. Default: each thread's own
    /// generator, seeded by the operating system.
    pub fn rng(mut self, seed: u64) -> Self {
        self.chance = Chance::seeded(seed);
        self
    }
}

/// # Whom
impl<P, Q, C> ChaosLayerBuilder<P, Q, C> {
    /// Strikes only requests of which this function says so, by their route or by a header of theirs.
    /// Default: all.
    ///
    /// Faults of [readiness](Faults::unready) strike before there is a request, and ask nobody.
    ///
    /// ```
    /// use buttress_chaos::ChaosLayer;
    /// use http::Request;
    ///
    /// # fn main() -> Result<(), buttress_core::ConfigError> {
    /// let layer = ChaosLayer::builder()
    ///     .only(|request: &Request<()>| request.uri().path().starts_with("/payment/"))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn only<F>(self, selection: F) -> ChaosLayerBuilder<P, F, C> {
        self.replace(|protocol, _, control| (protocol, selection, control))
    }

    /// Lets a request say itself which faults it is to meet, if it knows this secret. Default: none may.
    ///
    /// It says them in the header [`buttress-chaos`](crate::CONTROL_HEADER), and the secret in
    /// [`buttress-chaos-secret`](crate::SECRET_HEADER). Such a request meets just those faults, whatever
    /// else is in force and whoever else is [selected](Self::only); if the list is empty, none. What can
    /// not be read, or is not allowed, is an error of the call, a [`ConfigError`]. Without the secret
    /// the header does nothing. Both headers are taken out of all requests, so that none travels on.
    /// Under a protocol without headers, as `Plain` is, nobody is listened to; and a layer that is
    /// [disabled](ChaosLayer::disabled) leaves both where they are.
    ///
    /// The header is a list of these, which are the methods of [`Faults`]:
    ///
    /// | fault | value |
    /// |---|---|
    /// | `latency=300ms` | a time |
    /// | `hangs`, `panics`, `errors` | |
    /// | `status=503` | a status of HTTP, or a code of gRPC |
    /// | `cut=4096`, `breaks=4096` | bytes |
    /// | `stalls=4096`, `stalls=4096:10s` | bytes, and for how long: left out, for ever |
    /// | `slow=1024`, `slow=50ms` | bytes a second, or a time for each frame |
    /// | `trailers=14` | a code of gRPC |
    ///
    /// The secret has 16 characters of visible ASCII at the least. It is compared in constant time, so that
    /// what that takes tells nothing but its length. Who knows it can make each of his calls fail, and hold them for as long as nobody cuts them.
    pub fn control(self, secret: impl Into<Arc<str>>) -> ChaosLayerBuilder<P, Q, BySecret> {
        let control = BySecret::new(secret.into());
        let wrong = control.check().err();
        let builder = self.replace(|protocol, selection, _| (protocol, selection, control));
        ChaosLayerBuilder { wrong, ..builder }
    }

    /// Lets a request say itself which faults it is to meet, as by [`control`](Self::control), if this
    /// function selects it; there is no secret then. Default: none may.
    ///
    /// Go by what a stranger can not forge: an address of a test network that comes from the server's own
    /// extension, say, and not a header that any client can send.
    pub fn control_if<F>(self, may: F) -> ChaosLayerBuilder<P, Q, ByPredicate<F>> {
        let builder =
            self.replace(|protocol, selection, _| (protocol, selection, ByPredicate(may)));
        ChaosLayerBuilder { wrong: None, ..builder }
    }
}

/// # How it works
impl<P, Q, C> ChaosLayerBuilder<P, Q, C> {
    /// Damages answers by this protocol: `Http` and `Grpc` of buttress-http know statuses, bodies and
    /// headers. Default: [`Plain`], under which a call that was to get such a fault fails as a whole.
    pub fn protocol<O>(self, protocol: O) -> ChaosLayerBuilder<O, Q, C> {
        self.replace(|_, selection, control| (protocol, selection, control))
    }

    /// Names the layer in errors and events, and as the target of a [timeline](crate::ChaosHandle::play).
    /// Default: `"chaos"`.
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
    /// [`ConfigError`] if the faults [panic](Faults::panics) and that was not
    /// [allowed](Self::allow_panics), or if the [secret](Self::control) is too short, or not of visible
    /// ASCII.
    pub fn build(self) -> Result<ChaosLayer<P, Q, C>, ConfigError> {
        let Self { faults, chance, panics_allowed, error, reporter, .. } = self;
        self.wrong.map_or(Ok(()), Err)?;
        faults.check(panics_allowed)?;
        let switch = Switch::new(&faults);
        let shared = Shared { switch, chance, panics_allowed, error, reporter };
        Ok(ChaosLayer::with(shared, self.protocol, self.selection, self.control))
    }

    /// The same builder of other types.
    fn replace<P2, Q2, C2>(
        self,
        by: impl FnOnce(P, Q, C) -> (P2, Q2, C2),
    ) -> ChaosLayerBuilder<P2, Q2, C2> {
        let Self { faults, chance, panics_allowed, error, reporter, wrong, .. } = self;
        let (protocol, selection, control) = by(self.protocol, self.selection, self.control);
        ChaosLayerBuilder {
            faults,
            chance,
            panics_allowed,
            error,
            reporter,
            protocol,
            selection,
            control,
            wrong,
        }
    }
}

impl<P, Q, C> fmt::Debug for ChaosLayerBuilder<P, Q, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaosLayerBuilder")
            .field("name", self.reporter.name())
            .field("faults", &self.faults)
            .field("chance", &self.chance)
            .field("panics_allowed", &self.panics_allowed)
            .finish_non_exhaustive()
    }
}
