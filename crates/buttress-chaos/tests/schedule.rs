//! Faults by a script.

use std::time::Duration;

use buttress_chaos::{ChaosLayer, Faults, Step, Timeline};
use buttress_core::{BoxError, Rejection, RejectionKind};
use buttress_testkit::{Probe, Reply};
use proptest::{collection::vec, option, prelude::*};
use tokio::{
    runtime::Builder,
    time::{Instant, advance},
};
use tower::{Layer, Service};

const SECOND: Duration = Duration::from_secs(1);

fn errors(rate: f64) -> Faults {
    Faults::none().errors(rate).unwrap()
}

fn injected(error: &BoxError) -> bool {
    Rejection::find(error.as_ref()).is_some_and(|found| found.kind() == &RejectionKind::Injected)
}

#[tokio::test(start_paused = true)]
async fn at_5_s_for_3_s() {
    let (probe, _inner) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let layer = ChaosLayer::new(Faults::none()).unwrap();
    let mut service = layer.layer(probe);
    // Times count from when it is played.
    advance(60 * SECOND).await;
    let outage = Step::new(5 * SECOND, errors(1.0)).lasting(3 * SECOND).unwrap();
    layer.handle().play(Timeline::new().step(outage)).unwrap();
    for half in 0..20 {
        let struck = (10..16).contains(&half);
        let faults = if struck { errors(1.0) } else { Faults::none() };
        assert_eq!(layer.handle().faults(), faults, "{half}");
        let error = service.call(()).await.err();
        assert_eq!(error.is_some_and(|error| injected(&error)), struck, "{half}");
        advance(SECOND / 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_for_the_layer_of_its_target() {
    let timeline = Timeline::from_iter([
        Step::new(Duration::ZERO, errors(1.0)).on("pricing").unwrap(),
        Step::new(SECOND, Faults::none().hangs(1.0).unwrap()),
    ]);
    let named = |name: &str| ChaosLayer::builder().name(name).build().unwrap();
    let (pricing, stock) = (named("pricing"), named("stock"));
    for layer in [&pricing, &stock] {
        layer.handle().play(timeline.clone()).unwrap();
    }
    assert_eq!((pricing.handle().faults(), stock.handle().faults()), (errors(1.0), Faults::none()));
    advance(SECOND).await;
    let hangs = Faults::none().hangs(1.0).unwrap();
    assert_eq!(
        (pricing.handle().faults(), stock.handle().faults()),
        (hangs.or(errors(1.0)), hangs)
    );

    // What is said later counts, and ends it.
    pricing.handle().set(errors(0.5)).unwrap();
    stock.handle().clear();
    advance(SECOND).await;
    assert_eq!((pricing.handle().faults(), stock.handle().faults()), (errors(0.5), Faults::none()));
}

#[tokio::test(start_paused = true)]
async fn panics_that_were_not_allowed_are_refused_and_all_stays_as_it_was() {
    let panics = Faults::none().panics(0.5).unwrap();
    let timeline = || Timeline::new().step(Step::new(SECOND, panics));
    let layer = ChaosLayer::new(errors(0.5)).unwrap();
    assert_eq!(layer.handle().set(panics).unwrap_err().setting(), "panics");
    assert_eq!(layer.handle().play(timeline()).unwrap_err().setting(), "panics");
    assert_eq!(layer.handle().faults(), errors(0.5));
    assert_eq!(ChaosLayer::new(panics).unwrap_err().setting(), "panics");

    let layer = ChaosLayer::builder().faults(panics).allow_panics().build().unwrap();
    layer.handle().set(panics).unwrap();
    layer.handle().play(timeline()).unwrap();
    advance(SECOND).await;
    assert_eq!(layer.handle().faults(), panics);

    let off = layer.disabled();
    off.handle().play(timeline()).unwrap();
    advance(2 * SECOND).await;
    assert_eq!(off.handle().faults(), Faults::none(), "it stays off");
}

/// A step: when it begins and how long it lasts in seconds, and what of two kinds it brings.
type Drawn = (u32, Option<u32>, Option<f64>, Option<u32>);

proptest! {
    /// Against a naive oracle: of each kind the one that began last and has not ended.
    #[test]
    fn of_each_kind_the_last_to_begin_is_in_force(
        steps in vec((0..10_u32, option::of(1..10_u32), option::of(0.1..1.0_f64), option::of(1..9_u32)), 0..8),
    ) {
        let faults = |(_, _, rate, delay): Drawn| {
            let late = delay.map_or(Faults::none(), |delay| {
                Faults::none().latency(1.0, delay * SECOND).unwrap()
            });
            rate.map_or(late, |rate| late.errors(rate).unwrap())
        };
        let timeline: Timeline<_> = steps
            .iter()
            .map(|&(at, lasts, rate, delay)| {
                let step = Step::new(at * SECOND, faults((at, lasts, rate, delay)));
                lasts.map_or(step.clone(), |lasts| step.lasting(lasts * SECOND).unwrap())
            })
            .collect();
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let layer = ChaosLayer::new(Faults::none()).unwrap();
            layer.handle().play(timeline).unwrap();
            let start = Instant::now();
            for now in 0..20 {
                prop_assert_eq!(start.elapsed(), now * SECOND);
                let active = |step: &&Drawn| step.0 <= now && step.1.is_none_or(|lasts| now < step.0 + lasts);
                // `max_by_key` gives the last of those that are alike, as it should be.
                let last = |has: fn(&Drawn) -> bool| {
                    steps.iter().filter(active).filter(|step| has(step)).max_by_key(|step| step.0)
                };
                let rate = last(|step| step.2.is_some()).and_then(|step| step.2);
                let delay = last(|step| step.3.is_some()).and_then(|step| step.3);
                prop_assert_eq!(layer.handle().faults(), faults((0, None, rate, delay)));
                advance(SECOND).await;
            }
            Ok(())
        })?;
    }
}
