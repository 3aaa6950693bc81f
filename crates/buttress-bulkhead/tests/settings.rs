//! What no bulkhead can be built with: an error that says which setting, its value, and the range.

use std::time::Duration;

use buttress_bulkhead::{BulkheadLayer, BulkheadLayerBuilder, Compartment, Fixed};
use buttress_core::ConfigError;

const SECOND: Duration = Duration::from_secs(1);

fn builder() -> BulkheadLayerBuilder {
    BulkheadLayer::builder()
}

fn compartment(compartment: impl Into<Compartment>) -> Result<(), ConfigError> {
    BulkheadLayer::compartments(|name: &&'static str| *name)
        .compartment(("fine", 3))
        .compartment(compartment)
        .build()
        .map(drop)
}

/// What the error says of the setting and of its value.
fn said(result: Result<(), ConfigError>) -> (&'static str, String) {
    let error = result.expect_err("refused");
    assert!(!error.allowed().is_empty());
    (error.setting(), error.value().to_owned())
}

#[test]
fn a_limit_outside_its_range() {
    let range = "from 1 to 1000000";
    for calls in [0, 1_000_001, usize::MAX] {
        let new = BulkheadLayer::new(calls).expect_err("refused");
        assert_eq!((new.setting(), new.allowed()), ("max_concurrent", range));
        let built = builder().max_concurrent(calls).build().map(drop);
        assert_eq!(said(built), ("max_concurrent", calls.to_string()));
        let built = builder().limit(Fixed(calls)).build().map(drop);
        assert_eq!(said(built), ("limit", calls.to_string()));
    }
    assert_eq!(said(builder().build().map(drop)), ("max_concurrent", "not set".into()));
    for calls in [1, 1_000_000] {
        assert_eq!(BulkheadLayer::new(calls).expect("within").handle().limit(), calls);
    }
}

#[test]
fn a_limit_outside_its_range_while_running() {
    let handle = BulkheadLayer::new(3).expect("valid").handle();
    for calls in [0, 1_000_001] {
        assert_eq!(said(handle.set_limit(calls)), ("limit", calls.to_string()));
        assert_eq!(handle.limit(), 3, "the former holds");
    }
    handle.set_limit(1_000_000).expect("within");
}

#[test]
fn a_queue_where_nobody_waits_or_outside_its_range() {
    let queue = |calls| builder().max_concurrent(1).max_queue(calls);
    assert_eq!(said(queue(5).build().map(drop)), ("max_queue", "5".into()));
    for calls in [0, 1_000_001] {
        let waits = queue(calls).max_wait(SECOND).build().map(drop);
        assert_eq!(said(waits), ("max_queue", calls.to_string()));
        let pushes_back = queue(calls).backpressure().build().map(drop);
        assert_eq!(said(pushes_back), ("max_queue", calls.to_string()));
    }
    for calls in [1, 1_000_000] {
        queue(calls).max_wait(SECOND).build().expect("it waits in the call");
        queue(calls).backpressure().build().expect("it waits before the call");
    }
}

#[test]
fn a_wait_that_backpressure_does_not_know() {
    let both = builder().max_concurrent(1).max_wait(SECOND).backpressure().build().map(drop);
    assert_eq!(said(both), ("max_wait", "1s".into()));
}

#[test]
fn compartments_that_are_none_or_not_told_apart_or_wrong() {
    let none = BulkheadLayer::compartments(|name: &&'static str| *name).build().map(drop);
    assert_eq!(said(none), ("compartment", "not set".into()));
    assert_eq!(said(compartment(("fine", 4))), ("compartment", "fine".into()));
    assert_eq!(
        said(compartment(("tiny", 0))),
        ("max_concurrent", "0 in compartment `tiny`".into())
    );
    let limited = Compartment::new("tiny", 1).limit(Fixed(0));
    assert_eq!(said(compartment(limited)), ("limit", "0 in compartment `tiny`".into()));
    let queued = Compartment::new("tiny", 1).max_queue(2);
    assert_eq!(said(compartment(queued)), ("max_queue", "2 in compartment `tiny`".into()));

    let default = |default: (&'static str, usize)| {
        BulkheadLayer::compartments(|name: &&'static str| *name)
            .compartment(("fine", 3))
            .default_compartment(default)
            .build()
            .map(drop)
    };
    assert_eq!(said(default(("fine", 4))), ("compartment", "fine".into()));
    assert_eq!(said(default(("other", 0))), ("max_concurrent", "0 in compartment `other`".into()));
    default(("other", 1)).expect("a default alone is enough beside another");
}

#[cfg(feature = "keyed")]
#[test]
fn keys_that_are_none_or_that_backpressure_does_not_know() {
    for keys in [0, 1_000_001] {
        let keyed = builder().max_concurrent(1).keyed(|key: &u32| *key).max_keys(keys);
        assert_eq!(said(keyed.build().map(drop)), ("max_keys", keys.to_string()));
    }
    let keyed = builder().max_concurrent(1).backpressure().keyed(|key: &u32| *key);
    assert_eq!(said(keyed.build().map(drop)), ("backpressure", "set".into()));
    let keyed = builder().max_concurrent(0).keyed(|key: &u32| *key);
    assert_eq!(said(keyed.build().map(drop)), ("max_concurrent", "0".into()));
}
