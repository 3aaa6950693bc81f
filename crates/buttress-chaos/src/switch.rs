//! What is in force, and when.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{Faults, Timeline};

/// The faults in force, cheap to ask for while there are none.
pub(crate) struct Switch {
    on: AtomicBool,
    program: Mutex<Program>,
    /// Whether it is not to be switched.
    stays_off: bool,
}

/// What decides which faults are in force.
#[derive(Clone)]
enum Program {
    Always(Arc<Faults>),
    Timeline { timeline: Arc<Timeline<Faults>>, start: Instant },
}

impl Switch {
    pub(crate) fn new(faults: &Faults) -> Self {
        let on = AtomicBool::new(!faults.is_none());
        Self { on, program: Mutex::new(Program::Always(Arc::new(*faults))), stays_off: false }
    }

    /// No faults, ever.
    pub(crate) fn off() -> Self {
        Self { stays_off: true, ..Self::new(&Faults::none()) }
    }

    pub(crate) fn stays_off(&self) -> bool {
        self.stays_off
    }

    pub(crate) fn set(&self, faults: &Faults) {
        self.put(!faults.is_none(), Program::Always(Arc::new(*faults)));
    }

    pub(crate) fn play(&self, timeline: Timeline<Faults>) {
        let on = !timeline.is_empty();
        self.put(on, Program::Timeline { timeline: Arc::new(timeline), start: Instant::now() });
    }

    fn put(&self, on: bool, program: Program) {
        if self.stays_off {
            return;
        }
        let mut current = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        *current = program;
        // Under the lock, so that of two changes the later one sets both. Relaxed: who sees it
        // takes the lock before it reads the faults.
        self.on.store(on, Ordering::Relaxed);
    }

    /// Whether anything may be in force: all that a call costs while nothing is.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// What is in force for the layer of this name.
    pub(crate) fn get(&self, name: &str) -> Faults {
        let program = self.program.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match program {
            Program::Always(faults) => *faults,
            Program::Timeline { timeline, start } => {
                let played = Instant::now().saturating_duration_since(start);
                let faults = at(&timeline, name, played);
                if played >= timeline.end() {
                    self.settle(&timeline, &faults);
                }
                faults
            }
        }
    }

    /// Puts what a timeline ended with in its place, so that a call costs no more than if it had been set.
    fn settle(&self, over: &Arc<Timeline<Faults>>, faults: &Faults) {
        let mut current = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        // Or what was put in its place meanwhile would be lost.
        if matches!(&*current, Program::Timeline { timeline, .. } if Arc::ptr_eq(timeline, over)) {
            *current = Program::Always(Arc::new(*faults));
            self.on.store(!faults.is_none(), Ordering::Relaxed);
        }
    }

    /// The faults in force, or `None` if there are none.
    pub(crate) fn in_force(&self, name: &str) -> Option<Faults> {
        self.is_on().then(|| self.get(name)).filter(|faults| !faults.is_none())
    }
}

/// All that is in force at a time; of one kind that which began last.
fn at(timeline: &Timeline<Faults>, name: &str, at: Duration) -> Faults {
    timeline.active_for(name, at).fold(Faults::none(), |before, step| step.fault().or(before))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::Step;

    const SECOND: Duration = Duration::from_secs(1);

    fn errors() -> Faults {
        Faults::none().errors(1.0).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeline_that_is_over_costs_no_more_than_what_it_ended_with() {
        let outage = || Step::new(SECOND, errors()).lasting(SECOND).unwrap();
        let for_ever = |target: &str| Step::new(3 * SECOND, errors()).on(target).unwrap();
        for (last, ends_with) in [
            (None, Faults::none()),
            (Some(for_ever("chaos")), errors()),
            (Some(for_ever("other")), Faults::none()),
        ] {
            let switch = Switch::new(&Faults::none());
            switch.play([outage()].into_iter().chain(last).collect());
            for second in [Faults::none(), errors()] {
                assert_eq!((switch.get("chaos"), switch.is_on()), (second, true));
                advance(SECOND).await;
            }
            advance(SECOND).await;
            assert_eq!(switch.get("chaos"), ends_with);
            assert_eq!(switch.is_on(), !ends_with.is_none());
            assert!(matches!(*switch.program.lock().unwrap(), Program::Always(_)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_put_in_place_of_a_timeline_meanwhile_stays() {
        let switch = Switch::new(&Faults::none());
        let over = Arc::new(Timeline::new());
        switch.set(&errors());
        switch.settle(&over, &Faults::none());
        assert_eq!((switch.get("chaos"), switch.is_on()), (errors(), true));
        switch.play(Timeline::from_iter([Step::new(SECOND, errors())]));
        switch.settle(&over, &Faults::none());
        assert!(switch.is_on());
    }
}
