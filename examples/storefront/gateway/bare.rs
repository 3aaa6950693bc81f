//! The bare gateway: what people write. A timeout, and three tries, one right after the other.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::http::StatusCode;
use buttress::prelude::BoxError;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::timeout;
use tower::Service;

use crate::{
    client::CountingClient,
    gateway::Fetch,
    measure::Meter,
    page::Part,
    shop::{Upstream, Visit},
};

/// The limit on all tries together.
const LIMIT: Duration = Duration::from_secs(10);

/// How often a call is tried.
const TRIES: u32 = 3;

/// Asks each upstream through a plain client.
#[derive(Clone)]
pub(crate) struct Bare {
    clients: Arc<[CountingClient]>,
}

impl Bare {
    pub(crate) fn new(addresses: [SocketAddr; 6], meter: &Arc<Meter>) -> Self {
        let client =
            |(upstream, address)| CountingClient::new(upstream, address, Arc::clone(meter));
        Self { clients: Upstream::PARTS.into_iter().zip(addresses).map(client).collect() }
    }
}

impl Fetch for Bare {
    async fn fetch(&self, upstream: Upstream, visit: &Visit) -> Result<Part, BoxError> {
        let client = &self.clients[upstream as usize];
        let content = timeout(LIMIT, async {
            let mut tries = 1;
            loop {
                match attempt(client.clone(), visit).await {
                    Err(_) if tries < TRIES => tries += 1,
                    result => return result,
                }
            }
        })
        .await??;
        Part::new(&content, None)
    }
}

async fn attempt(mut client: CountingClient, visit: &Visit) -> Result<Bytes, BoxError> {
    let request = client.request(visit)?;
    let response = client.call(request).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("{} answered {}", client.upstream(), response.status()).into());
    }
    Ok(response.into_body().collect().await?.to_bytes())
}
