//! What a copy looks like, and that bytes which are none do no harm.

use proptest::prelude::*;

use super::*;

use BodyStep::{Data, Trailers};

fn good() -> Builder {
    Response::builder().status(203).header("etag", "\"1\"").header("x", "1").header("x", "2")
}

async fn good_copy() -> Vec<u8> {
    let copy = copy_of(good(), script([Data("bo"), Data("dy"), Trailers("sum", "7")])).await;
    copy.unwrap().0.to_vec()
}

/// Stores outlive programs: whoever changes this needs another version.
#[tokio::test]
async fn the_bytes_of_version_1() {
    let expected = [
        &b"\x01\x00\xcb"[..],
        b"\x00\x04etag\x00\x00\x00\x03\"1\"",
        b"\x00\x01x\x00\x00\x00\x011\x00\x01x\x00\x00\x00\x012",
        b"body",
        b"\x00\x03sum\x00\x00\x00\x017",
        b"\x00\x00\x00\x1d\x00\x00\x00\x0a",
    ];
    assert_eq!(good_copy().await, expected.concat());
    let (bare, _) = copy_of(Response::builder(), script([])).await.unwrap();
    assert_eq!(bare, &b"\x01\x00\xc8\0\0\0\0\0\0\0\0"[..]);
}

#[tokio::test]
async fn the_copy_stands_after_what_the_recording_began_with() {
    let notes = Arc::new(Mutex::new(None));
    let told = Arc::clone(&notes);
    let recording = Recording::new(
        Key::shared("key"),
        b"start".to_vec(),
        11,
        Room::new(11),
        move |_, recorded| {
            *told.lock().unwrap() = Some(recorded);
        },
    );
    drop(record(Http::new(), Response::new(script([])), recording));
    let recorded = notes.lock().unwrap().take();
    let Some(Recorded::Whole { copy, .. }) = recorded else { panic!("{recorded:?}") };
    assert_eq!(copy, b"start\x01\x00\xc8\0\0\0\0\0\0\0\0");
}

/// Whoever can write to a store can make one of these by hand.
#[test]
fn what_no_response_is_copied_with_is_not_read() {
    let copy = |status: u16, name: &str, trailing: bool| {
        let value = [&1_u32.to_be_bytes()[..], b"1"].concat();
        let length = u16::try_from(name.len()).unwrap().to_be_bytes();
        let field = [&length[..], name.as_bytes(), &value].concat();
        let size = u32::try_from(field.len()).unwrap().to_be_bytes();
        let sizes = if trailing { [[0; 4], size] } else { [size, [0; 4]] };
        let head = [&b"\x01"[..], &status.to_be_bytes()].concat();
        // There is no body between the two places of a field.
        recall([&head[..], &field, &sizes.concat()].concat().into()).is_ok()
    };
    for trailing in [false, true] {
        assert!(copy(200, "etag", trailing) && copy(299, "etag", trailing));
        for status in [0, 99, 100, 101, 199, 300, 304, 404, 503, 999, 1000] {
            assert!(!copy(status, "etag", trailing), "{status}");
        }
        for name in [
            "connection",
            "keep-alive",
            "proxy-authenticate",
            "transfer-encoding",
            "upgrade",
            "set-cookie",
            "age",
        ] {
            assert!(!copy(200, name, trailing), "{name}");
        }
    }
}

#[tokio::test]
async fn other_versions_and_what_is_cut_short_are_not_read() {
    let good = good_copy().await;
    for length in 0..good.len() {
        let cut = recall(Bytes::copy_from_slice(&good[..length]));
        assert!(cut.is_err(), "{length}");
    }
    for version in (0..=255).filter(|version| *version != 1) {
        let mut other = good.clone();
        other[0] = version;
        let error = recall(other.into()).unwrap_err();
        let said = "what is stored is no copy of a response, or not of version 1";
        assert_eq!(error.to_string(), said);
    }
}

#[tokio::test]
async fn lengths_that_lie_are_not_believed() {
    let good = good_copy().await;
    let (fields, trailers) = (good.len() - 8, good.len() - 4);
    let (name, value) = (3, 9);
    for lie in [1, 2, 5, 6, 28, 30, 32, 33, 43, 44, 47, 48, 1 << 16, u32::MAX / 2, u32::MAX] {
        for place in [fields, trailers, value] {
            let mut lies = good.clone();
            lies[place..place + 4].copy_from_slice(&lie.to_be_bytes());
            assert!(recall(lies.into()).is_err(), "{lie} at {place}");
        }
        let mut lies = good.clone();
        let short = u16::try_from(lie).unwrap_or(u16::MAX);
        lies[name..name + 2].copy_from_slice(&short.to_be_bytes());
        assert!(recall(lies.into()).is_err(), "a name of {lie}");
    }
}

