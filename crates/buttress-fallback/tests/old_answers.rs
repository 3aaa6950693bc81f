//! How old an answer is, what takes long to come, and how much is copied at once.

mod stores;

use std::{
    collections::VecDeque,
    future::ready,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use buttress_core::BoxError;
use buttress_fallback::{FallbackLayer, LastKnownGood};
use buttress_http::{Http, Substituted};
use buttress_testkit::{BodyStep, Recorder, ScriptedBody};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use stores::{Access, Scripted, now, paused};
use tokio::time::advance;
use tower::{Layer, Service, service_fn};

/// The type of data that all bodies here have.
type Bytes = <ScriptedBody as Body>::Data;

const HOUR: Duration = Duration::from_secs(3600);

/// An answer of these parts that is so many seconds old when it comes.
fn answer(age: &str, parts: impl IntoIterator<Item = BodyStep>) -> Response<ScriptedBody> {
    Response::builder().header("age", age).body(ScriptedBody::new(parts)).unwrap()
}

/// A service that gives these answers and then fails, under a fallback that remembers them for an hour.
fn remembered(
    store: &Scripted,
    recorder: &Recorder,
    max_bytes_at_once: usize,
    answers: impl IntoIterator<Item = Response<ScriptedBody>>,
) -> impl Remembered {
    remembered_by(now, store, recorder, max_bytes_at_once, answers)
}

fn remembered_by(
    clock: fn() -> SystemTime,
    store: &Scripted,
    recorder: &Recorder,
    max_bytes_at_once: usize,
    answers: impl IntoIterator<Item = Response<ScriptedBody>>,
) -> impl Remembered {
    let answers = Arc::new(Mutex::new(VecDeque::from_iter(answers)));
    FallbackLayer::<(), Response<Full<Bytes>>>::builder()
        .protocol(Http::new())
        .observer(recorder.clone())
        .last_known_good(
            "memory",
            LastKnownGood::new(store.clone(), |(): &()| Some("all"))
                .max_age(HOUR)
                .max_bytes_at_once(max_bytes_at_once)
                .clock(clock),
        )
        .build()
        .unwrap()
        .layer(service_fn(move |_: Request<()>| {
            ready(answers.lock().unwrap().pop_front().ok_or_else(|| BoxError::from("down")))
        }))
}

trait Remembered: Service<Request<()>, Response = Passed, Error = BoxError> {}

impl<S: Service<Request<()>, Response = Passed, Error = BoxError>> Remembered for S {}

type Passed = Response<Substituted<ScriptedBody, Full<Bytes>>>;

async fn text<B>(response: Response<B>) -> String
where
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[test]
fn what_is_too_old_when_it_comes_replaces_nothing_and_what_is_old_is_kept_for_less() {
    paused().block_on(async {
        let (store, recorder) = (Scripted::default(), Recorder::new());
        let old = |age, what| answer(age, [BodyStep::Data(what)]);
        let answers = [old("3000", "in time"), old("3600", "late"), old("7200", "far too late")];
        let mut service = remembered(&store, &recorder, 1000, answers);
        for _ in 0..3 {
            text(service.call(Request::new(())).await.unwrap()).await;
        }
        let old = "the answer is older than is served";
        assert_eq!(
            recorder.take(),
            [
                format!("fallback fallback: not stored by memory: {old}"),
                format!("fallback fallback: not stored by memory again: {old}")
            ]
        );
        let remembered = service.call(Request::new(())).await.unwrap();
        assert_eq!(remembered.headers()["age"], "3000");
        assert_eq!(text(remembered).await, "in time");
        let (_, keep_for) = store.entry("8:fallback:all:all").unwrap();
        assert_eq!(keep_for, Duration::from_secs(600));
    });
}

/// What is remembered when an answer takes so long that another one comes meanwhile, of this age.
fn overtaken(takes: Duration, by: Option<&str>) -> String {
    overtaken_in(Access::Works, takes, by)
}

/// The same in a store that is read like this when the first answer is put.
fn overtaken_in(access: Access, takes: Duration, by: Option<&str>) -> String {
    paused().block_on(async {
        let (store, recorder) = (Scripted::default(), Recorder::new());
        let slow = [BodyStep::Data("slow"), BodyStep::Wait(takes), BodyStep::Data("ly")];
        let mut answers = vec![answer("0", slow)];
        answers.extend(by.map(|age| answer(age, [BodyStep::Data("quickly")])));
        let mut service = remembered(&store, &recorder, 1000, answers);
        let mut slow = service.call(Request::new(())).await.unwrap().into_body();
        assert!(slow.frame().await.unwrap().is_ok());
        if by.is_some() {
            advance(Duration::from_millis(1)).await;
            text(service.call(Request::new(())).await.unwrap()).await;
        }
        store.set(access);
        assert!(slow.frame().await.unwrap().is_ok());
        store.set(Access::Works);
        match service.call(Request::new(())).await {
            Ok(remembered) => text(remembered).await,
            Err(error) => error.to_string(),
        }
    })
}

#[test]
fn an_answer_that_takes_long_does_not_replace_one_that_is_younger() {
    let seconds = Duration::from_secs;
    assert_eq!(overtaken(seconds(10), None), "slowly");
    assert_eq!(overtaken(seconds(10), Some("0")), "quickly");
    // It came later, and is older all the same.
    assert_eq!(overtaken(seconds(10), Some("100")), "slowly");
    // By then it is too old to be served, and leaves what is there.
    assert_eq!(overtaken(seconds(3600), Some("0")), "quickly");
    assert_eq!(overtaken(seconds(3600), None), "down");
    assert_eq!(overtaken(seconds(3599), None), "slowly");
}

#[test]
fn where_nobody_can_tell_whether_there_is_a_younger_one_the_answer_is_stored() {
    for access in [Access::Fails, Access::Garbage, Access::Panics] {
        let remembered = overtaken_in(access, Duration::from_secs(10), None);
        // A store that panics has not been asked to take it.
        let expected = if access == Access::Panics { "down" } else { "slowly" };
        assert_eq!(remembered, expected, "{access:?}");
    }
}

#[test]
fn an_old_answer_that_comes_quickly_does_not_replace_a_younger_one() {
    paused().block_on(async {
        let (store, recorder) = (Scripted::default(), Recorder::new());
        let old = |age, what| answer(age, [BodyStep::Data(what)]);
        // Of two caches that the dependency stands behind.
        let mut service =
            remembered(&store, &recorder, 1000, [old("10", "younger"), old("3000", "older")]);
        for _ in 0..2 {
            text(service.call(Request::new(())).await.unwrap()).await;
        }
        let remembered = service.call(Request::new(())).await.unwrap();
        assert_eq!(remembered.headers()["age"], "10");
        assert_eq!(text(remembered).await, "younger");
    });
}

#[test]
fn an_answer_grows_older_while_it_comes() {
    paused().block_on(async {
        let (store, recorder) = (Scripted::default(), Recorder::new());
        let parts = [BodyStep::Wait(Duration::from_secs(50)), BodyStep::Data("slowly")];
        let mut service = remembered(&store, &recorder, 1000, [answer("100", parts)]);
        text(service.call(Request::new(())).await.unwrap()).await;
        let remembered = service.call(Request::new(())).await.unwrap();
        assert_eq!(remembered.headers()["age"], "150");
    });
}

#[test]
fn a_clock_that_is_set_back_meanwhile_makes_no_answer_younger() {
    /// Runs an hour behind from ten seconds after the start.
    fn set_back() -> SystemTime {
        let now = now();
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30);
        if now.duration_since(start).unwrap() < Duration::from_secs(10) { now } else { now - HOUR }
    }
    paused().block_on(async {
        let (store, recorder) = (Scripted::default(), Recorder::new());
        let parts = [BodyStep::Wait(Duration::from_secs(50)), BodyStep::Data("slowly")];
        let answers = [answer("0", parts)];
        let mut service = remembered_by(set_back, &store, &recorder, 1000, answers);
        text(service.call(Request::new(())).await.unwrap()).await;
        let remembered = service.call(Request::new(())).await.unwrap();
        assert_eq!(remembered.headers()["age"], "50");
    });
}

#[test]
fn no_more_is_copied_at_once_than_there_is_room_for() {
    paused().block_on(async {
        let (store, recorder) = (Scripted::default(), Recorder::new());
        let parts = || std::iter::repeat_n(BodyStep::Data("0123456789"), 10);
        let answers = (0..3).map(|_| answer("0", parts()));
        // An answer takes its body, its status and two lengths.
        let mut service = remembered(&store, &recorder, 150, answers);
        let mut open = service.call(Request::new(())).await.unwrap().into_body();
        for _ in 0..9 {
            assert!(open.frame().await.unwrap().is_ok());
        }
        let passed = text(service.call(Request::new(())).await.unwrap()).await;
        assert_eq!(passed.len(), 100, "it passes all the same");
        let full =
            "fallback fallback: not stored by memory: too many answers are being copied at once";
        assert_eq!((recorder.take(), store.entries()), (vec![full.to_owned()], 0));
        drop(open);
        text(service.call(Request::new(())).await.unwrap()).await;
        assert_eq!((recorder.take(), store.entries()), (vec![], 1));
    });
}
