//! What a limit that learns is told of responses, which their heads and their bodies say.

use std::{convert::Infallible, future::ready, time::Duration};

use buttress_bulkhead::BulkheadLayer;
use buttress_core::{
    BoxError, Classified, Deadline, Judgement, Outcome, Plain, Rejection, RejectionKind, Retry,
};
use buttress_http::Http;
use buttress_testkit::{BodyStep, Probe, Reply, ScriptedBody};
use bytes::Bytes;
use futures_util::stream;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::time::{advance, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{SECOND, told::Told};

#[tokio::test(start_paused = true)]
async fn a_body_is_a_part_of_its_call() {
    use BodyStep::{Data, Error, Hang, Wait};

    let told = Told::new(4);
    let layer = BulkheadLayer::builder().limit(told.clone()).protocol(Http::new()).build().unwrap();
    let service = layer.layer(service_fn(async |(status, steps): (u16, Vec<BodyStep>)| {
        let mut response = Response::new(ScriptedBody::new(steps));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok::<_, BoxError>(response)
    }));
    let read = async |status, steps| {
        let response = service.clone().oneshot((status, steps)).await.unwrap();
        assert_eq!(told.take(), [], "the body is still to come");
        let _ = timeout(SECOND, response.into_body().collect()).await;
        told.take()
    };
    let takes = || vec![Data("one"), Wait(SECOND / 2), Data("two")];
    assert_eq!(read(200, takes()).await, [(SECOND / 2, 1, Outcome::Success)]);
    assert_eq!(read(503, takes()).await, [(SECOND / 2, 1, Outcome::Failure)], "as its head said");
    let breaks = vec![Data("one"), Error("reset")];
    assert_eq!(read(200, breaks).await, [(Duration::ZERO, 1, Outcome::Failure)]);
    let hangs = vec![Data("one"), Hang];
    assert_eq!(read(200, hangs).await, [(SECOND, 1, Outcome::Neutral)], "its reader has left");
    // Over with its head.
    drop(service.clone().oneshot((200, vec![])).await.unwrap());
    drop(service.clone().oneshot((503, vec![])).await.unwrap());
    let outcomes: Vec<_> = told.take().into_iter().map(|sample| sample.2).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Failure]);
}

#[tokio::test(start_paused = true)]
async fn a_protocol_s_own_judgement_is_what_counts() {
    let told = Told::new(4);
    let judge =
        buttress_core::Classified::new(buttress_core::Plain, |result: Result<&u32, &BoxError>| {
            match result {
                Ok(0) => Judgement::FAILURE,
                _ => Judgement::SUCCESS,
            }
        });
    let layer = BulkheadLayer::builder().limit(told.clone()).protocol(judge).build().unwrap();
    let (probe, _inner) = Probe::new(|n: u32| Reply::Now(Ok(n)));
    let mut service = layer.layer(probe);
    for n in [0, 1] {
        service.call(n).await.unwrap();
    }
    let outcomes: Vec<_> = told.take().into_iter().map(|sample| sample.2).collect();
    assert_eq!(outcomes, [Outcome::Failure, Outcome::Success]);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_a_classifier_calls_good_is_good() {
    let told = Told::new(4);
    let judge = Classified::new(Plain, |_: Result<&(), &BoxError>| Judgement::SUCCESS);
    let layer = BulkheadLayer::builder().limit(told.clone()).protocol(judge).build().unwrap();
    let (probe, _inner) = Probe::new(|(): ()| Reply::<()>::Now(Err("not found".into())));
    layer.layer(probe).call(()).await.unwrap_err();
    assert_eq!(told.take().last().map(|sample| sample.2), Some(Outcome::Success));
}

/// A dependency that asks for less is told from a caller who hung up.
#[tokio::test(start_paused = true)]
async fn a_429_says_that_it_is_one() {
    let told = Told::new(4);
    let layer = BulkheadLayer::builder().limit(told.clone()).protocol(Http::new()).build().unwrap();
    let service = layer.layer(service_fn(async |_: ()| {
        let response =
            Response::builder().status(StatusCode::TOO_MANY_REQUESTS).header(RETRY_AFTER, 2);
        Ok::<_, Infallible>(response.body(ScriptedBody::new([])).unwrap())
    }));
    drop(service.oneshot(()).await.unwrap());
    let judgements: Vec<_> = told.samples().iter().map(|sample| sample.judgement).collect();
    let asks = Judgement::NEUTRAL.retry(Retry::IfRepeatable).after(Some(2 * SECOND));
    assert_eq!(judgements, [asks]);
}

/// What comes after the head takes as long as it may, where the head is what counts; the place is held
/// all the same.
#[tokio::test(start_paused = true)]
async fn a_stream_is_timed_to_its_head_where_told() {
    use BodyStep::{Data, Wait};

    let told = Told::new(4);
    let http = Http::new().slow_by_head();
    let layer = BulkheadLayer::builder().limit(told.clone()).protocol(http).build().unwrap();
    let (probe, _inner) = Probe::new(|(): ()| {
        let body = ScriptedBody::new([Data("one"), Wait(9 * SECOND), Data("two")]);
        Reply::After(SECOND, Ok(Response::new(body)))
    });
    let response = layer.layer(probe).call(()).await.unwrap();
    assert_eq!((told.take(), layer.handle().in_flight()), (vec![], 1));
    response.into_body().collect().await.unwrap();
    assert_eq!(told.take(), [(SECOND, 1, Outcome::Success)]);
}

/// It has the server's whole word: that it wants less, and when.
#[tokio::test(start_paused = true)]
async fn what_trailers_ask_for_is_told() {
    let told = Told::new(4);
    let layer = BulkheadLayer::builder().limit(told.clone()).protocol(Http::new()).build().unwrap();
    let service = layer.layer(service_fn(async |_: ()| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("8"));
        trailers.insert("grpc-retry-pushback-ms", HeaderValue::from_static("2000"));
        let body = Full::<Bytes>::from("message").with_trailers(ready(Some(Ok(trailers))));
        let response = Response::builder().header(CONTENT_TYPE, "application/grpc");
        Ok::<_, Infallible>(response.body(body).unwrap())
    }));
    service.oneshot(()).await.unwrap().into_body().collect().await.unwrap();
    let judgements: Vec<_> = told.samples().iter().map(|sample| sample.judgement).collect();
    let asks = Judgement::NEUTRAL.retry(Retry::IfRepeatable).after(Some(2 * SECOND));
    assert_eq!(judgements, [asks]);
}

