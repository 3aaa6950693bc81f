//! Plays a timeline on a proxy.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::{
    ProxyHandle, WireFault,
    handle::{Asked, Refusal},
    toxics::Toxics,
};
use crate::Timeline;

/// A timeline that is being played; made by [`ProxyHandle::play`].
///
/// Dropping it ends the faults that it has put in force, and the timeline.
#[must_use = "dropping it ends its faults"]
pub struct Playing {
    in_force: Arc<InForce>,
    task: Option<JoinHandle<io::Result<()>>>,
}

impl Playing {
    pub(super) fn start(handle: &ProxyHandle, timeline: &Timeline<WireFault>) -> Self {
        let in_force = Arc::new(InForce::default());
        let player = Player {
            handle: handle.clone(),
            timeline: timeline.clone(),
            start: Instant::now(),
            in_force: Arc::clone(&in_force),
        };
        Self { in_force, task: Some(tokio::spawn(player.play())) }
    }

    /// Until the last change of the timeline has been made. What lasts to its end stays in force until
    /// this is dropped.
    ///
    /// # Errors
    ///
    /// What [`refuse`](ProxyHandle::refuse) or [`enable`](ProxyHandle::enable) said; the timeline has
    /// stopped there, and what was in force still is.
    pub async fn finished(&mut self) -> io::Result<()> {
        let Some(task) = &mut self.task else { return Ok(()) };
        let finished = task.await;
        self.task = None;
        finished.map_err(io::Error::other)?
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        self.in_force.end();
    }
}

impl fmt::Debug for Playing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Playing").finish_non_exhaustive()
    }
}

struct Player {
    handle: ProxyHandle,
    timeline: Timeline<WireFault>,
    start: Instant,
    in_force: Arc<InForce>,
}

impl Player {
    async fn play(self) -> io::Result<()> {
        // By the time of the timeline and not by that of the clock, so that nothing is left out by a
        // machine that is late.
        let mut at = Duration::ZERO;
        loop {
            for asked in self.change(at) {
                asked.done().await?;
            }
            let next = self.timeline.next_change_after(at);
            // What is later than the clock can say never comes.
            let Some((next, moment)) = next.and_then(|at| Some((at, self.start.checked_add(at)?)))
            else {
                return Ok(());
            };
            at = next;
            sleep_until(moment).await;
        }
    }

    /// Ends what is no more in force at this time, and then begins what is new. A refusal ends after
    /// that, or somebody would be let in between it and one that follows on it.
    fn change(&self, at: Duration) -> Vec<Asked> {
        let mut in_force = self.in_force.steps.lock().unwrap_or_else(PoisonError::into_inner);
        // The player has been dropped.
        let Some(in_force) = in_force.as_mut() else { return Vec::new() };
        let active = |place: &usize| self.timeline.steps()[*place].is_active(at);
        let over: Vec<_> = in_force.keys().copied().filter(|place| !active(place)).collect();
        let over = over.iter().filter_map(|place| in_force.remove(place));
        let (refusals, toxics): (Vec<_>, Vec<_>) = over.partition(Fault::is_refusal);
        drop(toxics);
        let mut asked = Vec::new();
        for (place, step) in self.timeline.steps().iter().enumerate() {
            let is_new = active(&place) && !in_force.contains_key(&place);
            if is_new && step.is_for(self.handle.name()) {
                let (fault, done) = Fault::begin(&self.handle, place, step.fault());
                in_force.insert(place, fault);
                asked.extend(done);
            }
        }
        asked.extend(refusals.into_iter().filter_map(Fault::end));
        asked
    }
}

/// What is in force, by the place of its step; `None` when all has been ended for good.
struct InForce {
    steps: Mutex<Option<BTreeMap<usize, Fault>>>,
}

impl InForce {
    fn end(&self) {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Default for InForce {
    fn default() -> Self {
        Self { steps: Mutex::new(Some(BTreeMap::new())) }
    }
}

/// A fault that is in force until it is dropped.
enum Fault {
    Toxic { toxics: Arc<Toxics>, id: u64 },
    Refusal(Refusal),
}

impl Fault {
    fn begin(handle: &ProxyHandle, place: usize, fault: &WireFault) -> (Self, Option<Asked>) {
        match fault {
            WireFault::Toxic(toxic) => {
                let toxics = Arc::clone(handle.toxics());
                let id = toxics.add_somehow(&format!("timeline {place}"), *toxic);
                (Self::Toxic { toxics, id }, None)
            }
            WireFault::Refuse => {
                let (refusal, asked) = Refusal::begin(handle);
                (Self::Refusal(refusal), Some(asked))
            }
        }
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::Refusal(_))
    }

    fn end(mut self) -> Option<Asked> {
        self.let_go()
    }

    fn let_go(&mut self) -> Option<Asked> {
        match self {
            Self::Toxic { toxics, id } => {
                toxics.remove_this(*id);
                None
            }
            Self::Refusal(refusal) => refusal.end(),
        }
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests;
