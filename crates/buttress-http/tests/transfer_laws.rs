//! Both bodies of a call against an oracle that says when it must end, and how.
//!
//! The oracle goes through the call millisecond by millisecond, and knows of no timers. So that no
//! two things that decide happen at once, those of the request come at multiples of four, those of
//! the response two later, and limits are odd.

use std::{
    convert::Infallible,
    future::{Future, pending},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, Phase, Rejection, RejectionKind};
use buttress_http::{TransferTimeoutLayer, Watched, transfer_timeout::TransferTimeoutHandle};
use buttress_testkit::{BodyStep, ScriptedBody};
use http::{Request, Response};
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::{
    runtime::Builder,
    time::{Instant, Sleep, sleep},
};
use tower::{Layer, Service};

/// The limits of the layer, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Limits {
    write: Option<u64>,
    idle: Option<u64>,
}

/// How long each thing takes that happens in a call, in milliseconds.
#[derive(Debug, Clone)]
struct Call {
    ready: u64,
    head: u64,
    /// From the inner call until the request body is first asked.
    first: u64,
    upload: Vec<Frame>,
    end: End,
    download: Vec<Frame>,
}

/// How long a body takes to give a frame when it is asked, and its reader before he asks again.
#[derive(Debug, Clone, Copy)]
struct Frame {
    gap: u64,
    pause: u64,
}

/// What comes of a request body after its frames.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The last frame was the end, and the body says so.
    Last,
    /// The end, trailers or an error, after so long.
    None(u64),
    Trailers(u64),
    Error(u64),
    /// Nothing.
    Hang,
    /// Its reader drops it.
    Drop,
}

/// When and how a call ended, and how many frames of the response its reader had by then.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    at: u64,
    frames: usize,
    cut: Option<Phase>,
}

/// A request body at one moment: since when a frame of it is waited for, and when it moved last.
#[derive(Debug, Clone, Copy, Default)]
struct Upload {
    waits: Option<u64>,
    moved: u64,
}

impl Call {
    fn upload_at(&self, at: u64) -> Upload {
        let mut upload = Upload::default();
        let mut now = self.ready + self.first;
        let empty = self.upload.is_empty() && matches!(self.end, End::Last);
        if at < now || empty {
            return upload;
        }
        upload.waits = Some(now);
        for frame in &self.upload {
            now += frame.gap;
            if at < now {
                return upload;
            }
            upload = Upload { waits: Some(now), moved: now };
            now += frame.pause;
        }
        let over = |moved| Upload { waits: None, moved };
        match self.end {
            End::Last => over(upload.moved),
            End::Drop if at >= now => over(upload.moved),
            End::None(gap) | End::Trailers(gap) | End::Error(gap) if at >= now + gap => {
                over(now + gap)
            }
            _ => upload,
        }
    }

    /// What cuts the call at this moment, if something does.
    fn due(&self, limits: Limits, at: u64, moved: u64) -> Option<Phase> {
        let upload = self.upload_at(at);
        let write = limits.write.zip(upload.waits).map(|(limit, since)| since + limit);
        let idle = limits.idle.map(|limit| moved.max(upload.moved) + limit);
        let write_first = write.is_some_and(|write| idle.is_none_or(|idle| write <= idle));
        let (due, phase) = if write_first { (write, Phase::Write) } else { (idle, Phase::Idle) };
        due.filter(|due| *due <= at).map(|_| phase)
    }

