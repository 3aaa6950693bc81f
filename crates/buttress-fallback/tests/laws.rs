//! The laws of the fallback layer, as properties over a paused clock.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use buttress_core::{
    BoxError, Classify, Deadline, Degraded, Held, Judgement, Plain, Rejection, RejectionKind,
    Substitute, Trip,
};
use buttress_fallback::FallbackLayer;
use buttress_testkit::{Probe, Recorder, Reply, assert_ready, task};
use proptest::{collection::vec, prelude::*};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, sleep},
};
use tower::{Layer, Service, ServiceExt, service_fn};

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// How a call ends, by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Good,
    FailedResponse,
    NeutralResponse,
    Error,
    NeutralError,
    /// An error that the classifier calls a success.
    GoodError,
    Refused,
    RefusedWithin,
}

/// An answer, and who gave it: the inner service, or the tier of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answer {
    ends: Ends,
    of: Option<usize>,
}

#[derive(Debug)]
struct Inner(Ends);

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Error for Inner {}

#[derive(Debug)]
struct Wrapped(Rejection);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl Ends {
    fn result(self) -> Result<Answer, BoxError> {
        let open = RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) };
        let rejection = || Rejection::new("breaker", Arc::from("b"), open);
        match self {
            Self::Good | Self::FailedResponse | Self::NeutralResponse => {
                Ok(Answer { ends: self, of: None })
            }
            Self::Error | Self::NeutralError | Self::GoodError => Err(Inner(self).into()),
            Self::Refused => Err(rejection().into()),
            Self::RefusedWithin => Err(Wrapped(rejection()).into()),
        }
    }

    /// Whether this is the very error that `result` made.
    fn made(self, error: &BoxError) -> bool {
        match self {
            Self::Good | Self::FailedResponse | Self::NeutralResponse => false,
            Self::Refused => error.is::<Rejection>(),
            Self::RefusedWithin => error.is::<Wrapped>(),
            _ => error.downcast_ref::<Inner>().is_some_and(|inner| inner.0 == self),
        }
    }
}

fn judge(result: Result<&Answer, &BoxError>) -> Judgement {
    let ends = match result {
        Ok(answer) => answer.ends,
        Err(error) => match error.downcast_ref::<Inner>() {
            Some(inner) => inner.0,
            None => return Judgement::of_error(error.as_ref()),
        },
    };
    match ends {
        Ends::Good | Ends::GoodError => Judgement::SUCCESS,
        Ends::NeutralResponse | Ends::NeutralError => Judgement::NEUTRAL,
        _ => Judgement::FAILURE,
    }
}

/// What the builder's `when` is given.
#[derive(Debug, Clone, Copy)]
enum When {
    Default,
    Always,
    Never,
}

impl When {
    /// A naive oracle of whether the tiers are tried.
    fn steps_in(self, ends: Ends) -> bool {
        match ends {
            Ends::Good | Ends::GoodError => false,
            Ends::NeutralResponse | Ends::NeutralError => matches!(self, Self::Always),
            Ends::FailedResponse | Ends::Error | Ends::Refused | Ends::RefusedWithin => {
                !matches!(self, Self::Never)
            }
        }
    }
}

fn ends() -> impl Strategy<Value = Ends> {
    prop_oneof![
        Just(Ends::Good),
        Just(Ends::FailedResponse),
        Just(Ends::NeutralResponse),
        Just(Ends::Error),
        Just(Ends::NeutralError),
        Just(Ends::GoodError),
        Just(Ends::Refused),
        Just(Ends::RefusedWithin),
    ]
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![Just(When::Default), Just(When::Always), Just(When::Never)]
}

fn millis() -> impl Strategy<Value = Duration> {
    (0..=3_u64).prop_map(Duration::from_millis)
}

