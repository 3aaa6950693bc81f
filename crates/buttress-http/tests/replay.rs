//! Bodies that are sent again: against an oracle, and how they behave towards their readers.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use buttress_core::{BoxError, Obstacle, Repeat};
use buttress_http::{Http, ReplayBody, ReplayBodyLayer};
use buttress_testkit::{
    BodyStep, Probe, Readiness, Reply, ScriptedBody, assert_future_traits, assert_layer_traits,
    assert_pending, assert_ready, assert_service_traits, task,
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneSyncService};

/// What the layer makes of a body.
fn replayed<B>(body: B, max_bytes: usize) -> Request<ReplayBody>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    let seen = Arc::new(Mutex::new(None));
    let inner = Arc::clone(&seen);
    let layer = ReplayBodyLayer::builder().max_bytes(max_bytes).build().unwrap();
    let mut service = layer.layer(service_fn(move |request: Request<ReplayBody>| {
        *inner.lock().unwrap() = Some(request);
        std::future::ready(Ok::<_, Infallible>(Response::new(())))
    }));
    let mut call = task::spawn(service.call(Request::put("/").body(body).unwrap()));
    assert_ready!(call.poll()).unwrap();
    seen.lock().unwrap().take().unwrap()
}

fn copy(request: &Request<ReplayBody>) -> Request<ReplayBody> {
    Http::new().repeat(request).expect("of this type there is always a copy").request
}

fn obstacle(copy: &mut Request<ReplayBody>, answered: bool) -> Option<Obstacle> {
    Http::new().obstacle(copy, answered)
}

fn next(body: &mut ReplayBody) -> Option<Result<Frame<Bytes>, BoxError>> {
    let mut frame = task::spawn(BodyExt::frame(body));
    assert_ready!(frame.poll())
}

/// What a reader got: the bytes, the trailers, the error.
#[derive(Debug, Default, PartialEq)]
struct Got {
    bytes: Vec<u8>,
    trailers: Option<HeaderMap>,
    error: Option<String>,
}

/// Reads so many frames, or to the end, and looks at the hints on the way; whether it ended.
fn read(body: &mut ReplayBody, frames: usize, exact: Option<u64>) -> (Got, bool) {
    let mut got = Got::default();
    for _ in 0..frames {
        if let Some(exact) = exact {
            assert_eq!(body.size_hint().exact(), Some(exact - got.bytes.len() as u64));
        }
        if body.is_end_stream() {
            assert!(next(body).is_none(), "it has said that it is over");
            return (got, true);
        }
        match next(body) {
            None => {
                assert!(next(body).is_none() && body.is_end_stream(), "the end stays");
                return (got, true);
            }
            Some(Err(error)) => {
                got.error = Some(error.to_string());
                assert!(next(body).is_none(), "one error, and then nothing");
                return (got, true);
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => got.bytes.extend_from_slice(&data),
                Err(frame) => got.trailers = frame.into_trailers().ok(),
            },
        }
    }
    (got, false)
}

const TEXT: &str = "abcdefghijklmnopqrstuvwxyz";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Ends {
    Plainly,
    WithTrailers,
    Broken,
}