/// As a server would write it, and then not so much.
#[tokio::test]
async fn a_body_that_is_not_as_long_as_its_head_says_is_not_read() {
    let head = Response::builder().header("content-length", "4");
    let copy = copy_of(head, script([Data("body")])).await.unwrap().0.to_vec();
    let digit = copy.iter().position(|byte| *byte == b'4').unwrap();
    for (said, is_read) in [(b'3', false), (b'4', true), (b'5', false), (b'x', false)] {
        let mut copy = copy.clone();
        copy[digit] = said;
        assert_eq!(recall(copy.into()).is_ok(), is_read, "{said}");
    }
}

/// Reads these bytes, which must not take much more room than they have themselves; if they are a copy,
/// so is what is made of what they say.
fn harmless(bytes: Vec<u8>) {
    let (length, copy) = (u64::try_from(bytes.len()).unwrap(), Bytes::from(bytes));
    let mut read = None;
    let taken = allocation_counter::measure(|| read = recall(copy.clone()).ok());
    assert!(taken.bytes_max <= 1024 + 64 * length, "{taken:?}");
    let Some(response) = read else { return };
    let again = |response: Recalled| {
        let notes = Notes::default();
        let mut body = record(Http::new(), response, notes.recording(PLENTY)).into_body();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(Ok(_))) = Pin::new(&mut body).poll_frame(&mut cx) {}
        notes.stored().map(|(copy, _)| copy)
    };
    // What has become a 404, say, is not stored.
    let Some(second) = again(response) else { return };
    let third = again(recall(second.clone()).unwrap());
    assert_eq!(third, Some(second.clone()), "nothing changes any more");
    if second.len() == copy.len() {
        assert!(second.eq_ignore_ascii_case(&copy), "names are written small");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_bytes_are(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        harmless(bytes);
    }

    /// Near what is a copy: its version, and lengths that fit.
    #[test]
    fn whatever_the_middle_is(
        middle in prop::collection::vec(0..8_u8, 0..60),
        fields in 0..40_u32,
        trailers in 0..40_u32,
    ) {
        let ends = [fields.to_be_bytes(), trailers.to_be_bytes()].concat();
        harmless([b"\x01\x00\xc8", &middle[..], &ends[..]].concat());
    }

    #[test]
    fn whatever_is_changed(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut bytes = runtime.block_on(good_copy());
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] ^= byte;
        }
        harmless(bytes);
    }
}

/// The most fields that a copy can have for its length.
#[test]
fn many_fields_take_room_by_their_number() {
    let field = |name: usize| format!("\0\x04{name:04x}\0\0\0\0").into_bytes();
    for count in [1_000, 30_000, 60_000] {
        let fields: Vec<u8> = (0..count).flat_map(field).collect();
        let length = u32::try_from(fields.len()).unwrap().to_be_bytes();
        harmless([b"\x01\x00\xc8", &fields[..], &length[..], &[0; 4]].concat());
    }
}

/// Else the last byte of a large body would double the room, and copy all of it once more.
#[test]
fn there_is_room_at_once_for_all_that_was_announced() {
    const LARGE: &str = match str::from_utf8(&[b'x'; 50_000]) {
        Ok(text) => text,
        Err(_) => panic!(),
    };
    fn taken(response: Response<impl Body<Data = Bytes, Error: Into<BoxError>> + Unpin>) -> u64 {
        let notes = Notes::default();
        let recording = notes.recording(PLENTY);
        let taken = allocation_counter::measure(|| {
            let mut body = record(Http::new(), response, recording).into_body();
            let mut cx = Context::from_waker(std::task::Waker::noop());
            while let Poll::Ready(Some(Ok(_))) = Pin::new(&mut body).poll_frame(&mut cx) {}
        });
        assert!(notes.stored().is_some());
        taken.bytes_total
    }
    let steps = [Data(LARGE), Data(LARGE)];
    let by_head = Response::builder().header("content-length", 100_000).header("x", "y");
    let by_head = taken(by_head.body(streamed(steps.clone())).unwrap());
    let by_body = taken(Response::new(script(steps.clone())));
    let unannounced = taken(Response::new(streamed(steps)));
    let room = 100_000..101_000;
    assert!(room.contains(&by_head) && room.contains(&by_body), "{by_head} {by_body}");
    assert!(!room.contains(&unannounced), "{unannounced}");
}
