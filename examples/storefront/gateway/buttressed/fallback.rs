//! What stands in for each upstream.

use axum::http::Response;
use buttress::{fallback::Failure, prelude::*};
use bytes::Bytes;
use http_body_util::{Empty, Full};
use serde_json::{Value, json};

use super::{
    regional::{AT_MOST, Regional, WITHIN},
    trending::Trending,
};
use crate::{
    client::Ask,
    shop::{self, Upstream},
};

/// What the gateway remembers, in bytes.
const MEMORY: u64 = 16 << 20;

pub(super) type Stood = Response<Full<Bytes>>;
pub(super) type Fallback = FallbackLayer<RequestHead, Stood, Http, fn(&Ask) -> RequestHead>;

/// What the fallbacks of all upstreams draw on.
pub(super) struct StandIns {
    store: MemoryStore,
    regional: Regional,
    trending: Trending,
}

impl StandIns {
    pub(super) fn new(regional: Regional, trending: Trending) -> Result<Self, ConfigError> {
        let store = MemoryStore::builder().max_bytes(MEMORY).build()?;
        Ok(Self { store, regional, trending })
    }

    /// The fallback of this upstream.
    pub(super) fn of(&self, upstream: Upstream) -> Result<Fallback, ConfigError> {
        let builder = FallbackLayer::builder()
            .name(upstream.name())
            .protocol(Http::new())
            .keep(RequestHead::of::<Empty<Bytes>> as fn(&Ask) -> RequestHead);
        let builder = match upstream {
            // From what is meant for this visitor to what harms nobody.
            Upstream::Recommendations => {
                let trending = self.trending.clone();
                let trending = move |_: &RequestHead, _: &Failure<'_>| {
                    let products = trending.products();
                    async move { products.map(|products| answer(&json!({ "trending": products }))) }
                };
                builder
                    .service("regional", self.regional.clone())
                    .tier_within(WITHIN)
                    .tier_max_concurrent(AT_MOST)
                    .respond_with("trending", trending)
                    .value("constant", |_, _| answer(&json!({ "classics": ["mug", "jug"] })))
            }
            Upstream::Search => builder
                .value("categories", |_, _| answer(&json!({ "categories": ["tea", "pots"] }))),
            Upstream::Profile => {
                builder.value("from-token", |head: &RequestHead, _: &Failure<'_>| {
                    let token = shop::token(&head.headers);
                    answer(&json!({ "name": shop::user(token.as_ref()) }))
                })
            }
            Upstream::Pricing => {
                // A price is the same for everybody, whosever token the request carries; and it is wanted
                // most by those who have not asked before.
                let key = ResponseKey::new().users_alike();
                let key = move |head: &RequestHead| key.of(head);
                let memory = LastKnownGood::new(self.store.clone(), key);
                // The last one is for a product that nobody has looked at before.
                builder
                    .last_known_good("last-known-good", memory)
                    .value("on-request", |_, _| answer(&json!({ "on_request": true })))
            }
            Upstream::Images => {
                builder.value("placeholder", |_, _| answer(&json!({ "placeholder": "/grey.svg" })))
            }
            // It is a stand-in itself. A fallback without a tier is not built.
            Upstream::Regional => builder,
        };
        builder.build()
    }
}

fn answer(content: &Value) -> Stood {
    Response::new(Full::from(content.to_string()))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use axum::http::HeaderValue;
    use buttress::{chaos::proxy::Toxic, prelude::Faults};

    use crate::{
        gateway::{Fetch, buttressed::Buttressed},
        measure::Meter,
        page::Part,
        shop::{Upstream, Visit},
        upstream::Upstreams,
    };

    /// A gateway at the beginning of its life, and upstreams that are well.
    async fn new() -> (Upstreams, Buttressed) {
        let upstreams = Upstreams::start(1).await.unwrap();
        let meter = Arc::new(Meter::new(0));
        let run = Duration::from_secs(20);
        let gateway = Buttressed::new(upstreams.addresses(), &meter, run).unwrap();
        (upstreams, gateway)
    }

    fn visit(user: &'static str, product: &str) -> Visit {
        let token = Some(HeaderValue::from_static(user));
        Visit { token, product: product.into(), query: "tea".into() }
    }

    fn tier(part: &Part) -> Option<&str> {
        part.degraded.as_ref().map(|mark| &*mark.tier)
    }

    #[tokio::test]
    async fn recommendations_come_down_rung_by_rung() {
        let (upstreams, gateway) = new().await;
        let recommend = || async {
            let visit = visit("Bearer user-1", "teapot");
            gateway.fetch(Upstream::Recommendations, &visit).await.unwrap()
        };
        assert_eq!(tier(&recommend().await), None);
        upstreams.wire(Upstream::Recommendations).refuse().await.unwrap();
        let regional = recommend().await;
        assert_eq!(tier(&regional), Some("regional"));
        assert_eq!(regional.content["region"], "north");

        let unavailable = Faults::none().errors(1.0).unwrap();
        upstreams.service(Upstream::Regional).set(unavailable).unwrap();
        assert_eq!(tier(&recommend().await), Some("constant"), "there is no trend yet");
        for _ in 0..20 {
            gateway.trending.looked_at("kettle");
        }
        let trending = recommend().await;
        assert_eq!(tier(&trending), Some("trending"));
        assert_eq!(trending.content["trending"][0], "kettle");

        upstreams.service(Upstream::Regional).clear();
        upstreams.wire(Upstream::Regional).add("hangs", Toxic::blackhole()).unwrap();
        assert_eq!(tier(&recommend().await), Some("trending"), "nobody waits for it");
        upstreams.shut_down().await;
    }

    #[tokio::test]
    async fn a_price_that_one_visitor_saw_is_remembered_for_another() {
        let (upstreams, gateway) = new().await;
        let price = |user, product: &'static str| {
            let gateway = gateway.clone();
            async move { gateway.fetch(Upstream::Pricing, &visit(user, product)).await.unwrap() }
        };
        let fresh = price("Bearer user-1", "teapot").await;
        assert_eq!(tier(&fresh), None);
        upstreams.wire(Upstream::Pricing).refuse().await.unwrap();

        let remembered = price("Bearer user-2", "teapot").await;
        assert_eq!(tier(&remembered), Some("last-known-good"));
        assert_eq!(remembered.content, fresh.content);
        assert_eq!(remembered.degraded.unwrap().age_s, Some(0));
        let unknown = price("Bearer user-1", "kettle").await;
        assert_eq!(tier(&unknown), Some("on-request"));
        assert_eq!(unknown.degraded.unwrap().age_s, None);
        upstreams.shut_down().await;
    }
}
