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
//! # Differences from `tower::limit::ConcurrencyLimit`
//!
//! tower's limit gives the place back with the response head, queues without a bound, waits in
//! `poll_ready` without regard to any deadline, and has a state for each `layer()` call unless it
//! is made the global one. Here one layer is one bulkhead, whatever it is applied to;
//! [`isolated`](BulkheadLayer::isolated) makes another.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`max_concurrent`](BulkheadLayerBuilder::max_concurrent) | none, it is required | the right figure is what the dependency can bear, which only the user of the layer knows |
//! | [`max_wait`](BulkheadLayerBuilder::max_wait) | zero: refuse at once | a queue in front of a slow dependency adds its length to every call; a short one evens out bursts |
//! | [`max_queue`](BulkheadLayerBuilder::max_queue) | as many as `max_concurrent` | the last in the queue then waits for about one call's time |
//! | [`protocol`](BulkheadLayerBuilder::protocol) | [`Plain`](buttress_core::Plain) | a value is over when it is returned; `Http` follows the body |
//! | [`name`](BulkheadLayerBuilder::name) | `"bulkhead"` | names the layer in errors and events |
//! | [`observer`](BulkheadLayerBuilder::observer) | [`Tracing`](buttress_core::Tracing) | |
//!
//! Waiting calls are served in the order they were made, and none is overtaken by one that comes
//! later. Waiting ends with `max_wait` or with the ambient [`Deadline`](buttress_core::Deadline),
//! whichever is sooner; a call whose deadline has passed when its turn comes is not made.
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
//! # Events
//!
//! [`EventKind::Rejected`](buttress_core::EventKind::Rejected), once for each call that is not
//! made: because there is no place, neither to be in nor to wait in
//! ([`BulkheadFull`](buttress_core::RejectionKind::BulkheadFull)), because the wait took
//! `max_wait` ([`QueueTimeout`](buttress_core::RejectionKind::QueueTimeout)), or because the
//! deadline ended it
//! ([`DeadlineExceeded`](buttress_core::RejectionKind::DeadlineExceeded)). What goes well is
//! shown by the [`BulkheadHandle`].

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
mod waits;

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
pub use on_runtime::{Elsewhere, OnRuntime, RunOnRuntime};
pub use permit::Permit;
pub use runner::{InPlace, Runner};
pub use service::Bulkhead;
pub use snapshot::{BulkheadSnapshot, Rejected};
pub use waits::WaitTimes;
