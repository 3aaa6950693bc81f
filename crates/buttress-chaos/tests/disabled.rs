//! A layer that is switched off is as if it were not there.

use std::time::Duration;

use buttress_chaos::{ChaosLayer, Faults};
use buttress_testkit::{Recorder, plain_differs};
use tower::Layer;

#[tokio::test(start_paused = true)]
async fn calls_pass_as_if_it_were_not_there() {
    let recorder = Recorder::new();
    let faults = Faults::none().errors(0.5).unwrap();
    let faults = faults.latency(0.5, Duration::from_millis(5)).unwrap();
    let on =
        ChaosLayer::builder().faults(faults).rng(7).observer(recorder.clone()).build().unwrap();
    assert!(plain_differs(|inner| on.layer(inner)).await.is_some(), "the test sees that it is on");
    assert!(!recorder.take().is_empty());

    let off = on.clone().disabled();
    for _ in 0..2 {
        assert_eq!(off.handle().faults(), Faults::none());
        assert_eq!(plain_differs(|inner| off.layer(inner)).await, None);
        assert_eq!(recorder.take(), [""; 0]);
        // It stays off, whatever is set.
        off.handle().set(faults).unwrap();
    }
    assert_eq!(on.handle().faults(), faults, "that one is left as it was");
}

/// Of whatever kind its faults are, and whomever it would ask.
#[tokio::test(start_paused = true)]
async fn no_fault_strikes_and_no_predicate_is_asked() {
    let faults = || {
        let none = Faults::none();
        let readiness = none.unready(1.0)?.ready_late(1.0, Duration::MAX)?;
        readiness.hangs(1.0)?.panics(1.0)?.status(1.0, 503)?.cut(1.0, 1)
    };
    let asked = |_: &u64| -> bool { panic!("it is switched off") };
    let layer = ChaosLayer::builder().faults(faults().unwrap()).allow_panics().only(asked);
    let off = layer.control_if(asked).build().unwrap().disabled();
    assert_eq!(plain_differs(|inner| off.layer(inner)).await, None);
}
