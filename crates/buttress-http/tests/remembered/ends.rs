//! At which ends of a body its copy is stored.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
};

use BodyStep::{Data, Error, Hang, Panic, Trailers, Wait};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn head() -> Builder {
    Response::builder()
}

fn of_length(length: &str) -> Builder {
    head().header("content-length", length)
}

/// Reads so many frames, and drops the body then.
async fn dropped_after<B>(frames: usize, head: Builder, body: B) -> Option<Bytes>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let notes = Notes::default();
    let mut body =
        record(Http::new(), head.body(body).unwrap(), notes.recording(PLENTY)).into_body();
    super::frames(&mut body, frames).await;
    drop(body);
    notes.stored().map(|(copy, _)| copy)
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_the_trailers_and_the_last_data_are_ends() {
    for (body, said, trailers) in [
        (script([Data("a"), Wait(SECOND), Data("b")]), "ab", None),
        (script([Data("a"), Data("b"), Wait(SECOND)]), "ab", None),
        (script([Data("a"), Trailers("x", "y"), Hang]), "a", Some("y")),
        (script([Trailers("x", "y")]), "", Some("y")),
        (script([Data("a"), Data("")]), "a", None),
        (script([Data("")]), "", None),
        (script([Wait(SECOND)]), "", None),
    ] {
        let name = format!("{body:?}");
        let notes = Notes::default();
        let response = head().body(body).unwrap();
        let mut body = record(Http::new(), response, notes.recording(PLENTY)).into_body();
        while !body.is_end_stream() && notes.are_none() {
            assert!(body.frame().await.is_none_or(|frame| frame.is_ok()), "{name}");
        }
        let (copy, age) = notes.stored().expect(&name);
        assert_eq!(age, Duration::ZERO);
        let (status, fields, data, read) = read(copy).await;
        assert_eq!((status, fields.len(), &data[..]), (200, 0, said.as_bytes()), "{name}");
        assert_eq!(read.as_ref().map(|read| read["x"].to_str().unwrap()), trailers, "{name}");
        drop(body);
        assert_eq!(notes.all().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_body_that_is_empty_is_stored_at_once_for_nobody_may_ever_poll_it() {
    for head in [head(), of_length("0"), head().status(204)] {
        let notes = Notes::default();
        let response = head.body(script([])).unwrap();
        let response = record(Http::new(), response, notes.recording(PLENTY));
        let (copy, _) = notes.stored().expect("stored before it is read");
        assert_eq!(read(copy).await.0, response.status().as_u16());
        drop(response);
        assert_eq!(notes.all().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_breaks_off_is_not_stored() {
    for length in [None, Some("1"), Some("2")] {
        for steps in [vec![Error("reset")], vec![Error("reset"), Data("b"), Trailers("x", "y")]] {
            let steps = [vec![Data("a")], steps].concat();
            let head = length.map_or_else(head, of_length);
            let body = ScriptedBody::new(steps.clone());
            assert_eq!(dropped_after(9, head, body).await, None, "{length:?} {steps:?}");
        }
    }
}

#[tokio::test]
async fn what_panics_is_not_stored_though_it_is_as_long_as_was_said() {
    for caught in [false, true] {
        let notes = Notes::default();
        let response = of_length("1").body(script([Data("a"), Panic])).unwrap();
        let mut body = record(Http::new(), response, notes.recording(PLENTY)).into_body();
        let reader = tokio::spawn(async move {
            body.frame().await.unwrap().unwrap();
            let polls = AssertUnwindSafe(|| {
                let _ = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
            });
            if caught {
                catch_unwind(polls).unwrap_err();
            } else {
                polls();
            }
        });
        assert_eq!(reader.await.is_ok(), caught);
        assert!(notes.are_none(), "caught: {caught}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_early_is_not_stored() {
    assert_eq!(dropped_after(0, head(), script([Data("a")])).await, None);
    assert_eq!(dropped_after(1, head(), script([Data("a"), Hang])).await, None);
    assert_eq!(dropped_after(1, head(), streamed([Data("a")])).await, None, "who knows?");
    assert_eq!(dropped_after(1, of_length("2"), streamed([Data("a"), Data("b")])).await, None);
}

/// A server that knows the length from the head does not ask for the end.
#[tokio::test(start_paused = true)]
async fn what_is_dropped_when_all_that_was_announced_has_come_is_stored() {
    let steps = || streamed([Data("a"), Data("b")]);
    assert!(dropped_after(2, of_length("2"), steps()).await.is_some());
    assert!(
        dropped_after(3, of_length("2"), streamed([Data("a"), Data("b"), Hang])).await.is_some()
    );
    assert!(dropped_after(0, of_length("0"), streamed([])).await.is_some(), "never polled");
    assert_eq!(dropped_after(2, of_length("1"), steps()).await, None, "it is longer");
    assert_eq!(dropped_after(0, head(), streamed([])).await, None, "nothing was announced");
}

/// Whoever stops at the last of the data does not know what the trailers would have said.
#[tokio::test(start_paused = true)]
async fn trailers_that_were_announced_are_waited_for() {
    let steps = || streamed([Data("a"), Trailers("x", "y")]);
    let head = || of_length("1").header("trailer", "x");
    assert_eq!(dropped_after(1, head(), steps()).await, None);
    assert!(dropped_after(2, head(), steps()).await.is_some());
    let grpc = || of_length("1").header("content-type", "application/grpc");
    assert_eq!(dropped_after(1, grpc(), steps()).await, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_as_long_as_was_said_is_not_stored() {
    for (length, whole) in [
        ("0", false),
        ("1", false),
        ("2", true),
        ("3", false),
        ("02", true),
        ("2, 2", true),
        ("2,3", false),
        ("3, 2", false),
        ("2,", false),
        ("+2", false),
        ("-2", false),
        ("2.0", false),
        ("two", false),
        ("", false),
    ] {
        let stored = copy_of(of_length(length), streamed([Data("a"), Data("b")])).await;
        assert_eq!(stored.is_some(), whole, "{length:?}");
    }
    assert!(copy_of(of_length("no number"), streamed([])).await.is_none());
    let twice = |second: &str| of_length("2").header("content-length", second);
    assert!(copy_of(twice("2"), streamed([Data("ab")])).await.is_some(), "said twice");
    assert!(copy_of(twice("3"), streamed([Data("ab")])).await.is_none(), "said otherwise");
    assert!(copy_of(twice("2"), script([Data("abc")])).await.is_none());
}

/// As after a HEAD. It can not be told from a body that was lost, and under a key that does not look at
/// the method a GET would get it.
#[tokio::test]
async fn an_empty_body_of_which_a_length_is_said_is_neither_stored_nor_called_too_large() {
    for (length, cap) in [("5", PLENTY), ("5000000", PLENTY), ("1", 0)] {
        let notes = Notes::default();
        let response = of_length(length).body(script([])).unwrap();
        drop(record(Http::new(), response, notes.recording(cap)));
        assert_eq!(notes.all(), [], "{length}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_let_go_of_at_once_and_told_once() {
    for (head, told_after) in
        [(head(), 3), (of_length("1"), 0), (of_length("18446744073709551615"), 0)]
    {
        let notes = Notes::default();
        let steps = [Data("aaaa"), Data("bbbb"), Data("c"), Data("d")];
        let response = head.body(streamed(steps)).unwrap();
        // For what stands around a body, or for one of eight bytes until its end.
        let mut body = record(Http::new(), response, notes.recording(11)).into_body();
        for read in 0..4 {
            assert_eq!(
                notes.all(),
                vec![Seen::TooLarge; usize::from(read >= told_after)],
                "{read}"
            );
            // The recording has the notes as long as it has not told.
            let kept = Arc::strong_count(&notes.0) - 1;
            assert_eq!(kept, usize::from(read < told_after), "{read}");
            assert!(body.frame().await.unwrap().unwrap().is_data(), "it passes all the same");
        }
        drop(body);
        assert_eq!(notes.all(), [Seen::TooLarge]);
    }
}

#[tokio::test]
async fn a_body_that_says_itself_that_it_is_too_large_is_not_copied_at_all() {
    for (cap, told) in [(12, vec![Seen::TooLarge]), (13, vec![])] {
        let notes = Notes::default();
        let response = Response::new(script([Data("aa"), Hang]));
        drop(record(Http::new(), response, notes.recording(cap)));
        assert!(notes.are_none(), "it says nothing");
        let response = Response::new(script([Data("aa")]));
        drop(record(Http::new(), response, notes.recording(cap)));
        assert_eq!(notes.all(), told);
    }
}

#[tokio::test]
async fn lengths_at_the_end_of_all_numbers_are_too_large() {
    for length in [u64::MAX.to_string(), (u64::MAX - 50).to_string(), "9".repeat(30)] {
        let notes = Notes::default();
        let response = of_length(&length).body(script([Data("aa"), Hang])).unwrap();
        drop(record(Http::new(), response, notes.recording(PLENTY)));
        assert_eq!(notes.all(), [Seen::TooLarge], "{length}");
    }
}
