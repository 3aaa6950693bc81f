//! One alternative to the answer that was asked for.

use std::{fmt, pin::Pin, sync::Arc};

use buttress_core::{BoxError, Deadline, Reporter};

use crate::{
    Failure,
    bounds::{Bounded, Bounds},
    entry::Entry,
    memory::Memory,
    once_a_minute::OnceAMinute,
};

/// The future of a tier. Boxed, as only a call that failed pays for it.
pub(crate) type Serving<Alt> = Pin<Box<dyn Future<Output = Result<Answer<Alt>, Unserved>> + Send>>;

type Make<V, Alt> = Box<dyn Fn(&V, &Failure<'_>) -> Serving<Alt> + Send + Sync>;

/// What a tier answers.
pub(crate) enum Answer<Alt> {
    /// Something made for this call.
    Made(Alt),
    /// What another service said, which may be that it failed.
    Said(Alt),
    /// A copy of a good answer of before.
    Remembered(Entry),
}

/// Why a tier does not answer.
#[derive(Debug)]
pub(crate) enum Unserved {
    /// It remembers nothing that would do, which is no fault.
    Nothing,
    /// As many as may are at it.
    Full(BoxError),
    Failed(BoxError),
}

/// One alternative to the answer that was asked for.
pub(crate) struct Tier<V, Alt> {
    pub(crate) name: Arc<str>,
    pub(crate) bounds: Bounds,
    /// When it was said that it was full, and when that it failed: neither hides the other.
    pub(crate) full: OnceAMinute,
    pub(crate) failed: OnceAMinute,
    source: Source<V, Alt>,
}

enum Source<V, Alt> {
    Function(Make<V, Alt>),
    Memory(Memory<V>),
}

impl<V, Alt> Tier<V, Alt> {
    pub(crate) fn function(
        name: Arc<str>,
        make: impl Fn(&V, &Failure<'_>) -> Serving<Alt> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, Bounds::none(), Source::Function(Box::new(make)))
    }

    pub(crate) fn memory(name: Arc<str>, memory: Memory<V>, bounds: Bounds) -> Self {
        Self::new(name, bounds, Source::Memory(memory))
    }

    fn new(name: Arc<str>, bounds: Bounds, source: Source<V, Alt>) -> Self {
        let [full, failed] = [(); 2].map(|()| OnceAMinute::default());
        Self { name, bounds, full, failed, source }
    }

    /// What it remembers answers by, if it does.
    pub(crate) fn remembers(&self) -> Option<&Memory<V>> {
        match &self.source {
            Source::Memory(memory) => Some(memory),
            Source::Function(_) => None,
        }
    }
}

impl<V, Alt: 'static> Tier<V, Alt> {
    /// Begins to answer, within its bounds.
    pub(crate) fn serve(
        &self,
        view: &V,
        failure: &Failure<'_>,
        reporter: &Reporter,
    ) -> Result<Bounded<Alt>, Unserved> {
        let place = self.bounds.enter(|| reporter.of_part(&self.name))?;
        let deadline = self.bounds.deadline();
        // A service reads its deadline where it is called, which is here if it is ready.
        let serving = Deadline::scope(deadline, || match &self.source {
            Source::Function(make) => Ok(make(view, failure)),
            Source::Memory(memory) => memory.recall(view, reporter).ok_or(Unserved::Nothing),
        })?;
        Ok(self.bounds.bound(serving, place, deadline))
    }
}

impl<Alt: 'static> Tier<(), Alt> {
    /// The same tier where there is a view, which it does not look at.
    pub(crate) fn overlook<V>(self) -> Tier<V, Alt> {
        let Self { name, bounds, source, .. } = self;
        let source = match source {
            Source::Function(make) => {
                Source::Function(Box::new(move |_: &V, failure: &Failure<'_>| make(&(), failure)))
            }
            Source::Memory(memory) => Source::Memory(memory.overlook()),
        };
        Tier::new(name, bounds, source)
    }
}

impl<V, Alt> fmt::Debug for Tier<V, Alt> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}
