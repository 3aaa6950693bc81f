//! Faults on demand: calls that are late, fail, hang or panic, answers that break off; seeded and
//! switchable.
//!
//! [`ChaosLayer`] stands where a client would stand, or a handler, and makes it misbehave: to
//! see in a test whether the layers around it do what they promise, or in a drill whether the
//! whole system does. It is there all the time and does nothing until faults are put in force,
//! which a [`ChaosHandle`] does while it runs.
//!
//! While no fault is in force a call costs one look at a flag.
//!
//! # Faults
//!
//! Each has a rate of its own and is drawn for independently of the others; see [`Faults`] for what a
//! call meets that gets several.
//!
//! | fault | what it does | event |
//! |---|---|---|
//! | [`latency`](Faults::latency) | the call waits: always alike, or by a [distribution](Latency) | `latency` |
//! | [`hangs`](Faults::hangs) | it never ends | `hang` |
//! | [`panics`](Faults::panics) | it panics, where that is [allowed](ChaosLayerBuilder::allow_panics) | `panic` |
//! | [`errors`](Faults::errors) | it fails, by an error of [your choice](ChaosLayerBuilder::error) | `error` |
//! | [`status`](Faults::status) | it is answered with a status of HTTP, or a code of gRPC | `status` |
//! | [`cut`](Faults::cut) | the body is lost after so many bytes, as with its connection | `cut` |
//! | [`stalls`](Faults::stalls) | the body halts after so many bytes | `stall` |
//! | [`slow`](Faults::slow) | the body is slow, by the frame or by the second | `slow` |
//! | [`breaks`](Faults::breaks) | the body ends with an error after so many bytes | `break` |
//! | [`trailers`](Faults::trailers) | the trailers say this `grpc-status` | `trailers` |
//! | [`unready`](Faults::unready) | `poll_ready` is refused | `unready` |
//! | [`ready_late`](Faults::ready_late) | `poll_ready` is pending for a while | `ready_late` |
//!
//! A delay comes before the inner service is asked for anything: it is neither readied nor
//! called meanwhile, and a call that is dropped in its delay never reaches it. Neither does one that
//! hangs, panics, fails or is answered with a status. An injected error is, unless you choose another, a
//! [`Rejection`](buttress_core::Rejection) of the kind
//! [`Injected`](buttress_core::RejectionKind::Injected), which breakers and retries judge as
//! they judge any failure of the dependency.
//!
//! Statuses and bodies need a [protocol](ChaosLayerBuilder::protocol) that has them, `Http` or `Grpc` of
//! buttress-http. Where there is no place for a fault the call fails, so that no test passes for want of it.
//!
//! # Whom they strike
//!
//! All calls at their rate; or those that a [predicate](ChaosLayerBuilder::only) selects; or by a
//! [script](ChaosHandle::play): `at` 5 s `for` 3 s. A request may also
//! [say itself](ChaosLayerBuilder::control) what it is to meet, if it knows a secret; by default none may.
//!
//! Faults of the network are for `proxy::FaultProxy` (feature `proxy`), which stands between real sockets.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`faults`](ChaosLayerBuilder::faults) | [`Faults::none`] | to be in the stack does no harm; to strike takes a decision |
//! | [`error`](ChaosLayerBuilder::error) | a `Rejection` that says `Injected` | nobody takes it for a real one |
//! | [`allow_panics`](ChaosLayerBuilder::allow_panics) | they are refused | one that is not caught may end the program |
//! | [`rng`](ChaosLayerBuilder::rng) | seeded by the operating system | a test gives a seed, and sees the same faults in each run |
//! | [`only`](ChaosLayerBuilder::only) | all requests | |
//! | [`control`](ChaosLayerBuilder::control), [`control_if`](ChaosLayerBuilder::control_if) | nobody is listened to | it would be an open door |
//! | [`protocol`](ChaosLayerBuilder::protocol) | [`Plain`](buttress_core::Plain) | |
//! | [`name`](ChaosLayerBuilder::name) | `"chaos"` | names the layer in errors and events, and in a script |
//! | [`observer`](ChaosLayerBuilder::observer) | [`Tracing`](buttress_core::Tracing) | |
//!
//! All services of one layer share its faults, and with a seed the generators too: the same seed,
//! the same faults and the same order of calls give the same trace. What one fault strikes does not depend on
//! which others are in force, nor on how often somebody asks whether a service is ready.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use buttress_chaos::{ChaosLayer, Faults, Latency};
//! use buttress_core::{BoxError, Rejection, RejectionKind};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let layer = ChaosLayer::builder().rng(7).build()?;
//! let handle = layer.handle();
//! let mut service = ServiceBuilder::new()
//!     .layer(layer)
//!     .service(service_fn(async |_: ()| Ok::<_, BoxError>("served")));
//! assert_eq!(service.ready().await?.call(()).await?, "served");
//!
//! let late = Latency::log_normal(Duration::from_millis(2), 0.5)?;
//! handle.set(Faults::none().latency(0.2, late)?.errors(1.0)?)?;
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
//! Around HTTP:
//!
//! ```
//! use bytes::Bytes;
//! use buttress_chaos::{ChaosLayer, Faults};
//! use buttress_core::BoxError;
//! use buttress_http::Http;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let layer = ChaosLayer::builder()
//!     .protocol(Http::new())
//!     .only(|request: &Request<()>| request.uri().path() == "/prices")
//!     .faults(Faults::none().cut(1.0, 10)?)
//!     .build()?;
//! let service = ServiceBuilder::new().layer(layer).service(service_fn(async |_: Request<()>| {
//!     Ok::<_, BoxError>(Response::new(Full::<Bytes>::from("a long list of prices")))
//! }));
//! let response = service.oneshot(Request::get("/prices").body(())?).await?;
//! assert!(response.into_body().collect().await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | what it brings |
//! |---|---|
//! | `serde` | [`Faults`] and a [`Timeline`] are read from files |
//! | `toml` | `Timeline::from_toml`, whose errors name the line |
//!
//! # Events
//!
//! [`EventKind::Injected`](buttress_core::EventKind::Injected) with the word in the table above, when the
//! fault begins: a delay when it begins, an error when it is given, damage to a body with its head, whether
//! the body turns out long enough for it or not. A call that gets several says each.

mod builder;
mod control;
mod draw;
mod faults;
mod future;
mod handle;
mod latency;
mod layer;
mod pause;
#[cfg(feature = "proxy")]
pub mod proxy;
mod readiness;
mod selection;
mod service;
mod share;
mod shared;
mod spoiling;
mod switch;
mod timeline;

pub use builder::ChaosLayerBuilder;
pub use buttress_core::Pace;
pub use control::{ByPredicate, BySecret, CONTROL_HEADER, Control, SECRET_HEADER, Uncontrolled};
pub use faults::Faults;
pub use future::ResponseFuture;
pub use handle::ChaosHandle;
pub use latency::Latency;
pub use layer::ChaosLayer;
pub use selection::{All, Selection};
pub use service::Chaos;
#[cfg(feature = "toml")]
pub use timeline::TimelineError;
pub use timeline::{Change, Step, Timeline};

/// The crate's own page, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
