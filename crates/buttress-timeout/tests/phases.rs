//! Each phase of a call against an oracle that says when it must end, and how.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, Deadline, Phase, Rejection, RejectionKind};
use buttress_http::Http;
use buttress_testkit::{BodyStep, ScriptedBody};
use buttress_timeout::{TimeoutLayer, TimeoutSnapshot};
use http::Response;
use http_body::Body;
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::{
    runtime::Builder,
    time::{Instant, Sleep, sleep},
};
use tower::{Layer, Service};

/// The limits of a layer, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Limits {
    overall: Option<u64>,
    response: Option<u64>,
    read: Option<u64>,
}

/// How long each phase of a call takes, in milliseconds, and what the last of its frames is.
#[derive(Debug, Clone)]
struct Call {
    ready: u64,
    head: u64,
    frames: Vec<Frame>,
    last: Last,
}

/// How long the reader waits before asking for a frame, and the body before giving it.
#[derive(Debug, Clone, Copy)]
struct Frame {
    pause: u64,
    gap: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Data, and the body knows that it is the last.
    Data,
    Trailers,
    /// None: that the body is over shows only when it is asked once more.
    Nothing,
}

/// When a call ended, how many frames its reader had by then, and who cut it and by what; of
/// several, the last is the one whose error the reader gets. Layers are counted from outside.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    at: u64,
    frames: usize,
    cut: Vec<(usize, Cut)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Refused,
    TimedOut(Phase),
    Exceeded { called: bool },
}

const NEVER: u64 = u64::MAX;

/// The bounds of one layer in one call: the sooner of its limit on the whole and of what is
/// outside, and whether that is its own.
#[derive(Debug, Clone, Copy)]
struct Whole {
    due: u64,
    own: bool,
}