proptest! {
    /// However far earlier readers came: a later one sends the same from the start, or there is an
    /// obstacle that says why not, and the right one.
    #[test]
    fn whoever_may_send_it_again_sends_the_same(
        lengths in proptest::collection::vec(0..8_usize, 0..6),
        ends in prop_oneof![Just(Ends::Plainly), Just(Ends::WithTrailers), Just(Ends::Broken)],
        max_bytes in 1..30_usize,
        readers in proptest::collection::vec((0..9_usize, any::<bool>()), 1..5),
    ) {
        let mut steps: Vec<_> =
            lengths.iter().map(|length| BodyStep::Data(&TEXT[..*length])).collect();
        match ends {
            Ends::Plainly => {}
            Ends::WithTrailers => steps.push(BodyStep::Trailers("x-checksum", "17")),
            Ends::Broken => steps.push(BodyStep::Error("the disk is gone")),
        }
        let bytes: Vec<u8> = lengths.iter().flat_map(|l| TEXT[..*l].bytes()).collect();
        let exact = (ends == Ends::Plainly).then_some(bytes.len() as u64);
        let empty = steps.is_empty();

        let mut body = replayed(ScriptedBody::new(steps), max_bytes);
        // What was ever read of the body.
        let (mut asked, mut seen, mut ended) = (false, 0, false);
        let hinted_large = exact.is_some_and(|exact| exact > max_bytes as u64);
        for (n, (frames, answered)) in readers.into_iter().enumerate() {
            let spare = copy(&body);
            let expected = if !asked || empty {
                None
            } else if ended && ends == Ends::Broken {
                Some(Obstacle::BrokenOff)
            } else if hinted_large || seen > max_bytes {
                Some(Obstacle::TooLarge)
            } else if answered && !ended && exact != Some(seen as u64) {
                Some(Obstacle::StillSending)
            } else {
                None
            };
            if n > 0 {
                prop_assert_eq!(obstacle(&mut body, answered), expected, "reader {}", n);
                if expected.is_some() {
                    prop_assert_eq!(obstacle(&mut body, answered), expected, "asked again");
                    break;
                }
            }
            let (got, to_the_end) = read(body.body_mut(), frames, exact);
            prop_assert!(bytes.starts_with(&got.bytes));
            // Whoever comes after the trailers, or the last part, need not ask for the end.
            let has_all = got.bytes.len() == bytes.len();
            ended |= to_the_end || got.trailers.is_some() || (ends == Ends::Plainly && has_all);
            asked |= frames > 0;
            seen = seen.max(got.bytes.len());
            if to_the_end {
                prop_assert!(has_all);
                prop_assert_eq!(got.trailers.is_some(), ends == Ends::WithTrailers);
                let error = (ends == Ends::Broken).then(|| "the disk is gone".to_owned());
                prop_assert_eq!(got.error, error);
            }
            body = spare;
        }
    }
}

#[test]
fn while_one_reads_no_other_can() {
    let mut first = replayed(ScriptedBody::new([BodyStep::Data("a"), BodyStep::Data("b")]), 9);
    let [mut second, mut third] = [copy(&first), copy(&first)];
    assert!(next(first.body_mut()).unwrap().is_ok());
    assert_eq!(obstacle(&mut second, false), Some(Obstacle::StillSending));
    let error = next(second.body_mut()).unwrap().unwrap_err();
    assert!(error.to_string().contains("can not be sent again"), "{error}");
    assert!(next(second.body_mut()).is_none());

    // One that was claimed is nobody else's, though it was not read yet.
    drop(first);
    assert_eq!(obstacle(&mut third, false), None);
    let mut fourth = copy(&third);
    assert_eq!(obstacle(&mut fourth, false), Some(Obstacle::StillSending));
    assert_eq!(read(third.body_mut(), 9, None).0.bytes, b"ab");
    assert_eq!(obstacle(&mut fourth, false), None, "and given back at the end");
    drop(third);
    assert_eq!(read(fourth.body_mut(), 9, None).0.bytes, b"ab");
}

/// A part may be a small piece of a large buffer, which is not kept for its sake.
#[test]
fn what_is_kept_is_no_more_than_was_sent() {
    let buffer = Bytes::from("x".repeat(1_000));
    let mut body = replayed(Full::new(buffer.slice(..10)), 1_000);
    let mut second = copy(&body);
    let part = next(body.body_mut()).unwrap().unwrap().into_data().unwrap();
    drop((body, part));
    assert!(buffer.is_unique());
    assert_eq!(read(second.body_mut(), 9, Some(10)).0.bytes, b"x".repeat(10));
}

/// Nothing is kept where nobody could send it again.
#[test]
fn what_nobody_can_send_again_is_not_kept() {
    let mut body = replayed(ScriptedBody::new([BodyStep::Data("a"), BodyStep::Data("b")]), 9);
    read(body.body_mut(), 9, None);
    assert_eq!(obstacle(&mut copy(&body), false), Some(Obstacle::TooLarge));
}

#[test]
fn an_empty_body_is_empty_at_once() {
    for mut body in [replayed(Empty::<Bytes>::new(), 9), replayed(Full::<Bytes>::default(), 9)] {
        assert!(body.body().is_end_stream());
        assert_eq!(body.body().size_hint().exact(), Some(0));
        assert!(next(body.body_mut()).is_none());
        assert_eq!(obstacle(&mut copy(&body), true), None);
    }
}

