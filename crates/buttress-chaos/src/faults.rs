//! Which faults are in force, and how often each strikes.

#[cfg(feature = "serde")]
mod read;
mod said;

use std::time::Duration;

use buttress_core::{ConfigError, Pace, Stall};

use crate::Latency;

/// The faults that are in force, and how often each strikes.
///
/// Faults are drawn independently, each at its own rate, from 0.0 to 1.0: with latency at 20 % and
/// errors at 5 %, one call in a hundred is both late and failed. A call that gets several meets
/// them in the order of a call: it is late first; then it hangs, panics, fails or is answered with a
/// status, whichever comes first in this list; and if the service was called, its answer is damaged.
///
/// ```
/// use std::time::Duration;
/// use buttress_chaos::{Faults, Latency};
///
/// # fn main() -> Result<(), buttress_core::ConfigError> {
/// let faults = Faults::none()
///     .latency(0.2, Latency::log_normal(Duration::from_millis(80), 0.5)?)?
///     .errors(0.05)?
///     .cut(0.01, 4096)?;
/// assert_ne!(faults, Faults::none());
/// assert_eq!(Faults::none().errors(5.0).unwrap_err().setting(), "errors");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Faults {
    pub(crate) latency: Option<Rated<Latency>>,
    pub(crate) hangs: Option<Rated<()>>,
    pub(crate) panics: Option<Rated<()>>,
    pub(crate) errors: Option<Rated<()>>,
    pub(crate) status: Option<Rated<u16>>,
    pub(crate) cut: Option<Rated<u64>>,
    pub(crate) stalls: Option<Rated<Stall>>,
    pub(crate) slow: Option<Rated<Pace>>,
    pub(crate) breaks: Option<Rated<u64>>,
    pub(crate) trailers: Option<Rated<u16>>,
    pub(crate) unready: Option<Rated<()>>,
    pub(crate) ready_late: Option<Rated<Latency>>,
}

/// A fault and the share of the calls that it strikes; never zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rated<T> {
    pub(crate) rate: f64,
    pub(crate) what: T,
}

impl Faults {
    /// No faults.
    pub const fn none() -> Self {
        Self {
            latency: None,
            hangs: None,
            panics: None,
            errors: None,
            status: None,
            cut: None,
            stalls: None,
            slow: None,
            breaks: None,
            trailers: None,
            unready: None,
            ready_late: None,
        }
    }

    /// Delays this share of the calls, before the inner service is asked for anything: always by the
    /// same time, or by a [distribution](Latency). `Duration::MAX` means that they hang until somebody
    /// cuts them.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number, or if the delay is zero.
    pub fn latency(mut self, rate: f64, latency: impl Into<Latency>) -> Result<Self, ConfigError> {
        self.latency = rated("latency", rate, checked("latency", latency.into())?)?;
        Ok(self)
    }

    /// Lets this share of the calls hang until somebody cuts them; the inner service is never called.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number.
    pub fn hangs(mut self, rate: f64) -> Result<Self, ConfigError> {
        self.hangs = rated("hangs", rate, ())?;
        Ok(self)
    }

    /// Lets this share of the calls panic, when their future is polled.
    ///
    /// Only a layer that was built with [`allow_panics`](crate::ChaosLayerBuilder::allow_panics) takes
    /// such faults: where a task that panics is not caught it may end the program.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number.
    pub fn panics(mut self, rate: f64) -> Result<Self, ConfigError> {
        self.panics = rated("panics", rate, ())?;
        Ok(self)
    }

    /// Fails this share of the calls, without calling the inner service. The error is a
    /// [`Rejection`](buttress_core::Rejection) of the kind
    /// [`Injected`](buttress_core::RejectionKind::Injected), if the layer was given
    /// [no other](crate::ChaosLayerBuilder::error).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number.
    pub fn errors(mut self, rate: f64) -> Result<Self, ConfigError> {
        self.errors = rated("errors", rate, ())?;
        Ok(self)
    }

    /// Answers this share of the calls with this status, without calling the inner service: under
    /// `Http` one of HTTP from 200 to 599, under `Grpc` a code of gRPC, from 0 to 16. Under a protocol
    /// that has no such status the call fails, as by [`errors`](Self::errors).
    ///
    /// By the protocol's `injected` it is any other response, with headers and a body.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number, or if `status` is above 599.
    pub fn status(mut self, rate: f64, status: u16) -> Result<Self, ConfigError> {
        if status > 599 {
            return Err(ConfigError::new("status", status, "a status of HTTP or a code of gRPC"));
        }
        self.status = rated("status", rate, status)?;
        Ok(self)
    }

