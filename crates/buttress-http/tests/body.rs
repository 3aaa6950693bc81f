//! A followed body: hints and frames unchanged, its end told exactly once.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, End, Follow, Follower, Judgement};
use buttress_http::{Followed, Http};
use buttress_testkit::{BodyStep, ScriptedBody};
use http::Response;
use http_body::Body;
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::{
    runtime::Builder,
    time::{Instant, Sleep, sleep},
};

/// Keeps what it is told; with a timer it cuts.
struct Witness {
    told: Arc<Mutex<Vec<String>>>,
    timer: Option<Pin<Box<Sleep>>>,
    deadline: Option<Deadline>,
}

impl Follower for Witness {
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<BoxError> {
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx).map(|()| "cut".into()),
            None => Poll::Pending,
        }
    }

    fn part(&mut self) -> Option<BoxError> {
        let timer = self.timer.as_ref()?;
        (timer.deadline() <= Instant::now()).then(|| "cut".into())
    }

    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    fn ended(self, end: End<'_>) {
        let end = match end {
            End::Complete(judgement) => {
                assert_eq!(judgement, Judgement::SUCCESS);
                "complete".to_owned()
            }
            End::Failed(error) => format!("failed: {error}"),
        };
        self.told.lock().unwrap().push(end);
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let how = if std::thread::panicking() { "dropped in panic" } else { "dropped" };
        self.told.lock().unwrap().push(how.into());
    }
}

type Told = Arc<Mutex<Vec<String>>>;

fn follow(
    body: ScriptedBody,
    cut_after: Option<Duration>,
) -> (Followed<ScriptedBody, Witness>, Told) {
    let told = Told::default();
    let timer = cut_after.map(|delay| Box::pin(sleep(delay)));
    let witness = Witness { told: Arc::clone(&told), timer, deadline: None };
    (Http::new().follow(Response::new(body), witness).into_body(), told)
}

