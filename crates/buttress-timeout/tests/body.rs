//! Under HTTP the time runs on until the body is over.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Mutex, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{Deadline, Rejection, RejectionKind};
use buttress_http::Http;
use buttress_testkit::{
    BodyStep, Probe, Recorder, Reply, ScriptedBody, assert_pending, assert_ready, task,
};
use buttress_timeout::TimeoutLayer;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::{
    runtime::Builder,
    time::{Instant, advance, sleep},
};
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

proptest! {
    /// However the time is shared out between head and frames, the call ends at its own end or
    /// at the limit.
    #[test]
    fn ends_at_the_last_frame_or_at_the_limit(
        limit in 1..200_u64,
        head in 0..100_u64,
        gaps in prop::collection::vec(0..100_u64, 0..5),
    ) {
        let rt = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        rt.block_on(async {
            let limit = Duration::from_millis(limit);
            let total = Duration::from_millis(head + gaps.iter().sum::<u64>());
            let steps: Vec<_> = gaps
                .into_iter()
                .flat_map(|gap| [BodyStep::Wait(Duration::from_millis(gap)), BodyStep::Data("x")])
                .collect();
            let inner = service_fn(move |_: Request<()>| {
                let body = ScriptedBody::new(steps.clone());
                async move {
                    sleep(Duration::from_millis(head)).await;
                    Ok::<_, Infallible>(Response::new(body))
                }
            });
            let layer = TimeoutLayer::builder().overall(limit).protocol(Http::new()).build().unwrap();
            let start = Instant::now();
            let result = async {
                layer.layer(inner).oneshot(Request::new(())).await?.into_body().collect().await
            }
            .await;
            prop_assert_eq!(start.elapsed(), total.min(limit));
            prop_assert_eq!(result.is_ok(), total <= limit);
            if let Err(error) = result {
                let kind = Rejection::find(error.as_ref()).expect("a rejection").kind();
                let own = matches!(kind, RejectionKind::TimedOut { limit: l, .. } if *l == limit);
                prop_assert!(own, "{error}");
            }
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_body_is_cut_once_said_once_and_dropped() {
    let body = ScriptedBody::new([BodyStep::Data("head"), BodyStep::Hang]);
    let dropped = body.dropped();
    let once = Mutex::new(Some(body));
    let (probe, _handle) = Probe::new(move |_: ()| {
        Reply::Now(Ok(Response::new(once.lock().unwrap().take().unwrap())))
    });
    let recorder = Recorder::new();
    let layer = TimeoutLayer::builder()
        .overall(SECOND)
        .protocol(Http::new())
        .observer(recorder.clone())
        .build()
        .unwrap();
    let mut body = layer.layer(probe).oneshot(()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    body.frame().await.unwrap().unwrap_err();
    assert!(dropped.load(Ordering::SeqCst), "while the outer body still exists");
    assert!(body.frame().await.is_none());
    assert_eq!(recorder.take(), ["timeout timeout: rejected: overall limit of 1s passed"]);
}

/// The limit of a gap begins anew with each frame; the one timer for all of them is moved on.
#[tokio::test(start_paused = true)]
async fn a_gap_too_long_is_cut_however_many_came_in_time() {
    let frame = [BodyStep::Wait(SECOND * 9 / 10), BodyStep::Data("x")];
    let steps = std::iter::repeat_n(frame, 20).flatten().chain([BodyStep::Hang]);
    let body = ScriptedBody::new(steps);
    let dropped = body.dropped();
    let once = Mutex::new(Some(body));
    let (probe, _handle) = Probe::new(move |_: ()| {
        Reply::Now(Ok(Response::new(once.lock().unwrap().take().unwrap())))
    });
    let layer = TimeoutLayer::builder().read(SECOND).protocol(Http::new()).build().unwrap();
    let start = Instant::now();
    let mut body = layer.layer(probe).oneshot(()).await.unwrap().into_body();
    let mut frames = 0;
    let error = loop {
        match body.frame().await.unwrap() {
            Ok(_) => frames += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((frames, start.elapsed()), (20, SECOND * 19));
    assert!(error.to_string().ends_with("read limit of 1s passed"), "{error}");
    assert!(dropped.load(Ordering::SeqCst) && body.frame().await.is_none());
    assert_eq!(layer.handle().snapshot().read, 1);
}

/// The law is the limit, whoever is slow: here the reader is, and the body never is.
#[tokio::test(start_paused = true)]
async fn a_body_that_always_has_a_frame_is_cut_too() {
    let (probe, _handle) = Probe::new(|_: ()| {
        Reply::Now(Ok(Response::new(ScriptedBody::new(vec![BodyStep::Data("x"); 1000]))))
    });
    let layer = TimeoutLayer::builder().overall(SECOND).protocol(Http::new()).build().unwrap();
    let start = Instant::now();
    let mut body = layer.layer(probe).oneshot(()).await.unwrap().into_body();
    while let Some(Ok(_)) = body.frame().await {
        sleep(SECOND / 10).await;
    }
    assert!(start.elapsed() <= SECOND + SECOND / 10, "{:?}", start.elapsed());
    assert!(body.frame().await.is_none());
}

/// tokio lets no timer fire in a task that has used up its turn; the body is cut all the same.
#[tokio::test(start_paused = true)]
async fn a_body_in_a_task_that_is_always_busy_is_cut_too() {
    let (probe, _handle) =
        Probe::new(|_: ()| Reply::Now(Ok(Response::new(ScriptedBody::new([BodyStep::Hang])))));
    let layer = TimeoutLayer::builder().read(SECOND).protocol(Http::new()).build().unwrap();
    let mut body = layer.layer(probe).oneshot(()).await.unwrap().into_body();
    let mut frame = task::spawn(body.frame());
    assert_pending!(frame.poll());
    advance(SECOND).await;
    let polled = poll_fn(|cx| {
        while pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
        Poll::Ready(frame.poll())
    });
    assert!(assert_ready!(polled.await).unwrap().is_err());
}

/// A body runs under the deadline of its call, and is dropped under it.
#[tokio::test(start_paused = true)]
async fn a_body_sees_the_deadline() {
    struct Sees(Option<Deadline>);
    impl Body for Sees {
        type Data = bytes::Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<bytes::Bytes>, Infallible>>> {
            assert!(self.0.is_some() && self.0 == Deadline::current());
            Poll::Ready(Some(Ok(Frame::data(bytes::Bytes::from_static(b"x")))))
        }
    }
    impl Drop for Sees {
        fn drop(&mut self) {
            // A second panic would end the whole test program.
            let sees = self.0.is_some() && self.0 == Deadline::current();
            assert!(sees || std::thread::panicking());
        }
    }
    let inner =
        service_fn(async |_: ()| Ok::<_, Infallible>(Response::new(Sees(Deadline::current()))));
    let layer = TimeoutLayer::builder().overall(SECOND).protocol(Http::new()).build().unwrap();
    let mut body = layer.layer(inner).oneshot(()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
}