    /// Cuts this share of the bodies after so many bytes, as a connection does that is lost: what was
    /// promised of the rest stays promised, and an error comes in its place
    /// ([`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof)). A body that is shorter is left alone.
    ///
    /// This and the other damages to bodies need a [protocol](crate::ChaosLayerBuilder::protocol) that
    /// knows of bodies; under `Plain` the answer is lost as a whole, and the call fails.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number.
    pub fn cut(mut self, rate: f64, after: u64) -> Result<Self, ConfigError> {
        self.cut = rated("cut", rate, after)?;
        Ok(self)
    }

    /// Halts this share of the bodies after so many bytes for this long; `Duration::MAX` means for ever.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number, or if `lasts` is zero.
    pub fn stalls(mut self, rate: f64, after: u64, lasts: Duration) -> Result<Self, ConfigError> {
        longer_than_zero("stalls", lasts)?;
        self.stalls = rated("stalls", rate, Stall { after, lasts })?;
        Ok(self)
    }

    /// Slows this share of the bodies down, by a time for each frame or to so many bytes a second.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number, or if the time is zero.
    pub fn slow(mut self, rate: f64, pace: Pace) -> Result<Self, ConfigError> {
        if let Pace::EachFrame(delay) = pace {
            longer_than_zero("slow", delay)?;
        }
        self.slow = rated("slow", rate, pace)?;
        Ok(self)
    }

    /// Breaks this share of the bodies off after so many bytes with the error of
    /// [`errors`](Self::errors), as a handler does that fails half-way.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number.
    pub fn breaks(mut self, rate: f64, after: u64) -> Result<Self, ConfigError> {
        self.breaks = rated("breaks", rate, after)?;
        Ok(self)
    }

    /// Lets the trailers of this share of the responses say this `grpc-status`. Over HTTP/1 a server sends
    /// trailers only to a client that says `TE: trailers`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number, or if `code` is above 16.
    pub fn trailers(mut self, rate: f64, code: u16) -> Result<Self, ConfigError> {
        if code > 16 {
            return Err(ConfigError::new("trailers", code, "a code of gRPC, from 0 to 16"));
        }
        self.trailers = rated("trailers", rate, code)?;
        Ok(self)
    }

    /// Refuses this share of the questions for readiness: `poll_ready` gives an error.
    ///
    /// To tower that means "discard this service". It is the only error of a Buttress layer that comes
    /// from there, and it is there for that reason: to see what balancers and buffers outside make of it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number.
    pub fn unready(mut self, rate: f64) -> Result<Self, ConfigError> {
        self.unready = rated("unready", rate, ())?;
        Ok(self)
    }

    /// Delays this share of the readiness: `poll_ready` is pending for so long, and then wakes whoever
    /// asked. `Duration::MAX` means that this clone never becomes ready.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `rate` is outside its range or not a number, or if the delay is zero.
    pub fn ready_late(
        mut self,
        rate: f64,
        latency: impl Into<Latency>,
    ) -> Result<Self, ConfigError> {
        self.ready_late = rated("ready_late", rate, checked("ready_late", latency.into())?)?;
        Ok(self)
    }

    /// These faults, and for the kinds that are not among them those of `other`.
    pub fn or(self, other: Self) -> Self {
        Self {
            latency: self.latency.or(other.latency),
            hangs: self.hangs.or(other.hangs),
            panics: self.panics.or(other.panics),
            errors: self.errors.or(other.errors),
            status: self.status.or(other.status),
            cut: self.cut.or(other.cut),
            stalls: self.stalls.or(other.stalls),
            slow: self.slow.or(other.slow),
            breaks: self.breaks.or(other.breaks),
            trailers: self.trailers.or(other.trailers),
            unready: self.unready.or(other.unready),
            ready_late: self.ready_late.or(other.ready_late),
        }
    }

    /// Whether nothing is ever struck.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::none()
    }

    /// Refuses panics where they are not allowed.
    pub(crate) fn check(&self, panics_allowed: bool) -> Result<(), ConfigError> {
        match self.panics {
            Some(Rated { rate, .. }) if !panics_allowed => {
                let allowed = "0, unless the layer was built with `allow_panics`";
                Err(ConfigError::new("panics", rate, allowed))
            }
            _ => Ok(()),
        }
    }
}

fn rated<T>(setting: &'static str, rate: f64, what: T) -> Result<Option<Rated<T>>, ConfigError> {
    ConfigError::check_rate(setting, rate)?;
    Ok((rate > 0.0).then_some(Rated { rate, what }))
}

fn checked(setting: &'static str, latency: Latency) -> Result<Latency, ConfigError> {
    if latency.is_zero() {
        longer_than_zero(setting, Duration::ZERO)?;
    }
    Ok(latency)
}

fn longer_than_zero(setting: &'static str, time: Duration) -> Result<(), ConfigError> {
    if time.is_zero() {
        let allowed = "longer than zero (Duration::MAX means a hang)";
        return Err(ConfigError::new(setting, "0s", allowed));
    }
    Ok(())
}
