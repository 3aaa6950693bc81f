//! A compartment for each key.

use std::{
    borrow::Borrow,
    fmt::{self, Display},
    hash::Hash,
    marker::PhantomData,
    sync::Arc,
};

use buttress_core::{BoxError, ConfigError, Keep, Keyed, Reporter};

use crate::{
    BulkheadHandle, BulkheadLayer, BulkheadLayerBuilder, Compartments, compartments::Sealed,
    settings::Complete, shared::Shared,
};

/// How many keys are kept if nothing is said: more hosts than most services call, for half a
/// megabyte.
const MAX_KEYS: usize = 1_000;

/// How a compartment is chosen by key; made by [`BulkheadLayerBuilder::keyed`].
#[derive(Debug, Clone, Copy)]
pub struct ByKey<K, F> {
    key: F,
    max_keys: usize,
    of: PhantomData<fn() -> K>,
}

/// One compartment for each key.
pub struct CompartmentPerKey<K, F> {
    map: Arc<Map<K>>,
    key: F,
}

/// The compartments of a layer that has one for each key, in an operator's hand.
///
/// Whoever holds the handle of a key keeps its compartment from being forgotten.
pub struct KeyedBulkheadHandle<K> {
    map: Arc<Map<K>>,
}

struct Map<K> {
    compartments: Keyed<K, Arc<Shared>>,
    // Of all keys that there is no place to keep.
    overflow: BulkheadHandle,
    settings: Arc<Complete>,
    reporter: Reporter,
}

impl<P, R> BulkheadLayerBuilder<P, (), R> {
    /// Gives each key that this function makes of a request a compartment of its own, each with the
    /// settings of this builder: one for each tenant or host. Default: one for all.
    ///
    /// Errors and events name the layer and the key, as `bulkhead/api.example.com`. The function is
    /// called for each request, so a key should be cheap to make.
    ///
    /// ```
    /// use buttress_bulkhead::BulkheadLayer;
    ///
    /// struct Call {
    ///     tenant: u32,
    /// }
    ///
    /// # fn main() -> Result<(), buttress_core::ConfigError> {
    /// let layer = BulkheadLayer::builder()
    ///     .max_concurrent(5)
    ///     .keyed(|call: &Call| call.tenant)
    ///     .build()?;
    /// let tenant = layer.handle().of(&17).expect("there is room for it");
    /// tenant.set_limit(20)?; // pays for more
    /// # Ok(())
    /// # }
    /// ```
    pub fn keyed<Req, K, F>(self, key: F) -> BulkheadLayerBuilder<P, ByKey<K, F>, R>
    where
        F: Fn(&Req) -> K,
        K: Hash + Eq + Clone + Display,
    {
        let Self { settings, reporter, protocol, keyed: (), runner } = self;
        let keyed = ByKey { key, max_keys: MAX_KEYS, of: PhantomData };
        BulkheadLayerBuilder { settings, reporter, protocol, keyed, runner }
    }
}

impl<P, K, F, R> BulkheadLayerBuilder<P, ByKey<K, F>, R> {
    /// Keeps the compartments of this many keys, from 1 to 1,000,000. Default: 1,000.
    ///
    /// When another key comes, one that was not called of late is forgotten, with what its limit may have
    /// learned. Not forgotten is a key
    ///
    /// - of which calls are in flight or wait,
    /// - whose limit an operator has [set](BulkheadHandle::set_limit), or
    /// - whose handle somebody holds.
    ///
    /// If none is found among those that are looked at, the new key shares one further compartment, of the
    /// same settings, with all others that there is no room for: however many keys come, no more calls pass
    /// at once than those of `max_keys` and one compartments. A key that is given room later may still have
    /// calls in the shared one.
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.keyed.max_keys = keys;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as for one compartment, if `max_keys` is outside its range, and if there is
    /// `backpressure`, which knows of no request yet that would have a key.
    pub fn build(self) -> Result<BulkheadLayer<P, CompartmentPerKey<K, F>, R>, ConfigError> {
        let Self { settings, reporter, protocol, keyed, runner } = self;
        let ByKey { key, max_keys, of: _ } = keyed;
        let settings = settings.complete()?;
        if settings.backpressure {
            let allowed = "left unset where there is a compartment for each key";
            return Err(ConfigError::new("backpressure", "set", allowed));
        }
        let map = Map::new(max_keys, Arc::new(settings), reporter)?;
        let compartments = CompartmentPerKey { map: Arc::new(map), key };
        Ok(BulkheadLayer::with(compartments, protocol, runner))
    }
}

impl<P, K, F, R> BulkheadLayer<P, CompartmentPerKey<K, F>, R> {
    /// The compartments, for whoever operates them.
    pub fn handle(&self) -> KeyedBulkheadHandle<K> {
        KeyedBulkheadHandle { map: Arc::clone(&self.compartments.map) }
    }

