//! The fallback layer under HTTP.

mod stores;

use std::{
    future::ready,
    sync::{Arc, Mutex, atomic::Ordering},
};

use buttress_core::{BoxError, Degraded, Rejection, RejectionKind, Trip};
use buttress_fallback::{FallbackLayer, LastKnownGood};
use buttress_http::{DEGRADED_HEADER, Http};
use buttress_testkit::{BodyStep, Recorder, ScriptedBody};
use http::{Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use stores::Scripted;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// The type of data that all bodies here have.
type Bytes = <ScriptedBody as Body>::Data;

type Memory = FallbackLayer<Uri, Response<Full<Bytes>>, Http, fn(&Request<()>) -> Uri>;

/// Serves the path of the request, out of memory.
fn from_memory() -> Memory {
    FallbackLayer::builder()
        .name("catalogue")
        .protocol(Http::new())
        .keep(uri as fn(&Request<()>) -> Uri)
        .respond_with("memory", |uri, _failure| {
            let path = uri.path().to_owned();
            async move {
                if path == "/unknown" {
                    return Err("not in memory".into());
                }
                Ok(Response::new(Full::from(format!("remembered {path}"))))
            }
        })
        .build()
        .unwrap()
}

fn uri(request: &Request<()>) -> Uri {
    request.uri().clone()
}

fn get(path: &'static str) -> Request<()> {
    Request::get(path).body(()).unwrap()
}

fn of_status(status: u16, text: &'static str) -> Response<ScriptedBody> {
    let body = ScriptedBody::new([BodyStep::Data(text)]);
    Response::builder().status(status).header("x-of", "original").body(body).unwrap()
}

fn mark<B>(response: &Response<B>) -> Option<(&str, &str)> {
    let degraded = response.extensions().get::<Degraded>();
    let header = response.headers().get(DEGRADED_HEADER).map(|tier| tier.to_str().unwrap());
    assert_eq!(degraded.map(|degraded| &*degraded.tier), header, "both or neither");
    degraded.map(|degraded| (&*degraded.layer, &*degraded.tier))
}

async fn text<B: Body<Data = Bytes>>(response: Response<B>) -> String
where
    B::Error: std::fmt::Debug,
{
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn one_layer_value_serves_clients_with_different_bodies() {
    let layer = from_memory();
    let scripted = layer.layer(service_fn(async |request: Request<()>| {
        Ok::<_, BoxError>(match request.uri().path() {
            "/works" => of_status(200, "fresh"),
            _ => of_status(503, "down"),
        })
    }));
    let text_only =
        layer.layer(service_fn(async |request: Request<()>| match request.uri().path() {
            "/works" => Ok(Response::new("also fresh".to_owned())),
            _ => Err(BoxError::from("connection refused")),
        }));

    let fresh = scripted.clone().oneshot(get("/works")).await.unwrap();
    assert_eq!(mark(&fresh), None);
    assert_eq!(text(fresh).await, "fresh");
    let fresh = text_only.clone().oneshot(get("/works")).await.unwrap();
    assert_eq!(mark(&fresh), None);
    assert_eq!(text(fresh).await, "also fresh");

    let remembered = scripted.oneshot(get("/a")).await.unwrap();
    assert_eq!(remembered.status(), StatusCode::OK);
    assert_eq!(mark(&remembered), Some(("catalogue", "memory")));
    assert_eq!(text(remembered).await, "remembered /a");
    let remembered = text_only.oneshot(get("/b")).await.unwrap();
    assert_eq!(mark(&remembered), Some(("catalogue", "memory")));
    assert_eq!(text(remembered).await, "remembered /b");
}

#[tokio::test]
async fn a_failed_response_comes_back_whole_when_no_tier_serves() {
    let service = from_memory()
        .layer(service_fn(async |_: Request<()>| Ok::<_, BoxError>(of_status(503, "down"))));
    let response = service.oneshot(get("/unknown")).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["x-of"], "original");
    assert_eq!(mark(&response), None);
    assert_eq!(text(response).await, "down");
}

#[tokio::test]
async fn an_answer_that_is_no_failure_is_nobody_else_s_to_give() {
    for status in [200, 301, 404, 429, 501] {
        let service = from_memory().layer(service_fn(move |_: Request<()>| {
            ready(Ok::<_, BoxError>(of_status(status, "as it is")))
        }));
        let response = service.oneshot(get("/a")).await.unwrap();
        assert_eq!((response.status().as_u16(), mark(&response)), (status, None));
        assert_eq!(text(response).await, "as it is");
    }
}

#[tokio::test]
async fn when_widens_what_is_answered() {
    let layer = FallbackLayer::builder()
        .protocol(Http::new())
        .when(|failure| failure.error().is_none() && failure.judgement().after.is_some())
        .value("patience", |(), failure| {
            let after = failure.judgement().after.unwrap_or_default();
            Response::new(Full::<Bytes>::from(format!("busy for {after:?}")))
        })
        .build()
        .unwrap();
    let service = layer.layer(service_fn(async |_: Request<()>| {
        let mut busy = of_status(429, "busy");
        busy.headers_mut().insert("retry-after", "7".parse().unwrap());
        Ok::<_, BoxError>(busy)
    }));
    let response = service.oneshot(get("/a")).await.unwrap();
    assert_eq!(mark(&response), Some(("fallback", "patience")));
    assert_eq!(text(response).await, "busy for 7s");
}

#[tokio::test]
async fn refusals_of_our_own_layers_are_answered() {
    let service =
        ServiceBuilder::new().layer(from_memory()).service(service_fn(async |_: Request<()>| {
            let kind = RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) };
            Err::<Response<ScriptedBody>, _>(Rejection::new("breaker", "b".into(), kind))
        }));
    let response = service.clone().oneshot(get("/a")).await.unwrap();
    assert_eq!(mark(&response), Some(("catalogue", "memory")));
    let error = service.oneshot(get("/unknown")).await.unwrap_err();
    assert!(error.is::<Rejection>(), "the very error: {error}");
}

