//! The way down from one tier to the next.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Degraded, EventKind, Judgement, Substitute};

use crate::{
    Failure,
    bounds::Bounded,
    layer::Shared,
    tier::{Answer, Tier, Unserved},
};

/// A failed call on its way down the tiers.
pub(crate) struct Descent<Res, V, Alt> {
    /// Given back if no tier serves, and therefore kept until one has.
    original: Option<Result<Res, BoxError>>,
    judgement: Judgement,
    view: V,
    tier: usize,
    serving: Option<Bounded<Alt>>,
}

impl<Res, V, Alt> Descent<Res, V, Alt> {
    pub(crate) fn new(original: Result<Res, BoxError>, judgement: Judgement, view: V) -> Self {
        Self { original: Some(original), judgement, view, tier: 0, serving: None }
    }

    /// What the first tier serves that does, marked, or `None` if none does.
    pub(crate) fn poll<P>(
        &mut self,
        protocol: &P,
        shared: &Shared<V, Alt>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<P::Response>>
    where
        Alt: 'static,
        P: Substitute<Res, Alt>,
    {
        while let Some(tier) = shared.tiers.get(self.tier) {
            match ready!(self.poll_tier(tier, protocol, shared, cx)) {
                Ok((mut response, degraded)) => {
                    let (tier, age) = (&*tier.name, degraded.age);
                    shared.reporter.report(EventKind::Served { tier, age });
                    self.mark(&mut response, degraded, protocol);
                    return Poll::Ready(Some(response));
                }
                Err(Unserved::Nothing) => {
                    shared.reporter.report(EventKind::Missed { tier: &tier.name });
                }
                Err(Unserved::Full(cause)) => {
                    shared.tell(tier, cause.as_ref(), &tier.full);
                }
                Err(Unserved::Failed(cause)) => {
                    shared.tell(tier, cause.as_ref(), &tier.failed);
                }
            }
            self.tier += 1;
        }
        Poll::Ready(None)
    }

    /// What this tier serves, and its mark.
    fn poll_tier<P>(
        &mut self,
        tier: &Tier<V, Alt>,
        protocol: &P,
        shared: &Shared<V, Alt>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(P::Response, Degraded), Unserved>>
    where
        Alt: 'static,
        P: Substitute<Res, Alt>,
    {
        let serving = if let Some(serving) = &mut self.serving {
            serving
        } else {
            let error = self.original.as_ref().and_then(|original| original.as_ref().err());
            let failure = Failure::new(self.judgement, error);
            self.serving.insert(tier.serve(&self.view, &failure, &shared.reporter)?)
        };
        let answer = ready!(serving.poll(|| shared.reporter.of_part(&tier.name), cx));
        // Before the next tier begins, so that it finds free what this one held.
        self.serving = None;
        let (answer, held) = answer?;
        let degraded = Degraded::new(Arc::clone(shared.reporter.name()), Arc::clone(&tier.name));
        Poll::Ready(match answer {
            Answer::Made(alternative) => Ok((protocol.alternative(alternative, held), degraded)),
            Answer::Said(alternative) => match protocol.check(&alternative) {
                Ok(()) => Ok((protocol.alternative(alternative, held), degraded)),
                Err(error) => Err(Unserved::Failed(error)),
            },
            Answer::Remembered(entry) => match protocol.recall(entry.copy) {
                Ok(response) => Ok((response, degraded.aged(entry.age))),
                Err(error) => Err(Unserved::Failed(error)),
            },
        })
    }

    /// Marks what stands in for the original, which nobody gets any more.
    fn mark<P>(&mut self, response: &mut P::Response, degraded: Degraded, protocol: &P)
    where
        P: Substitute<Res, Alt>,
    {
        match self.original.take() {
            Some(Ok(failed)) => protocol.mark(response, degraded, Some(&failed)),
            Some(Err(error)) => protocol.mark(response, degraded.caused_by(error), None),
            None => {}
        }
    }

    pub(crate) fn into_original(self) -> Option<Result<Res, BoxError>> {
        self.original
    }
}
