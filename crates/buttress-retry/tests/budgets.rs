//! A budget for each key, in a bounded map.
#![cfg(feature = "keyed")]

use std::sync::Arc;

use buttress_retry::{JitteredRetryLayer, RetryBudget, RetryBudgets, Terms};
use buttress_testkit::{Probe, Reply};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

/// A host that is down does not use up what the others may repeat.
#[tokio::test(start_paused = true)]
async fn each_key_has_a_budget_of_its_own() {
    let settings = RetryBudget::builder().ratio(0.0).min_per_second(0.0).burst(2);
    let budgets = Arc::new(RetryBudgets::<String>::new(100, settings).unwrap());
    let by_host = Arc::clone(&budgets);
    let layer = JitteredRetryLayer::builder()
        .max_attempts(2)
        .per_request(move |host: &&'static str| Terms::new().budget(by_host.of(*host)))
        .build()
        .unwrap();
    let (probe, handle) = Probe::new(|_: &'static str| Reply::<()>::Now(Err("it failed".into())));
    let service = layer.layer(probe);
    for _ in 0..10 {
        service.clone().oneshot("down.internal").await.unwrap_err();
    }
    assert_eq!(handle.calls(), 12);
    service.clone().oneshot("well.internal").await.unwrap_err();
    assert_eq!(handle.calls(), 14);
    assert_eq!(budgets.len(), 2);
    assert_eq!(budgets.of("down.internal").snapshot().refused, 8);
    assert_eq!(layer.budget().unwrap().snapshot().retries, 0, "the layer's own is not used");
}

/// However many keys there are: so many budgets, and no way around them by new keys.
#[test]
fn keys_are_bounded_and_buy_nothing() {
    for max_keys in [1, 50, 1_000, 1_001, 10_000] {
        let settings = RetryBudget::builder().ratio(0.0).min_per_second(0.0).burst(1);
        let budgets = RetryBudgets::<String>::new(max_keys, settings).unwrap();
        let now = Instant::now();
        let mut granted = 0;
        for key in 0..5 * max_keys {
            let budget = budgets.of(&key.to_string());
            if let Some(token) = budget.withdraw(now) {
                token.spend();
                granted += 1;
            }
            assert!(budgets.len() <= max_keys);
        }
        assert_eq!(granted, max_keys);
    }
}

/// A budget is of use to whoever holds it, kept or not.
#[test]
fn one_that_is_held_may_be_forgotten() {
    let settings = RetryBudget::builder().ratio(0.0).min_per_second(0.0).burst(1);
    let budgets = RetryBudgets::<String>::new(1, settings).unwrap();
    let held = budgets.of("first");
    budgets.of("second");
    assert!(budgets.of("first").withdraw(Instant::now()).is_none(), "begun anew, but empty");
    assert!(held.withdraw(Instant::now()).is_some());
}

#[test]
fn settings_that_make_no_sense_are_config_errors() {
    let keys = |most| RetryBudgets::<String>::new(most, RetryBudget::builder()).map(drop);
    assert_eq!(keys(0).unwrap_err().setting(), "max_keys");
    assert_eq!(keys(1_000_001).unwrap_err().setting(), "max_keys");
    let wrong = RetryBudgets::<String>::new(5, RetryBudget::builder().ratio(2.0));
    assert_eq!(wrong.unwrap_err().setting(), "ratio");
}
