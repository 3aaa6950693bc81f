//! Which fault is in force when.

#[cfg(feature = "serde")]
mod read;
mod step;
#[cfg(feature = "toml")]
mod toml;
#[cfg(feature = "serde")]
mod values;

use std::time::Duration;

use buttress_core::ConfigError;

#[cfg(feature = "toml")]
pub use self::toml::TimelineError;
pub use step::Step;

/// A script of faults: which begins when, how long it lasts, and on whom.
///
/// All times count from the start of whatever plays it. What a fault is, the timeline does not
/// know: a [`ChaosLayer`](crate::ChaosLayer) plays one of [`Faults`](crate::Faults), a program of
/// yours one of its own type. It is plain data without a clock.
///
/// ```
/// use std::time::Duration;
/// use buttress_chaos::{Step, Timeline};
///
/// # fn main() -> Result<(), buttress_core::ConfigError> {
/// const SECOND: Duration = Duration::from_secs(1);
/// let timeline = Timeline::from_iter([
///     Step::new(5 * SECOND, "hangs").lasting(3 * SECOND)?.on("pricing")?,
///     Step::new(7 * SECOND, "is slow"),
/// ]);
/// let active = |at| timeline.active_for("pricing", at).map(|step| *step.fault()).collect::<Vec<_>>();
/// assert_eq!(active(5 * SECOND), ["hangs"]);
/// assert_eq!(active(7 * SECOND), ["hangs", "is slow"]);
/// assert_eq!(active(8 * SECOND), ["is slow"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline<F> {
    /// In the order in which they begin; those that begin at once in the order they were given.
    steps: Vec<Step<F>>,
}

impl<F> Timeline<F> {
    /// No steps.
    pub const fn new() -> Self {
        Self { steps: Vec::new() }
    }

    /// The same timeline with one step more.
    pub fn step(mut self, step: Step<F>) -> Self {
        let place = self.steps.partition_point(|other| other.at() <= step.at());
        self.steps.insert(place, step);
        self
    }

    /// All steps, in the order in which they begin. Those that begin at once are in the order in
    /// which they were given.
    pub fn steps(&self) -> &[Step<F>] {
        &self.steps
    }

    /// Whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps that are in force at this time, in the order in which they began.
    ///
    /// A step is in force from the very moment at which it begins, and no more at the moment at
    /// which it ends.
    pub fn active(&self, at: Duration) -> impl Iterator<Item = &Step<F>> {
        self.steps.iter().take_while(move |step| step.at() <= at).filter(move |s| s.is_active(at))
    }

    /// The steps that are in force for `target` at this time: those that name it, and those that
    /// name nobody.
    pub fn active_for(&self, target: &str, at: Duration) -> impl Iterator<Item = &Step<F>> {
        self.active(at).filter(move |step| step.is_for(target))
    }

    /// All beginnings and ends, in the order of time, for whoever plays the timeline.
    ///
    /// Of what happens at the same moment the ends come first, so that a fault which follows on
    /// another is not ended with it.
    pub fn changes(&self) -> Vec<Change<'_, F>> {
        let begins = self.steps.iter().map(|step| Change { at: step.at(), begins: true, step });
        let ends = self
            .steps
            .iter()
            .filter_map(|step| step.end().map(|at| Change { at, begins: false, step }));
        let mut changes: Vec<_> = begins.chain(ends).collect();
        changes.sort_by_key(|change| (change.at, change.begins));
        changes
    }

    /// When something changes next after this time; `None` if nothing does any more.
    pub fn next_change_after(&self, at: Duration) -> Option<Duration> {
        self.times().filter(|change| *change > at).min()
    }

    /// When the last change is; after that all stays as it is. Zero for a timeline without steps.
    pub fn end(&self) -> Duration {
        self.times().max().unwrap_or_default()
    }

    /// Whom the steps name, each once and sorted: to find out whether all of them exist.
    pub fn targets(&self) -> Vec<&str> {
        let mut targets: Vec<_> = self.steps.iter().filter_map(Step::target).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// Refuses a step for a target that is not among these: a name with a typing error would
    /// otherwise be a fault that nobody ever sees.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] that names the first such target, and those that there are.
    pub fn check_targets(&self, known: &[&str]) -> Result<(), ConfigError> {
        match self.targets().into_iter().find(|target| !known.contains(target)) {
            None => Ok(()),
            Some(target) => {
                let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
                let allowed = format!("one of {}", known.join(", "));
                Err(ConfigError::new("target", format!("`{target}`"), allowed))
            }
        }
    }

    /// The same timeline for a run that is `factor` times as long: all times are multiplied.
    ///
    /// What follows on one another still does, and no step is shortened to nothing.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `factor` is zero, negative, infinite or not a number, or so large that a
    /// time is beyond what a [`Duration`] can say.
    pub fn scaled(self, factor: f64) -> Result<Self, ConfigError> {
        let steps: Result<Vec<_>, _> =
            self.steps.into_iter().map(|step| step.scaled(factor)).collect();
        // The order is kept: a factor above zero changes none.
        Ok(Self { steps: steps? })
    }

    /// The same timeline with each fault made into another, for instance from the type that a file
    /// has to the one that a layer takes.
    ///
    /// # Errors
    ///
    /// The first error of `change`.
    pub fn try_map<G, E>(
        self,
        mut change: impl FnMut(F) -> Result<G, E>,
    ) -> Result<Timeline<G>, E> {
        let steps: Result<Vec<_>, _> =
            self.steps.into_iter().map(|step| step.try_map(&mut change)).collect();
        Ok(Timeline { steps: steps? })
    }

    fn times(&self) -> impl Iterator<Item = Duration> {
        self.steps.iter().flat_map(|step| [Some(step.at()), step.end()]).flatten()
    }
}

impl<F> Default for Timeline<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> FromIterator<Step<F>> for Timeline<F> {
    fn from_iter<I: IntoIterator<Item = Step<F>>>(steps: I) -> Self {
        let mut steps: Vec<_> = steps.into_iter().collect();
        // Stable: of those that begin at once the order stays.
        steps.sort_by_key(Step::at);
        Self { steps }
    }
}

/// The beginning or the end of a step.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Change<'a, F> {
    /// When it is, counted from the start.
    pub at: Duration,
    /// Whether the step begins; else it ends.
    pub begins: bool,
    /// The step.
    pub step: &'a Step<F>,
}

// By hand, for nothing is asked of `F`.
impl<F> Clone for Change<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Change<'_, F> {}