fn told(told: &Told) -> Vec<String> {
    told.lock().unwrap().clone()
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_over_at_once() {
    let (body, seen) = follow(ScriptedBody::new([]), None);
    assert_eq!(told(&seen), ["complete", "dropped"]);
    assert!(body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn over_at_the_last_data_frame_for_hyper_asks_no_further() {
    let (mut body, seen) =
        follow(ScriptedBody::new([BodyStep::Data("a"), BodyStep::Data("b")]), None);
    body.frame().await.unwrap().unwrap();
    assert!(told(&seen).is_empty());
    body.frame().await.unwrap().unwrap();
    assert_eq!(told(&seen), ["complete", "dropped"]);
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn over_at_the_trailers() {
    let script = [BodyStep::Data("a"), BodyStep::Trailers("x", "y"), BodyStep::Hang];
    let (mut body, seen) = follow(ScriptedBody::new(script), None);
    body.frame().await.unwrap().unwrap();
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["x"], "y");
    assert_eq!(told(&seen), ["complete", "dropped"]);
}

#[tokio::test(start_paused = true)]
async fn one_error_and_then_nothing() {
    let script = [BodyStep::Data("a"), BodyStep::Error("reset"), BodyStep::Data("never")];
    let inner = ScriptedBody::new(script);
    let dropped = inner.dropped();
    let (mut body, seen) = follow(inner, None);
    body.frame().await.unwrap().unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "reset");
    assert_eq!(told(&seen), ["failed: reset", "dropped"]);
    assert!(dropped.load(Ordering::SeqCst));
    assert!(body.frame().await.is_none());
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn dropped_early_is_dropped_untold() {
    let (mut body, seen) = follow(ScriptedBody::new([BodyStep::Data("a"), BodyStep::Hang]), None);
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(told(&seen), ["dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_follower_can_cut_but_a_frame_in_the_same_poll_wins() {
    let script = [BodyStep::Wait(SECOND), BodyStep::Data("in time"), BodyStep::Hang];
    let inner = ScriptedBody::new(script);
    let dropped = inner.dropped();
    let (mut body, seen) = follow(inner, Some(SECOND));
    body.frame().await.unwrap().expect("the frame wins");
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "cut");
    assert!(dropped.load(Ordering::SeqCst), "while the outer body still exists");
    assert_eq!(told(&seen), ["failed: cut", "dropped"]);
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_body_drops_the_follower_while_panicking() {
    let (mut body, seen) = follow(ScriptedBody::new([BodyStep::Panic]), None);
    let mut cx = Context::from_waker(Waker::noop());
    let poll = AssertUnwindSafe(|| Pin::new(&mut body).poll_frame(&mut cx).is_ready());
    assert!(catch_unwind(poll).is_err());
    assert_eq!(told(&seen), ["dropped in panic"], "while the body still exists");
    drop(body);
}

#[tokio::test(start_paused = true)]
async fn the_body_runs_and_drops_under_the_followers_deadline() {
    struct Checks(Deadline);
    impl Body for Checks {
        type Data = bytes::Bytes;
        type Error = BoxError;
        fn poll_frame(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, BoxError>>> {
            assert_eq!(Deadline::current(), Some(self.0));
            Poll::Ready(Some(Ok(http_body::Frame::data(bytes::Bytes::from_static(b"x")))))
        }
    }
    impl Drop for Checks {
        fn drop(&mut self) {
            assert_eq!(Deadline::current(), Some(self.0));
        }
    }
    let deadline = Deadline::after(SECOND);
    let witness = Witness { told: Told::default(), timer: None, deadline: Some(deadline) };
    let mut body = Http::new().follow(Response::new(Checks(deadline)), witness).into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(Deadline::current(), None);
}

fn step() -> impl Strategy<Value = BodyStep> {
    prop_oneof![
        4 => Just(BodyStep::Data("data")),
        1 => (1..2000_u64).prop_map(|ms| BodyStep::Wait(Duration::from_millis(ms))),
        1 => Just(BodyStep::Error("broken")),
        1 => Just(BodyStep::Trailers("grpc-status", "0")),
    ]
}

/// What a reader sees of a body: hints before each frame, and the frame.
async fn read<B>(mut body: B, frames: usize) -> Vec<String>
where
    B: Body<Data = bytes::Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut seen = Vec::new();
    for _ in 0..frames {
        let (end, hint) = (body.is_end_stream(), body.size_hint());
        let (frame, last) = match body.frame().await {
            None => ("end".to_owned(), true),
            Some(Err(error)) => (format!("error {error}"), true),
            Some(Ok(frame)) => (format!("{frame:?}"), frame.is_trailers()),
        };
        seen.push(format!("{end} {:?} {:?} {frame}", hint.lower(), hint.upper()));
        if last {
            break;
        }
    }
    seen
}

proptest! {
    /// A reader sees through the wrapper exactly what it would see without, and the follower is
    /// told or dropped exactly once.
    #[test]
    fn transparent_and_told_once(script in prop::collection::vec(step(), 0..8), frames in 0..10_usize) {
        let rt = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        rt.block_on(async {
            let bare = read(ScriptedBody::new(script.clone()), frames).await;
            let (body, seen) = follow(ScriptedBody::new(script), None);
            prop_assert_eq!(read(body, frames).await, bare);
            let seen = told(&seen);
            prop_assert_eq!(seen.iter().filter(|told| *told == "dropped").count(), 1);
            prop_assert!(seen.len() <= 2, "{:?}", seen);
            Ok(())
        })?;
    }
}

/// A body that never makes its reader wait meets the timer, too: the frame that is ready still
/// wins, and the error follows.
#[tokio::test(start_paused = true)]
async fn a_body_that_always_has_a_frame_is_cut() {
    let inner = ScriptedBody::new(vec![BodyStep::Data("x"); 100]);
    let dropped = inner.dropped();
    let (mut body, seen) = follow(inner, Some(SECOND));
    let mut frames = 0;
    let error = loop {
        tokio::time::advance(SECOND / 4).await;
        match body.frame().await.unwrap() {
            Ok(_) => frames += 1,
            Err(error) => break error,
        }
        assert_eq!(dropped.load(Ordering::SeqCst), frames == 4, "at once, after {frames}");
        assert!(!body.is_end_stream(), "the error is still to come");
        assert_eq!(body.size_hint().exact().is_none(), frames == 4);
    };
    assert_eq!((frames, error.to_string().as_str()), (4, "cut"));
    assert_eq!(told(&seen), ["failed: cut", "dropped"]);
    assert!(body.is_end_stream() && body.frame().await.is_none());
}

/// What is inside a body that a limit cuts is told so by the deadline that it is dropped under.
#[tokio::test(start_paused = true)]
async fn a_body_that_was_cut_is_dropped_under_the_deadline_that_the_follower_then_names() {
    struct Cuts {
        at: Option<Deadline>,
        always: bool,
    }
    impl Follower for Cuts {
        fn poll_cut(&mut self, _cx: &mut Context<'_>) -> Poll<BoxError> {
            self.at = Some(Deadline::at(Instant::now()));
            Poll::Ready("cut".into())
        }
        fn part(&mut self) -> Option<BoxError> {
            self.at = self.always.then(|| Deadline::at(Instant::now()));
            self.at.map(|_| "cut".into())
        }
        fn deadline(&self) -> Option<Deadline> {
            self.at
        }
        fn ended(self, _end: End<'_>) {}
    }
    struct Sees(Arc<Mutex<Option<bool>>>, ScriptedBody);
    impl Body for Sees {
        type Data = bytes::Bytes;
        type Error = BoxError;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, BoxError>>> {
            Pin::new(&mut self.1).poll_frame(cx)
        }
    }
    impl Drop for Sees {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Some(Deadline::current().is_some_and(Deadline::is_past));
        }
    }
    for always in [false, true] {
        let seen = Arc::default();
        let body =
            Sees(Arc::clone(&seen), ScriptedBody::new([BodyStep::Data("x"), BodyStep::Hang]));
        let cuts = Cuts { at: None, always };
        let mut body = Http::new().follow(Response::new(body), cuts).into_body();
        body.frame().await.unwrap().unwrap();
        body.frame().await.unwrap().unwrap_err();
        assert_eq!(*seen.lock().unwrap(), Some(true), "always a part: {always}");
    }
}

/// What the follower holds for a body, a place for one, is given back when the body is gone.
#[tokio::test(start_paused = true)]
async fn the_body_goes_before_its_follower() {
    struct After(Arc<std::sync::atomic::AtomicBool>);
    impl Follower for After {
        fn ended(self, _end: End<'_>) {}
    }
    impl Drop for After {
        fn drop(&mut self) {
            assert!(self.0.load(Ordering::SeqCst), "the body is still there");
        }
    }
    let wait = BodyStep::Wait(SECOND);
    for script in [vec![wait.clone()], vec![wait.clone(), BodyStep::Error("reset")]] {
        let inner = ScriptedBody::new(script);
        let after = After(inner.dropped());
        let mut body = Http::new().follow(Response::new(inner), after).into_body();
        while let Some(Ok(_)) = body.frame().await {}
        assert!(body.is_end_stream());
    }
    let inner = ScriptedBody::new([wait]);
    let after = After(inner.dropped());
    drop(Http::new().follow(Response::new(inner), after));
}
