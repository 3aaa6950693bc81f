//! Limits inside limits, in a body: whose limit it was is named there as well.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::mpsc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use buttress_core::{BoxError, Rejection, RejectionKind};
use buttress_http::{Followed, Http};
use buttress_testkit::{BodyStep, ScriptedBody, assert_pending, task};
use buttress_timeout::{TimeoutFollower, TimeoutHandle, TimeoutLayer};
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::Response;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::{
    runtime::Builder,
    time::{Instant, advance, sleep, timeout},
};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than anything here takes: what has not ended by then never does.
const FOR_EVER: Duration = Duration::from_secs(3_600);

type Once<B> = Followed<B, TimeoutFollower>;

/// A response with this body, through `outer`, whose limit is a second, and `inner`, which has
/// only one on the gap.
struct Nested {
    body: Once<Once<ScriptedBody>>,
    outer: TimeoutHandle,
    inner: TimeoutHandle,
}

impl Nested {
    async fn call(steps: impl IntoIterator<Item = BodyStep> + Clone) -> Self {
        let builder = || TimeoutLayer::builder().protocol(Http::new());
        let outer = builder().overall(SECOND).name("outer").build().unwrap();
        let inner = builder().read(9 * SECOND).name("inner").build().unwrap();
        let answers = service_fn(move |_: ()| {
            let body = ScriptedBody::new(steps.clone());
            async { Ok::<_, Infallible>(Response::new(body)) }
        });
        let (handles, service) =
            ((outer.handle(), inner.handle()), outer.layer(inner.layer(answers)));
        let body = service.oneshot(()).await.unwrap().into_body();
        Self { body, outer: handles.0, inner: handles.1 }
    }

    #[track_caller]
    fn assert_cut_by_the_outer(&self, error: &BoxError) {
        assert_eq!(error.to_string(), "timeout `outer`: overall limit of 1s passed");
        assert_eq!((self.outer.snapshot().overall, self.inner.snapshot().deadline), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_cut_by_the_one_whose_limit_passed() {
    let mut nested = Nested::call([BodyStep::Data("half"), BodyStep::Hang]).await;
    let start = Instant::now();
    nested.body.frame().await.unwrap().unwrap();
    let error = nested.body.frame().await.unwrap().unwrap_err();
    assert_eq!(start.elapsed(), SECOND);
    nested.assert_cut_by_the_outer(&error);
    assert!(nested.body.frame().await.is_none());
}

/// Both are told of each frame, the one inside first.
#[tokio::test(start_paused = true)]
async fn a_body_that_always_has_a_frame_is_cut_by_the_one_whose_limit_passed() {
    for pause in [SECOND / 10, 5 * SECOND] {
        let mut nested = Nested::call(vec![BodyStep::Data("x"); 100]).await;
        let error = loop {
            match nested.body.frame().await.unwrap() {
                Ok(_) => sleep(pause).await,
                Err(error) => break error,
            }
        };
        nested.assert_cut_by_the_outer(&error);
    }
}

#[tokio::test(start_paused = true)]
async fn however_late_the_one_outside_is_named() {
    let mut nested = Nested::call([BodyStep::Hang]).await;
    let mut frame = task::spawn(nested.body.frame());
    assert_pending!(frame.poll());
    advance(5 * SECOND).await;
    let Poll::Ready(Some(Err(error))) = frame.poll() else { panic!("it is to be cut") };
    drop(frame);
    nested.assert_cut_by_the_outer(&error);
}

/// What reads the body is under a limit as well, and may leave the body to another.
#[tokio::test(start_paused = true)]
async fn a_body_that_moves_away_unpolled_is_cut_all_the_same() {
    let inner = TimeoutLayer::builder().overall(9 * SECOND).protocol(Http::new()).build().unwrap();
    let hangs = service_fn(async |hangs: bool| {
        let step = if hangs { BodyStep::Hang } else { BodyStep::Wait(SECOND / 10) };
        Ok::<_, Infallible>(Response::new(ScriptedBody::new([step])))
    });
    let inner = inner.layer(hangs);
    let reads = TimeoutLayer::new(SECOND).unwrap().layer(service_fn(move |_: ()| {
        let inner = inner.clone();
        async move {
            let read = |hangs| {
                let inner = inner.clone();
                async move { inner.oneshot(hangs).await?.into_body().collect().await }
            };
            let mut reads: FuturesUnordered<_> = [false, true].map(read).into_iter().collect();
            reads.next().await.unwrap().unwrap();
            Ok::<_, Infallible>(tokio::spawn(async move { reads.next().await.unwrap() }))
        }
    }));
    let start = Instant::now();
    let rest = reads.oneshot(()).await.unwrap();
    let error = timeout(FOR_EVER, rest).await.expect("it ends").unwrap().unwrap_err();
    let kind = Rejection::find(error.as_ref()).expect("a rejection").kind();
    assert_eq!(kind, &RejectionKind::DeadlineExceeded { called: true });
    assert_eq!(start.elapsed(), SECOND);
}

/// A body that never makes its reader wait keeps the one outside, who polls the reader, from ever
/// looking at the clock.
#[test]
fn a_body_that_blocks_the_one_outside_ends() {
    struct Endless;
    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }
    let inner = TimeoutLayer::builder().name("inner").protocol(Http::new()).build().unwrap();
    let endless = service_fn(async |_: ()| Ok::<_, Infallible>(Response::new(Endless)));
    let inner = inner.layer(endless);
    let reads = TimeoutLayer::new(SECOND / 2).unwrap().layer(service_fn(move |_: ()| {
        let inner = inner.clone();
        async move {
            let mut body = inner.oneshot(()).await?.into_body();
            while let Some(frame) = body.frame().await {
                frame?;
            }
            Ok::<_, BoxError>(())
        }
    }));
    let (ended, end) = mpsc::channel();
    thread::spawn(move || {
        let rt = Builder::new_current_thread().enable_time().build().unwrap();
        ended.send(rt.block_on(reads.oneshot(())))
    });
    // How long it takes is the machine's: that it ends at all is what is asked.
    let error = end.recv_timeout(Duration::from_secs(60)).expect("it ends").unwrap_err();
    let rejection = Rejection::find(error.as_ref()).unwrap();
    assert_eq!(rejection.kind(), &RejectionKind::DeadlineExceeded { called: true });
    assert_eq!(rejection.name(), "inner");
}

/// A timer is made in a runtime, and here is none after the first poll: it must still be that one,
/// however many frames make their reader wait.
#[test]
fn the_timer_of_a_body_is_made_once() {
    /// Every other time it is asked it has a frame.
    struct Halting(bool);
    impl Body for Halting {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0 = !self.0;
            if self.0 { Poll::Pending } else { Poll::Ready(Some(Ok(Frame::data(Bytes::new())))) }
        }
    }
    let rt = Builder::new_current_thread().enable_time().build().unwrap();
    let limits = TimeoutLayer::builder().overall(FOR_EVER).read(FOR_EVER).protocol(Http::new());
    let halting = service_fn(async |_: ()| Ok::<_, Infallible>(Response::new(Halting(false))));
    let mut body = rt.block_on(async {
        let mut service = limits.build().unwrap().layer(halting);
        let mut body = service.call(()).await.unwrap().into_body();
        assert_pending!(task::spawn(body.frame()).poll());
        body
    });
    for _ in 0..100 {
        assert!(task::spawn(body.frame()).poll().is_ready());
        assert_pending!(task::spawn(body.frame()).poll());
    }
}