    /// The end of the call as the laws have it.
    fn oracle(&self, limits: Limits) -> Ending {
        let cut_while = |from: u64, until: u64, moved| {
            (from..until).find_map(|at| Some((at, self.due(limits, at, moved)?)))
        };
        let mut now = self.ready + self.head;
        if let Some((at, phase)) = cut_while(0, now, 0) {
            return Ending { at, frames: 0, cut: Some(phase) };
        }
        let (mut moved, mut late) = (now, None);
        for (frames, frame) in self.download.iter().enumerate() {
            now += frame.pause;
            if late.is_some() {
                return Ending { at: now, frames, cut: late };
            }
            if let Some((at, phase)) = cut_while(now, now + frame.gap, moved) {
                return Ending { at, frames, cut: Some(phase) };
            }
            now += frame.gap;
            moved = now;
            // The frame wins, and the next time he asks he is told.
            late = self.due(limits, now, moved);
        }
        Ending { at: now, frames: self.download.len(), cut: None }
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn pause(time: u64) {
    if time > 0 {
        sleep(millis(time)).await;
    }
}

fn steps(frames: &[Frame]) -> impl Iterator<Item = BodyStep> {
    frames.iter().flat_map(|frame| wait(frame.gap).chain([BodyStep::Data("x")]))
}

fn wait(gap: u64) -> impl Iterator<Item = BodyStep> {
    (gap > 0).then(|| BodyStep::Wait(millis(gap))).into_iter()
}

/// A service that becomes ready late, reads late and answers late.
struct Late {
    call: Call,
    ready: Option<Pin<Box<Sleep>>>,
}

impl Clone for Late {
    fn clone(&self) -> Self {
        Self { call: self.call.clone(), ready: None }
    }
}

impl Service<Request<Watched<ScriptedBody>>> for Late {
    type Response = Response<ScriptedBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let delay = millis(self.call.ready);
        let ready = self.ready.get_or_insert_with(|| Box::pin(sleep(delay)));
        ready.as_mut().poll(cx).map(Ok)
    }

    fn call(&mut self, request: Request<Watched<ScriptedBody>>) -> Self::Future {
        let Call { head, first, upload, end, download, .. } = self.call.clone();
        let mut body = request.into_body();
        // Read on a task of its own, as a connection does, which wakes nobody.
        tokio::spawn(async move {
            pause(first).await;
            for frame in upload {
                body.frame().await.expect("a frame").expect("no error");
                pause(frame.pause).await;
            }
            match end {
                End::Drop => drop(body),
                End::Last => pending::<()>().await,
                _ => {
                    let _ = body.frame().await;
                    pending::<()>().await;
                }
            }
        });
        let body = ScriptedBody::new(steps(&download));
        Box::pin(async move {
            pause(head).await;
            Ok(Response::new(body))
        })
    }
}

/// Makes the call for real, and says how it ended.
async fn run(limits: Limits, call: &Call) -> (Ending, TransferTimeoutHandle) {
    let mut builder = TransferTimeoutLayer::builder();
    if let Some(write) = limits.write {
        builder = builder.write(millis(write));
    }
    if let Some(idle) = limits.idle {
        builder = builder.idle(millis(idle));
    }
    let layer = builder.build().unwrap();
    let end: Vec<_> = match call.end {
        End::Last => vec![],
        End::None(gap) => wait(gap).collect(),
        End::Trailers(gap) => wait(gap).chain([BodyStep::Trailers("x", "y")]).collect(),
        End::Error(gap) => wait(gap).chain([BodyStep::Error("broken")]).collect(),
        End::Hang | End::Drop => vec![BodyStep::Hang],
    };
    let request = Request::new(ScriptedBody::new(steps(&call.upload).chain(end)));
    let mut frames = 0;
    let start = Instant::now();
    let result: Result<(), BoxError> = async {
        let mut service = layer.layer(Late { call: call.clone(), ready: None });
        let mut body = service.call(request).await?.into_body();
        for frame in &call.download {
            pause(frame.pause).await;
            body.frame().await.expect("a frame or an error")?;
            frames += 1;
        }
        assert!(body.frame().await.is_none());
        Ok(())
    }
    .await;
    let cut = result.err().map(|error| {
        match Rejection::find(error.as_ref()).expect("a rejection").kind() {
            RejectionKind::TimedOut { phase, limit } => {
                let own = if *phase == Phase::Write { limits.write } else { limits.idle };
                assert_eq!(Some(*limit), own.map(millis), "the limit that is told is its own");
                *phase
            }
            other => panic!("{other}"),
        }
    });
    let at = u64::try_from(start.elapsed().as_millis()).unwrap();
    (Ending { at, frames, cut }, layer.handle())
}

fn limits() -> impl Strategy<Value = Limits> {
    let limit = || prop::option::of((0..30_u64).prop_map(|half| 2 * half + 1));
    (limit(), limit()).prop_map(|(write, idle)| Limits { write, idle })
}

fn call() -> impl Strategy<Value = Call> {
    let moment = || prop_oneof![Just(0), (0..10_u64).prop_map(|quarter| 4 * quarter)];
    let some_time = || (1..10_u64).prop_map(|quarter| 4 * quarter);
    let frames = || {
        let frame = (moment(), moment()).prop_map(|(gap, pause)| Frame { gap, pause });
        prop::collection::vec(frame, 0..6)
    };
    let end = prop_oneof![
        Just(End::Last),
        Just(End::Hang),
        Just(End::Drop),
        some_time().prop_map(End::None),
        moment().prop_map(End::Trailers),
        moment().prop_map(End::Error),
    ];
    let head = moment().prop_map(|head| head + 2);
    (moment(), head, moment(), frames(), end, frames()).prop_map(
        |(ready, head, first, upload, end, download)| Call {
            ready,
            head,
            first,
            upload,
            end,
            download,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// However the time is shared out between readiness, head, both bodies and their readers, the
    /// call ends when the oracle says, with what it says, and is counted as that.
    #[test]
    fn ends_when_and_how_the_oracle_says(limits in limits(), call in call()) {
        let rt = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        rt.block_on(async {
            let (ending, handle) = run(limits, &call).await;
            let expected = call.oracle(limits);
            prop_assert_eq!(&ending, &expected);
            let counts = handle.snapshot();
            let one = |phase| u64::from(expected.cut == Some(phase));
            prop_assert_eq!((counts.write, counts.idle), (one(Phase::Write), one(Phase::Idle)));
            Ok(())
        })?;
    }
}

/// The oracle is not of one mind: random calls end in each of the ways, and at each stage.
#[test]
fn random_calls_end_in_every_way() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::<_, u32>::new();
    for _ in 0..3_000 {
        let (limits, call) = (limits(), call()).new_tree(&mut runner).unwrap().current();
        let ending = call.oracle(limits);
        let how = ending.cut.map_or("whole".into(), |phase| phase.to_string());
        *seen.entry((how, ending.at > call.ready + call.head)).or_default() += 1;
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert!(seen.values().all(|calls| *calls >= 50), "{seen:?}");
}
