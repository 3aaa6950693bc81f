//! A gateway: one handler that composes the page. How it asks the upstreams is what differs.

pub(crate) mod bare;
pub(crate) mod buttressed;

use std::{io, sync::Arc};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use buttress::prelude::BoxError;
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    load::Target,
    measure::Meter,
    page::{Page, Part, compose},
    server::Server,
    shop::{Upstream, Visit, is_plain, token},
};

/// Names the parts of a page that something stands in for.
const DEGRADED_PARTS: HeaderName = HeaderName::from_static("x-degraded-parts");

/// A gateway that is up.
pub(crate) struct Gateway {
    server: Server,
    pub(crate) meter: Arc<Meter>,
}

impl Gateway {
    pub(crate) fn start(router: Router, meter: Arc<Meter>) -> io::Result<Self> {
        Ok(Self { server: Server::start(router)?, meter })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.server.address())
    }

    pub(crate) fn target(&self) -> Target {
        Target { address: self.server.address(), meter: Arc::clone(&self.meter) }
    }

    pub(crate) async fn shut_down(self) {
        self.server.shut_down().await;
    }
}

/// How a gateway gets a part of the page from an upstream.
pub(crate) trait Fetch: Clone + Send + Sync + 'static {
    fn fetch(
        &self,
        upstream: Upstream,
        visit: &Visit,
    ) -> impl Future<Output = Result<Part, BoxError>> + Send;
}

/// The router of a gateway, without layers.
pub(crate) fn router<F: Fetch>(fetch: F, meter: Arc<Meter>) -> Router {
    Router::new().route("/", get(page::<F>)).with_state(Metered { fetch, meter })
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default = "first_product")]
    product: String,
    #[serde(default = "first_query")]
    q: String,
}

fn first_product() -> String {
    "product-1".into()
}

fn first_query() -> String {
    "tea".into()
}

async fn page<F: Fetch>(
    State(fetch): State<Metered<F>>,
    Query(Wanted { product, q }): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    if !product.bytes().chain(q.bytes()).all(is_plain) {
        return (StatusCode::BAD_REQUEST, "letters, digits and hyphens only").into_response();
    }
    let visit = Visit { token: token(&headers), product, query: q };
    match compose(&fetch, &visit).await {
        Ok(page) => respond(&page),
        Err(_) => (StatusCode::BAD_GATEWAY, "a part of the page cannot be had").into_response(),
    }
}

fn respond(page: &Page) -> Response {
    let mut response = Json(page).into_response();
    if !page.is_full()
        && let Ok(parts) = HeaderValue::try_from(page.degraded_parts())
    {
        response.headers_mut().insert(DEGRADED_PARTS, parts);
    }
    response
}

/// Measures what is wanted of the upstreams, and what comes of it.
#[derive(Clone)]
struct Metered<F> {
    fetch: F,
    meter: Arc<Meter>,
}

impl<F: Fetch> Fetch for Metered<F> {
    async fn fetch(&self, upstream: Upstream, visit: &Visit) -> Result<Part, BoxError> {
        let start = Instant::now();
        self.meter.wanted();
        let result = self.fetch.fetch(upstream, visit).await;
        let full = result.as_ref().is_ok_and(Part::is_full);
        self.meter.ended(upstream, start, Instant::now(), full);
        result
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::*;
    use crate::page::{
        Mark,
        tests::{Without, mark},
    };

    async fn named(degraded: Vec<(Upstream, Mark)>) -> Option<HeaderValue> {
        let router = router(Without { degraded, failed: None }, Arc::new(Meter::new(0)));
        let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.headers().get(DEGRADED_PARTS).cloned()
    }

    #[tokio::test]
    async fn the_response_names_the_degraded_parts() {
        assert_eq!(named(vec![]).await, None, "nothing is degraded");
        let named = named(vec![(Upstream::Pricing, mark("last-known-good", Some(3)))]).await;
        assert_eq!(named.unwrap(), "pricing=last-known-good;age=3");
    }
}
