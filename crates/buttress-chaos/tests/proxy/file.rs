//! A script for a proxy from a file, and what whoever edits it is told.

use std::time::Duration;

use buttress_chaos::{
    Timeline, TimelineError,
    proxy::{Direction, Toxic, WireFault},
};

const SECOND: Duration = Duration::from_secs(1);

fn read(fault: &str) -> Result<WireFault, TimelineError> {
    let text = format!("[[fault]]\nat = \"5s\"\n{fault}");
    Timeline::from_toml(&text).map(|timeline| *timeline.steps()[0].fault())
}

#[test]
fn all_toxics_are_read() {
    let none = Duration::ZERO;
    for (text, toxic) in [
        ("latency = { delay = \"3s\", jitter = \"1s\" }", Toxic::latency(3 * SECOND, SECOND)),
        ("latency = { delay = \"1s\" }", Toxic::latency(SECOND, none)),
        ("bandwidth = { rate = 1024 }", Toxic::bandwidth(1024)),
        (
            "slicer = { average = 64, variation = 16, delay = \"1s\" }",
            Toxic::slicer(64, 16, SECOND),
        ),
        ("slicer = { average = 64 }", Toxic::slicer(64, 0, none)),
        ("slow_close = { delay = \"1s\" }", Toxic::slow_close(SECOND)),
        ("blackhole = {}", Ok(Toxic::blackhole())),
        ("limit_data = { bytes = 7 }", Ok(Toxic::limit_data(7))),
        ("timeout = { after = \"1s\" }", Toxic::timeout(SECOND)),
        ("timeout = {}", Toxic::timeout(none)),
        ("reset_peer = { after = \"1s\" }", Toxic::reset_peer(SECOND)),
        ("[fault.reset_peer]", Toxic::reset_peer(none)),
    ] {
        assert_eq!(read(text).expect(text), WireFault::Toxic(toxic.unwrap()), "{text}");
    }
    assert_eq!(read("refuse = true").unwrap(), WireFault::Refuse);
}

#[test]
fn each_toxic_has_a_direction_and_a_share() {
    for settings in [
        "latency = { delay = \"1s\"",
        "bandwidth = { rate = 1",
        "slicer = { average = 1",
        "slow_close = { delay = \"1s\"",
        "limit_data = { bytes = 1",
        "timeout = { after = \"1s\"",
        "reset_peer = { after = \"1s\"",
    ] {
        let text = format!("{settings}, direction = \"upstream\", toxicity = 0.5 }}");
        let WireFault::Toxic(toxic) = read(&text).unwrap() else { panic!("{text}") };
        assert_eq!((toxic.direction(), toxic.share()), (Direction::Upstream, 0.5), "{text}");
    }
    let text = "blackhole = { direction = \"downstream\", toxicity = 0.25 }";
    let expected = Toxic::blackhole().toxicity(0.25).unwrap();
    assert_eq!(read(text).unwrap(), WireFault::Toxic(expected));
}

/// What is wrong, in its line, and the words that must be there.
#[test]
fn errors_name_the_line_and_the_setting() {
    for (text, words) in [
        ("latncy = { delay = \"1s\" }", "or a fault: `latency`, `bandwidth`"),
        ("latency = {}", "missing field `delay`"),
        ("latency = { delay = 5 }", "expected a time, as \"5s\""),
        ("latency = { delay = \"5 parsecs\" }", "expected a time, as \"5s\""),
        ("latency = { delay = \"2y\" }", "at most a year"),
        ("latency = { delay = \"1s\", late = 1 }", "unknown field `late`"),
        ("bandwidth = { rate = 0 }", "1 byte a second or more"),
        ("bandwidth = { rate = -1 }", "invalid value"),
        ("slicer = { average = 5, variation = 5 }", "less than the average of 5"),
        ("blackhole = { toxicity = 1.5 }", "toxicity"),
        ("blackhole = { direction = \"up\" }", "unknown variant `up`"),
        ("blackhole = true", "invalid type"),
        ("refuse = false", "left out"),
    ] {
        let error = read(text).expect_err(text);
        assert_eq!(error.line(), Some(3), "{text}\n{error}");
        assert!(error.to_string().contains(words), "{text}\n{error}");
    }
}
