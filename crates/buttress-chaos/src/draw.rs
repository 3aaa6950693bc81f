//! What one call gets of the faults that are in force.

use std::{sync::Arc, time::Duration};

use buttress_core::{Pace, Stall};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use crate::{Faults, Latency, faults::Rated, shared::Shared, spoiling::Spoiling};

/// What one call gets: nothing, or any of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Injection {
    pub(crate) delay: Option<Duration>,
    pub(crate) hang: bool,
    pub(crate) panic: bool,
    pub(crate) error: bool,
    pub(crate) status: Option<u16>,
    pub(crate) body: Body,
}

/// What the body of its answer gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) cut: Option<u64>,
    pub(crate) stall: Option<Stall>,
    pub(crate) slow: Option<Pace>,
    pub(crate) breaks: Option<u64>,
    pub(crate) trailers: Option<u16>,
}

/// How a call ends that is struck instead of being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Hang,
    Panic,
    Error,
    Status(u16),
}

/// What one question for readiness gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unready {
    Refused,
    Late(Duration),
}

impl Injection {
    /// How the call ends without being made; `None` if it is made.
    pub(crate) fn fate(&self) -> Option<Fate> {
        if self.hang {
            return Some(Fate::Hang);
        }
        if self.panic {
            return Some(Fate::Panic);
        }
        if self.error {
            return Some(Fate::Error);
        }
        self.status.map(Fate::Status)
    }
}

impl Body {
    /// The damage that this is for an answer, if any.
    pub(crate) fn spoiling(self, shared: &Arc<Shared>) -> Option<Box<Spoiling>> {
        let struck = self != Self::default();
        struck.then(|| Box::new(Spoiling::new(self, Arc::clone(shared))))
    }
}

impl Faults {
    /// Draws what one call gets.
    pub(crate) fn draw(&self, rng: &mut dyn Rng) -> Injection {
        // Always as many draws, and in this order: what strikes a later call, and when one fault
        // strikes, does not depend on which others are in force.
        let [late, error, hang, panic, status] = std::array::from_fn(|_| rng.random());
        let [cut, stall, slow, breaks, trailers] = std::array::from_fn(|_| rng.random());
        let seed = rng.random();
        Injection {
            delay: struck(self.latency, late).map(|latency| length(latency, seed)),
            error: struck(self.errors, error).is_some(),
            hang: struck(self.hangs, hang).is_some(),
            panic: struck(self.panics, panic).is_some(),
            status: struck(self.status, status),
            body: Body {
                cut: struck(self.cut, cut),
                stall: struck(self.stalls, stall),
                slow: struck(self.slow, slow),
                breaks: struck(self.breaks, breaks),
                trailers: struck(self.trailers, trailers),
            },
        }
    }

    /// Whether readiness is ever struck.
    pub(crate) fn strike_readiness(&self) -> bool {
        self.unready.is_some() || self.ready_late.is_some()
    }

    /// Draws what one question for readiness gets; if both, it is refused.
    pub(crate) fn draw_ready(&self, rng: &mut dyn Rng) -> Option<Unready> {
        let [refused, late] = std::array::from_fn(|_| rng.random());
        let seed = rng.random();
        let late =
            struck(self.ready_late, late).map(|latency| Unready::Late(length(latency, seed)));
        struck(self.unready, refused).map(|()| Unready::Refused).or(late)
    }
}

/// What strikes at this draw, which is from 0.0 up to but without 1.0, so that a rate of one always does.
fn struck<T: Copy>(fault: Option<Rated<T>>, drawn: f64) -> Option<T> {
    fault.filter(|fault| drawn < fault.rate).map(|fault| fault.what)
}

/// From a generator of its own, since distributions take as many draws as they happen to need.
fn length(latency: Latency, seed: u64) -> Duration {
    latency.draw(&mut StdRng::seed_from_u64(seed))
}

#[cfg(test)]
mod tests {
    use buttress_testkit::seeded;
    use proptest::prelude::*;

    use super::*;

    const DELAY: Duration = Duration::from_millis(300);

