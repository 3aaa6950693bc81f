//! Each phase of a call against an oracle that says when it must end, and how.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Phase, Rejection, RejectionKind};
use buttress_http::Http;
use buttress_testkit::{BodyStep, ScriptedBody};
use buttress_timeout::{TimeoutHandle, TimeoutLayer};
use http::Response;
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::{
    runtime::Builder,
    time::{Instant, Sleep, sleep},
};
use tower::{Layer, Service};

/// What bounds a call, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Limits {
    overall: Option<u64>,
    response: Option<u64>,
    read: Option<u64>,
    ambient: Option<u64>,
}

/// How long each phase of a call takes, in milliseconds.
#[derive(Debug, Clone)]
struct Call {
    ready: u64,
    head: u64,
    frames: Vec<Frame>,
}

/// How long the reader waits before asking for a frame, and the body before giving it.
#[derive(Debug, Clone, Copy)]
struct Frame {
    pause: u64,
    gap: u64,
}

/// When and how a call ended, and how many frames its reader had by then.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    at: u64,
    frames: usize,
    how: How,
}

#[derive(Debug, PartialEq, Eq)]
enum How {
    Whole,
    Refused,
    TimedOut(Phase),
    Exceeded { called: bool },
}

/// The end of a call as the laws have it, computed and not simulated.
fn oracle(limits: Limits, call: &Call) -> Ending {
    const NEVER: u64 = u64::MAX;
    let overall = limits.overall.unwrap_or(NEVER);
    let ambient = limits.ambient.unwrap_or(NEVER);
    let whole = overall.min(ambient);
    let whole_cut = |called| {
        if overall <= ambient { How::TimedOut(Phase::Overall) } else { How::Exceeded { called } }
    };
    if ambient == 0 {
        return Ending { at: 0, frames: 0, how: How::Refused };
    }
    let response = limits.response.unwrap_or(NEVER);
    let mut now = call.ready + call.head;
    if now > whole.min(response) {
        let due = whole.min(response);
        let how = if whole <= response {
            whole_cut(call.ready <= due)
        } else {
            How::TimedOut(Phase::Response)
        };
        return Ending { at: due, frames: 0, how };
    }
    for (frames, frame) in call.frames.iter().enumerate() {
        now += frame.pause;
        // A frame that came at the end of the time or later was the last to come.
        if frames > 0 && now - frame.pause >= whole {
            return Ending { at: now, frames, how: whole_cut(true) };
        }
        let due = limits.read.map_or(whole, |read| whole.min(now + read)).max(now);
        if frame.gap > 0 && now + frame.gap > due {
            let read_first = limits.read.is_some_and(|read| now + read < whole);
            let how = if read_first { How::TimedOut(Phase::Read) } else { whole_cut(true) };
            return Ending { at: due, frames, how };
        }
        now += frame.gap;
    }
    Ending { at: now, frames: call.frames.len(), how: How::Whole }
}

/// A service that becomes ready late, answers late, and has a body that comes late.
struct Late {
    call: Call,
    ready: Option<Pin<Box<Sleep>>>,
}

impl Clone for Late {
    fn clone(&self) -> Self {
        Self { call: self.call.clone(), ready: None }
    }
}

impl Service<()> for Late {
    type Response = Response<ScriptedBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let delay = Duration::from_millis(self.call.ready);
        let ready = self.ready.get_or_insert_with(|| Box::pin(sleep(delay)));
        ready.as_mut().poll(cx).map(Ok)
    }

    fn call(&mut self, _request: ()) -> Self::Future {
        let steps = self.call.frames.iter().flat_map(|frame| {
            let wait = (frame.gap > 0).then(|| BodyStep::Wait(Duration::from_millis(frame.gap)));
            wait.into_iter().chain([BodyStep::Data("x")])
        });
        let body = ScriptedBody::new(steps);
        let head = Duration::from_millis(self.call.head);
        Box::pin(async move {
            if !head.is_zero() {
                sleep(head).await;
            }
            Ok(Response::new(body))
        })
    }
}

