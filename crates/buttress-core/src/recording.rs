//! The copy of a good response, on its way into a store.

use std::{
    fmt, mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{BoxError, Key};

/// The most that is made room for in advance, whatever a response says of its length.
const IN_ADVANCE: usize = 1 << 20;

/// Takes the copy of a response while it passes.
///
/// A fallback makes it, and its protocol writes to it and says when the response is whole. One that
/// is dropped before stores nothing: that is what becomes of the copy of a response that breaks off.
pub struct Recording {
    key: Key,
    copy: Vec<u8>,
    /// How much more is taken of this response.
    left: usize,
    room: Room,
    /// How much it has of the room that it shares with others, and how much of that it has not filled.
    taken: usize,
    unfilled: usize,
    done: Option<Box<Done>>,
}

type Done = dyn FnOnce(Key, Recorded) + Send + Sync;

/// How a [`Recording`] ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Recorded {
    /// The response is whole, and this is its copy.
    Whole {
        /// What stood there at the beginning, and all that was written.
        copy: Vec<u8>,
        /// How old the response was when it came.
        age: Duration,
    },
    /// It was larger than is stored.
    TooLarge,
    /// There are too many that are copied at the same time.
    NoRoom,
    /// No copy could be made of it.
    Failed(BoxError),
}

/// Room in bytes that the recordings of one fallback share. Clones are the same room.
#[derive(Debug, Clone)]
pub struct Room(Arc<AtomicUsize>);

impl Room {
    /// Room for so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    fn take(&self, bytes: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Recording {
    /// A recording for this key that begins with `start` and takes `max_bytes` more, as far as there is
    /// `room`, and then tells `done`.
    pub fn new(
        key: Key,
        start: Vec<u8>,
        max_bytes: usize,
        room: Room,
        done: impl FnOnce(Key, Recorded) + Send + Sync + 'static,
    ) -> Self {
        Self {
            key,
            copy: start,
            left: max_bytes,
            room,
            taken: 0,
            unfilled: 0,
            done: Some(Box::new(done)),
        }
    }

    /// What the answer is to be found by.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Is told that so much will be written; whether that is taken.
    ///
    /// One that does not take it has let go of the copy.
    pub fn expect(&mut self, bytes: u64) -> bool {
        match usize::try_from(bytes) {
            Ok(bytes) if bytes <= self.left => {
                if !self.make_room(bytes) {
                    return self.give_up(Recorded::NoRoom);
                }
                self.copy.reserve_exact(bytes.min(IN_ADVANCE));
                true
            }
            _ => self.give_up(Recorded::TooLarge),
        }
    }

    /// Appends to the copy; whether there was room.
    ///
    /// One that has no room has let go of the copy.
    pub fn write(&mut self, part: &[u8]) -> bool {
        let Some(left) = self.left.checked_sub(part.len()) else {
            return self.give_up(Recorded::TooLarge);
        };
        if !self.make_room(part.len()) {
            return self.give_up(Recorded::NoRoom);
        }
        self.unfilled -= part.len();
        self.left = left;
        self.copy.extend_from_slice(part);
        true
    }

    /// The response is whole, and was so old when it came: the copy is to be stored.
    pub fn whole(mut self, age: Duration) {
        let copy = mem::take(&mut self.copy);
        self.tell(Recorded::Whole { copy, age });
    }

    /// No copy can be made of the response.
    pub fn fail(mut self, error: BoxError) {
        self.tell(Recorded::Failed(error));
    }

    /// Whether it has room for so much, by now.
    fn make_room(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.unfilled);
        let has_room = self.room.take(more);
        if has_room {
            self.taken += more;
            self.unfilled += more;
        }
        has_room
    }

    fn give_up(&mut self, why: Recorded) -> bool {
        self.left = 0;
        self.copy = Vec::new();
        self.leave_room();
        self.tell(why);
        false
    }

    fn tell(&mut self, recorded: Recorded) {
        if let Some(done) = self.done.take() {
            done(mem::replace(&mut self.key, Key::shared(String::new())), recorded);
        }
    }

    fn leave_room(&mut self) {
        self.unfilled = 0;
        self.room.give_back(mem::take(&mut self.taken));
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.leave_room();
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("key", &self.key)
            .field("bytes", &self.copy.len())
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
