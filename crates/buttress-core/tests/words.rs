//! The words that layers exchange.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use buttress_core::{
    BoxError, Classified, Classify, ConfigError, End, Event, EventKind, Follow, Follower,
    Judgement, Observer, Outcome, Phase, Plain, Randomness, Rejection, RejectionKind, Repeat,
    Repeatability, Retry, Trip,
};
use buttress_testkit::Recorder;
use proptest::prelude::*;
use rand::RngExt;

fn rejection(kind: RejectionKind) -> Rejection {
    Rejection::new("layer", Arc::from("name"), kind)
}

fn kinds() -> [(RejectionKind, Judgement); 10] {
    let second = Duration::from_secs(1);
    let cut = RejectionKind::TimedOut { phase: Phase::Overall, limit: second };
    [
        (cut, Judgement::FAILURE),
        (RejectionKind::DeadlineExceeded { called: true }, Judgement::FAILURE.retry(Retry::Never)),
        (RejectionKind::DeadlineExceeded { called: false }, Judgement::NEUTRAL),
        (RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) }, Judgement::NEUTRAL),
        (RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 }, Judgement::NEUTRAL),
        (
            RejectionKind::QueueTimeout { limit: 1, in_flight: 1, queued: 0, waited: second },
            Judgement::NEUTRAL,
        ),
        (RejectionKind::UnknownCompartment { compartment: "x".into() }, Judgement::NEUTRAL),
        (RejectionKind::Panicked, Judgement::FAILURE),
        (RejectionKind::RuntimeShutDown, Judgement::NEUTRAL),
        (RejectionKind::Injected, Judgement::FAILURE),
    ]
}

#[test]
fn refusals_are_neutral_and_cuts_are_failures() {
    for (kind, judgement) in kinds() {
        // One that our own runtime lost may have been sent.
        let lost = kind == RejectionKind::RuntimeShutDown;
        let refused = judgement.outcome == Outcome::Neutral && !lost;
        assert_eq!(rejection(kind.clone()).is_refusal(), refused, "{kind}");
        assert_eq!(Judgement::of_error(&rejection(kind)), judgement);
    }
    assert_eq!(Judgement::of_error(&io::Error::other("reset")), Judgement::FAILURE);
}

#[test]
fn what_took_too_long_is_timed_out_to_foreign_code() {
    for (kind, _) in kinds() {
        let late = matches!(
            kind,
            RejectionKind::TimedOut { .. }
                | RejectionKind::DeadlineExceeded { .. }
                | RejectionKind::QueueTimeout { .. }
        );
        let rejection = rejection(kind);
        let source = rejection.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.is_some_and(|s| s.kind() == io::ErrorKind::TimedOut), late);
    }
}

#[derive(Debug)]
struct Wrapper(BoxError);

impl fmt::Display for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapper")
    }
}

impl Error for Wrapper {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.as_ref())
    }
}

proptest! {
    /// However an error was wrapped on its way up, the rejection is found in it.
    #[test]
    fn a_rejection_is_found_at_any_depth(wrappers: Vec<bool>, there: bool) {
        let mut error: BoxError = if there {
            rejection(RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) }).into()
        } else {
            "foreign".into()
        };
        for wrapper in wrappers {
            error = if wrapper { Wrapper(error).into() } else { io::Error::other(error).into() };
        }
        prop_assert_eq!(Rejection::find(error.as_ref()).is_some(), there);
    }
}

/// Whoever looks for a timeout finds one, and whoever looks for what came instead finds that.
#[test]
fn the_cause_is_kept_and_too_late_stays_too_late() {
    for (kind, _) in kinds() {
        let late = rejection(kind.clone()).source().is_some();
        let caused = rejection(kind.clone()).with_cause("transport error");
        assert_eq!(caused.kind(), &kind);
        let source = caused.source().and_then(|source| source.downcast_ref::<io::Error>()).unwrap();
        assert_eq!(source.kind() == io::ErrorKind::TimedOut, late);
        assert_eq!(source.to_string(), "transport error");
        let inside = Rejection::new("inside", "inside".into(), RejectionKind::Injected);
        let caused: BoxError = rejection(kind).with_cause(inside).into();
        assert_ne!(Rejection::find(caused.as_ref()).unwrap().name(), "inside", "the outermost");
    }
}