    /// The same layer, switched off: calls pass as if it were not there. Of the same type, so that a
    /// setting can decide: `if on { layer } else { layer.disabled() }`.
    ///
    /// No call is asked for its key; for the rest it is as where there is
    /// [one compartment](BulkheadLayer::disabled). Its [handle](Self::handle) knows no key but those that
    /// an operator asks it [for](KeyedBulkheadHandle::of), in whose compartments nobody ever is.
    pub fn disabled(self) -> Self {
        let CompartmentPerKey { map, key } = self.compartments;
        let compartments = CompartmentPerKey { map: Arc::new(map.isolated()), key };
        Self::off(compartments, self.protocol, self.runner)
    }
}

impl<P: Clone, K, F: Clone, R: Clone> BulkheadLayer<P, CompartmentPerKey<K, F>, R> {
    /// A layer of the same settings, name and observer that knows no key yet.
    pub fn isolated(&self) -> Self {
        if self.is_off {
            return self.clone().disabled();
        }
        let CompartmentPerKey { map, key } = &self.compartments;
        let compartments = CompartmentPerKey { map: Arc::new(map.isolated()), key: key.clone() };
        Self::with(compartments, self.protocol.clone(), self.runner.clone())
    }
}

impl<Req, K, F> Compartments<Req> for CompartmentPerKey<K, F>
where
    K: Hash + Eq + Clone + Display,
    F: Fn(&Req) -> K,
{
    fn compartment(&self, request: &Req) -> Result<BulkheadHandle, BoxError> {
        let key = (self.key)(request);
        Ok(self.map.compartment(&key).unwrap_or_else(|| self.map.overflow.clone()))
    }
}

impl<K, F> Sealed for CompartmentPerKey<K, F> {}

impl<K> Map<K> {
    fn new(
        max_keys: usize,
        settings: Arc<Complete>,
        reporter: Reporter,
    ) -> Result<Self, ConfigError> {
        let compartments = Keyed::new(max_keys)?;
        let overflow = Shared::new(Arc::clone(&settings), reporter.clone());
        let overflow = BulkheadHandle::new(Arc::new(overflow));
        Ok(Self { compartments, overflow, settings, reporter })
    }

    /// One of the same settings that knows no key yet.
    fn isolated(&self) -> Self {
        let max_keys = self.compartments.max_keys();
        let isolated = Self::new(max_keys, Arc::clone(&self.settings), self.reporter.clone());
        isolated.expect("as many as are kept here")
    }
}

impl<K: Hash + Eq + Clone + Display> Map<K> {
    /// The compartment of this key; none if there is no room to keep it.
    fn compartment(&self, key: &K) -> Option<BulkheadHandle> {
        let Self { compartments, settings, reporter, overflow: _ } = self;
        let compartment = compartments.try_get_or_insert_with(key, |key| {
            Arc::new(Shared::new(Arc::clone(settings), reporter.of_part(key)))
        });
        compartment.ok().map(BulkheadHandle::new)
    }
}

impl<K> KeyedBulkheadHandle<K> {
    /// The compartment of this key, which is kept from now on, if it was not: to give it another limit
    /// before it is ever called. None if there is no room for it.
    pub fn of(&self, key: &K) -> Option<BulkheadHandle>
    where
        K: Hash + Eq + Clone + Display,
    {
        self.map.compartment(key)
    }

    /// The compartment of this key, if it is kept.
    pub fn get<Q>(&self, key: &Q) -> Option<BulkheadHandle>
    where
        K: Hash + Eq + Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.map.compartments.get(key).map(BulkheadHandle::new)
    }

    /// All compartments that are kept, with their keys, in no order. Not of one moment, while there are
    /// calls. None of them is forgotten while you hold it.
    pub fn handles(&self) -> Vec<(K, BulkheadHandle)>
    where
        K: Clone,
    {
        let entries = self.map.compartments.entries().into_iter();
        entries.map(|(key, compartment)| (key, BulkheadHandle::new(compartment))).collect()
    }

    /// The compartment that all keys share which there is no room for.
    pub fn overflow(&self) -> BulkheadHandle {
        self.map.overflow.clone()
    }

    /// How many keys are kept.
    pub fn len(&self) -> usize {
        self.map.compartments.len()
    }

    /// Whether no key is kept.
    pub fn is_empty(&self) -> bool {
        self.map.compartments.is_empty()
    }
}

/// Calls in flight and those that wait hold it; and what an operator said is not to be lost.
impl Keep for Shared {
    fn is_needed(&self) -> bool {
        self.is_told()
    }
}

impl<K, F: Clone> Clone for CompartmentPerKey<K, F> {
    fn clone(&self) -> Self {
        Self { map: Arc::clone(&self.map), key: self.key.clone() }
    }
}

impl<K> Clone for KeyedBulkheadHandle<K> {
    fn clone(&self) -> Self {
        Self { map: Arc::clone(&self.map) }
    }
}

impl<K> fmt::Debug for Map<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("name", self.reporter.name())
            .field("settings", &self.settings)
            .field("compartments", &self.compartments)
            .finish_non_exhaustive()
    }
}

impl<K, F> fmt::Debug for CompartmentPerKey<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.map.fmt(f)
    }
}

impl<K> fmt::Debug for KeyedBulkheadHandle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBulkheadHandle").field("layer", &self.map).finish()
    }
}