    fn trace(faults: &Faults, seed: u64) -> Vec<Injection> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..50).map(|_| faults.draw(&mut rng)).collect()
    }

    /// A single fault, its rate apart.
    type Kind = (&'static str, fn(Faults, f64) -> Faults, fn(&Injection) -> Injection);

    const NOTHING: fn() -> Injection = Injection::default;

    /// Each kind, and the part of an injection that is its own.
    fn kinds() -> [Kind; 10] {
        fn body(body: Body) -> Injection {
            Injection { body, ..NOTHING() }
        }
        let normal =
            |f: Faults, rate| f.latency(rate, Latency::normal(DELAY, DELAY).unwrap()).unwrap();
        [
            ("latency", normal, |i| Injection { delay: i.delay, ..NOTHING() }),
            ("hangs", |f, r| f.hangs(r).unwrap(), |i| Injection { hang: i.hang, ..NOTHING() }),
            ("panics", |f, r| f.panics(r).unwrap(), |i| Injection { panic: i.panic, ..NOTHING() }),
            ("errors", |f, r| f.errors(r).unwrap(), |i| Injection { error: i.error, ..NOTHING() }),
            (
                "status",
                |f, r| f.status(r, 503).unwrap(),
                |i| Injection { status: i.status, ..NOTHING() },
            ),
            (
                "cut",
                |f, r| f.cut(r, 7).unwrap(),
                |i| body(Body { cut: i.body.cut, ..Body::default() }),
            ),
            (
                "stalls",
                |f, r| f.stalls(r, 7, DELAY).unwrap(),
                |i| body(Body { stall: i.body.stall, ..Body::default() }),
            ),
            (
                "slow",
                |f, r| f.slow(r, Pace::EachFrame(DELAY)).unwrap(),
                |i| body(Body { slow: i.body.slow, ..Body::default() }),
            ),
            (
                "breaks",
                |f, r| f.breaks(r, 7).unwrap(),
                |i| body(Body { breaks: i.body.breaks, ..Body::default() }),
            ),
            (
                "trailers",
                |f, r| f.trailers(r, 14).unwrap(),
                |i| body(Body { trailers: i.body.trailers, ..Body::default() }),
            ),
        ]
    }

    proptest! {
        /// One fault strikes the same calls, and as hard, whatever the rates of the others.
        #[test]
        fn the_trace_of_a_fault_is_its_own(seed: u64, rates in proptest::array::uniform10(0.0..=1.0_f64)) {
            let all = kinds()
                .iter()
                .zip(rates)
                .fold(Faults::none(), |faults, ((_, set, _), rate)| set(faults, rate));
            let all = trace(&all, seed);
            for ((name, set, own), rate) in kinds().iter().zip(rates) {
                let alone = trace(&set(Faults::none(), rate), seed);
                prop_assert_eq!(&alone, &all.iter().map(own).collect::<Vec<_>>(), "{}", name);
            }
        }

        #[test]
        fn a_rate_of_zero_never_strikes_and_a_rate_of_one_always(seed: u64) {
            for (name, set, own) in kinds() {
                let never = set(Faults::none(), 0.0);
                prop_assert!(never.is_none());
                prop_assert!(trace(&never, seed).iter().all(|drawn| *drawn == NOTHING()));
                let always = set(Faults::none(), 1.0);
                prop_assert!(!always.is_none());
                let struck = |drawn: &Injection| own(drawn) != NOTHING();
                prop_assert!(trace(&always, seed).iter().all(struck), "{}", name);
            }
        }

        #[test]
        fn rates_outside_zero_to_one_are_refused(
            rate in prop_oneof![f64::MIN..-f64::EPSILON, 1.0 + f64::EPSILON..f64::MAX, Just(f64::NAN)],
        ) {
            let none = Faults::none();
            let pace = Pace::EachFrame(DELAY);
            for (faults, setting) in [
                (none.latency(rate, DELAY), "latency"),
                (none.hangs(rate), "hangs"),
                (none.panics(rate), "panics"),
                (none.errors(rate), "errors"),
                (none.status(rate, 503), "status"),
                (none.cut(rate, 1), "cut"),
                (none.stalls(rate, 1, DELAY), "stalls"),
                (none.slow(rate, pace), "slow"),
                (none.breaks(rate, 1), "breaks"),
                (none.trailers(rate, 14), "trailers"),
                (none.unready(rate), "unready"),
                (none.ready_late(rate, DELAY), "ready_late"),
            ] {
                prop_assert_eq!(faults.unwrap_err().setting(), setting);
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let (none, zero) = (Faults::none(), Duration::ZERO);
        for (faults, setting, value) in [
            (none.latency(0.5, zero), "latency", "0s"),
            (none.ready_late(0.5, zero), "ready_late", "0s"),
            (none.stalls(0.5, 1, zero), "stalls", "0s"),
            (none.slow(0.5, Pace::EachFrame(zero)), "slow", "0s"),
            (none.status(0.5, 600), "status", "600"),
            (none.trailers(0.5, 17), "trailers", "17"),
        ] {
            let error = faults.unwrap_err();
            assert_eq!((error.setting(), error.value()), (setting, value));
        }
    }

    #[test]
    fn faults_strike_as_often_as_told_and_independently() {
        let faults = Faults::none().latency(0.2, DELAY).unwrap().errors(0.05).unwrap();
        let mut rng = seeded("faults_strike_as_often_as_told_and_independently");
        let (mut late, mut failed, mut both, mut any) = (0, 0, 0, 0);
        for _ in 0..100_000 {
            let drawn = faults.draw(&mut rng);
            late += u32::from(drawn.delay.is_some());
            failed += u32::from(drawn.error);
            both += u32::from(drawn.delay.is_some() && drawn.error);
            any += u32::from(drawn != Injection::default());
        }
        // Six standard deviations to either side.
        assert!((19_241..=20_759).contains(&late), "{late}");
        assert!((4_586..=5_414).contains(&failed), "{failed}");
        assert!((811..=1_189).contains(&both), "{both}");
        assert!((23_190..=24_810).contains(&any), "{any}");
    }
}