#[test]
fn errors_read_at_three_in_the_morning() {
    let texts: Vec<_> = kinds().into_iter().map(|(kind, _)| rejection(kind).to_string()).collect();
    assert_eq!(
        texts,
        [
            "layer `name`: overall limit of 1s passed",
            "layer `name`: the deadline passed during the call",
            "layer `name`: the deadline had passed before the call",
            "layer `name`: circuit open, since 5 calls in a row failed",
            "layer `name`: full, 1 of 1 places taken and 0 waiting",
            "layer `name`: no place became free in 1.0s, 1 of 1 taken and 0 waiting",
            "layer `name`: no compartment is called `x`",
            "layer `name`: the call panicked on the runtime it was given to",
            "layer `name`: the runtime that the call was given to has shut down",
            "layer `name`: fault injected on purpose",
        ]
    );
    let hint = rejection(RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) })
        .with_retry_after(Duration::from_millis(12_345));
    assert!(hint.to_string().ends_with("; retry after 12.3s"), "{hint}");
}

#[test]
fn plain_values_are_over_when_returned() {
    struct Told<'a>(&'a mut Option<Outcome>);
    impl Follower for Told<'_> {
        fn ended(self, end: End<'_>) {
            let End::Complete(Judgement { outcome, .. }) = end else { panic!("{end:?}") };
            *self.0 = Some(outcome);
        }
    }
    let mut told = None;
    assert_eq!(Plain.follow(7, Told(&mut told)), 7);
    assert_eq!(told, Some(Outcome::Success));
    assert_eq!(Plain.repeat(&7).map(|r| (r.request, r.when)), Some((7, Repeatability::Always)));
    assert_eq!(Plain.classify(Ok(&7)), Judgement::SUCCESS);
    let error: BoxError = "broken".into();
    let result: Result<&u8, _> = Err(&error);
    assert_eq!(Plain.classify(result), Judgement::FAILURE);
}

#[test]
fn a_replaced_classifier_leaves_the_rest_of_the_protocol() {
    let odd_fails = |result: Result<&u8, &BoxError>| match result {
        Ok(n) if n % 2 == 0 => Judgement::SUCCESS,
        _ => Judgement::FAILURE,
    };
    let protocol = Classified::new(Plain, odd_fails);
    assert_eq!(protocol.classify(Ok(&1)), Judgement::FAILURE);
    assert_eq!(protocol.classify(Ok(&2)), Judgement::SUCCESS);
    assert_eq!(protocol.repeat(&3_u8).map(|repeated| repeated.request), Some(3));
}

#[test]
fn settings_are_checked_at_their_edges() {
    assert!(ConfigError::check_count("n", 0, 9).is_err());
    assert!(ConfigError::check_count("n", 1, 9).is_ok());
    assert!(ConfigError::check_count("n", 9, 9).is_ok());
    assert!(ConfigError::check_count("n", 10, 9).is_err());
    for rate in [0.0, 0.5, 1.0] {
        assert!(ConfigError::check_rate("r", rate).is_ok());
    }
    for rate in [-0.1, 1.1, 9.0, f64::NAN, f64::INFINITY] {
        let error = ConfigError::check_rate("r", rate).unwrap_err();
        assert_eq!((error.setting(), error.allowed()), ("r", "from 0.0 to 1.0"));
    }
    assert!(ConfigError::check_not_zero("d", Duration::ZERO).is_err());
    assert!(ConfigError::check_not_zero("d", Duration::MAX).is_ok());
}

#[test]
fn the_same_seed_draws_the_same_and_threads_draw_their_own() {
    let draws = |randomness: &Randomness| -> Vec<u64> {
        (0..8).map(|_| randomness.with(|rng| rng.random())).collect()
    };
    assert_eq!(draws(&Randomness::seeded(1)), draws(&Randomness::seeded(1)));
    assert_ne!(draws(&Randomness::seeded(1)), draws(&Randomness::seeded(2)));
    assert_ne!(draws(&Randomness::default()), draws(&Randomness::default()));
}

#[test]
fn two_observers_hear_the_same() {
    let (one, other) = (Recorder::new(), Recorder::new());
    let both = (one.clone(), other.clone());
    both.observe(&Event::new("layer", "name", EventKind::Served { tier: "trending", age: None }));
    assert_eq!(one.take(), ["layer name: served by trending"]);
    assert_eq!(other.take(), ["layer name: served by trending"]);
}
