//! The one concrete error type of the suite.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use crate::{BoxError, Trip};

/// Why a Buttress layer refused a call, or cut it short.
///
/// Everything that a layer adds to the errors of the service it wraps is a `Rejection`; inner
/// errors pass through untouched. It says which layer and which instance of it, what the limit
/// was, what was seen, and where it can, when to come back.
///
/// Errors are boxed and wrapped on their way up, also by foreign code;
/// [`Rejection::find`] looks through the whole chain:
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use buttress_core::{BoxError, Phase, Rejection, RejectionKind};
///
/// let kind = RejectionKind::TimedOut { phase: Phase::Overall, limit: Duration::from_secs(2) };
/// let error: BoxError = Rejection::new("timeout", Arc::from("pricing"), kind).into();
///
/// let rejection = Rejection::find(error.as_ref()).expect("it is one");
/// assert_eq!(rejection.layer(), "timeout");
/// assert_eq!(rejection.to_string(), "timeout `pricing`: overall limit of 2s passed");
/// ```
#[derive(Debug)]
pub struct Rejection {
    kind: RejectionKind,
    layer: &'static str,
    name: Arc<str>,
    retry_after: Option<Duration>,
    source: Option<io::Error>,
}

/// What kind of refusal a [`Rejection`] is, with the figures that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectionKind {
    /// A phase of the call took longer than the layer's own limit; the call was cut.
    TimedOut {
        /// The phase that took too long.
        phase: Phase,
        /// The limit of that phase.
        limit: Duration,
    },
    /// The deadline of the call passed: one that came with it, or the end of its own allowance
    /// where that was no time at all.
    DeadlineExceeded {
        /// Whether the inner service had been called: a call that was cut says something about
        /// the dependency, one that was refused at the door does not.
        called: bool,
    },
    /// The circuit breaker is open, or half-open with every probe taken.
    CircuitOpen {
        /// Why it opened.
        why: Trip,
    },
    /// Every place of the bulkhead is taken, and so is every place in its queue.
    BulkheadFull {
        /// The most calls at once.
        limit: usize,
        /// The calls in flight when this one came.
        in_flight: usize,
        /// The calls that waited before this one came.
        queued: usize,
    },
    /// No place of the bulkhead became free in time.
    QueueTimeout {
        /// The most calls at once.
        limit: usize,
        /// The calls in flight when this one gave up.
        in_flight: usize,
        /// The calls that went on waiting.
        queued: usize,
        /// How long this call waited.
        waited: Duration,
    },
    /// The request names a compartment that the bulkhead does not have.
    UnknownCompartment {
        /// The name that was asked for.
        compartment: Arc<str>,
    },
    /// The call panicked on the runtime that it was given to.
    Panicked,
    /// The runtime that the call was given to has shut down, before its end or its beginning.
    RuntimeShutDown,
    /// A fault that a chaos layer was asked to inject.
    Injected,
}

/// The part of a call that a limit bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// The whole call: readiness of the inner service, the response head, and the body.
    Overall,
    /// Making a connection: name resolution, TCP and TLS.
    Connect,
    /// From the call to the response head.
    Response,
    /// The gap before a frame of the response body.
    Read,
    /// The gap before a frame of the request body.
    Write,
    /// The time in which neither body moved.
    Idle,
}

impl Rejection {
    /// A rejection by the layer of this kind (`"timeout"`, `"breaker"`, …) and this name.
    #[inline]
    pub fn new(layer: &'static str, name: Arc<str>, kind: RejectionKind) -> Self {
        // Foreign code asks "was it a timeout?" by looking for this kind of `io::Error`.
        let timed_out = matches!(
            kind,
            RejectionKind::TimedOut { .. }
                | RejectionKind::DeadlineExceeded { .. }
                | RejectionKind::QueueTimeout { .. }
        );
        let source = timed_out.then(|| io::Error::from(io::ErrorKind::TimedOut));
        Self { kind, layer, name, retry_after: None, source }
    }

    /// The same rejection, saying that there is no use in coming back before `delay` from now.
    #[inline]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The same rejection, with the foreign error that it is told in place of.
    ///
    /// It comes next in the source chain, and is what an `io::Error` there carries, whose kind
    /// stays what it was: one that means "too late" is still `TimedOut`.
    pub fn with_cause(mut self, cause: impl Into<BoxError>) -> Self {
        let kind = self.source.map_or(io::ErrorKind::Other, |source| source.kind());
        self.source = Some(io::Error::new(kind, cause));
        self
    }

    /// What kind of refusal it is.
    pub fn kind(&self) -> &RejectionKind {
        &self.kind
    }

    /// The kind of layer that refused: `"timeout"`, `"breaker"`, `"bulkhead"`, …
    pub fn layer(&self) -> &'static str {
        self.layer
    }

    /// The name that the layer was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long to wait before trying again has a chance, if the layer knows.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the call was refused without the inner service having been called.
    ///
    /// Such a refusal says nothing about the dependency, and the request was certainly not sent.
    pub fn is_refusal(&self) -> bool {
        !matches!(
            self.kind,
            RejectionKind::TimedOut { .. }
                | RejectionKind::DeadlineExceeded { called: true }
                | RejectionKind::Panicked
                | RejectionKind::RuntimeShutDown
                | RejectionKind::Injected
        )
    }

    /// Finds the outermost rejection in the chain of `error`, starting with itself.
    ///
    /// It looks inside `io::Error` too, whose `source` skips the error that it carries.
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next: Option<&'a (dyn Error + 'static)> = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                Some(carried) => Some(carried),
                None => error.source(),
            };
        }
        None
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`: {}", self.layer, self.name, self.kind)?;
        if let Some(delay) = self.retry_after {
            write!(f, "; retry after {delay:.1?}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RejectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { phase, limit } => write!(f, "{phase} limit of {limit:?} passed"),
            Self::DeadlineExceeded { called: true } => {
                f.write_str("the deadline passed during the call")
            }
            Self::DeadlineExceeded { called: false } => {
                f.write_str("the deadline had passed before the call")
            }
            Self::CircuitOpen { why } => write!(f, "circuit open, since {why}"),
            Self::BulkheadFull { limit, in_flight, queued } => {
                write!(f, "full, {in_flight} of {limit} places taken and {queued} waiting")
            }
            Self::QueueTimeout { limit, in_flight, queued, waited } => write!(
                f,
                "no place became free in {waited:.1?}, {in_flight} of {limit} taken and {queued} \
                 waiting"
            ),
            Self::UnknownCompartment { compartment } => {
                write!(f, "no compartment is called `{compartment}`")
            }
            Self::Panicked => f.write_str("the call panicked on the runtime it was given to"),
            Self::RuntimeShutDown => {
                f.write_str("the runtime that the call was given to has shut down")
            }
            Self::Injected => f.write_str("fault injected on purpose"),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overall => "overall",
            Self::Connect => "connect",
            Self::Response => "response",
            Self::Read => "read",
            Self::Write => "write",
            Self::Idle => "idle",
        })
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as &(dyn Error + 'static))
    }
}
