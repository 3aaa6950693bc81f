//! Damaged bodies against a naive oracle: what comes, when it comes, and what is promised of it.

use std::{num::NonZeroU64, sync::atomic::Ordering, time::Duration};

use buttress_core::{BoxError, Break, Damage, Pace, Spoil, Stall};
use buttress_http::{Grpc, Http, Spoiled};
use buttress_testkit::{BodyStep, ScriptedBody, assert_pending, assert_ready, task};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use proptest::{collection::vec, option, prelude::*};
use tokio::{
    runtime::Builder,
    time::{Instant, advance},
};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// How long a body waits before it breaks off.
const LINGER: Duration = Duration::from_millis(5);

type Frames = Vec<Result<Frame<Bytes>, BoxError>>;

/// What a body is made of: its data, and how it ends.
#[derive(Debug, Clone)]
struct Script {
    data: Vec<Vec<u8>>,
    trailers: Option<u16>,
    fails: bool,
}

impl Script {
    fn any() -> impl Strategy<Value = Self> {
        let data = vec(vec(any::<u8>(), 0..40), 0..6);
        let trailers = option::of(0..17_u16);
        (data, trailers, prop::bool::weighted(0.2)).prop_map(|(data, trailers, fails)| Self {
            data,
            trailers,
            fails,
        })
    }

    fn bytes(&self) -> Vec<u8> {
        self.data.concat()
    }

    fn frames(&self) -> Frames {
        let data = self.data.iter().map(|data| Ok(Frame::data(Bytes::from(data.clone()))));
        let end = if self.fails {
            Some(Err("the body's own".into()))
        } else {
            self.trailers.map(|code| Ok(Frame::trailers(status(code))))
        };
        data.chain(end).collect()
    }

    /// One that knows its length, if it has nothing but data; or else it promises nothing.
    fn body(&self) -> impl Body<Data = Bytes, Error = BoxError> + use<> {
        if self.trailers.is_none() && !self.fails && self.data.len().is_multiple_of(2) {
            return Full::from(self.bytes()).map_err(Into::into).boxed_unsync();
        }
        StreamBody::new(futures_util::stream::iter(self.frames())).boxed_unsync()
    }
}

fn status(code: u16) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    trailers.insert("x-other", 7.into());
    trailers
}

#[derive(Debug, Clone, Default)]
struct Wanted {
    breaks: Option<u64>,
    stalls: Option<(u64, Duration)>,
    pace: Option<Pace>,
    trailers: Option<u16>,
}

impl Wanted {
    fn any() -> impl Strategy<Value = Self> {
        let pace = prop_oneof![
            (1..50_u32).prop_map(|n| Pace::EachFrame(n * MILLI)),
            (1..2000_u64).prop_map(|n| Pace::BytesPerSecond(NonZeroU64::new(n).unwrap())),
        ];
        let stalls = option::of((0..160_u64, (1..5000_u32).prop_map(|n| n * MILLI)));
        (option::of(0..160_u64), stalls, option::of(pace), option::of(0..17_u16))
            .prop_map(|(breaks, stalls, pace, trailers)| Self { breaks, stalls, pace, trailers })
    }

    fn damage(&self) -> Damage {
        let mut damage = Damage::default();
        damage.breaks = self.breaks.map(|after| Break { after, error: "broken".into() });
        damage.stalls = self.stalls.map(|(after, lasts)| Stall { after, lasts });
        damage.pace = self.pace;
        damage.trailers = self.trailers;
        damage
    }

    fn of<B>(&self, body: B) -> Spoiled<B>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        spoil(Response::new(body), self.damage()).into_body()
    }
}

fn spoil<B>(response: Response<B>, damage: Damage) -> Response<Spoiled<B>>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    Spoil::<Request<()>, _>::spoil(&Http::new(), response, damage).expect("it has a body")
}

/// All that a reader gets, and when.
#[derive(Debug, Default)]
struct Read {
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    error: Option<String>,
    frames: u32,
    took: Duration,
}

