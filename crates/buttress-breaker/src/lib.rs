//! Leaves a dependency alone while it fails, and finds out carefully when it has recovered.
//!
//! [`BreakerLayer`] lets calls pass while its circuit is *closed*. Too many failures *open* it:
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
//! learn from each other; [`isolated`](BreakerLayer::isolated) makes a layer with its own. With the
//! feature `keyed` a layer has a circuit for each key, be it host, route or tenant.
//!
//! # What opens it
//!
//! Any of the conditions that were asked for, and if none was, five failures in a row.
//!
//! | condition | right for |
//! |---|---|
//! | [`consecutive_failures`](BreakerLayerBuilder::consecutive_failures) | a dependency that works or is down, and any amount of traffic |
//! | [`failure_rate`](BreakerLayerBuilder::failure_rate) | one of many machines behind a name is down, so that successes lie between the failures |
//! | [`slow_call_rate`](BreakerLayerBuilder::slow_call_rate) | it still answers, but so late that callers pile up |
//!
//! A rate is taken over a [`Window`], of the last calls or the last time, once there are
//! [`min_calls`](BreakerLayerBuilder::min_calls) in it. Only a call that failed, or was slow, opens the
//! circuit: a good one never does, though with it there may be enough of them.
//!
//! # What counts
//!
//! Each admitted call is settled exactly once:
//!
//! | how it ended | counts as |
//! |---|---|
//! | with a result, the inner service's refusal to become ready included | what the protocol or [`classify`](BreakerLayerBuilder::classify) says |
//! | its response was judged a success, and is streamed | what the end of the body says, under gRPC its trailers; a body that breaks off is a failure |
//! | dropped before its head, or while the next frame was waited for, after the ambient [`Deadline`](buttress_core::Deadline) of the call has passed | failure: the dependency took too long, also for a timeout outside the breaker |
//! | the same, but the deadline had passed before the call was made | neutral: the time was used up elsewhere |
//! | dropped before its head, its deadline still ahead | neutral: the caller hung up; or failure if it was slow already, where slow calls count; see [`Abandoned`] |
//! | its body dropped early, its deadline still ahead, or its reader not waiting | success, as its head said |
//! | the inner service panicked, in `call` or when polled | failure |
//! | the classifier panicked | neutral |
//! | its body was dropped by a panic, be it the body's own or its reader's, which look alike | failure |
//!
//! A success ends the row of failures, a neutral outcome does not touch it, and a window holds no
//! neutral ones. Every outcome counts for the state in which its call was admitted, and changes
//! nothing once that is over: a slow call from before the trip neither closes the circuit nor opens
//! it again.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`consecutive_failures`](BreakerLayerBuilder::consecutive_failures) | 5, if no rate is asked for | not an accident: at a failure rate of 1 % one in 10^10 |
//! | [`failure_rate`](BreakerLayerBuilder::failure_rate) | none | what is normal differs |
//! | [`slow_call_rate`](BreakerLayerBuilder::slow_call_rate) | none | so does what is slow; it reads the clock |
//! | [`window`](BreakerLayerBuilder::window) | the last 100 calls | the same meaning at any rate of traffic |
//! | [`min_calls`](BreakerLayerBuilder::min_calls) | 20, or what the window holds | one failure of one call is no rate |
//! | [`abandoned`](BreakerLayerBuilder::abandoned) | [`Abandoned::FailedIfLate`] | who hung up says nothing, who ran out of time does |
//! | [`open_for`](BreakerLayerBuilder::open_for) | 30 s | long enough for a process to restart, short enough for a user to try again |
//! | [`open_growth`](BreakerLayerBuilder::open_growth) | none | the open time is what was configured |
//! | [`open_jitter`](BreakerLayerBuilder::open_jitter) | 0.0 | the same; 0.2 for a fleet |
//! | [`rng`](BreakerLayerBuilder::rng) | a seed that nobody knows | so that a fleet differs |
//! | [`hint_limit`](BreakerLayerBuilder::hint_limit) | 5 min | a dependency knows best when it is back, but may err by a year |
//! | [`probes`](BreakerLayerBuilder::probes) | 1 | what has just recovered should not be run over |
//! | [`close_after`](BreakerLayerBuilder::close_after) | 1 | what five failures opened, one success may close: failures open it again |
//! | [`probe_lease`](BreakerLayerBuilder::probe_lease) | 30 s | a probe that is silent for the whole of an open time has answered |
//! | [`ramp`](BreakerLayerBuilder::ramp) | none | most dependencies bear their usual load at once |
//! | [`shadow`](BreakerLayerBuilder::shadow) | no | |
//! | [`readiness`](BreakerLayerBuilder::readiness) | no | a refusal tells the caller why; a `poll_ready` that is pending does not |
//! | `keyed`, `max_keys`, with the feature `keyed` | one circuit; 1,000 keys | |
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
//! [`RejectionKind::CircuitOpen`](buttress_core::RejectionKind::CircuitOpen), which says
//! [why](buttress_core::Trip) the circuit opened. Its `retry_after` is what remains of the open time.
//! There is none when the circuit is never probed, nor while it is half-open with every probe out:
//! they may end in the next moment.
//!
//! # For operators
//!
//! A [`BreakerHandle`] shows the state and the counts, opens and closes the circuit by hand, and gives
//! a stream of its changes. [`shadow`](BreakerLayerBuilder::shadow) tries the settings in production
//! without refusing anything.
//!
//! # Cost
//!
//! A call through a closed circuit takes no lock and allocates nothing; by default it also reads no
//! clock and writes nothing that another thread does. A window is written by every call, without a
//! lock: one of time, and slow calls, read the clock; and threads pass its word to and fro, one of calls
//! more than one of time.
//!
//! # Events
//!
//! [`EventKind::CircuitChanged`](buttress_core::EventKind::CircuitChanged), once for each change
//! of state and in their order, also when they come from several threads, by the call or the look
//! through the handle that finds it due, and for one of many keys when it is forgotten; and
//! [`EventKind::Rejected`](buttress_core::EventKind::Rejected), once for each refused call.

mod admission;
mod builder;
mod circuit;
mod circuits;
mod future;
mod handle;
mod hold;
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

/// The crate's own page, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
