//! Graceful degradation: a call that fails gets another answer, marked as such.
//!
//! [`FallbackLayer`] has tiers: the last good answer to the same question, another service, a function
//! of the request and the failure, a constant. When a call fails, or one of our own layers has refused
//! it, the tiers are tried in order until one serves. Its answer stands where the original would have
//! stood, and carries a [`Degraded`] mark where the protocol has a place for one. When no tier serves,
//! the caller gets the original failure, unchanged.
//!
//! # Differences from other fallbacks
//!
//! What is served is not mistaken for the real thing: it is marked, and the failure that it
//! hides is observed. The tiers answer with a type of their own: under HTTP the body of an
//! alternative need not be the body of the client, one layer value serves clients with
//! different bodies, and none of them need be `Clone`. A call that goes well costs no allocation,
//! unless the layer remembers, and whatever it held of the inner service is free before a tier
//! begins. Good answers are remembered by key, as they stream, and served again for as long as they are
//! not too old: by this process, or by a fleet.
//!
//! # The ladder
//!
//! Tiers stand in the order in which they are worth less: made for this user, then for his region,
//! then for everybody, then a constant. What a shop would say, when what it asks is down:
//!
//! | upstream | full | and degraded, in this order |
//! |---|---|---|
//! | recommendations | for this user | the best sellers of the region, by another service; of the shop, remembered; a fixed list |
//! | search | the hits | the categories |
//! | profile | name, address, points | the name that the token tells |
//! | pricing | today's price | the last known price, at most an hour old; "on request" |
//! | images | in full resolution | a placeholder |
//!
//! ```
//! use std::time::Duration;
//! use buttress_core::BoxError;
//! use buttress_fallback::FallbackLayer;
//! # #[cfg(feature = "memory")]
//! use buttress_fallback::{LastKnownGood, MemoryStore};
//! use buttress_http::{Http, RequestHead, ResponseKey};
//! use http::{Request, Response};
//! # use tower::service_fn;
//!
//! type Answer = Response<String>;
//!
//! # #[cfg(feature = "memory")] {
//! let prices = MemoryStore::builder().max_bytes(16 << 20).build()?;
//! let key = ResponseKey::new();
//! let pricing = FallbackLayer::builder()
//!     .name("pricing")
//!     .protocol(Http::new())
//!     .keep(|request: &Request<String>| RequestHead::of(request))
//!     .last_known_good(
//!         "last-known-good",
//!         LastKnownGood::new(prices, move |request: &RequestHead| key.of(request))
//!             .max_age(Duration::from_secs(3600)),
//!     )
//!     .value("on-request", |_, _| Answer::new("on request".into()))
//!     .build()?;
//! # }
//!
//! # let region = service_fn(async |_: RequestHead| Ok::<_, BoxError>(Answer::new("best sellers".into())));
//! let recommendations = FallbackLayer::builder()
//!     .name("recommendations")
//!     .protocol(Http::new())
//!     .keep(|request: &Request<String>| RequestHead::of(request))
//!     .service("regional", region)
//!     .tier_within(Duration::from_millis(200))
//!     .tier_max_concurrent(20)
//!     .respond_with("global", |_, _| async { best_sellers().await })
//!     .tier_within(Duration::from_millis(200))
//!     .value("constant", |_, _| Answer::new("teapots".into()))
//!     .build()?;
//! # async fn best_sellers() -> Result<Answer, BoxError> { Ok(Answer::new("mugs".into())) }
//! # Ok::<(), buttress_core::ConfigError>(())
//! ```
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`protocol`](FallbackLayerBuilder::protocol) | [`Plain`](buttress_core::Plain) | a value has no place for a mark; `Http` marks in extensions and headers |
//! | [`keep`](FallbackLayerBuilder::keep) | nothing | the request goes with the call; what tiers need of it is copied before, on every call |
//! | [`last_known_good`](FallbackLayerBuilder::last_known_good) | none | a tier: what was answered before; wants a key, for which there is no default, as tenants must not mix |
//! | [`respond_with`](FallbackLayerBuilder::respond_with) | none | a tier: an asynchronous function, may fail |
//! | [`service`](FallbackLayerBuilder::service) | none | a tier: another service, called with what was kept |
//! | [`resend`](FallbackLayerBuilder::resend) | none | a tier: another service, called with the request itself |
//! | [`value`](FallbackLayerBuilder::value) | none | a tier: a function or a constant, never fails |
//! | [`tier_within`](FallbackLayerBuilder::tier_within) | no limit; 100 ms for last known good | of the tier before it: a store that is down must not make a failure a longer one |
//! | [`tier_max_concurrent`](FallbackLayerBuilder::tier_max_concurrent) | no bound | of the tier before it: a fallback must not become the next storm |
//! | [`when`](FallbackLayerBuilder::when) | failures and refusals | wherever there would be no answer; not where the answer is "no" |
//! | [`classify`](FallbackLayerBuilder::classify) | the protocol's | |
//! | [`name`](FallbackLayerBuilder::name) | `"fallback"` | names the layer in events and in the mark |
//! | [`observer`](FallbackLayerBuilder::observer) | [`Tracing`](buttress_core::Tracing) | |
//!
//! And of [`LastKnownGood`]:
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`max_age`](LastKnownGood::max_age) | 1 h | in which most outages are over |
//! | [`max_bytes`](LastKnownGood::max_bytes) | 1 MiB | each answer that is under way has a copy of so much at most |
//! | [`max_bytes_at_once`](LastKnownGood::max_bytes_at_once) | 64 MiB | and all together have so much |
//! | [`write_limit`](LastKnownGood::write_limit) | 1 s | nobody waits for it |
//! | [`clock`](LastKnownGood::clock) | `SystemTime::now` | |
//! | [`max_writes`](LastKnownGood::max_writes) | 64 | a store that hangs does not fill the memory |
//!
//! At least one tier is needed, and each has a name of its own. There is no default for what to
//! serve: only the user knows which answer does less harm than none.
//!
//! Nothing is cached: see [`LastKnownGood`] for what is stored, and what is not.
//!
//! # Where to put it
//!
//! Outside everything that may refuse or cut a call, the overall timeout included. The tiers run
//! under the ambient deadline of whoever calls the fallback, if there is one. Inside a timeout
//! they would share its limit with the call that has just used it up; outside, an answer follows
//! at once. Even under a deadline that is past the tiers are tried, as a constant is still
//! of use then; a tier that is a service bounds itself by a timeout of its own, or by
//! [`tier_within`](FallbackLayerBuilder::tier_within).
//!
//! Under HTTP a response is judged by its head. A body that breaks off later has no alternative,
//! for its head has been passed on.
//!
//! It needs a tokio runtime with its timers enabled, as soon as a tier has a limit, remembers or sends a
//! request again, and is not done at once.
//!
//! A failed response is held until a tier has served, as it may have to be returned. Under HTTP
//! it holds its connection so long: a tier that takes long wants a limit.
//!
//! # Without HTTP
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
//! | [`TierFailed`](buttress_core::EventKind::TierFailed) | for each tier that fails, with its error: a [`Rejection`](buttress_core::Rejection) for one that was above its bounds |
//! | [`Missed`](buttress_core::EventKind::Missed) | for a tier that remembers nothing that would do |
//! | [`Served`](buttress_core::EventKind::Served) | once for a call that a tier served, with the age of what was remembered |
//! | [`NotStored`](buttress_core::EventKind::NotStored) | for a good answer that is not for storing under its key, is too large, too old, or one too many, or that the store did not take |
//!
//! [`Degraded`]: buttress_core::Degraded

mod bounds;
mod builder;
mod descent;
mod entry;
mod failure;
mod future;
mod keep;
mod last_known_good;
mod layer;
mod memory;
#[cfg(feature = "memory")]
mod memory_store;
mod once_a_minute;
mod service;
mod shelf;
mod store;
mod tier;
mod whole;
mod writer;

pub use builder::FallbackLayerBuilder;
pub use failure::Failure;
pub use future::ResponseFuture;
pub use keep::{Keep, KeepAs, Nothing};
pub use last_known_good::LastKnownGood;
pub use layer::FallbackLayer;
#[cfg(feature = "memory")]
pub use memory_store::{MemoryStore, MemoryStoreBuilder};
pub use service::Fallback;
pub use store::Store;
pub use whole::Whole;

/// The crate's own page, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
