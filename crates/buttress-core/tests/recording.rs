//! The copy of a response, and the room that copies share.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress_core::{Key, Recorded, Recording, Room};

/// What recordings told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn recording(&self, max_bytes: usize, room: &Room) -> Recording {
        let told = Arc::clone(&self.0);
        Recording::new(Key::shared("k"), b">".to_vec(), max_bytes, room.clone(), move |key, how| {
            let how = match how {
                Recorded::Whole { copy, age } => {
                    format!("{} {age:?}", String::from_utf8(copy).unwrap())
                }
                other => format!("{other:?}"),
            };
            told.lock().unwrap().push(format!("{}: {how}", key.text()));
        })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[test]
fn a_copy_is_told_once_when_it_is_whole() {
    let (told, room) = (Told::default(), Room::new(100));
    let mut recording = told.recording(4, &room);
    assert!(recording.expect(4) && recording.write(b"ab") && recording.write(b"cd"));
    assert!(recording.write(b""));
    recording.whole(Duration::from_secs(7));
    assert_eq!(told.take(), ["k: >abcd 7s"]);
    drop(told.recording(4, &room));
    assert!(told.take().is_empty(), "one that is dropped stores nothing");
    told.recording(4, &room).fail("no".into());
    assert_eq!(told.take(), ["k: Failed(\"no\")"]);
}

#[test]
fn one_that_is_too_large_has_let_go_of_the_copy_and_is_told_once() {
    let (told, room) = (Told::default(), Room::new(100));
    let mut recording = told.recording(4, &room);
    assert!(recording.write(b"abc") && !recording.write(b"de"));
    assert!(!recording.write(b"f") && !recording.expect(1));
    recording.whole(Duration::ZERO);
    assert_eq!(told.take(), ["k: TooLarge"]);
    for announced in [5, u64::from(u32::MAX), u64::MAX] {
        assert!(!told.recording(4, &room).expect(announced));
        assert_eq!(told.take(), ["k: TooLarge"]);
    }
}

#[test]
fn what_is_announced_is_not_believed_blindly() {
    let (told, room) = (Told::default(), Room::new(usize::MAX));
    // As much as no machine has.
    let mut recording = told.recording(usize::MAX, &room);
    assert!(recording.expect(u64::MAX / 2));
    assert!(recording.write(b"a"));
    recording.whole(Duration::ZERO);
    assert_eq!(told.take(), ["k: >a 0ns"]);
}

#[test]
fn copies_share_their_room_and_give_it_back_however_they_end() {
    let (told, room) = (Told::default(), Room::new(10));
    let mut first = told.recording(100, &room);
    assert!(first.write(b"12345678"));
    let mut second = told.recording(100, &room);
    assert!(second.write(b"12") && !second.write(b"3"));
    assert_eq!(told.take(), ["k: NoRoom"], "and what it had is free again");
    assert!(first.write(b"90"));
    let ends: [fn(Recording); 4] = [
        drop,
        |recording| recording.whole(Duration::ZERO),
        |recording| recording.fail("no".into()),
        |mut recording| assert!(!recording.write(b"1")),
    ];
    for end in ends {
        end(first);
        first = told.recording(100, &room);
        assert!(first.write(b"1234567890"), "all of it is free again");
    }
}

#[test]
fn what_is_announced_has_its_room_from_then_on() {
    let (told, room) = (Told::default(), Room::new(10));
    let mut first = told.recording(100, &room);
    assert!(first.expect(8) && first.write(b"1234"));
    let mut second = told.recording(100, &room);
    assert!(!second.expect(3));
    assert_eq!(told.take(), ["k: NoRoom"]);
    let mut third = told.recording(100, &room);
    assert!(third.expect(2) && third.write(b"12") && !third.write(b"3"));
    // All that was announced, and what is free besides.
    assert!(first.write(b"5678") && first.write(b"90") && !first.write(b"1"));
    assert!(told.recording(100, &room).expect(10), "all of it is free again");
}