async fn read<B: Body<Data = Bytes, Error = BoxError>>(body: B) -> Read {
    let (mut read, start) = (Read::default(), Instant::now());
    let mut body = Box::pin(body);
    let mut hints = Vec::new();
    loop {
        let (over, hint) = (body.is_end_stream(), body.size_hint());
        hints.push((read.data.len() as u64, hint));
        let Some(frame) = body.frame().await else { break };
        assert!(!over, "it said that it was over");
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => {
                read.frames += 1;
                read.data.extend(data);
            }
            Ok(Err(trailers)) => {
                read.frames += 1;
                read.trailers = trailers.into_trailers().ok();
            }
            Err(error) => read.error = Some(error.to_string()),
        }
    }
    read.took = start.elapsed();
    assert!(body.frame().await.is_none(), "it is over for good");
    if read.error.as_deref() == Some("broken") {
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
    } else if read.error.is_none() {
        for (before, hint) in hints {
            let left = read.data.len() as u64 - before;
            assert!(hint.lower() <= left && hint.upper().is_none_or(|upper| left <= upper));
        }
    }
    read
}

fn paused<T>(test: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
}

proptest! {
    /// Bytes are lost only behind the place where a body breaks off, and none is changed; whatever the
    /// frames are, each damage happens at its place and takes the time it should.
    #[test]
    fn what_comes_is_what_the_damage_leaves(script in Script::any(), wanted in Wanted::any()) {
        let read = paused(read(wanted.of(script.body())));
        let bytes = script.bytes();
        let total = bytes.len() as u64;
        let broken = wanted.breaks.filter(|after| *after <= total);
        let comes = broken.unwrap_or(total);
        prop_assert_eq!(&read.data[..], &bytes[..usize::try_from(comes).unwrap()]);

        let error = match (broken, script.fails) {
            (Some(_), _) => Some("broken"),
            (None, true) => Some("the body's own"),
            (None, false) => None,
        };
        prop_assert_eq!(read.error.as_deref(), error);

        let code = wanted.trailers.or(script.trailers).filter(|_| error.is_none());
        let said = read.trailers.as_ref().map(|trailers| trailers["grpc-status"].clone());
        prop_assert_eq!(said, code.map(Into::into));
        if script.trailers.is_some() && let Some(trailers) = &read.trailers {
            prop_assert_eq!(&trailers["x-other"], "7", "the others stay");
        }

        let halted = wanted.stalls.filter(|(after, _)| *after <= comes);
        let halted = halted.map_or(Duration::ZERO, |(_, lasts)| lasts);
        let halted = halted + broken.map_or(Duration::ZERO, |_| LINGER);
        match wanted.pace {
            None => prop_assert_eq!(read.took, halted),
            Some(Pace::EachFrame(delay)) => prop_assert_eq!(read.took, halted + read.frames * delay),
            Some(Pace::BytesPerSecond(bytes)) => {
                #[expect(clippy::cast_precision_loss, reason = "they are few")]
                let least = Duration::from_secs_f64(comes as f64 / bytes.get() as f64);
                // Half a millisecond is what a timer rounds; a halt may be caught up with a little.
                prop_assert!(read.took + 21 * MILLI >= halted + least, "{:?} {:?}", read.took, least);
                // However many pieces there are: what a timer rounds is caught up with.
                prop_assert!(read.took <= halted + least + 2 * MILLI);
            }
            Some(_) => unreachable!(),
        }
    }

    /// Without damage a body is as it was: frames, promises and all.
    #[test]
    fn a_spared_body_is_as_it_was(data in vec(vec(any::<u8>(), 0..40), 0..6), spared: bool) {
        paused(async {
            let all = Bytes::from(data.concat());
            let (mut bare, response) = (Full::new(all.clone()), Response::new(Full::new(all)));
            let mut body = if spared {
                Spoil::<Request<()>, _>::spare(&Http::new(), response).into_body()
            } else {
                spoil(response, Damage::default()).into_body()
            };
            loop {
                prop_assert_eq!(body.size_hint().exact(), bare.size_hint().exact());
                prop_assert_eq!(body.is_end_stream(), bare.is_end_stream());
                let frames = (body.frame().await, bare.frame().await);
                let (Some(frame), Some(expected)) = frames else {
                    prop_assert!(matches!(frames, (None, None)));
                    return Ok(());
                };
                prop_assert_eq!(frame.unwrap().into_data().ok(), expected.unwrap().into_data().ok());
            }
        })?;
    }

    /// However it is read, a slow body is never ahead of what its pace allows.
    #[test]
    fn a_slow_body_is_never_ahead_of_its_pace(
        length in 1..3000_usize,
        rate in 1..100_000_u64,
        pauses in vec(0..200_u32, 0..40),
    ) {
        paused(async {
            let rate = NonZeroU64::new(rate).unwrap();
            let wanted = Wanted { pace: Some(Pace::BytesPerSecond(rate)), ..Wanted::default() };
            let mut body = wanted.of(Full::new(Bytes::from(vec![0; length])));
            let (mut pauses, mut came) = (pauses.into_iter(), Vec::new());
            let start = Instant::now();
            while let Some(frame) = body.frame().await {
                came.push((start.elapsed(), frame.unwrap().into_data().unwrap().len() as u64));
                if let Some(pause) = pauses.next() {
                    advance(pause * MILLI).await;
                }
            }
            prop_assert_eq!(came.iter().map(|(_, bytes)| bytes).sum::<u64>(), length as u64);
            // Between any two frames, but for what 20 ms may be caught up with and timers round.
            for (n, (from, _)) in came.iter().enumerate() {
                let mut bytes = 0;
                for (to, more) in &came[n + 1..] {
                    bytes += more;
                    let time = to.saturating_sub(*from) + 21 * MILLI;
                    let allowed = time.as_millis() * u128::from(rate.get());
                    prop_assert!(u128::from(bytes) * 1000 <= allowed, "{bytes} bytes in {time:?}");
                }
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_lets_go_of_the_one_inside_right_then() {
    let inner = ScriptedBody::new([BodyStep::Data("12345"), BodyStep::Hang]);
    let dropped = inner.dropped();
    let mut body = Wanted { breaks: Some(3), ..Wanted::default() }.of(inner);
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "123");
    assert!(!body.is_end_stream() && !dropped.load(Ordering::SeqCst));
    assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "broken");
    assert!(body.is_end_stream() && dropped.load(Ordering::SeqCst));
    assert!(body.frame().await.is_none());
}

/// Or a server would never send what it has: it does when it has to wait.
#[tokio::test(start_paused = true)]
async fn a_reader_has_time_to_pass_on_what_he_has_before_the_body_breaks_off() {
    let mut body = Wanted { breaks: Some(3), ..Wanted::default() }.of(Full::from("12345"));
    body.frame().await.unwrap().unwrap();
    let mut end = task::spawn(body.frame());
    assert_pending!(end.poll());
    advance(4 * MILLI).await;
    assert!(!end.is_woken());
    advance(MILLI).await;
    assert!(end.is_woken());
    assert_ready!(end.poll()).unwrap().unwrap_err();
}

/// As of a connection that is lost: a reader who counts sees that something is missing.
#[tokio::test]
async fn what_is_cut_was_promised() {
    let mut body = Wanted { breaks: Some(3), ..Wanted::default() }.of(Full::from("12345"));
    assert_eq!(body.size_hint().exact(), Some(5));
    body.frame().await.unwrap().unwrap();
    assert_eq!(body.size_hint().exact(), Some(2));
}

/// What has been taken from the body inside, and waits for its time, is still to come.
#[tokio::test(start_paused = true)]
async fn what_is_held_back_is_promised() {
    for (wanted, left) in [
        (Wanted { pace: Some(Pace::EachFrame(SECOND)), ..Wanted::default() }, 5),
        (Wanted { stalls: Some((5, SECOND)), ..Wanted::default() }, 0),
    ] {
        let mut body = wanted.of(Full::from("12345"));
        if left == 0 {
            body.frame().await.unwrap().unwrap();
        }
        assert_pending!(task::spawn(body.frame()).poll());
        assert_eq!((body.is_end_stream(), body.size_hint().exact()), (false, Some(left)));
        advance(SECOND).await;
        while body.frame().await.is_some() {}
        assert_eq!((body.is_end_stream(), body.size_hint().exact()), (true, Some(0)));
    }
}

/// At its end or its error; what would come after an error is not asked for.
#[tokio::test]
async fn a_body_that_is_over_is_let_go_of() {
    for steps in [
        vec![BodyStep::Data("1")],
        vec![BodyStep::Data("1"), BodyStep::Error("the body's own"), BodyStep::Data("2")],
    ] {
        let inner = ScriptedBody::new(steps);
        let dropped = inner.dropped();
        let mut body = Wanted { breaks: Some(9), ..Wanted::default() }.of(inner);
        body.frame().await.unwrap().unwrap();
        assert!(!dropped.load(Ordering::SeqCst));
        assert!(body.frame().await.is_none_or(|end| end.is_err()));
        assert!(dropped.load(Ordering::SeqCst) && body.is_end_stream());
        assert!(body.frame().await.is_none());
    }
}

/// Also where nothing is left, for a reader stops asking where a body says that it is over.
#[tokio::test]
async fn a_place_is_reached_by_just_so_many_bytes() {
    for (after, broken) in [(5, true), (6, false)] {
        let body = Wanted { breaks: Some(after), ..Wanted::default() }.of(Full::from("12345"));
        assert_eq!(read(body).await.error.is_some(), broken);
    }
    let mut empty = Wanted { breaks: Some(0), ..Wanted::default() }.of(Empty::new());
    assert!(!empty.is_end_stream());
    empty.frame().await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_stall_wakes_whoever_waits_and_one_for_ever_never_does() {
    for (lasts, goes_on) in [(SECOND, true), (Duration::MAX, false)] {
        let mut body =
            Wanted { stalls: Some((2, lasts)), ..Wanted::default() }.of(Full::from("1234"));
        body.frame().await.unwrap().unwrap();
        let mut rest = task::spawn(body.frame());
        assert_pending!(rest.poll());
        advance(999 * MILLI).await;
        assert!(!rest.is_woken());
        advance(MILLI).await;
        assert_eq!(rest.is_woken(), goes_on);
        if goes_on {
            assert_eq!(assert_ready!(rest.poll()).unwrap().unwrap().into_data().unwrap(), "34");
        } else {
            advance(100 * 365 * 86_400 * SECOND).await;
            assert_pending!(rest.poll());
        }
    }
}

/// A body that is waited for wakes its reader through the damage.
#[tokio::test(start_paused = true)]
async fn a_body_that_comes_late_wakes_its_reader() {
    let inner = ScriptedBody::new([BodyStep::Wait(SECOND), BodyStep::Data("late")]);
    let wanted = Wanted { pace: Some(Pace::EachFrame(SECOND)), ..Wanted::default() };
    let mut body = wanted.of(inner);
    let mut frame = task::spawn(body.frame());
    assert_pending!(frame.poll());
    advance(SECOND).await;
    assert!(frame.is_woken());
    assert_pending!(frame.poll());
    advance(SECOND).await;
    assert!(frame.is_woken());
    assert_eq!(assert_ready!(frame.poll()).unwrap().unwrap().into_data().unwrap(), "late");
}

#[tokio::test]
async fn the_status_of_a_call_is_replaced_where_it_is_said() {
    let head_alone = || {
        Response::builder()
            .header("grpc-status", 5)
            .header("grpc-message", "not found")
            .header("grpc-status-details-bin", "AAAA")
            .body(Empty::<Bytes>::new())
            .unwrap()
    };
    let damage = || Wanted { trailers: Some(14), ..Wanted::default() }.damage();
    for response in [
        spoil(head_alone(), damage()),
        Spoil::<Request<()>, _>::spoil(&Grpc::new(), head_alone(), damage()).unwrap(),
    ] {
        assert_eq!(response.headers()["grpc-status"], "14");
        assert_eq!(response.headers()["grpc-message"], "fault injected on purpose");
        assert!(!response.headers().contains_key("grpc-status-details-bin"));
        assert!(response.into_body().is_end_stream(), "it has no trailers");
    }

    // Trailers can not follow on what is of a known length, and are announced.
    let known = Response::builder().header("content-length", 7).body(Full::from("message"));
    let (head, body) = spoil(known.unwrap(), damage()).into_parts();
    assert!(!head.headers.contains_key("content-length"));
    assert_eq!(head.headers["trailer"], "grpc-status, grpc-message");
    assert_eq!((body.size_hint().lower(), body.size_hint().upper()), (7, None));
    let trailers = read(body).await.trailers.unwrap();
    assert_eq!(trailers["grpc-status"], "14");
}
