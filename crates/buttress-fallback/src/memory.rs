//! What was answered before, and is known under a key.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use buttress_core::{Key, Recorded, Recording, Reporter, Room};
use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    entry,
    shelf::{Put, Shelf, Storing},
    tier::{Answer, Serving, Unserved},
    writer::{Reason, Writer},
};

/// An answer that takes longer than this to come, or is older than this when it comes, may have been
/// overtaken by a younger one, which it must not replace. It costs a look at the store, which others need
/// not have.
const FRESH: Duration = Duration::from_secs(1);

type FindKey<V> = dyn Fn(&V) -> Option<Key> + Send + Sync;

/// Answers of the past, by key.
pub(crate) struct Memory<V> {
    key: Box<FindKey<V>>,
    shelf: Arc<dyn Shelf>,
    writer: Arc<Writer>,
    limits: Limits,
}

/// What is remembered at all.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) max_age: Duration,
    pub(crate) max_bytes: usize,
    pub(crate) room: Room,
    pub(crate) clock: fn() -> SystemTime,
}

impl<V> Memory<V> {
    pub(crate) fn new(
        key: impl Fn(&V) -> Option<Key> + Send + Sync + 'static,
        shelf: Arc<dyn Shelf>,
        writer: Writer,
        limits: Limits,
    ) -> Self {
        Self { key: Box::new(key), shelf, writer: Arc::new(writer), limits }
    }

    fn find_key(&self, view: &V, reporter: &Reporter) -> Option<Key> {
        (self.key)(view).map(|key| key.of_layer(reporter.name()))
    }

    /// What takes the copy of a good answer to this, if it has a key.
    pub(crate) fn record(&self, view: &V, reporter: &Reporter) -> Option<Recording> {
        let key = self.find_key(view, reporter)?;
        let Limits { max_age, max_bytes, ref room, clock } = self.limits;
        let (writer, reporter) = (Arc::clone(&self.writer), reporter.clone());
        let start = entry::start(key.text());
        let (came, since) = (clock(), Instant::now());
        let done = move |key, recorded| {
            let (copy, age) = match recorded {
                Recorded::Whole { copy, age } => (copy, age),
                Recorded::TooLarge => return writer.not_stored(&reporter, &Reason::TooLarge),
                Recorded::NoRoom => return writer.not_stored(&reporter, &Reason::NoRoom),
                Recorded::Failed(error) => {
                    return writer.not_stored(&reporter, &Reason::Unfit(error));
                }
                _ => return,
            };
            let now = clock();
            // The time of day may be set back meanwhile.
            let took = now.duration_since(came).unwrap_or_default().max(since.elapsed());
            let age = age.saturating_add(took);
            let keep_for = max_age.saturating_sub(age);
            if keep_for.is_zero() {
                return writer.not_stored(&reporter, &Reason::TooOld);
            }
            let born = now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
            let entry = entry::seal(copy, born);
            let unless_younger = (age > FRESH).then_some((now, age));
            writer.write(Put { key, entry, keep_for, unless_younger }, reporter);
        };
        Some(Recording::new(key, start, max_bytes, room.clone(), done))
    }

    /// The last answer to this.
    pub(crate) fn recall<Alt: 'static>(
        &self,
        view: &V,
        reporter: &Reporter,
    ) -> Option<Serving<Alt>> {
        let key = self.find_key(view, reporter)?;
        let text: Arc<str> = key.text().into();
        let getting = Arc::clone(&self.shelf).get(key);
        let Limits { max_age, clock, .. } = self.limits;
        Some(Box::pin(recall(getting, text, max_age, clock)))
    }
}

impl Memory<()> {
    /// The same memory where there is a view, which its key does not look at.
    pub(crate) fn overlook<V>(self) -> Memory<V> {
        let Self { key, shelf, writer, limits } = self;
        Memory { key: Box::new(move |_| key(&())), shelf, writer, limits }
    }
}

async fn recall<Alt>(
    getting: Storing<Option<Bytes>>,
    key: Arc<str>,
    max_age: Duration,
    clock: fn() -> SystemTime,
) -> Result<Answer<Alt>, Unserved> {
    let found = getting.await.map_err(Unserved::Failed)?.ok_or(Unserved::Nothing)?;
    match entry::open(&found, &key, clock()) {
        Ok(entry) if entry.age <= max_age => Ok(Answer::Remembered(entry)),
        Ok(_) => Err(Unserved::Nothing),
        Err(unreadable) => Err(Unserved::Failed(unreadable.into())),
    }
}
