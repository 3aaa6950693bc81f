//! Where last known good answers are kept.

use std::{sync::Arc, time::Duration};

use buttress_core::BoxError;
use bytes::Bytes;

/// Keeps bytes under keys, for some time.
///
/// What is kept says itself of when it is, what it is, and which key it belongs to, and is checked
/// when it is read; a store need not know. It may forget whatever it wants whenever it wants.
///
/// A store that fails, or takes long, does no harm to a call that goes well: what is put is put after
/// the answer has passed, and bounded by
/// [`write_limit`](crate::LastKnownGood::write_limit). Reading is bounded as each tier is; so neither
/// needs to have a limit of its own. It must not block the thread, nor panic.
///
/// ```
/// use std::{collections::HashMap, sync::Mutex, time::Duration};
/// use buttress_core::BoxError;
/// use buttress_fallback::Store;
/// use bytes::Bytes;
///
/// #[derive(Default)]
/// struct Map(Mutex<HashMap<String, Bytes>>);
///
/// impl Store for Map {
///     async fn get(&self, key: &str) -> Result<Option<Bytes>, BoxError> {
///         let map = self.0.lock().map_err(|_| "poisoned")?;
///         Ok(map.get(key).cloned())
///     }
///
///     async fn put(&self, key: &str, value: Bytes, _keep_for: Duration) -> Result<(), BoxError> {
///         let mut map = self.0.lock().map_err(|_| "poisoned")?;
///         map.insert(key.to_owned(), value);
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no store of last known good answers",
    note = "`MemoryStore` keeps them in this process (feature `memory`), `RedisStore` of buttress-redis in \
            a Redis; for anything else implement `Store`"
)]
pub trait Store: Send + Sync + 'static {
    /// What was put last under this key, if it is still there.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Bytes>, BoxError>> + Send;

    /// Keeps `value` under this key, in place of what was there. After `keep_for` nobody has any use
    /// for it.
    fn put(
        &self,
        key: &str,
        value: Bytes,
        keep_for: Duration,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

impl<S: Store> Store for Arc<S> {
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Bytes>, BoxError>> + Send {
        S::get(self, key)
    }

    fn put(
        &self,
        key: &str,
        value: Bytes,
        keep_for: Duration,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        S::put(self, key, value, keep_for)
    }
}
