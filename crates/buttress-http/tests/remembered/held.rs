//! What the tier of an answer holds, until that is over; and what else goes through a fallback.

use std::sync::atomic::{AtomicBool, Ordering};

use buttress_testkit::assert_future_traits;

use BodyStep::{Data, Error, Hang, Panic, Trailers, Wait};

use super::*;

/// Says when it is let go of.
struct Place(Arc<AtomicBool>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The body of an alternative, and whether its place is free.
fn alternative<A>(body: A) -> (Substituted<NoAlt, A>, impl Fn() -> bool)
where
    A: Body<Data = Bytes>,
{
    let free = Arc::new(AtomicBool::new(false));
    let held = Held::new(Place(Arc::clone(&free)));
    let answer = Response::builder().status(203).header("x", "y").body(body).unwrap();
    let answer = Substitute::<Response<NoAlt>, _>::alternative(&Http::new(), answer, held);
    assert_eq!(answer.status(), 203);
    assert_eq!(answer.headers()["x"], "y");
    (answer.into_body(), move || free.load(Ordering::SeqCst))
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn it_is_let_go_of_at_the_end() {
    for (steps, until) in [
        (vec![], 0),
        (vec![Data("a")], 1),
        (vec![Data("a"), Data("b")], 2),
        (vec![Data("a"), Wait(SECOND)], 2),
        (vec![Data("a"), Trailers("x", "y"), Hang], 2),
        (vec![Trailers("x", "y")], 1),
        (vec![Data("a"), Error("reset"), Data("b")], 2),
    ] {
        let (mut body, is_free) = alternative(ScriptedBody::new(steps.clone()));
        for _ in 0..until {
            assert!(!is_free(), "{steps:?}");
            let _ = body.frame().await;
        }
        assert!(is_free(), "{steps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_let_go_of_by_a_drop_and_not_by_a_wait() {
    let (mut body, is_free) = alternative(script([Data("a"), Hang]));
    body.frame().await.unwrap().unwrap();
    assert!(tokio::time::timeout(SECOND, body.frame()).await.is_err());
    assert!(!is_free());
    drop(body);
    assert!(is_free());

    let (mut body, is_free) = alternative(script([Panic]));
    assert!(tokio::spawn(async move { body.frame().await.is_none() }).await.is_err());
    assert!(is_free());
}

/// The place is that of the work which the body does.
#[tokio::test]
async fn a_body_that_is_dropped_goes_before_its_place() {
    struct Sees(Box<dyn Fn() -> bool>, Arc<AtomicBool>);
    impl Body for Sees {
        type Data = Bytes;
        type Error = BoxError;
        fn poll_frame(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Pending
        }
    }
    impl Drop for Sees {
        fn drop(&mut self) {
            self.1.store((self.0)(), Ordering::SeqCst);
        }
    }
    let (free, was_free) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    let seen = Arc::clone(&free);
    let body = Sees(Box::new(move || seen.load(Ordering::SeqCst)), Arc::clone(&was_free));
    let held = Held::new(Place(Arc::clone(&free)));
    let answer = Response::new(body);
    drop(Substitute::<Response<NoAlt>, _>::alternative(&Http::new(), answer, held));
    assert!(free.load(Ordering::SeqCst) && !was_free.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn an_alternative_passes_unchanged() {
    let steps = [Data("a"), Wait(SECOND), Data("b"), Error("reset"), Trailers("x", "y")];
    let bare = frames(&mut script(steps.clone()), 6).await;
    let (mut body, _) = alternative(script(steps));
    assert_eq!(frames(&mut body, 6).await, bare);
}

#[tokio::test]
async fn what_is_remembered_says_how_long_it_is_and_when_it_is_over() {
    let head = Response::builder;
    let (copy, _) = copy_of(head(), script([Data("a"), Data("b")])).await.unwrap();
    let mut body = recall(copy).unwrap().into_body();
    let expected = [
        r#"false 2 Some(2) Frame { kind: Data(b"ab") }"#,
        "true 0 Some(0) end",
        "true 0 Some(0) end",
    ];
    assert_eq!(frames(&mut body, 3).await, expected);

    let (copy, _) = copy_of(head(), script([])).await.unwrap();
    let mut body = recall(copy).unwrap().into_body();
    assert_eq!(frames(&mut body, 1).await, ["true 0 Some(0) end"]);
}

/// A server that is told of an exact length writes it, and over HTTP/1 nothing can follow then.
#[tokio::test]
async fn what_is_remembered_with_trailers_leaves_room_for_them() {
    let steps = [Data("ab"), Trailers("x", "y")];
    let (copy, _) = copy_of(Response::builder(), script(steps)).await.unwrap();
    let mut body = recall(copy).unwrap().into_body();
    for (length, is_data) in [(2, true), (0, false)] {
        assert_eq!((body.size_hint().lower(), body.size_hint().upper()), (length, None));
        assert!(!body.is_end_stream());
        assert_eq!(body.frame().await.unwrap().unwrap().is_data(), is_data);
    }
    assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
    assert!(body.frame().await.is_none());
}

#[test]
fn a_body_can_be_sent_shared_and_moved_if_what_it_is_made_of_can() {
    fn shared<T: Send + Sync + Unpin + std::fmt::Debug>(_: &T) {}
    let notes = Notes::default();
    let response = record(Http::new(), Response::new(NoAlt::default()), notes.recording(PLENTY));
    shared(response.body());
    assert_future_traits(response.body());
    let (body, _) = alternative(Full::new(Bytes::new()));
    shared(&body);
}
