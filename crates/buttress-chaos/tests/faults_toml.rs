//! Faults from a file, alone and in a timeline, and what whoever edits it is told.
#![cfg(feature = "toml")]

use std::{num::NonZeroU64, time::Duration};

use buttress_chaos::{Faults, Latency, Pace, Step, Timeline};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

fn read(text: &str) -> Result<Faults, toml::de::Error> {
    toml::from_str(text)
}

#[test]
fn each_kind_is_read_as_its_method_would_set_it() {
    let none = Faults::none();
    let slow = |rate, pace| none.slow(rate, pace).unwrap();
    for (text, faults) in [
        ("", none),
        ("latency = { rate = 0.2, delay = '300ms' }", none.latency(0.2, 300 * MILLI).unwrap()),
        ("latency = { delay = '1m 30s' }", none.latency(1.0, 90 * SECOND).unwrap()),
        ("hangs = 0.1", none.hangs(0.1).unwrap()),
        ("panics = 0.1", none.panics(0.1).unwrap()),
        ("errors = 1.0", none.errors(1.0).unwrap()),
        ("errors = 0.0", none),
        ("status = { rate = 0.1, code = 503 }", none.status(0.1, 503).unwrap()),
        ("cut = { after = 4096 }", none.cut(1.0, 4096).unwrap()),
        ("stalls = { after = 0, lasts = '10s' }", none.stalls(1.0, 0, 10 * SECOND).unwrap()),
        ("stalls = { after = 1 }", none.stalls(1.0, 1, Duration::MAX).unwrap()),
        ("slow = { each_frame = '50ms' }", slow(1.0, Pace::EachFrame(50 * MILLI))),
        (
            "slow = { rate = 0.5, bytes_per_second = 1024 }",
            slow(0.5, Pace::BytesPerSecond(NonZeroU64::new(1024).unwrap())),
        ),
        ("breaks = { after = 7, rate = 0.5 }", none.breaks(0.5, 7).unwrap()),
        ("trailers = { code = 14 }", none.trailers(1.0, 14).unwrap()),
        ("unready = 0.25", none.unready(0.25).unwrap()),
        ("ready_late = { delay = '1s' }", none.ready_late(1.0, SECOND).unwrap()),
        ("hangs = 0.1\nerrors = 0.2", none.hangs(0.1).unwrap().errors(0.2).unwrap()),
    ] {
        assert_eq!(read(text).unwrap_or_else(|error| panic!("{text}: {error}")), faults, "{text}");
    }
}

#[test]
fn delays_are_of_every_distribution() {
    for (text, latency) in [
        ("uniform = { from = '1ms', to = '1s' }", Latency::uniform(MILLI, SECOND)),
        ("normal = { mean = '1s', deviation = '1ms' }", Latency::normal(SECOND, MILLI)),
        ("log_normal = { median = '1s', sigma = 0.5 }", Latency::log_normal(SECOND, 0.5)),
        ("pareto = { least = '1ms', shape = 1.2 }", Latency::pareto(MILLI, 1.2)),
        (
            "pareto = { least = '1ms', shape = 1.2 }, at_most = '1s'",
            Latency::pareto(MILLI, 1.2).and_then(|latency| latency.at_most(SECOND)),
        ),
    ] {
        let faults = Faults::none().latency(0.5, latency.unwrap()).unwrap();
        assert_eq!(read(&format!("latency = {{ rate = 0.5, {text} }}")).unwrap(), faults, "{text}");
    }
}

#[test]
fn a_timeline_of_faults_is_read_from_a_file() {
    let text = "
        [[fault]]
        at = '5s'
        for = '3s'
        errors = 0.5
        latency = { delay = '1s' }

        [[fault]]
        at = '7s'
        target = 'pricing'
        stalls = { after = 10 }
    ";
    let none = Faults::none();
    let slow_and_wrong = none.errors(0.5).unwrap().latency(1.0, SECOND).unwrap();
    let stalls = none.stalls(1.0, 10, Duration::MAX).unwrap();
    let expected = Timeline::from_iter([
        Step::new(5 * SECOND, slow_and_wrong).lasting(3 * SECOND).unwrap(),
        Step::new(7 * SECOND, stalls).on("pricing").unwrap(),
    ]);
    assert_eq!(Timeline::<Faults>::from_toml(text).unwrap(), expected);
}

/// What is wrong, and the words that must be there; it is in the second line.
#[test]
fn errors_name_the_line_and_the_setting() {
    for (text, words) in [
        ("error = 0.5", "`error`"),
        ("errors = 1.5", "`errors` is 1.5, but must be from 0.0 to 1.0"),
        ("latency = { rate = -1.0, delay = '1s' }", "`latency` is -1"),
        ("latency = { delay = '0s' }", "`latency` is 0s"),
        ("latency = { delay = 5 }", "a time, as \"5s\""),
        ("latency = { delay = 'long' }", "a time, as \"5s\""),
        ("latency = { rate = 0.5 }", "one of `delay`, `uniform`"),
        ("latency = { delay = '1s', pareto = { least = '1s', shape = 1.0 } }", "one of `delay`"),
        ("latency = { normal = { mean = '1s' } }", "missing field `deviation`"),
        ("latency = { pareto = { least = '1s', shape = 0.0 } }", "`shape` is 0"),
        ("status = { code = 700 }", "`status` is 700"),
        ("trailers = { code = 17 }", "`trailers` is 17"),
        ("cut = { rate = 0.5 }", "missing field `after`"),
        ("cut = { after = 1, befor = 2 }", "unknown field `befor`"),
        ("slow = { rate = 0.5 }", "one of `each_frame`, `bytes_per_second`"),
        ("slow = { each_frame = '1s', bytes_per_second = 1 }", "one of `each_frame`"),
        ("stalls = { after = 1, lasts = '0s' }", "`stalls` is 0s"),
    ] {
        let error = read(&format!("hangs = 0.1\n{text}")).expect_err(text).to_string();
        assert!(error.contains(words) && error.contains("line 2"), "{text}\n{error}");
        let timeline = format!("[[fault]]\n{text}\nat = '1s'");
        let error = Timeline::<Faults>::from_toml(&timeline).expect_err(text);
        assert_eq!(error.line(), Some(2), "{text}\n{error}");
    }
}