#[tokio::test(start_paused = true)]
async fn under_grpc_the_trailers_say_it() {
    use BodyStep::{Data, Trailers};

    let told = Told::new(4);
    let layer = BulkheadLayer::builder().limit(told.clone()).protocol(Http::new()).build().unwrap();
    let service = layer.layer(service_fn(async |status: &'static str| {
        let steps = [Data("answer"), Trailers("grpc-status", status)];
        let response = Response::builder().header(CONTENT_TYPE, "application/grpc");
        Ok::<_, Infallible>(response.body(ScriptedBody::new(steps)).unwrap())
    }));
    for (status, outcome) in
        [("0", Outcome::Success), ("14", Outcome::Failure), ("1", Outcome::Neutral)]
    {
        let response = service.clone().oneshot(status).await.unwrap();
        response.into_body().collect().await.unwrap();
        assert_eq!(told.take().last().map(|sample| sample.2), Some(outcome), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_a_layer_inside_refuses_is_neutral() {
    let told = Told::new(4);
    let layer = BulkheadLayer::builder().limit(told.clone()).protocol(Http::new()).build().unwrap();
    let service = layer.layer(service_fn(async |_: ()| {
        let full = RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 };
        let refused: BoxError = Rejection::new("bulkhead", "inner".into(), full).into();
        let frames = stream::iter([Ok(Frame::data(Bytes::from("one"))), Err(refused)]);
        Ok::<_, Infallible>(Response::new(StreamBody::new(frames)))
    }));
    let response = service.oneshot(()).await.unwrap();
    response.into_body().collect().await.unwrap_err();
    assert_eq!(told.take().last().map(|sample| sample.2), Some(Outcome::Neutral));
}

/// Whether the dependency was waited for is what counts: a reader who takes his time is not its fault.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_cut_has_failed_if_its_reader_was_waiting() {
    use BodyStep::{Data, Hang, Wait};

    let told = Told::new(4);
    let layer = BulkheadLayer::builder().limit(told.clone()).protocol(Http::new()).build().unwrap();
    let mut service = layer.layer(service_fn(async |_: ()| {
        let steps = [Data("one"), Wait(SECOND / 8), Data("two"), Hang];
        Ok::<_, Infallible>(Response::new(ScriptedBody::new(steps)))
    }));
    let mut cut_after = async |frames: usize, waits: bool, late: bool| {
        let deadline = Some(Deadline::after(SECOND));
        let call = Deadline::scope(deadline, || service.call(()));
        let mut body = call.await.unwrap().into_body();
        for _ in 0..frames {
            body.frame().await.expect("a frame").unwrap();
        }
        let wait = async |body: &mut _| {
            assert!(timeout(SECOND / 4, BodyExt::frame(body)).await.is_err(), "it hangs");
        };
        if waits && !late {
            wait(&mut body).await;
        }
        advance(SECOND).await;
        if late {
            wait(&mut body).await;
        }
        Deadline::scope(deadline, || drop(body));
        told.take().last().map(|sample| sample.2)
    };
    assert_eq!(cut_after(0, false, false).await, Some(Outcome::Neutral), "unread");
    assert_eq!(cut_after(1, false, false).await, Some(Outcome::Neutral), "half read");
    let second = cut_after(2, false, false).await;
    assert_eq!(second, Some(Outcome::Neutral), "the second was waited for, and came");
    assert_eq!(cut_after(2, true, false).await, Some(Outcome::Failure), "the third was waited for");
    assert_eq!(cut_after(2, true, true).await, Some(Outcome::Neutral), "asked for too late");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panics_has_failed() {
    let told = Told::new(4);
    let layer = BulkheadLayer::builder().limit(told.clone()).protocol(Http::new()).build().unwrap();
    let service = layer.layer(service_fn(async |_: ()| {
        let steps = [BodyStep::Data("one"), BodyStep::Panic];
        Ok::<_, Infallible>(Response::new(ScriptedBody::new(steps)))
    }));
    let body = service.oneshot(()).await.unwrap().into_body();
    assert!(tokio::spawn(body.collect()).await.unwrap_err().is_panic());
    assert_eq!(told.take().last().map(|sample| sample.2), Some(Outcome::Failure));
    assert_eq!(layer.handle().in_flight(), 0);
}
