//! A bound on the calls that are under way at once, bodies included.
//!
//! [`BulkheadLayer`] keeps a dependency that hangs from taking the whole process with it: at
//! most so many calls wait for it, and the others are refused at once, or after a bounded wait.
//! A call has its place from its admission until its response is over; under an HTTP protocol
//! that is when the body ends, breaks off or is dropped, not when the head arrives. The place
//! comes back however the call ends: with an answer, an error, a panic, or a caller who hung up.
//!
//! In front of an HTTP client, and around a server, give it the protocol of buttress-http: under
//! the default, [`Plain`](buttress_core::Plain), the place comes back with the head of a response,
//! whose body may stream on for long.
//!
//! The place is taken inside the call, before the inner service is asked whether it is ready: a
//! call that is refused holds nothing that another could use.
//!
//! # Compartments
//!
//! One layer is one bulkhead, whatever it is applied to. With one of its own in front of each
//! dependency, or [compartments](BulkheadLayer::compartments) in front of a client that calls all of
//! them, one that hangs takes its own places and nobody else's:
//!
//! ```
//! use std::time::Duration;
//!
//! use buttress_bulkhead::{BulkheadLayer, Compartment};
//! use buttress_core::{BoxError, Rejection, RejectionKind};
//! use http::Request;
//! use tower::{Service, ServiceBuilder, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let layer = BulkheadLayer::compartments(|request: &Request<()>| request.uri().host().unwrap_or(""))
//!     .compartment(Compartment::new("payment", 1).max_wait(Duration::from_millis(10)))
//!     .compartment(("inventory", 15))
//!     .compartment(("email", 5))
//!     .build()?;
//! let handle = layer.handle();
//! let mut service = ServiceBuilder::new().layer(layer).service(service_fn(
//!     async |request: Request<()>| match request.uri().host() {
//!         Some("payment") => std::future::pending().await,
//!         _ => Ok::<_, BoxError>("in stock"),
//!     },
//! ));
//!
//! let hangs = service.call(Request::get("http://payment/").body(())?);
//! let error = service.call(Request::get("http://payment/").body(())?).await.unwrap_err();
//! let rejection = Rejection::find(error.as_ref()).expect("it has waited for a place");
//! assert_eq!(rejection.name(), "bulkhead/payment");
//! assert!(matches!(rejection.kind(), RejectionKind::QueueTimeout { limit: 1, .. }));
//! assert!(rejection.retry_after().is_some());
//!
//! assert_eq!(service.call(Request::get("http://inventory/").body(())?).await?, "in stock");
//! assert_eq!(handle.get("payment").map(|payment| payment.in_flight()), Some(1));
//! # drop(hangs);
//! # Ok(())
//! # }
//! ```
//!
//! | which | made by | a request that belongs to none |
//! |---|---|---|
//! | one for all | [`BulkheadLayer::builder`] | |
//! | one for each of a set of names | [`BulkheadLayer::compartments`] | is refused, as [`UnknownCompartment`](buttress_core::RejectionKind::UnknownCompartment), or goes to the [default](CompartmentsBuilder::default_compartment) |
//! | one for each key, be it tenant or host | `keyed`, with the feature `keyed` | there is none; keys that there is no room for share one |
//!
//! Calls of a compartment can also [run on a runtime of its own](BulkheadLayerBuilder::on_runtime), so
//! that what computes for long, or blocks, takes nobody else's threads.
//!
//! # Differences from `tower::limit::ConcurrencyLimit`
//!
//! tower's limit gives the place back with the response head, queues without a bound, waits in
//! `poll_ready` without regard to any deadline, has a limit that stays what it was, and a state for
//! each `layer()` call unless it is made the global one. Here one layer is one bulkhead;
//! [`isolated`](BulkheadLayer::isolated) makes another. Whoever wants to wait in `poll_ready` says so
//! by [`backpressure`](BulkheadLayerBuilder::backpressure).
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`max_concurrent`](BulkheadLayerBuilder::max_concurrent) | none, it is required | the right figure is what the dependency can bear, which only the user of the layer knows |
//! | [`limit`](BulkheadLayerBuilder::limit) | [`Fixed`], by `max_concurrent` | one that learns is a matter of its own; see [`Limit`] |
//! | [`max_wait`](BulkheadLayerBuilder::max_wait) | zero: refuse at once | a queue in front of a slow dependency adds its length to every call; a short one evens out bursts |
//! | [`max_queue`](BulkheadLayerBuilder::max_queue) | as many as `max_concurrent` | the last in the queue then waits for about one call's time |
//! | [`backpressure`](BulkheadLayerBuilder::backpressure) | no | a refusal tells the caller why; a `poll_ready` that is pending does not |
//! | [`on_runtime`](BulkheadLayerBuilder::on_runtime) | calls run where they are polled | a task for each call costs more than the rest of the layer |
//! | `keyed`, `max_keys`, with the feature `keyed` | one for all; 1,000 keys | |
//! | [`protocol`](BulkheadLayerBuilder::protocol) | [`Plain`](buttress_core::Plain) | a value is over when it is returned; `Http` follows the body |
//! | [`name`](BulkheadLayerBuilder::name) | `"bulkhead"` | names the layer in errors and events |
//! | [`observer`](BulkheadLayerBuilder::observer) | [`Tracing`](buttress_core::Tracing) | |
//!
//! Waiting calls are served in the order they were made, and none is overtaken by one that comes
//! later. Waiting ends with `max_wait` or with the ambient [`Deadline`](buttress_core::Deadline),
//! whichever is sooner; a call whose deadline has passed when its turn comes is not made. A call that
//! finds a free place is made, whatever its deadline: to refuse it is the business of a `TimeoutLayer`,
//! and of whoever accepts the deadline.
//!
//! # Refusals
//!
//! | [kind](buttress_core::RejectionKind) | when |
//! |---|---|
//! | [`BulkheadFull`](buttress_core::RejectionKind::BulkheadFull) | there is no place, neither to be in nor to wait in |
//! | [`QueueTimeout`](buttress_core::RejectionKind::QueueTimeout) | none became free in `max_wait` |
//! | [`DeadlineExceeded`](buttress_core::RejectionKind::DeadlineExceeded) | the deadline ended the wait |
//! | [`UnknownCompartment`](buttress_core::RejectionKind::UnknownCompartment) | the request names a compartment that there is not |
//! | [`Panicked`](buttress_core::RejectionKind::Panicked), [`RuntimeShutDown`](buttress_core::RejectionKind::RuntimeShutDown) | the call was lost on the runtime that it was given to |
//!
//! The first two have a `retry_after`: how long it takes, at the pace at which places came back while
//! calls were refused, until all who wait have one, and one more. While none comes back, each is reckoned
//! with as long as that has been so. Where nothing is known yet it is a second, and it is never more than
//! 30.
//!
//! A call whose deadline has passed and that finds no place is refused for that only where it could have
//! waited; else the bulkhead is full.
//!
//! # Example
//!
//! ```
//! use buttress_bulkhead::BulkheadLayer;
//! use buttress_core::{BoxError, Rejection};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let layer = BulkheadLayer::new(1)?;
//! let handle = layer.handle();
//! let mut service = ServiceBuilder::new()
//!     .layer(layer)
//!     .service(service_fn(async |name: &str| Ok::<_, BoxError>(format!("hello {name}"))));
//!
//! let first = service.ready().await?.call("one");
//! let second = service.ready().await?.call("two");
//! assert_eq!(handle.in_flight(), 1);
//! assert!(Rejection::find(second.await.unwrap_err().as_ref()).is_some());
//! assert_eq!(first.await?, "hello one");
//! assert_eq!(handle.in_flight(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # For operators
//!
//! A [`BulkheadHandle`] shows the figures and changes the limit while calls run; a
//! [`CompartmentsHandle`] has one for each name.
//!
//! # Cost
//!
//! A call that finds a free place takes no lock, reads no clock and allocates nothing; it changes two
//! words and a reference count. One whose limit learns is measured, which allocates and reads the clock,
//! and the limit is told of it under a lock. With a compartment for each key there is also the key to be
//! made, and the lock of the map; and on a runtime each call is a task.
//!
//! # Events
//!
//! [`EventKind::Rejected`](buttress_core::EventKind::Rejected), once for each call that is refused or
//! lost, as in the table above. What goes well is shown by the handle.

mod builder;
mod compartment;
mod compartments;
mod counts;
mod future;
mod handle;
#[cfg(feature = "keyed")]
mod keyed;
mod layer;
mod limit;
mod line;
mod named;
mod on_runtime;
mod pace;
mod permit;
mod places;
mod readiness;
mod runner;
mod service;
mod settings;
mod shared;
mod snapshot;
mod turn;
mod wait;
mod wait_times;

pub use builder::BulkheadLayerBuilder;
pub use compartment::Compartment;
pub use compartments::{Compartments, OneCompartment};
pub use future::ResponseFuture;
pub use handle::BulkheadHandle;
#[cfg(feature = "keyed")]
pub use keyed::{ByKey, CompartmentPerKey, KeyedBulkheadHandle};
pub use layer::BulkheadLayer;
pub use limit::{Fixed, Limit, Sample};
pub use named::{CompartmentsBuilder, CompartmentsHandle, NamedCompartments};
pub use on_runtime::{OnRuntime, RunOnRuntime};
pub use permit::Permit;
pub use runner::{InPlace, Runner, Runs};
pub use service::Bulkhead;
pub use snapshot::{BulkheadSnapshot, Rejected};
pub use wait_times::WaitTimes;

/// The crate's own page, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