/// The end of a call as the laws have it, computed and not simulated.
fn oracle(layers: &[Limits], ambient: Option<u64>, call: &Call) -> Ending {
    let end = |at, frames, cut| Ending { at, frames, cut };
    if ambient == Some(0) {
        return end(0, 0, vec![(0, Cut::Refused)]);
    }
    let mut due = ambient.unwrap_or(NEVER);
    let bounds = layers.iter().map(|limits| {
        let own = limits.overall.filter(|own| *own <= due);
        due = own.unwrap_or(due);
        Whole { due, own: own.is_some() }
    });
    let wholes: Vec<_> = bounds.collect();
    // A layer inside another is always ready, and so has been called.
    let by_whole = |n: usize, at| match wholes[n] {
        Whole { own: true, .. } => Some((n, Cut::TimedOut(Phase::Overall))),
        // What is not its own it leaves to the one outside.
        _ if n > 0 => None,
        _ => Some((n, Cut::Exceeded { called: layers.len() > 1 || call.ready <= at })),
    };
    // When the first limit passes, of the wholes and of those on a phase that began at `since`;
    // and who cuts then or, if it was before `now`, now: the innermost whose own limit it is.
    let next = |phase, limit: fn(&Limits) -> Option<u64>, since: u64, now: u64| {
        let ends: Vec<_> = layers.iter().map(|l| limit(l).map_or(NEVER, |l| since + l)).collect();
        let dues = || ends.iter().zip(&wholes).map(|(ends, whole)| *ends.min(&whole.due));
        let at = dues().min().unwrap().max(now);
        let cut = dues().enumerate().rev().filter(|(_, due)| *due <= at).find_map(|(n, due)| {
            if due < wholes[n].due { Some((n, Cut::TimedOut(phase))) } else { by_whole(n, at) }
        });
        (at, cut)
    };
    let mut now = call.ready + call.head;
    let (due, cut) = next(Phase::Response, |limits| limits.response, 0, 0);
    if now > due {
        return end(due, 0, cut.into_iter().collect());
    }
    let mut cut_after_frame = Vec::new();
    for (frames, frame) in call.frames.iter().enumerate() {
        now += frame.pause;
        if !cut_after_frame.is_empty() {
            return end(now, frames, cut_after_frame);
        }
        let (due, cut) = next(Phase::Read, |limits| limits.read, now, now);
        if frame.gap > 0 && now + frame.gap > due {
            return end(due, frames, cut.into_iter().collect());
        }
        now += frame.gap;
        // A frame that came at the end of the time or later was the last to come. Each layer that
        // it passes looks for itself.
        let over = (0..layers.len()).rev().filter(|n| wholes[*n].due <= now);
        cut_after_frame = over.filter_map(|n| by_whole(n, now)).collect();
    }
    let frames = call.frames.len() - usize::from(call.last == Last::Nothing);
    end(now, frames, Vec::new())
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
        let frames = self.call.frames.len();
        let steps = self.call.frames.iter().enumerate().flat_map(|(n, frame)| {
            let wait = (frame.gap > 0).then(|| BodyStep::Wait(Duration::from_millis(frame.gap)));
            let comes = match self.call.last {
                // The body does not know that it is over, and needs not: after trailers it is.
                Last::Trailers if n + 1 == frames => vec![
                    BodyStep::Trailers("grpc-status", "0"),
                    BodyStep::Wait(Duration::from_millis(1)),
                ],
                Last::Nothing if n + 1 == frames => vec![],
                _ => vec![BodyStep::Data("x")],
            };
            wait.into_iter().chain(comes)
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

fn layer(n: usize, limits: Limits) -> TimeoutLayer<Http> {
    let millis = Duration::from_millis;
    let mut builder = TimeoutLayer::builder().protocol(Http::new()).name(n.to_string());
    if let Some(overall) = limits.overall {
        builder = builder.overall(millis(overall));
    }
    if let Some(response) = limits.response {
        builder = builder.response(millis(response));
    }
    if let Some(read) = limits.read {
        builder = builder.read(millis(read));
    }
    builder.build().unwrap()
}

/// Makes the call for real, and says how it ended for its reader.
async fn run<S, B>(mut service: S, layers: &[Limits], ambient: Option<u64>, call: &Call) -> Ending
where
    S: Service<(), Response = Response<B>, Error = BoxError>,
    B: Body<Error = BoxError> + Unpin,
{
    let start = Instant::now();
    let ambient = ambient.map(|ambient| Deadline::after(Duration::from_millis(ambient)));
    let calling = Deadline::scope(ambient, || service.call(()));
    let mut frames = 0;
    let result: Result<Instant, BoxError> = async {
        let mut body = calling.await?.into_body();
        for frame in &call.frames {
            sleep(Duration::from_millis(frame.pause)).await;
            if let Some(frame) = body.frame().await {
                frame?;
                frames += 1;
            }
        }
        let ended = Instant::now();
        assert!(body.frame().await.is_none(), "no limit holds any more");
        Ok(ended)
    }
    .await;
    let ended = *result.as_ref().unwrap_or(&Instant::now());
    let cut = result.err().map(|error| {
        let rejection = Rejection::find(error.as_ref()).expect("a rejection");
        let by = rejection.name().parse::<usize>().unwrap();
        let cut = match rejection.kind() {
            RejectionKind::TimedOut { phase, limit } => {
                let limit = Some(u64::try_from(limit.as_millis()).unwrap());
                let own = match phase {
                    Phase::Overall => layers[by].overall,
                    Phase::Response => layers[by].response,
                    Phase::Read => layers[by].read,
                    other => panic!("no limit on {other}"),
                };
                assert_eq!(limit, own, "the limit that is told is that of {phase}");
                Cut::TimedOut(*phase)
            }
            RejectionKind::DeadlineExceeded { called: false } if start == Instant::now() => {
                Cut::Refused
            }
            RejectionKind::DeadlineExceeded { called } => Cut::Exceeded { called: *called },
            other => panic!("{other}"),
        };
        (by, cut)
    });
    let at = u64::try_from((ended - start).as_millis()).unwrap();
    Ending { at, frames, cut: cut.into_iter().collect() }
}

/// What one layer counts when these were cut.
fn counted(n: usize, cut: &[(usize, Cut)]) -> [u64; 5] {
    let count = |counts: fn(&Cut) -> bool| {
        cut.iter().filter(|(by, cut)| *by == n && counts(cut)).count() as u64
    };
    [
        count(|cut| *cut == Cut::Refused),
        count(|cut| matches!(cut, Cut::Exceeded { .. })),
        count(|cut| *cut == Cut::TimedOut(Phase::Overall)),
        count(|cut| *cut == Cut::TimedOut(Phase::Response)),
        count(|cut| *cut == Cut::TimedOut(Phase::Read)),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let limit = || prop::option::of(1..60_u64);
    (limit(), limit(), limit()).prop_map(|(overall, response, read)| Limits {
        overall,
        response,
        read,
    })
}

fn call() -> impl Strategy<Value = Call> {
    let moment = || prop_oneof![Just(0), 0..30_u64];
    let frame = (moment(), moment()).prop_map(|(pause, gap)| Frame { pause, gap });
    let last = prop_oneof![Just(Last::Data), Just(Last::Trailers), Just(Last::Nothing)];
    (moment(), moment(), prop::collection::vec(frame, 0..5), last).prop_map(
        |(ready, head, mut frames, mut last)| {
            match frames.last_mut() {
                // A body that has nothing to wait for knows that it is over.
                Some(frame) if last == Last::Nothing => frame.gap = frame.gap.max(1),
                Some(_) => {}
                None => last = Last::Data,
            }
            Call { ready, head, frames, last }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// However the time is shared out between readiness, head, frames and reader, the call ends
    /// when the oracle says, by whom and with what it says, and is counted as that, and by nobody
    /// else.
    #[test]
    fn ends_when_and_how_the_oracle_says(
        layers in prop::collection::vec(limits(), 1..=2),
        ambient in prop::option::of(0..60_u64),
        call in call(),
    ) {
        let rt = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        rt.block_on(async {
            let built: Vec<_> = layers.iter().enumerate().map(|(n, l)| layer(n, *l)).collect();
            let late = Late { call: call.clone(), ready: None };
            let ending = match &built[..] {
                [inner] => run(inner.layer(late), &layers, ambient, &call).await,
                [outer, inner] => run(outer.layer(inner.layer(late)), &layers, ambient, &call).await,
                _ => unreachable!("one or two"),
            };
            let expected = oracle(&layers, ambient, &call);
            let told: Vec<_> = expected.cut.last().copied().into_iter().collect();
            prop_assert_eq!((ending.at, ending.frames), (expected.at, expected.frames));
            prop_assert_eq!(ending.cut, told);
            for (n, layer) in built.iter().enumerate() {
                let TimeoutSnapshot { refused, deadline, overall, response, read, .. } =
                    layer.handle().snapshot();
                let counts = [refused, deadline, overall, response, read];
                prop_assert_eq!(counts, counted(n, &expected.cut), "layer {}", n);
            }
            Ok(())
        })?;
    }
}