/// A reader who waits is woken by the body inside, and one that leaves loses nothing.
#[tokio::test(start_paused = true)]
async fn a_slow_body_is_waited_for() {
    let second = Duration::from_secs(1);
    let steps = [BodyStep::Data("a"), BodyStep::Wait(second), BodyStep::Data("b")];
    let mut first = replayed(ScriptedBody::new(steps), 9);
    let mut second_reader = copy(&first);
    assert!(next(first.body_mut()).unwrap().is_ok());
    let mut waits = task::spawn(first.body_mut().frame());
    assert_pending!(waits.poll());
    drop(waits);
    drop(first);
    assert_eq!(obstacle(&mut second_reader, false), None);
    let mut rest = task::spawn(second_reader.into_body().collect());
    assert_pending!(rest.poll());
    tokio::time::advance(second).await;
    assert!(rest.is_woken());
    assert_eq!(assert_ready!(rest.poll()).unwrap().to_bytes(), "ab");
}

/// A body that panics is broken and gone, and nobody takes what was read of it for the whole.
#[test]
fn a_body_that_panics_is_broken() {
    let body = ScriptedBody::new([BodyStep::Data("a"), BodyStep::Panic, BodyStep::Data("b")]);
    let dropped = body.dropped();
    let mut first = replayed(body, 9);
    let mut second = copy(&first);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        read(first.body_mut(), 9, None)
    }));
    assert!(panicked.is_err());
    assert!(dropped.load(Ordering::SeqCst), "what is left of it");
    assert_eq!(obstacle(&mut second, false), Some(Obstacle::BrokenOff));
    assert!(next(second.body_mut()).unwrap().is_err());
}

/// At its end the body inside is let go, a file for one, though what was kept of it is not.
#[test]
fn a_body_that_was_read_is_dropped() {
    for steps in [
        vec![BodyStep::Data("a")],
        vec![BodyStep::Data("a"), BodyStep::Trailers("x-checksum", "17")],
        vec![BodyStep::Data("a"), BodyStep::Error("the disk is gone")],
    ] {
        let body = ScriptedBody::new(steps);
        let dropped = body.dropped();
        let mut first = replayed(body, 9);
        let _second = copy(&first);
        assert!(!dropped.load(Ordering::SeqCst));
        read(first.body_mut(), 9, None);
        assert!(dropped.load(Ordering::SeqCst));
    }
}

/// With its last part, for clients do not ask what comes after it: trailers, or what it says to be its end.
#[test]
fn a_body_is_dropped_with_its_last_part() {
    for steps in
        [vec![BodyStep::Data("a")], vec![BodyStep::Trailers("x-checksum", "17"), BodyStep::Hang]]
    {
        let body = ScriptedBody::new(steps);
        let dropped = body.dropped();
        let mut first = replayed(body, 9);
        let _second = copy(&first);
        next(first.body_mut()).unwrap().unwrap();
        assert!(dropped.load(Ordering::SeqCst));
    }
}

/// As what holds a request over an await must be.
fn is_shareable<T: Send + Sync + Unpin + 'static>() {}

#[tokio::test]
async fn the_layer_is_transparent_towards_the_service() {
    let (probe, handle) = Probe::new(|_: Request<ReplayBody>| Reply::Now(Ok(())));
    let layer = ReplayBodyLayer::new();
    assert_layer_traits(&layer);
    let mut service = layer.layer(probe);
    assert_service_traits(&service);
    is_shareable::<ReplayBody>();
    handle.set_readiness(Readiness::Pending);
    {
        let mut ready = task::spawn(ServiceExt::<Request<Full<Bytes>>>::ready(&mut service));
        assert_pending!(ready.poll());
        handle.set_readiness(Readiness::Ready);
        assert!(ready.is_woken());
    }
    let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut service).await.unwrap();
    let call = ready.call(Request::new(Full::<Bytes>::from("any")));
    assert_future_traits(&call);
    call.await.unwrap();
    assert_eq!((handle.calls(), handle.reserved()), (1, 0));

    let boxed: BoxCloneSyncService<Request<Full<Bytes>>, (), BoxError> =
        BoxCloneSyncService::new(service);
    boxed.oneshot(Request::new(Full::from("any"))).await.unwrap();
}

#[test]
fn settings_that_make_no_sense_are_config_errors() {
    let build = |bytes| ReplayBodyLayer::builder().max_bytes(bytes).build().map(drop);
    for bytes in [0, (1 << 30) + 1, usize::MAX] {
        assert_eq!(build(bytes).unwrap_err().setting(), "max_bytes");
    }
    assert!(build(1).is_ok() && build(1 << 30).is_ok());
}
