//! One alternative, and the way down from one to the next.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Degraded, EventKind, Judgement};

use crate::{Failure, layer::Shared};

/// The future of a tier. Boxed, as only a call that failed pays for it.
pub(crate) type Serving<Alt> = Pin<Box<dyn Future<Output = Result<Alt, BoxError>> + Send>>;

type Serve<V, Alt> = Box<dyn Fn(&V, &Failure<'_>) -> Serving<Alt> + Send + Sync>;

/// One alternative to the answer that was asked for.
pub(crate) struct Tier<V, Alt> {
    pub(crate) name: Arc<str>,
    serve: Serve<V, Alt>,
}

impl<V, Alt> Tier<V, Alt> {
    pub(crate) fn new(
        name: Arc<str>,
        serve: impl Fn(&V, &Failure<'_>) -> Serving<Alt> + Send + Sync + 'static,
    ) -> Self {
        Self { name, serve: Box::new(serve) }
    }
}

impl<Alt: 'static> Tier<(), Alt> {
    /// The same tier where there is a view, which it does not look at.
    pub(crate) fn overlook<V>(self) -> Tier<V, Alt> {
        let Self { name, serve } = self;
        Tier::new(name, move |_view, failure| serve(&(), failure))
    }
}

impl<V, Alt> fmt::Debug for Tier<V, Alt> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// A failed call on its way down the tiers.
pub(crate) struct Descent<Res, V, Alt> {
    /// Given back if no tier serves, and therefore kept until one has.
    original: Result<Res, BoxError>,
    judgement: Judgement,
    view: V,
    tier: usize,
    serving: Option<Serving<Alt>>,
}

impl<Res, V, Alt> Descent<Res, V, Alt> {
    pub(crate) fn new(original: Result<Res, BoxError>, judgement: Judgement, view: V) -> Self {
        Self { original, judgement, view, tier: 0, serving: None }
    }

    /// The answer of the first tier that serves and its mark, or `None` if none does.
    pub(crate) fn poll(
        &mut self,
        shared: &Shared<V, Alt>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(Alt, Degraded)>> {
        while let Some(Tier { name, serve }) = shared.tiers.get(self.tier) {
            let failure = Failure::new(self.judgement, self.original.as_ref().err());
            let serving = self.serving.get_or_insert_with(|| serve(&self.view, &failure));
            let result = ready!(serving.as_mut().poll(cx));
            // Before the next tier begins, so that it finds free what this one held.
            self.serving = None;
            match result {
                Ok(alternative) => {
                    shared.reporter.report(EventKind::Served { tier: name });
                    let degraded =
                        Degraded::new(Arc::clone(shared.reporter.name()), Arc::clone(name));
                    return Poll::Ready(Some((alternative, degraded)));
                }
                Err(error) => {
                    shared
                        .reporter
                        .report(EventKind::TierFailed { tier: name, cause: error.as_ref() });
                    self.tier += 1;
                }
            }
        }
        Poll::Ready(None)
    }

    pub(crate) fn into_original(self) -> Result<Res, BoxError> {
        self.original
    }
}