proptest! {
    /// Whatever the call and up to four tiers do: a success is passed through unchanged; a tier
    /// that fails falls to the next; the first that serves is what the caller gets; when none
    /// does, or none is asked, the caller gets the original failure. Each tier is asked once, in
    /// order, and what happened is said once, in order.
    #[test]
    fn the_first_tier_that_serves_or_else_the_original(
        ends in ends(),
        takes in millis(),
        tiers in vec((any::<bool>(), millis()), 1..=4),
        when in when(),
    ) {
        // A naive oracle.
        let steps_in = when.steps_in(ends);
        let serves = tiers.iter().position(|(serves, _)| *serves).filter(|_| steps_in);
        let tried = if steps_in { serves.map_or(tiers.len(), |tier| tier + 1) } else { 0 };
        let mut said = Vec::new();
        if steps_in {
            said.push("fallback law: falling back".to_owned());
        }
        for tier in 0..tried {
            said.push(if serves == Some(tier) {
                format!("fallback law: served by {tier}")
            } else {
                format!("fallback law: tier {tier} failed: cold")
            });
        }
        let time = takes + tiers[..tried].iter().map(|(_, takes)| *takes).sum::<Duration>();

        paused().block_on(async {
            let recorder = Recorder::new();
            let asked = Arc::new(Mutex::new(Vec::new()));
            let mut builder = FallbackLayer::builder()
                .keep(|request: &u32| *request)
                .classify(judge)
                .name("law")
                .observer(recorder.clone());
            for (tier, (serves, takes)) in tiers.into_iter().enumerate() {
                let asked = Arc::clone(&asked);
                builder = builder.respond_with(tier.to_string(), move |view, failure| {
                    asked.lock().unwrap().push((tier, *view, failure.error().is_some()));
                    async move {
                        sleep(takes).await;
                        let answer = Answer { ends: Ends::Good, of: Some(tier) };
                        if serves { Ok(answer) } else { Err("cold".into()) }
                    }
                });
            }
            let layer = match when {
                When::Default => builder,
                When::Always => builder.when(|_| true),
                When::Never => builder.when(|_| false),
            }
            .build()
            .unwrap();

            let (probe, handle) = Probe::new(move |_: u32| Reply::After(takes, ends.result()));
            let start = Instant::now();
            let result = layer.layer(probe).oneshot(7).await;

            prop_assert_eq!(start.elapsed(), time);
            prop_assert_eq!(recorder.take(), said);
            let failed_with_error = ends.result().is_err();
            let expected: Vec<_> = (0..tried).map(|tier| (tier, 7, failed_with_error)).collect();
            prop_assert_eq!(&*asked.lock().unwrap(), &expected);
            prop_assert_eq!((handle.calls(), handle.completed()), (1, 1));
            match (result, ends.result()) {
                (Ok(answer), _) if serves.is_some() => prop_assert_eq!(answer.of, serves),
                (Ok(answer), Ok(original)) => prop_assert_eq!(answer, original),
                (Err(error), Err(_)) => prop_assert!(serves.is_none() && ends.made(&error)),
                (result, _) => prop_assert!(false, "{result:?}"),
            }
            Ok(())
        })?;
    }
}

/// A protocol whose responses say which of the two they are.
#[derive(Debug, Clone, Copy)]
struct Marking;

#[derive(Debug, PartialEq, Eq)]
enum Marked<Res, Alt> {
    Original(Res),
    Alternative(Alt, Option<Mark>),
}

/// A mark, as text.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    layer: String,
    tier: String,
    cause: Option<String>,
    age: Option<Duration>,
}

impl Mark {
    fn of(degraded: &Degraded) -> Self {
        let Degraded { layer, tier, cause, age, .. } = degraded;
        let cause = cause.as_ref().map(ToString::to_string);
        Self { layer: layer.to_string(), tier: tier.to_string(), cause, age: *age }
    }
}

impl<Res> Classify<Res> for Marking {
    fn classify(&self, result: Result<&Res, &BoxError>) -> Judgement {
        Plain.classify(result)
    }
}

