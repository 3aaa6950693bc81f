//! A store of which nobody knows the type.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use buttress_core::{BoxError, Key};
use bytes::Bytes;
use pin_project::pin_project;

use crate::{Store, entry};

/// What a store is at.
pub(crate) type Storing<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// A [`Store`] of any type, one that panics being one that fails.
pub(crate) trait Shelf: Send + Sync {
    fn get(self: Arc<Self>, key: Key) -> Storing<Option<Bytes>>;
    fn put(self: Arc<Self>, put: Put) -> Storing<()>;
}

/// An entry to be put.
pub(crate) struct Put {
    pub(crate) key: Key,
    pub(crate) entry: Bytes,
    pub(crate) keep_for: Duration,
    /// Of an answer that may have been overtaken: what the time is, and how old it is by now. A younger
    /// one that is there stays.
    pub(crate) unless_younger: Option<(SystemTime, Duration)>,
}

impl<S: Store> Shelf for S {
    fn get(self: Arc<Self>, key: Key) -> Storing<Option<Bytes>> {
        Box::pin(Caught(async move { Store::get(&*self, key.text()).await }))
    }

    fn put(self: Arc<Self>, put: Put) -> Storing<()> {
        Box::pin(Caught(async move {
            let Put { key, entry, keep_for, unless_younger } = put;
            if let Some((now, age)) = unless_younger {
                // Of what can not be read nobody knows that it is younger.
                let found = Store::get(&*self, key.text()).await.unwrap_or(None);
                let found = found.and_then(|found| entry::open(&found, key.text(), now).ok());
                if found.is_some_and(|found| found.age < age) {
                    return Ok(());
                }
            }
            Store::put(&*self, key.text(), entry, keep_for).await
        }))
    }
}

/// A future whose panic is an error: what a store does is no harm to a call.
#[pin_project]
struct Caught<F>(#[pin] F);

impl<T, F: Future<Output = Result<T, BoxError>>> Future for Caught<F> {
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().0;
        // A future that has panicked is not polled again.
        catch_unwind(AssertUnwindSafe(|| future.poll(cx)))
            .unwrap_or_else(|_| Poll::Ready(Err(Panicked.into())))
    }
}

#[derive(Debug)]
struct Panicked;

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store panicked")
    }
}

impl Error for Panicked {}
