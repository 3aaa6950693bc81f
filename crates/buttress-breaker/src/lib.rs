//! Leaves a dependency alone while it fails, and finds out carefully when it has recovered.
//!
//! [`BreakerLayer`] lets calls pass while its circuit is *closed*. Failures in a row *open* it:
//! calls are refused at once, without asking whether the inner service is ready. After the open
//! time it is *half-open*: a few calls at a time pass as probes. Enough successes close it, one
//! failure opens it again. Put it around a client, inside the retry, so that a dependency that
//! is down costs its callers microseconds and not timeouts, and itself nothing. The pattern is
//! Michael Nygard's, from "Release It!".
//!
//! In front of an HTTP client give it the protocol of buttress-http: under the default,
//! [`Plain`](buttress_core::Plain), a 503 is an answer like any other and never opens a circuit.
//!
//! All services that one layer makes share its circuit, so that routes, clones and connections
//! learn from each other; [`isolated`](BreakerLayer::isolated) makes a layer with its own.
//!
//! # What counts
//!
//! Each admitted call is settled exactly once:
//!
//! | how it ended | counts as |
//! |---|---|
//! | with a result, the inner service's refusal to become ready included | what the protocol or [`classify`](BreakerLayerBuilder::classify) says |
//! | its response was judged a success, and is streamed | what the end of the body says; a body that breaks off is a failure |
//! | dropped before its end, after the ambient [`Deadline`](buttress_core::Deadline) of the call has passed | failure: the dependency took too long, also for a timeout outside the breaker, and also if its reader did |
//! | the same, but the deadline had passed before the call was made | neutral: the time was used up elsewhere |
//! | dropped before its head, its deadline still ahead | neutral: the caller hung up |
//! | its body dropped early, its deadline still ahead | success, as its head said |
//! | the inner service panicked, in `call` or when polled | failure |
//! | the classifier panicked | neutral |
//! | its body was dropped by a panic, be it the body's own or its reader's, which look alike | failure |
//!
//! A success ends the row of failures, a neutral outcome does not touch it. Every outcome counts
//! for the state in which its call was admitted, and changes nothing once that is over: a slow
//! call from before the trip neither closes the circuit nor opens it again.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`consecutive_failures`](BreakerLayerBuilder::consecutive_failures) | 5 | not an accident: at a failure rate of 1 % one in 10^10 |
//! | [`open_for`](BreakerLayerBuilder::open_for) | 30 s | long enough for a process to restart, short enough for a user to try again |
//! | [`probes`](BreakerLayerBuilder::probes) | 1 | what has just recovered should not be run over |
//! | [`close_after`](BreakerLayerBuilder::close_after) | 1 | what five failures opened, one success may close: failures open it again |
//! | [`probe_lease`](BreakerLayerBuilder::probe_lease) | 30 s | a probe that is silent for the whole of an open time has answered |
//! | [`protocol`](BreakerLayerBuilder::protocol) | [`Plain`](buttress_core::Plain) | an `Err` is a failure; `Http` knows statuses and follows the body |
//! | [`classify`](BreakerLayerBuilder::classify) | the protocol's | |
//! | [`name`](BreakerLayerBuilder::name) | `"breaker"` | names the layer in errors and events |
//! | [`observer`](BreakerLayerBuilder::observer) | [`Tracing`](buttress_core::Tracing) | |
//!
//! # Example
//!
//! ```
//! use buttress_breaker::BreakerLayer;
//! use buttress_core::{BoxError, CircuitState, Rejection};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let layer = BreakerLayer::builder().consecutive_failures(2).name("prices").build()?;
//! let handle = layer.handle();
//! let mut service = ServiceBuilder::new()
//!     .layer(layer)
//!     .service(service_fn(async |_: ()| Err::<(), BoxError>("connection refused".into())));
//!
//! for _ in 0..2 {
//!     let error = service.ready().await?.call(()).await.unwrap_err();
//!     assert_eq!(error.to_string(), "connection refused");
//! }
//! assert_eq!(handle.state(), CircuitState::Open);
//!
//! let error = service.ready().await?.call(()).await.unwrap_err();
//! let rejection = Rejection::find(error.as_ref()).expect("the dependency was not called");
//! assert!(rejection.retry_after().is_some());
//! # Ok(())
//! # }
//! ```
//!
//! # Refusals
//!
//! A refused call ends with
//! [`RejectionKind::CircuitOpen`](buttress_core::RejectionKind::CircuitOpen). Its `retry_after`
//! is what remains of the open time. There is none when the circuit is never probed, nor while
//! it is half-open with every probe out: they may end in the next moment.
//!
//! # Events
//!
//! [`EventKind::CircuitChanged`](buttress_core::EventKind::CircuitChanged), once for each change
//! of state and in their order, also when they come from several threads, by the call or the look
//! through the handle that finds it due; and
//! [`EventKind::Rejected`](buttress_core::EventKind::Rejected), once for each refused call.

mod admission;
mod builder;
mod circuit;
mod circuits;
mod future;
mod handle;
#[cfg(feature = "keyed")]
mod keyed;
mod layer;
mod open_time;
mod probes;
mod readiness;
mod service;
mod settings;
mod shared;
mod snapshot;
mod stripes;
mod transitions;
mod trip;
mod window;

pub use builder::BreakerLayerBuilder;
pub use circuits::{Circuits, OneCircuit};
pub use future::{BreakerFollower, ResponseFuture};
pub use handle::BreakerHandle;
#[cfg(feature = "keyed")]
pub use keyed::{ByKey, CircuitPerKey, KeyedBreakerHandle};
pub use layer::BreakerLayer;
pub use service::Breaker;
pub use settings::Abandoned;
pub use snapshot::Snapshot;
pub use transitions::{Transition, Transitions};
pub use window::Window;
