//! A circuit for each key.

use std::{
    borrow::Borrow,
    fmt::{self, Display},
    hash::Hash,
    marker::PhantomData,
    sync::Arc,
};

use buttress_core::{ConfigError, Keep, Keyed, Reporter};
use tokio::time::Instant;

use crate::{
    BreakerHandle, BreakerLayer, BreakerLayerBuilder, Circuits, circuits::Sealed, hold::Hold,
    readiness::Readiness, settings::Settings, shared::Shared,
};

/// How many keys are kept if nothing is said: more hosts than most services call, for half a
/// megabyte.
const MAX_KEYS: usize = 1_000;

/// How a circuit is chosen by key; made by [`BreakerLayerBuilder::keyed`].
#[derive(Debug, Clone, Copy)]
pub struct ByKey<K, F> {
    key: F,
    max_keys: usize,
    of: PhantomData<fn() -> K>,
}

/// One circuit for each key.
pub struct CircuitPerKey<K, F> {
    map: Arc<Map<K>>,
    key: F,
}

/// The circuits of a layer that has one for each key, in an operator's hand.
///
/// Whoever holds the handle of a key keeps its circuit from being forgotten.
pub struct KeyedBreakerHandle<K> {
    map: Arc<Map<K>>,
}

struct Map<K> {
    circuits: Keyed<K, Arc<Hold>>,
    settings: Arc<Settings>,
    reporter: Reporter,
}

impl<P> BreakerLayerBuilder<P> {
    /// Gives each key that this function makes of a request a circuit of its own: one for each host,
    /// route or tenant. Default: one circuit for all.
    ///
    /// Errors and events name the layer and the key, as `breaker/api.example.com`. The function is
    /// called for each request, so a key should be cheap to make: an
    /// [`Authority`](https://docs.rs/http/latest/http/uri/struct.Authority.html) costs less to clone
    /// than a `String`. Keys are as many as there are values: not the whole path.
    ///
    /// ```
    /// use buttress_breaker::BreakerLayer;
    /// use http::{Request, uri::Authority};
    /// # use buttress_core::{BoxError, CircuitState};
    /// # use tower::{Service, ServiceBuilder, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let layer = BreakerLayer::builder()
    ///     .consecutive_failures(1)
    ///     .keyed(|request: &Request<()>| {
    ///         let host = request.uri().authority().cloned();
    ///         host.unwrap_or_else(|| Authority::from_static("none"))
    ///     })
    ///     .build()?;
    /// let handle = layer.handle();
    /// # let mut service = ServiceBuilder::new()
    /// #     .layer(layer)
    /// #     .service(service_fn(async |_: Request<()>| Err::<(), BoxError>("refused".into())));
    /// # service.call(Request::get("http://down.example.com/").body(())?).await.unwrap_err();
    /// let host = Authority::from_static("down.example.com");
    /// let down = handle.get(&host).expect("it was called");
    /// assert_eq!((down.name(), down.state()), ("breaker/down.example.com", CircuitState::Open));
    /// # Ok(())
    /// # }
    /// ```
    pub fn keyed<Req, K, F>(self, key: F) -> BreakerLayerBuilder<P, ByKey<K, F>>
    where
        F: Fn(&Req) -> K,
        K: Hash + Eq + Clone + Display,
    {
        let Self { settings, reporter, protocol, keyed: () } = self;
        let keyed = ByKey { key, max_keys: MAX_KEYS, of: PhantomData };
        BreakerLayerBuilder { settings, reporter, protocol, keyed }
    }
}

impl<P, K, F> BreakerLayerBuilder<P, ByKey<K, F>> {
    /// Keeps the circuits of this many keys, from 1 to 1,000,000. Default: 1,000.
    ///
    /// When another key comes, one that was not called of late is forgotten, unless it is in use, open
    /// with a part of its time still to go, or held by an operator; one that was half-open ends as
    /// closed. If none is found among those that are looked at, the new key's call is let in and counts
    /// for nothing.
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.keyed.max_keys = keys;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as for one circuit, and if `max_keys` is outside its range.
    pub fn build(self) -> Result<BreakerLayer<P, CircuitPerKey<K, F>>, ConfigError> {
        let Self { settings, reporter, protocol, keyed } = self;
        let ByKey { key, max_keys, of: _ } = keyed;
        let settings = Arc::new(settings.complete()?);
        let map = Arc::new(Map { circuits: Keyed::new(max_keys)?, settings, reporter });
        let readiness = Readiness::new(map.settings.readiness, || None);
        Ok(BreakerLayer::with(CircuitPerKey { map, key }, protocol, readiness))
    }
}

impl<P, K, F> BreakerLayer<P, CircuitPerKey<K, F>> {
    /// The circuits, for whoever operates them.
    pub fn handle(&self) -> KeyedBreakerHandle<K> {
        KeyedBreakerHandle { map: Arc::clone(&self.circuits.map) }
    }

