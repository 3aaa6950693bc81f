//! Graceful degradation: a call that fails gets another answer, marked as such.
//!
//! [`FallbackLayer`] has tiers: another service, a function of the request and the failure, a
//! constant. When a call fails, or one of our own layers has refused it, the tiers are tried in
//! order until one serves. Its answer stands where the original would have stood, and carries a
//! [`Degraded`] mark where the protocol has a place for one. When no tier serves, the caller gets
//! the original failure, unchanged.
//!
//! # Differences from other fallbacks
//!
//! What is served is not mistaken for the real thing: it is marked, and the failure that it
//! hides is observed. The tiers answer with a type of their own: under HTTP the body of an
//! alternative need not be the body of the client, and one layer value serves clients with
//! different bodies. A call that goes well costs no allocation, and whatever it held of the inner
//! service is free before a tier begins.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`keep`](FallbackLayerBuilder::keep) | nothing | the request goes with the call; what tiers need of it is copied before, on every call |
//! | [`respond_with`](FallbackLayerBuilder::respond_with) | none | a tier: an asynchronous function, may fail |
//! | [`service`](FallbackLayerBuilder::service) | none | a tier: another service, called with what was kept |
//! | [`value`](FallbackLayerBuilder::value) | none | a tier: a function or a constant, never fails |
//! | [`when`](FallbackLayerBuilder::when) | failures and refusals | wherever there would be no answer; not where the answer is "no" |
//! | [`protocol`](FallbackLayerBuilder::protocol) | [`Plain`](buttress_core::Plain) | a value has no place for a mark; `Http` marks in extensions and a header |
//! | [`classify`](FallbackLayerBuilder::classify) | the protocol's | |
//! | [`name`](FallbackLayerBuilder::name) | `"fallback"` | names the layer in events and in the mark |
//! | [`observer`](FallbackLayerBuilder::observer) | [`Tracing`](buttress_core::Tracing) | |
//!
//! At least one tier is needed, and each has a name of its own. There is no default for what to
//! serve: only the user knows which answer does less harm than none.
//!
//! # Where to put it
//!
//! Outside everything that may refuse or cut a call, the overall timeout included. The tiers run
//! under the ambient deadline of whoever calls the fallback, if there is one. Inside a timeout
//! they would share its limit with the call that has just used it up; outside, an answer follows
//! at once. Even under a deadline that is past the tiers are tried, as a constant is still
//! of use then; a tier that is a service bounds itself by a timeout of its own.
//!
//! Under HTTP a response is judged by its head. A body that breaks off later has no alternative,
//! for its head has been passed on.
//!
//! A failed response is held until a tier has served, as it may have to be returned. Under HTTP
//! it holds its connection so long: a tier that takes long wants a limit.
//!
//! # Example
//!
//! ```
//! use buttress_core::BoxError;
//! use buttress_fallback::FallbackLayer;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # async fn nearest_station(city: &str) -> Result<i32, BoxError> {
//! #     if city == "Bern" { Ok(19) } else { Err("no station near".into()) }
//! # }
//! let fallback = FallbackLayer::builder()
//!     .keep(|city: &String| city.clone())
//!     .respond_with("nearest", |city, _failure| {
//!         let city = city.clone();
//!         async move { nearest_station(&city).await }
//!     })
//!     .value("climate", |_city, failure| {
//!         // Refused by a breaker or bulkhead, or failed by the dependency itself?
//!         if failure.rejection().is_some() { 10 } else { 11 }
//!     })
//!     .build()?;
//!
//! let mut temperature = ServiceBuilder::new()
//!     .layer(fallback)
//!     .service(service_fn(async |_city: String| Err::<i32, BoxError>("the sensor is down".into())));
//!
//! assert_eq!(temperature.ready().await?.call("Bern".into()).await?, 19);
//! assert_eq!(temperature.ready().await?.call("Oslo".into()).await?, 11);
//! # Ok(())
//! # }
//! ```
//!
//! # Events
//!
//! | event | when |
//! |---|---|
//! | [`FallingBack`](buttress_core::EventKind::FallingBack) | once for a call whose tiers are tried, before the first of them, with its error |
//! | [`TierFailed`](buttress_core::EventKind::TierFailed) | for each tier that fails, with its error |
//! | [`Served`](buttress_core::EventKind::Served) | once for a call that a tier served |
//!
//! [`Degraded`]: buttress_core::Degraded

mod builder;
mod failure;
mod future;
mod keep;
mod layer;
mod service;
mod tier;

pub use builder::FallbackLayerBuilder;
pub use failure::Failure;
pub use future::ResponseFuture;
pub use keep::{Keep, Nothing};
pub use layer::FallbackLayer;
pub use service::Fallback;
