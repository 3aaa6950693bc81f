//! A timeline from a file, and what whoever edits it is told.
#![cfg(feature = "toml")]

use std::time::Duration;

use buttress_chaos::{Timeline, TimelineError};
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Fault {
    Hangs,
    Fails { rate: f64 },
    Status(u16),
    Between(u8, u8),
}

/// Several in one step.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    latency: Option<String>,
    #[serde(alias = "errors")]
    error: Option<f64>,
}

fn read(text: &str) -> Result<Timeline<Fault>, TimelineError> {
    Timeline::from_toml(text)
}

#[test]
fn all_kinds_of_faults_and_times_are_read_in_any_order() {
    let timeline = read(
        r#"
        [[fault]]
        hangs = true
        target = "pricing"
        for = "1m 30s"
        at = "200ms"

        [[fault]]
        at = "0s"
        fails = { rate = 0.2 }

        [[fault]]
        at = "1s"
        [fault.fails]
        rate = 1

        [[fault]]
        status = 503
        at = "1s"

        [[fault]]
        at = "2s"
        between = [1, 2]
        "#,
    )
    .unwrap();
    let faults: Vec<_> = timeline.steps().iter().map(|step| step.fault().clone()).collect();
    let expected = [
        Fault::Fails { rate: 0.2 },
        Fault::Hangs,
        Fault::Fails { rate: 1.0 },
        Fault::Status(503),
        Fault::Between(1, 2),
    ];
    assert_eq!(faults, expected);
    let hangs = &timeline.steps()[1];
    assert_eq!((hangs.at(), hangs.target()), (Duration::from_millis(200), Some("pricing")));
    assert_eq!(hangs.lasts(), Some(Duration::from_secs(90)));
    assert_eq!(timeline.steps()[0].lasts(), None);
}

#[test]
fn a_struct_has_several_faults_in_one_step() {
    let text = "[[fault]]\nlatency = \"2s\"\nat = \"1s\"\nerrors = 0.5";
    let timeline: Timeline<Faults> = Timeline::from_toml(text).unwrap();
    let expected = Faults { latency: Some("2s".to_owned()), error: Some(0.5) };
    assert_eq!(timeline.steps()[0].fault(), &expected);

    let text = "[[fault]]\nat = \"1s\"\nlatncy = \"2s\"";
    let error = Timeline::<Faults>::from_toml(text).unwrap_err();
    assert_eq!(error.line(), Some(3));
    assert!(error.to_string().contains("or a fault: `latency`"), "{error}");
}

/// It stands in a larger file as well, and in other formats than TOML.
#[test]
fn a_timeline_is_a_field_of_a_larger_file() {
    #[derive(Deserialize)]
    struct Scenario {
        name: String,
        fault: Timeline<Fault>,
    }
    let text = "name = \"drill\"\n[[fault]]\nat = \"1s\"\nhangs = true";
    let scenario: Scenario = toml::from_str(text).unwrap();
    assert_eq!((scenario.name.as_str(), scenario.fault.steps().len()), ("drill", 1));

    let json = r#"[{"fails": {"rate": 0.5}, "at": "1s"}]"#;
    let timeline: Timeline<Fault> = serde_json::from_str(json).unwrap();
    assert_eq!(timeline.steps()[0].fault(), &Fault::Fails { rate: 0.5 });
}

#[test]
fn an_empty_file_has_no_steps() {
    assert!(read("").unwrap().is_empty());
}

/// What is wrong, in which line, and the words that must be there.
#[test]
fn errors_name_the_line_and_the_setting() {
    let settings = "expected one of `at`, `for`, `target`, or a fault: `hangs`, `fails`";
    for (text, line, words) in [
        ("[[fault]]\nat = \"5s\"\nhalts = true", 3, settings),
        ("[[fault]]\nat = \"5s\"\nfr = \"3s\"\nhangs = true", 3, "`fr`"),
        ("[[fault]]\nat = \"5s\"\nhangs = true\nfr = \"3s\"", 4, settings),
        ("[[fault]]\nat = \"5s\"\nhangs = true\nstatus = 503", 1, "one fault more"),
        ("[[fault]]\nat = \"5s\"", 1, "it says no fault: one of `hangs`"),
        ("\n[[fault]]\nhangs = true", 2, "`at`"),
        ("[[fault]]\nat = 5\nhangs = true", 2, "a time, as \"5s\""),
        ("[[fault]]\nat = \"5 parsecs\"\nhangs = true", 2, "`at` must be a time"),
        ("[[fault]]\nat = \"5s\"\nfor = \"0s\"\nhangs = true", 3, "`for` must be longer than zero"),
        ("[[fault]]\nat = \"5s\"\ntarget = \"\"\nhangs = true", 3, "`target` must be a name"),
        ("[[fault]]\nat = \"5s\"\nhangs = false", 3, "left out"),
        ("[[fault]]\nat = \"5s\"\nfails = { rate = \"high\" }", 3, "invalid type"),
        ("[[fault]]\nat = \"5s\"\nfails = { rat = 1.0 }", 3, "unknown field `rat`"),
        ("[[fault]]\nat = \"5s\"\nfails = {}", 3, "missing field `rate`"),
        ("[[fault]]\nat = \"5s\"\nat = \"6s\"\nhangs = true", 3, "duplicate key"),
        ("[[faults]]\nat = \"5s\"\nhangs = true", 1, "`faults`"),
        ("[[fault]]\nat = ", 2, ""),
    ] {
        let error = read(text).expect_err(text);
        assert_eq!(error.line(), Some(line), "{text}\n{error}");
        assert!(error.to_string().contains(words), "{text}\n{error}");
    }
}