/// Makes the call for real, and says how it ended.
async fn run(limits: Limits, call: &Call) -> (Ending, TimeoutHandle) {
    let millis = Duration::from_millis;
    let mut builder = TimeoutLayer::builder().protocol(Http::new());
    if let Some(overall) = limits.overall {
        builder = builder.overall(millis(overall));
    }
    if let Some(response) = limits.response {
        builder = builder.response(millis(response));
    }
    if let Some(read) = limits.read {
        builder = builder.read(millis(read));
    }
    let layer = builder.build().unwrap();
    let mut service = layer.layer(Late { call: call.clone(), ready: None });
    let start = Instant::now();
    let ambient = limits.ambient.map(|ambient| Deadline::after(millis(ambient)));
    let calling = Deadline::scope(ambient, || service.call(()));
    let mut frames = 0;
    let result: Result<(), BoxError> = async {
        let mut body = calling.await?.into_body();
        for frame in &call.frames {
            if frame.pause > 0 {
                sleep(millis(frame.pause)).await;
            }
            body.frame().await.expect("a frame or an error")?;
            frames += 1;
        }
        assert!(body.frame().await.is_none());
        Ok(())
    }
    .await;
    let how = match result {
        Ok(()) => How::Whole,
        Err(error) => match Rejection::find(error.as_ref()).expect("a rejection").kind() {
            RejectionKind::TimedOut { phase, limit } => {
                let limit = Some(u64::try_from(limit.as_millis()).unwrap());
                let own = match phase {
                    Phase::Overall => limits.overall,
                    Phase::Response => limits.response,
                    Phase::Read => limits.read,
                    other => panic!("no limit on {other}"),
                };
                assert_eq!(limit, own, "the limit that is told is that of {phase}");
                How::TimedOut(*phase)
            }
            RejectionKind::DeadlineExceeded { called: false } if start == Instant::now() => {
                How::Refused
            }
            RejectionKind::DeadlineExceeded { called } => How::Exceeded { called: *called },
            other => panic!("{other}"),
        },
    };
    let at = u64::try_from(start.elapsed().as_millis()).unwrap();
    (Ending { at, frames, how }, layer.handle())
}

fn limits() -> impl Strategy<Value = Limits> {
    let limit = || prop::option::of(1..60_u64);
    (limit(), limit(), limit(), prop::option::of(0..60_u64))
        .prop_map(|(overall, response, read, ambient)| Limits { overall, response, read, ambient })
}

fn call() -> impl Strategy<Value = Call> {
    let moment = || prop_oneof![Just(0), 0..30_u64];
    let frame = (moment(), moment()).prop_map(|(pause, gap)| Frame { pause, gap });
    (moment(), moment(), prop::collection::vec(frame, 0..5))
        .prop_map(|(ready, head, frames)| Call { ready, head, frames })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// However the time is shared out between readiness, head, frames and reader, the call ends
    /// when the oracle says, with what it says, and is counted as that.
    #[test]
    fn ends_when_and_how_the_oracle_says(limits in limits(), call in call()) {
        let rt = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        rt.block_on(async {
            let (ending, handle) = run(limits, &call).await;
            let expected = oracle(limits, &call);
            prop_assert_eq!(&ending, &expected);
            let counts = handle.snapshot();
            let counted = [
                counts.refused, counts.deadline, counts.overall, counts.response, counts.read,
            ];
            let one = |how| u64::from(expected.how == how);
            let exceeded = u64::from(matches!(expected.how, How::Exceeded { .. }));
            prop_assert_eq!(counted, [
                one(How::Refused),
                exceeded,
                one(How::TimedOut(Phase::Overall)),
                one(How::TimedOut(Phase::Response)),
                one(How::TimedOut(Phase::Read)),
            ]);
            Ok(())
        })?;
    }
}

/// What a limit on a phase cuts is dropped under a deadline that has passed: those inside know
/// that they were cut. What comes in time sees no deadline at all, for it would outlive the phase.
#[tokio::test(start_paused = true)]
async fn a_phase_is_no_deadline_but_what_it_cuts_knows() {
    struct Sees(Arc<Mutex<Vec<bool>>>);
    impl Drop for Sees {
        fn drop(&mut self) {
            let past = Deadline::current().is_some_and(Deadline::is_past);
            self.0.lock().unwrap().push(past);
        }
    }
    let millis = Duration::from_millis(10);
    let layer = TimeoutLayer::builder().response(millis).protocol(Http::new()).build().unwrap();
    for (head, cut) in [(0, false), (11, true)] {
        let seen = Arc::<Mutex<Vec<bool>>>::default();
        let shared = Arc::clone(&seen);
        let inner = tower::service_fn(move |_: ()| {
            assert_eq!(Deadline::current(), None);
            let inside = Sees(Arc::clone(&shared));
            async move {
                sleep(Duration::from_millis(head)).await;
                drop(inside);
                Ok::<_, Infallible>(Response::new(ScriptedBody::default()))
            }
        });
        let result = layer.layer(inner).call(()).await;
        assert_eq!(result.is_err(), cut);
        assert_eq!(*seen.lock().unwrap(), [cut]);
    }
}
