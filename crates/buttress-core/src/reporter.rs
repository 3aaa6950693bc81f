//! What a layer says, in its own name.

use std::{fmt, sync::Arc};

use crate::{Event, EventKind, Observer, Rejection, RejectionKind, Tracing};

/// Speaks for one layer: knows what kind of layer it is, its name, and who listens.
///
/// Every event and every rejection of a layer comes from here, so that they all say whose they
/// are. Clones speak for the same layer.
#[derive(Clone)]
pub struct Reporter {
    layer: &'static str,
    name: Arc<str>,
    observer: Arc<dyn Observer>,
}

impl Reporter {
    /// Speaks for a layer of this kind (`"timeout"`, `"breaker"`, …), which is called by its kind
    /// and observed by [`Tracing`] until told otherwise.
    pub fn new(layer: &'static str) -> Self {
        Self { layer, name: Arc::from(layer), observer: Arc::new(Tracing) }
    }

    /// Gives the layer this name.
    pub fn set_name(&mut self, name: impl Into<Arc<str>>) {
        self.name = name.into();
    }

    /// Speaks for a part of the layer, as a circuit or a compartment of its own: `layer/part`.
    pub fn of_part(&self, part: impl fmt::Display) -> Self {
        let name = format!("{}/{part}", self.name);
        Self { name: name.into(), ..self.clone() }
    }

    /// Tells this observer, in place of the former.
    pub fn set_observer(&mut self, observer: impl Observer) {
        self.observer = Arc::new(observer);
    }

    /// The name of the layer.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Tells the observer what happened.
    #[inline]
    pub fn report(&self, kind: EventKind<'_>) {
        self.observer.observe(&Event::new(self.layer, &self.name, kind));
    }

    /// Makes a rejection, and tells nobody yet.
    #[inline]
    pub fn rejection(&self, kind: RejectionKind) -> Rejection {
        Rejection::new(self.layer, Arc::clone(&self.name), kind)
    }

    /// Makes a rejection and tells the observer of it.
    pub fn reject(&self, kind: RejectionKind) -> Rejection {
        let rejection = self.rejection(kind);
        self.report(EventKind::Rejected(&rejection));
        rejection
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter")
            .field("layer", &self.layer)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
