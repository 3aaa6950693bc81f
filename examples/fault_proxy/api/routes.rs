//! Toxiproxy's routes, and who may ask.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Request, State},
    http::{StatusCode, header::USER_AGENT},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::{
    error::ApiError,
    proxies::{Ask, Asked},
};

/// The version of Toxiproxy whose API this is; some clients ask for one that they know.
const VERSION: &str = "2.12.0";

type At = State<mpsc::Sender<Asked>>;

pub(super) fn router(asking: mpsc::Sender<Asked>) -> Router {
    Router::new()
        .route("/version", get(version))
        .route("/reset", post(reset))
        .route("/populate", post(populate))
        .route("/proxies", get(all).post(create))
        .route("/proxies/{proxy}", get(show).post(change).patch(change).delete(delete))
        .route("/proxies/{proxy}/toxics", get(toxics).post(add_toxic))
        .route(
            "/proxies/{proxy}/toxics/{toxic}",
            get(show_toxic).post(change_toxic).patch(change_toxic).delete(remove_toxic),
        )
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn(refuse_browsers))
        .with_state(asking)
}

/// A page of the web may have a browser post to this machine, so no browser is served at all.
async fn refuse_browsers(request: Request, next: Next) -> Response {
    let agent = request.headers().get(USER_AGENT);
    if agent.is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/")) {
        return (StatusCode::FORBIDDEN, "User agent not allowed\n").into_response();
    }
    next.run(request).await
}

async fn ask(State(asking): At, ask: Ask) -> Response {
    let (answer, answered) = oneshot::channel();
    let _ = asking.send((ask, answer)).await;
    match answered.await {
        Ok(Ok((status, Some(body)))) => (status, Json(body)).into_response(),
        Ok(Ok((status, None))) => status.into_response(),
        Ok(Err(error)) => error.into_response(),
        Err(_) => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the server stops").into_response()
        }
    }
}

async fn version() -> Response {
    Json(json!({ "version": VERSION })).into_response()
}

async fn no_such_route() -> Response {
    ApiError::new(StatusCode::NOT_FOUND, "no such route").into_response()
}

async fn no_such_method() -> Response {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "no such method of this route").into_response()
}

async fn reset(at: At) -> Response {
    ask(at, Ask::Reset).await
}

async fn populate(at: At, body: Bytes) -> Response {
    ask(at, Ask::Populate(body)).await
}

async fn all(at: At) -> Response {
    ask(at, Ask::All).await
}

async fn create(at: At, body: Bytes) -> Response {
    ask(at, Ask::Create(body)).await
}

async fn show(at: At, Path(proxy): Path<String>) -> Response {
    ask(at, Ask::Show(proxy)).await
}

async fn change(at: At, Path(proxy): Path<String>, body: Bytes) -> Response {
    ask(at, Ask::Change(proxy, body)).await
}

async fn delete(at: At, Path(proxy): Path<String>) -> Response {
    ask(at, Ask::Delete(proxy)).await
}

async fn toxics(at: At, Path(proxy): Path<String>) -> Response {
    ask(at, Ask::Toxics(proxy)).await
}

async fn add_toxic(at: At, Path(proxy): Path<String>, body: Bytes) -> Response {
    ask(at, Ask::AddToxic(proxy, body)).await
}

async fn show_toxic(at: At, Path((proxy, toxic)): Path<(String, String)>) -> Response {
    ask(at, Ask::ShowToxic(proxy, toxic)).await
}

async fn change_toxic(
    at: At,
    Path((proxy, toxic)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    ask(at, Ask::ChangeToxic(proxy, toxic, body)).await
}

async fn remove_toxic(at: At, Path((proxy, toxic)): Path<(String, String)>) -> Response {
    ask(at, Ask::RemoveToxic(proxy, toxic)).await
}