    /// The same layer, switched off: calls pass as if it were not there. Of the same type, so that a
    /// setting can decide: `if on { layer } else { layer.disabled() }`.
    ///
    /// No call is judged or asked for its key, and `poll_ready` is always ready, also with
    /// [`readiness`](BreakerLayerBuilder::readiness). Its [handle](Self::handle) knows no key but those
    /// that an operator asks it [for](KeyedBreakerHandle::of), whose circuits no call belongs to. A call costs an allocation.
    pub fn disabled(self) -> Self {
        let CircuitPerKey { map, key } = self.circuits;
        Self::off(CircuitPerKey { map: Arc::new(map.isolated()), key }, self.protocol)
    }
}

impl<P: Clone, K, F: Clone> BreakerLayer<P, CircuitPerKey<K, F>> {
    /// A layer of the same settings, name and observer that knows no key yet.
    pub fn isolated(&self) -> Self {
        let CircuitPerKey { map, key } = &self.circuits;
        let circuits = CircuitPerKey { map: Arc::new(map.isolated()), key: key.clone() };
        if self.is_off {
            return Self::off(circuits, self.protocol.clone());
        }
        let readiness = Readiness::new(circuits.map.settings.readiness, || None);
        Self::with(circuits, self.protocol.clone(), readiness)
    }
}

impl<Req, K, F> Circuits<Req> for CircuitPerKey<K, F>
where
    K: Hash + Eq + Clone + Display,
    F: Fn(&Req) -> K,
{
    fn circuit(&self, request: &Req) -> BreakerHandle {
        let circuit = self.map.circuit(&(self.key)(request)).unwrap_or_else(|not_kept| {
            // Nothing is to be learned from its calls, for nobody else will know of it.
            not_kept.shared().circuit.force_closed(Instant::now());
            not_kept
        });
        BreakerHandle::new(circuit)
    }
}

impl<K, F> Sealed for CircuitPerKey<K, F> {}

impl<K> Map<K> {
    /// One of the same settings that knows no key yet.
    fn isolated(&self) -> Self {
        let max_keys = self.circuits.max_keys();
        Self {
            circuits: Keyed::new(max_keys).expect("as many as are kept here"),
            settings: Arc::clone(&self.settings),
            reporter: self.reporter.clone(),
        }
    }
}

impl<K: Hash + Eq + Clone + Display> Map<K> {
    /// The circuit of this key; as an error one that there is no place to keep.
    fn circuit(&self, key: &K) -> Result<Arc<Hold>, Arc<Hold>> {
        let Self { circuits, settings, reporter } = self;
        circuits.try_get_or_insert_with(key, |key| {
            Arc::new(Hold::Itself(Shared::of_key(key, settings, reporter)))
        })
    }
}

impl<K> KeyedBreakerHandle<K> {
    /// The circuit of this key, which is kept from now on, if it was not: to hold one open before it
    /// is ever called. None if there is no place for it.
    pub fn of(&self, key: &K) -> Option<BreakerHandle>
    where
        K: Hash + Eq + Clone + Display,
    {
        self.map.circuit(key).ok().map(BreakerHandle::new)
    }

    /// The circuit of this key, if it is kept.
    pub fn get<Q>(&self, key: &Q) -> Option<BreakerHandle>
    where
        K: Hash + Eq + Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.map.circuits.get(key).map(BreakerHandle::new)
    }

    /// All circuits that are kept, with their keys, in no order. Not of one moment, while there are
    /// calls.
    pub fn handles(&self) -> Vec<(K, BreakerHandle)>
    where
        K: Clone,
    {
        let entries = self.map.circuits.entries().into_iter();
        entries.map(|(key, circuit)| (key, BreakerHandle::new(circuit))).collect()
    }

    /// How many keys are kept.
    pub fn len(&self) -> usize {
        self.map.circuits.len()
    }

    /// Whether no key is kept.
    pub fn is_empty(&self) -> bool {
        self.map.circuits.is_empty()
    }

    /// How often, ever, a key could not be kept, for none was found to forget for it: so often a call
    /// was let in without a circuit, or an operator got none.
    pub fn overflowed(&self) -> u64 {
        self.map.circuits.overflowed()
    }
}

/// What is known of an open circuit, and what an operator said, is not to be lost.
impl Keep for Hold {
    fn is_needed(&self) -> bool {
        self.shared().circuit.is_needed(Instant::now)
    }
}

impl<K, F: Clone> Clone for CircuitPerKey<K, F> {
    fn clone(&self) -> Self {
        Self { map: Arc::clone(&self.map), key: self.key.clone() }
    }
}

impl<K> Clone for KeyedBreakerHandle<K> {
    fn clone(&self) -> Self {
        Self { map: Arc::clone(&self.map) }
    }
}

impl<K> fmt::Debug for Map<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerLayer")
            .field("name", self.reporter.name())
            .field("settings", &self.settings)
            .field("circuits", &self.circuits)
            .finish()
    }
}

impl<K, F> fmt::Debug for CircuitPerKey<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.map.fmt(f)
    }
}

impl<K> fmt::Debug for KeyedBreakerHandle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBreakerHandle").field("layer", &self.map).finish()
    }
}
