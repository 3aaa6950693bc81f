//! Faults on demand: late answers, hangs and errors, seeded and switchable.
//!
//! [`ChaosLayer`] stands where a client would stand, or a handler, and makes it misbehave: to
//! see in a test whether the layers around it do what they promise, or in a drill whether the
//! whole system does. It is there all the time and does nothing until faults are put in force,
//! which a [`ChaosHandle`] does while it runs.
//!
//! A delay comes before the inner service is asked for anything: it is neither readied nor
//! called meanwhile, and a call that is dropped in its delay never reaches it. An injected error
//! is a [`Rejection`](buttress_core::Rejection) of the kind
//! [`Injected`](buttress_core::RejectionKind::Injected), which breakers and retries judge as
//! they judge any failure of the dependency.
//!
//! While no fault is in force a call costs one look at a flag.
//!
//! Faults of the network are for `proxy::FaultProxy` (feature `proxy`), which stands between real sockets.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`faults`](ChaosLayerBuilder::faults) | [`Faults::none`] | to be in the stack does no harm; to strike takes a decision |
//! | [`rng`](ChaosLayerBuilder::rng) | seeded by the operating system | a test gives a seed, and sees the same faults in each run |
//! | [`name`](ChaosLayerBuilder::name) | `"chaos"` | names the layer in errors and events |
//! | [`observer`](ChaosLayerBuilder::observer) | [`Tracing`](buttress_core::Tracing) | |
//!
//! All services of one layer share its faults, and with a seed the generator too: the same seed,
//! the same faults and the same order of calls give the same trace.
//!
//! # Example
//!
//! ```
//! use buttress_chaos::{ChaosLayer, Faults};
//! use buttress_core::{BoxError, Rejection, RejectionKind};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let layer = ChaosLayer::builder().rng(7).build();
//! let handle = layer.handle();
//! let mut service = ServiceBuilder::new()
//!     .layer(layer)
//!     .service(service_fn(async |_: ()| Ok::<_, BoxError>("served")));
//! assert_eq!(service.ready().await?.call(()).await?, "served");
//!
//! handle.set(Faults::none().errors(1.0)?);
//! let error = service.ready().await?.call(()).await.unwrap_err();
//! let rejection = Rejection::find(error.as_ref()).expect("injected");
//! assert_eq!(rejection.kind(), &RejectionKind::Injected);
//!
//! handle.clear();
//! assert_eq!(service.ready().await?.call(()).await?, "served");
//! # Ok(())
//! # }
//! ```
//!
//! # Events
//!
//! [`EventKind::Injected`](buttress_core::EventKind::Injected) with the fault `latency` when a
//! delay or a hang begins, and with `error` when a call is failed; a call that gets both says
//! both.

mod faults;
mod future;
mod handle;
mod layer;
#[cfg(feature = "proxy")]
pub mod proxy;
mod service;
mod timeline;

pub use faults::Faults;
pub use future::ResponseFuture;
pub use handle::ChaosHandle;
pub use layer::{ChaosLayer, ChaosLayerBuilder};
pub use service::Chaos;
#[cfg(feature = "toml")]
pub use timeline::TimelineError;
pub use timeline::{Change, Step, Timeline};

/// The crate's own page, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
