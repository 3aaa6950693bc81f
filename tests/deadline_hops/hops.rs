//! A hop: an axum server whose handler calls the next one, and tells what it saw.

use std::{error::Error, fmt, time::Duration};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use buttress::prelude::*;
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::clock;

/// What a hop saw, and those after it: nanoseconds, separated by spaces.
pub(crate) fn remaining(text: &[u8]) -> Vec<Duration> {
    let text = std::str::from_utf8(text).unwrap();
    text.split_whitespace()
        .filter_map(|nanos| nanos.parse().ok().map(Duration::from_nanos))
        .collect()
}

/// What is left of the time here.
pub(crate) fn now_left() -> String {
    let left = Deadline::current().map_or(Duration::MAX, Deadline::remaining);
    left.as_nanos().to_string()
}

/// The next hop says that its time is up, and has said so before it was up here.
#[derive(Debug)]
struct TimeIsUp;

impl fmt::Display for TimeIsUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the next hop had no time left")
    }
}

impl Error for TimeIsUp {}

/// The next hop: a request goes in, text comes out.
type Next = BoxCloneSyncService<(), Bytes, BoxError>;

pub(crate) struct Hop {
    uri: Uri,
    server: JoinHandle<()>,
}

impl Hop {
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// A hop that calls the next by HTTP/1.
    pub(crate) async fn over_http(next: Uri) -> Self {
        Self::serve(http_client(next), Duration::ZERO).await
    }

    /// A hop that calls the next by gRPC.
    pub(crate) async fn over_grpc(next: Uri) -> Self {
        let service = tower::service_fn(move |()| clock::call(next.clone()));
        let service =
            service.map_result(|answer: Result<(String, Bytes), BoxError>| match answer {
                Ok((status, message)) if status == "0" => Ok(message),
                // DEADLINE_EXCEEDED
                Ok((status, _)) if status == "4" => Err(TimeIsUp.into()),
                Ok((status, _)) => Err(format!("grpc-status {status}").into()),
                Err(error) => Err(error),
            });
        Self::serve(BoxCloneSyncService::new(service), Duration::ZERO).await
    }

    /// A hop that lets its time pass before it calls the next.
    pub(crate) async fn that_dawdles(next: Uri) -> Self {
        Self::serve(http_client(next), Duration::from_secs(3_600)).await
    }

    async fn serve(next: Next, dawdles: Duration) -> Self {
        let layers = ServiceBuilder::new()
            .layer(RespondLayer::new())
            .layer(AcceptDeadlineLayer::new())
            .layer(TimeoutLayer::builder().protocol(Http::new()).build().unwrap());
        let handler = async move |State(next): State<Next>| {
            let seen = now_left();
            sleep(dawdles).await;
            match next.oneshot(()).await {
                Ok(rest) => Ok(format!("{seen} {}", String::from_utf8_lossy(&rest))),
                Err(error) => {
                    let rejected = Rejection::find(error.as_ref()).is_some();
                    let timeout = rejected || error.is::<TimeIsUp>();
                    let status =
                        if timeout { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
                    Err((status, error.to_string()).into_response())
                }
            }
        };
        let router = Router::new().route("/", get(handler)).with_state(next).layer(layers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let server = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { uri, server }
    }
}

fn http_client(next: Uri) -> Next {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let client = ServiceBuilder::new().layer(SendDeadlineLayer::new()).service(client);
    BoxCloneSyncService::new(tower::service_fn(move |()| {
        let (client, next) = (client.clone(), next.clone());
        async move {
            let request = Request::get(next).body(Full::default())?;
            let response = client.oneshot(request).await?;
            let status = response.status();
            let text = response.into_body().collect().await?.to_bytes();
            match status {
                StatusCode::OK => Ok(text),
                StatusCode::GATEWAY_TIMEOUT => Err(TimeIsUp.into()),
                status => Err(status.to_string().into()),
            }
        }
    }))
}

impl Drop for Hop {
    fn drop(&mut self) {
        self.server.abort();
    }
}
