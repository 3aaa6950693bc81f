//! Last known good answers in a Redis that a whole fleet shares.
//!
//! [`RedisStore`] is a [`Store`](buttress_fallback::Store) of `buttress-fallback`. A store in the
//! memory of a process begins empty with each start, and knows only what that process has seen; this
//! one outlives a restart, and what one instance got, all may serve. It costs a way over the network,
//! and a Redis to look after. The server may as well be a Valkey, or whatever else speaks Redis'
//! protocol and knows `GET` and `SET` with `PX`.
//!
//! # When Redis is down
//!
//! Then a store is of no use, but must do no harm. Each [`get`](buttress_fallback::Store::get) and
//! [`put`](buttress_fallback::Store::put) ends within
//! [`connect_limit`](RedisStoreBuilder::connect_limit) +
//! [`response_limit`](RedisStoreBuilder::response_limit), whatever Redis does: it refuses
//! connections, does not answer to them, accepts one and is silent, stops in the midst of an answer.
//! Nothing is needed to find it again when it is back, however long it was away: an operation that
//! finds no connection makes one, unless an attempt that came to nothing began less than 50 ms ago.
//!
//! All operations of a store and its clones share one connection, which is made when it is first needed.
//! It is given up when it breaks, and when it is silent: an operation waited for `response_limit`, and
//! nobody got an answer on it meanwhile. A Redis that has vanished without closing its connections, or
//! that hangs, is found that way, by whoever asks it next. An operation that finds the connection
//! broken, as it is after Redis was restarted or has closed it for being idle, is asked once more on a
//! new one, within the same limits; so a restart is usually seen by nobody.
//!
//! While Redis can not be reached, a store makes at most one attempt per 50 ms, however many operations
//! there are: those that come meanwhile fail at once, with the reason of the attempt before. A connection
//! that was closed, or fell silent, before there was an answer on it counts as such an attempt.
//!
//! An operation goes on where nobody waits for it any more, until its limits have passed; that is how a
//! Redis is found out that has vanished. So the store has bounds of its own: of a store and its clones at
//! most 256 `put`s, each of which has two copies of its value, and 10,000 `get`s are under way at once.
//! One more fails at once, and says so; so it is of no use to let a
//! [fallback](buttress_fallback::LastKnownGood::max_writes) write more at once.
//!
//! # When there is another
//!
//! After a failover the server that was asked so far may be there still, and be a replica. A connection
//! on which Redis answers `READONLY` or `MASTERDOWN` is left, at most once a second, and the next
//! operation makes another: where the host of the URL is a name that leads to the new master, it is
//! found that way. On `LOADING` it is kept, for that passes by itself.
//!
//! **Redis Cluster and Sentinel are not supported.** The store asks the one server of its URL: it does not
//! follow `MOVED` or `ASK`, which are errors here, and does not ask a Sentinel for the master. Give it a
//! server by itself, or a name or a proxy that leads to the master.
//!
//! # What a shared store means
//!
//! **Whoever has access to that Redis can read what is kept, and change what is served.** What
//! `buttress-fallback` keeps carries a checksum, which finds what was damaged by accident, and not what
//! was forged. So give it no answers that not everybody with access may see, keep the Redis in a
//! network of its own or behind a password, and let no untrusted program share it.
//!
//! A password goes into the URL, percent-encoded. It appears in no error and in no `Debug` output.
//!
//! **TLS** is a feature of the `redis` crate, which a program turns on by depending on it itself, in the
//! same version: `redis = { version = "1.8", default-features = false, features = ["tokio-rustls-comp"] }`,
//! which trusts whom the system trusts, or with `"tls-rustls-webpki-roots"` besides whom Mozilla does,
//! in place of the system; or `"tokio-native-tls-comp"`, for the TLS of the system. With rustls the
//! program has to choose a provider of cryptography, too (the feature `ring` or `aws_lc_rs` of `rustls`),
//! or each attempt to connect panics in its task, and is an error here. Then a URL may begin with
//! `rediss://`; without any of these features it is a [`ConfigError`](buttress_core::ConfigError).
//!
//! **Memory** is bounded by Redis and by nothing here. What is put expires by itself after the time that
//! it is kept for (at most ten years). Give a Redis that keeps nothing else `maxmemory`, and
//! `maxmemory-policy allkeys-lru`, so that it makes room by forgetting what was not asked for longest:
//! the default, `noeviction`, refuses to keep anything new once it is full. In one that is shared
//! with data that must not be lost, it is `volatile-lru`, which forgets only what expires anyway.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`prefix`](RedisStoreBuilder::prefix) | `"buttress:"` | before each key, so that what else is in that Redis is left alone; programs that must not read each other's answers need one each |
//! | [`connect_limit`](RedisStoreBuilder::connect_limit) | 500 ms | name, TCP, TLS and password take a few round trips, which is far below it even between regions; who waits for it is already waiting for the second best answer |
//! | [`response_limit`](RedisStoreBuilder::response_limit) | 100 ms | a Redis nearby answers in one; a hundred leaves room for a large value or a pause |
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use buttress_core::{BoxError, Encoded};
//! use buttress_fallback::{FallbackLayer, LastKnownGood};
//! use buttress_redis::RedisStore;
//!
//! // Nothing is connected yet.
//! let prices = RedisStore::builder("redis://:secret@redis.internal:6379/0")
//!     .prefix("shop:prices:")
//!     .build()?;
//! let fallback = FallbackLayer::builder()
//!     .protocol(Encoded::new(
//!         |price: &String| Ok(price.clone().into_bytes()),
//!         |bytes: &[u8]| Ok(String::from_utf8(bytes.to_vec())?),
//!     ))
//!     .keep(|product: &String| product.clone())
//!     .last_known_good(
//!         "last-known-good",
//!         LastKnownGood::new(prices, |product: &String| Some(product.clone()))
//!             .max_age(Duration::from_secs(3600)),
//!     )
//!     .value("on-request", |_, _| "on request".to_owned())
//!     .build()?;
//! # Ok::<(), BoxError>(())
//! ```

mod address;
mod builder;
mod error;
mod line;
mod places;
mod store;

pub use builder::RedisStoreBuilder;
pub use error::RedisStoreError;
pub use store::RedisStore;

/// The crate's own page, whose example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
