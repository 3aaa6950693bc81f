//! What a look finds, against a second statement of it, and along random histories.

use proptest::prelude::*;

use super::*;

/// What may happen on either side between two looks.
#[derive(Debug, Clone, Copy)]
enum Happens {
    Asked,
    Frame,
    Over,
    Response,
    Nothing,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        Just(Happens::Asked),
        Just(Happens::Frame),
        Just(Happens::Over),
        Just(Happens::Response),
        Just(Happens::Nothing),
    ]
}

fn some_millis() -> impl Strategy<Value = Option<Duration>> {
    prop::option::of((1..50_u64).prop_map(Duration::from_millis))
}

/// The calls and times of one history, oldest first.
fn history() -> impl Strategy<Value = Vec<(u64, Happens)>> {
    prop::collection::vec((0..20_u64, happens()), 0..30)
}

proptest! {
    /// However a call goes on, the moment of the next look never comes nearer, is always ahead,
    /// and is never later than the call is due: one timer, set once, will do until it fires.
    #[test]
    fn the_next_look_is_ahead_never_nearer_and_never_too_late(
        write in some_millis(),
        idle in some_millis(),
        history in history(),
    ) {
        let limits = Limits { write, idle };
        let start = Instant::now();
        let (mut now, mut moved, mut upload) = (start, start, Upload::Unasked);
        let mut next = None;
        for (gap, happens) in history {
            now += Duration::from_millis(gap);
            let over = matches!(upload, Upload::Over(_));
            match happens {
                Happens::Asked if !over => upload.ask(now),
                Happens::Frame if !over => upload.step(now),
                Happens::Over => upload.end(),
                Happens::Response => moved = now,
                _ => {}
            }
            match limits.look(now, upload, moved) {
                Look::Again(at) => {
                    prop_assert!(at > now);
                    prop_assert!(next.is_none_or(|next| at >= next), "nearer than before");
                    next = Some(at);
                }
                Look::Cut(cut) => {
                    prop_assert!(next.is_none_or(|next| cut.due.instant() >= next), "too late");
                    return Ok(());
                }
                Look::Never => {
                    prop_assert!(idle.is_none() && (write.is_none() || matches!(upload, Upload::Over(_))));
                }
            }
        }
    }

    /// A call is cut by what is due, and by what is due first; at the same moment by `write`.
    #[test]
    fn what_is_due_first_cuts(
        write in some_millis(),
        idle in some_millis(),
        asked in prop::option::of(0..50_u64),
        stepped in any::<bool>(),
        moved in 0..50_u64,
        later in 0..60_u64,
    ) {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut upload = Upload::Unasked;
        if let Some(asked) = asked {
            if stepped { upload.step(at(asked)) } else { upload.ask(at(asked)) }
        }
        let now = at(asked.unwrap_or(0).max(moved) + later);
        let write_due = write.zip(asked).map(|(limit, asked)| at(asked) + limit);
        let last = asked.filter(|_| stepped).unwrap_or(0).max(moved);
        let idle_due = idle.map(|limit| at(last) + limit);
        let looked = Limits { write, idle }.look(now, upload, at(moved));
        let cut = |phase, limit: Option<Duration>, due: Option<Instant>| Look::Cut(Cut {
            phase,
            limit: limit.unwrap(),
            due: Deadline::at(due.unwrap()),
        });
        let writes = write_due.is_some_and(|due| due <= now);
        let idles = idle_due.is_some_and(|due| due <= now);
        let expected = match (writes, idles) {
            (true, true) if idle_due < write_due => cut(Phase::Idle, idle, idle_due),
            (true, _) => cut(Phase::Write, write, write_due),
            (false, true) => cut(Phase::Idle, idle, idle_due),
            (false, false) => {
                let unasked = write.filter(|_| asked.is_none()).map(|limit| now + limit);
                let next = [write_due, idle_due, unasked].into_iter().flatten().min();
                next.map_or(Look::Never, Look::Again)
            }
        };
        prop_assert_eq!(looked, expected);
    }
}

#[test]
fn a_body_that_is_over_keeps_its_last_movement_and_waits_no_more() {
    let start = Instant::now();
    let (one, two) = (start + Duration::from_millis(1), start + Duration::from_millis(2));
    let mut upload = Upload::Unasked;
    upload.ask(one);
    upload.ask(two);
    assert_eq!(upload, Upload::Asked(one), "the first time it was asked counts");
    assert_eq!((upload.waits_since(), upload.moved()), (Some(one), None));
    upload.step(two);
    upload.ask(two + Duration::from_millis(1));
    assert_eq!(upload, Upload::Moved(two), "it has been asked before");
    assert_eq!((upload.waits_since(), upload.moved()), (Some(two), Some(two)));
    upload.end();
    upload.end();
    assert_eq!((upload.waits_since(), upload.moved()), (None, Some(two)));
    let mut dropped = Upload::Asked(one);
    dropped.end();
    assert_eq!(dropped, Upload::Over(None), "a drop is no movement");
}
