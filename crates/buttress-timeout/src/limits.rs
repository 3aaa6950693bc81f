//! The limits of a layer, and what they come to for one call.

use std::time::Duration;

use buttress_core::{ConfigError, Deadline};
use tokio::time::Instant;

/// The limits of a layer; `None` means never.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) overall: Option<Duration>,
    pub(crate) response: Option<Duration>,
    pub(crate) read: Option<Duration>,
}

impl Limits {
    /// Refuses a limit of zero; one of `Duration::MAX` is none.
    pub(crate) fn check(self) -> Result<Self, ConfigError> {
        let check = |setting, limit: Option<Duration>| {
            let Some(limit) = limit else { return Ok(None) };
            ConfigError::check_not_zero(setting, limit)?;
            Ok(finite(limit))
        };
        Ok(Self {
            overall: check("overall", self.overall)?,
            response: check("response", self.response)?,
            read: check("read", self.read)?,
        })
    }
}

/// Never is not a limit: no timer, and no deadline for those inside.
pub(crate) fn finite(limit: Duration) -> Option<Duration> {
    (limit != Duration::MAX).then_some(limit)
}

/// What bounds one call, in the phase in which it is.
///
/// The limit on the whole becomes the deadline of everything inside. That of a phase does not: a
/// body that begins under the limit on the head goes on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// When the whole call is cut: the sooner of the layer's own limit and the ambient deadline.
    whole: Option<Deadline>,
    /// The layer's own limit on the whole, if it is the sooner.
    overall: Option<Duration>,
    /// When the phase is cut, and by which limit.
    phase: Option<(Deadline, Duration)>,
}

/// What cuts a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The layer's own limit on the whole.
    Overall(Duration),
    /// A deadline that came with the call.
    Deadline,
    /// The layer's own limit on the phase.
    Phase(Duration),
}

impl Bounds {
    /// The bounds of a call that begins now; none if its time is up already.
    #[inline]
    pub(crate) fn begin(
        overall: Option<Duration>,
        response: Option<Duration>,
        ambient: Option<Deadline>,
        now: Instant,
    ) -> Option<Self> {
        let own = overall.map(|limit| Deadline::after_instant(now, limit));
        let whole = Deadline::sooner(own, ambient);
        if whole.is_some_and(|deadline| deadline.is_past_at(now)) {
            return None;
        }
        Some(Self {
            whole,
            overall: overall.filter(|_| own == whole),
            phase: response.map(|limit| (Deadline::after_instant(now, limit), limit)),
        })
    }

    /// The bounds of a call that nothing bounds.
    pub(crate) const NONE: Self = Self { whole: None, overall: None, phase: None };

    /// The deadline of everything inside.
    #[inline]
    pub(crate) fn whole(&self) -> Option<Deadline> {
        self.whole
    }

    /// When the call is cut, be it as a whole or in its phase.
    #[inline]
    pub(crate) fn due(&self) -> Option<Deadline> {
        Deadline::sooner(self.whole, self.phase.map(|(deadline, _)| deadline))
    }

    /// What cuts the call when it is due: of two at the same moment, the whole.
    pub(crate) fn cause(&self) -> Cause {
        match (self.phase, self.overall) {
            (Some((_, limit)), _) if self.due() != self.whole => Cause::Phase(limit),
            (_, Some(limit)) => Cause::Overall(limit),
            (_, None) => Cause::Deadline,
        }
    }

    /// The phase is over, and its limit with it.
    pub(crate) fn end_phase(&mut self) {
        self.phase = None;
    }

    /// The limit of the phase runs from `now`, if it does not run already.
    pub(crate) fn run_phase(&mut self, limit: Duration, now: Instant) {
        self.phase.get_or_insert_with(|| (Deadline::after_instant(now, limit), limit));
    }

    /// The call is cut: those inside see that its deadline has passed.
    pub(crate) fn cut(&mut self) {
        self.whole = self.due();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some_millis() -> impl Strategy<Value = Option<Duration>> {
        prop::option::of((1..50_u64).prop_map(Duration::from_millis))
    }

    proptest! {
        /// A child's deadline is never later than its parent's, nor than its own limit; and what
        /// cuts is what is due first.
        #[test]
        fn the_soonest_holds(
            overall in some_millis(),
            response in some_millis(),
            ambient in prop::option::of(0..50_u64),
        ) {
            let now = Instant::now();
            let at = |limit| Deadline::after_instant(now, limit);
            let ambient = ambient.map(|millis| at(Duration::from_millis(millis)));
            let Some(mut bounds) = Bounds::begin(overall, response, ambient, now) else {
                prop_assert!(ambient.is_some_and(|ambient| ambient.is_past_at(now)));
                return Ok(());
            };
            let all = [overall.map(at), response.map(at), ambient];
            prop_assert_eq!(bounds.due(), all.into_iter().flatten().min());
            prop_assert_eq!(bounds.whole(), Deadline::sooner(all[0], all[2]));
            if let Some(due) = bounds.due() {
                prop_assert_eq!(bounds.cause(), match bounds.due() {
                    due if due == all[0] => Cause::Overall(overall.unwrap()),
                    due if due == all[2] => Cause::Deadline,
                    _ => Cause::Phase(response.unwrap()),
                });
                let mut cut = bounds;
                cut.cut();
                prop_assert_eq!(cut.whole(), Some(due));
            }
            bounds.end_phase();
            prop_assert_eq!(bounds.due(), bounds.whole());
            let gap = Duration::from_millis(3);
            bounds.run_phase(gap, now);
            bounds.run_phase(gap, now + gap);
            prop_assert_eq!(bounds.due(), Deadline::sooner(bounds.whole(), Some(at(gap))));
        }
    }
}