impl<Res, Alt> Substitute<Res, Alt> for Marking {
    type Response = Marked<Res, Alt>;

    fn original(&self, response: Res) -> Self::Response {
        Marked::Original(response)
    }

    fn alternative(&self, alternative: Alt, _held: Held) -> Self::Response {
        Marked::Alternative(alternative, None)
    }

    fn mark(&self, response: &mut Self::Response, degraded: Degraded, _failed: Option<&Res>) {
        let Marked::Alternative(_, mark) = response else { panic!("an original was marked") };
        assert_eq!(mark.replace(Mark::of(&degraded)), None, "marked once");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_tier_serves_is_marked_and_nothing_else_is() {
    let layer = FallbackLayer::builder()
        .name("prices")
        .protocol(Marking)
        .value("list", |(), _failure| "about a pound")
        .build()
        .unwrap();
    // One layer around two services with different responses.
    let works = layer.layer(service_fn(async |n: u32| Ok::<_, BoxError>(n)));
    assert_eq!(works.oneshot(3).await.unwrap(), Marked::Original(3));
    let fails = layer.layer(service_fn(async |_: ()| Err::<Vec<u8>, BoxError>("inner".into())));
    let mark = Mark {
        layer: "prices".into(),
        tier: "list".into(),
        cause: Some("inner".into()),
        age: None,
    };
    assert_eq!(fails.oneshot(()).await.unwrap(), Marked::Alternative("about a pound", Some(mark)));
}

/// Tells when it is dropped.
struct Kept(Arc<AtomicBool>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn the_failed_response_is_held_until_a_tier_has_served_and_no_longer() {
    let dropped = Arc::new(AtomicBool::new(false));
    let (original, seen) = (Arc::clone(&dropped), Arc::clone(&dropped));
    let layer = FallbackLayer::builder()
        .classify(|_: Result<&Kept, &BoxError>| Judgement::FAILURE)
        .respond_with("other", move |(), _failure| {
            let seen = Arc::clone(&seen);
            async move {
                assert!(!seen.load(Ordering::SeqCst), "it may have to be returned");
                Ok(Kept(Arc::default()))
            }
        })
        .build()
        .unwrap();
    let inner =
        service_fn(move |_: ()| std::future::ready(Ok::<_, BoxError>(Kept(Arc::clone(&original)))));
    // Not `oneshot`, which lets go of the call's future when it is done.
    let mut call = Box::pin(layer.layer(inner).call(()));
    let _other = (&mut call).await.unwrap();
    assert!(dropped.load(Ordering::SeqCst), "while the call's future still exists");
}

#[tokio::test(start_paused = true)]
async fn tiers_are_tried_even_under_a_deadline_that_is_past() {
    let layer = FallbackLayer::builder()
        .respond_with("sees it", |(), _failure| async {
            Ok(Deadline::current().expect("the caller's").is_past())
        })
        .build()
        .unwrap();
    let refuses = service_fn(async |_: ()| {
        let kind = RejectionKind::DeadlineExceeded { called: false };
        Err::<bool, _>(Rejection::new("timeout", Arc::from("timeout"), kind))
    });
    let mut service = layer.layer(refuses);
    let past = Some(Deadline::after(Duration::ZERO));
    let mut call = task::spawn(Deadline::scope(past, || service.call(())));
    let answer = Deadline::scope(past, || call.poll());
    assert!(assert_ready!(answer).unwrap());
}

#[test]
fn no_tier_and_two_of_one_name_are_config_errors() {
    let error = FallbackLayer::<(), u32>::builder().build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`respond_with` is never said, but must be said at least once, or `value` or `service`"
    );
    let error = FallbackLayer::builder()
        .value("cache", |(), _failure| 1)
        .value("list", |(), _failure| 2)
        .service("cache", service_fn(async |_: ()| Ok::<_, BoxError>(3)))
        .value("list", |(), _failure| 4)
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`service` is `cache` again, but must be a name that no other tier has"
    );
}
