//! What every service of one layer shares.

use std::{fmt, sync::Arc};

use buttress_core::{BoxError, EventKind, Randomness, RejectionKind, Reporter};
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    Faults,
    draw::{Injection, Unready},
    switch::Switch,
};

/// Makes the error of a call that is to fail.
pub(crate) type MakeError = Arc<dyn Fn() -> BoxError + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) switch: Switch,
    pub(crate) chance: Chance,
    pub(crate) panics_allowed: bool,
    /// None: a rejection in the layer's own name.
    pub(crate) error: Option<MakeError>,
    pub(crate) reporter: Reporter,
}

/// The generators: one for calls and one for readiness, so that how often somebody asks whether a
/// service is ready does not change which calls are struck.
#[derive(Debug, Default)]
pub(crate) struct Chance {
    calls: Randomness,
    readiness: Randomness,
}

impl Chance {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { calls: Randomness::seeded(seed), readiness: Randomness::seeded(!seed) }
    }
}

impl Shared {
    /// The same, without faults for ever.
    pub(crate) fn off(&self) -> Self {
        Self {
            switch: Switch::off(),
            chance: Chance::default(),
            panics_allowed: self.panics_allowed,
            error: self.error.clone(),
            reporter: self.reporter.clone(),
        }
    }

    /// The faults in force now.
    pub(crate) fn faults(&self) -> Faults {
        self.switch.get(self.reporter.name())
    }

    /// The same, or `None` if there are none.
    pub(crate) fn in_force(&self) -> Option<Faults> {
        self.switch.in_force(self.reporter.name())
    }

    /// Draws what a call gets of these faults.
    pub(crate) fn draw(&self, faults: &Faults) -> Injection {
        self.chance.calls.with(|rng| faults.draw(rng))
    }

    /// What a call gets of faults that leave nothing to chance, so that what others get stays the same.
    pub(crate) fn strike(faults: &Faults) -> Injection {
        faults.draw(&mut StdRng::seed_from_u64(0))
    }

    /// Draws what a question for readiness gets.
    pub(crate) fn draw_ready(&self) -> Option<Unready> {
        let faults = self.in_force().filter(Faults::strike_readiness)?;
        self.chance.readiness.with(|rng| faults.draw_ready(rng))
    }

    /// Tells the observer that this fault strikes.
    pub(crate) fn tell(&self, fault: &str) {
        self.reporter.report(EventKind::Injected { fault });
    }

    /// The error of a call that is to fail.
    pub(crate) fn error(&self) -> BoxError {
        match &self.error {
            Some(make) => make(),
            None => self.reporter.rejection(RejectionKind::Injected).into(),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaosLayer")
            .field("name", self.reporter.name())
            .field("in_force", &self.in_force())
            .field("chance", &self.chance)
            .finish_non_exhaustive()
    }
}