#[tokio::test]
async fn the_failed_body_is_let_go_once_a_tier_has_served() {
    let body = ScriptedBody::new([BodyStep::Hang]);
    let dropped = body.dropped();
    let failed = Arc::new(Mutex::new(Some(body)));
    let mut service = from_memory().layer(service_fn(move |_: Request<()>| {
        let body = failed.lock().unwrap().take().expect("called once");
        ready(Ok::<_, BoxError>(Response::builder().status(500).body(body).unwrap()))
    }));
    let mut call = Box::pin(service.call(get("/a")));
    let response = (&mut call).await.unwrap();
    assert!(dropped.load(Ordering::SeqCst), "while the call's future still exists");
    assert_eq!(text(response).await, "remembered /a");
}

/// What is answered where another service answers with this status, and a function after it with a page
/// of its own.
async fn answered_by(status: u16) -> (u16, String) {
    let other = service_fn(move |()| {
        ready(Ok::<_, BoxError>(
            Response::builder().status(status).body(Full::<Bytes>::default()).unwrap(),
        ))
    });
    let layer = FallbackLayer::builder()
        .protocol(Http::new())
        .service("other", other)
        .value("apology", |(), _failure| {
            Response::builder().status(503).body(Full::from("we are sorry")).unwrap()
        })
        .build()
        .unwrap();
    let service =
        layer.layer(service_fn(async |_: Request<()>| Ok::<_, BoxError>(of_status(500, ""))));
    let response = service.oneshot(get("/a")).await.unwrap();
    let (_, tier) = mark(&response).unwrap();
    (response.status().as_u16(), tier.to_owned())
}

#[tokio::test]
async fn another_service_that_says_that_it_failed_falls_to_the_next_tier() {
    for failed in [429, 500, 501, 502, 503, 504] {
        assert_eq!(answered_by(failed).await, (503, "apology".into()), "{failed}");
    }
    // What says "no" is an answer, and what a function makes is meant.
    for answer in [200, 204, 301, 404] {
        assert_eq!(answered_by(answer).await, (answer, "other".into()));
    }
}

#[tokio::test]
async fn what_was_remembered_says_what_it_stands_in_for() {
    let layer = FallbackLayer::<(), Response<Full<Bytes>>>::builder()
        .name("prices")
        .protocol(Http::new())
        .last_known_good("memory", LastKnownGood::new(Scripted::default(), |(): &()| Some("all")))
        .build()
        .unwrap();
    let service =
        layer.layer(service_fn(async |request: Request<()>| match request.uri().path() {
            "/works" => {
                let mut response = of_status(200, "fresh");
                // It comes out of a cache.
                response.headers_mut().insert("age", "700".parse().unwrap());
                Ok(response)
            }
            "/fails" => Ok(of_status(503, "down")),
            _ => Err(BoxError::from("connection refused")),
        }));
    assert_eq!(text(service.clone().oneshot(get("/works")).await.unwrap()).await, "fresh");
    for (path, status) in [("/fails", " fwd-status=503;"), ("/breaks", "")] {
        let response = service.clone().oneshot(get(path)).await.unwrap();
        let expected = format!("\"prices\"; fwd=stale;{status} detail=\"memory\"");
        assert_eq!(response.headers()["cache-status"], expected.as_str());
        let degraded = response.extensions().get::<Degraded>().unwrap();
        let age: u64 = response.headers()["age"].to_str().unwrap().parse().unwrap();
        assert!((700..1000).contains(&age), "{age}");
        assert_eq!(degraded.age.map(|age| age.as_secs()), Some(age));
        let cause = degraded.cause.as_ref().map(ToString::to_string);
        assert_eq!(cause.is_none(), path == "/fails", "{cause:?}");
        assert_eq!(text(response).await, "fresh");
    }
}

#[tokio::test]
async fn another_service_that_says_so_under_grpc_is_quoted() {
    for (code, cause) in [("14", Some("it answered gRPC status \"14\"")), ("0", None), ("5", None)]
    {
        let recorder = Recorder::new();
        let other = service_fn(move |()| {
            let head = Response::builder().header("content-type", "application/grpc");
            let response = head.header("grpc-status", code).body(Full::<Bytes>::default());
            ready(Ok::<_, BoxError>(response.unwrap()))
        });
        let layer = FallbackLayer::builder()
            .protocol(Http::new())
            .observer(recorder.clone())
            .service("other", other)
            .build()
            .unwrap();
        let service =
            layer.layer(service_fn(async |_: Request<()>| Ok::<_, BoxError>(of_status(500, ""))));
        let response = service.oneshot(get("/a")).await.unwrap();
        assert_eq!(mark(&response).is_none(), cause.is_some(), "{code}");
        let said = cause.map(|cause| format!("fallback fallback: tier other failed: {cause}"));
        let served = "fallback fallback: served by other".to_owned();
        assert_eq!(recorder.take()[1], said.unwrap_or(served));
    }
}
