use buttress::chaos::proxy::ToxicKind;

use super::*;

fn new(body: &Value) -> Result<NamedToxic, ApiError> {
    NamedToxic::new(body.to_string().as_bytes(), |_| false)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Each type as a client asks for it, and what it is among ours.
fn all() -> [(&'static str, Value, Result<Toxic, ConfigError>); 9] {
    let micros = Duration::from_micros(250);
    [
        (
            "latency",
            json!({ "latency": 100, "jitter": 20 }),
            Toxic::latency(millis(100), millis(20)),
        ),
        ("bandwidth", json!({ "rate": 3 }), Toxic::bandwidth(3000)),
        ("bandwidth", json!({ "rate": 0 }), Ok(Toxic::blackhole())),
        ("slow_close", json!({ "delay": 30 }), Toxic::slow_close(millis(30))),
        ("timeout", json!({ "timeout": 40 }), Toxic::timeout(millis(40))),
        ("reset_peer", json!({ "timeout": 50 }), Toxic::reset_peer(millis(50))),
        (
            "slicer",
            json!({ "average_size": 64, "size_variation": 32, "delay": 250 }),
            Toxic::slicer(64, 32, micros),
        ),
        ("limit_data", json!({ "bytes": 70 }), Ok(Toxic::limit_data(70))),
        ("blackhole", json!({}), Ok(Toxic::blackhole())),
    ]
}

#[test]
fn each_type_is_one_of_ours_and_is_shown_as_it_was_asked_for() {
    for (kind, attributes, ours) in all() {
        for stream in [Direction::Upstream, Direction::Downstream] {
            let asked = json!({
                "name": "its name", "type": kind, "stream": stream.as_str(), "toxicity": 0.25,
                "attributes": attributes,
            });
            let toxic = new(&asked).unwrap();
            assert_eq!(json!(toxic), asked);
            assert_eq!(toxic.name(), "its name");
            assert_eq!(toxic.direction(), stream);
            let ours = ours.clone().unwrap().on(stream).toxicity(0.25).unwrap();
            assert_eq!(toxic.toxic(), ours, "{asked}");
            // With what it shows another is asked for that is the same.
            assert_eq!(new(&json!(toxic)).unwrap(), toxic);
            assert_eq!(toxic.changed(b"{}").unwrap(), toxic);
        }
    }
}

#[test]
fn all_types_are_known_by_their_names() {
    let mut named: Vec<_> = all().iter().map(|(kind, ..)| *kind).collect();
    named.dedup();
    let mut types = TYPES.to_vec();
    named.sort_unstable();
    types.sort_unstable();
    assert_eq!(named, types);
}

#[test]
fn what_is_left_out_or_null_has_its_default() {
    let toxic = new(&json!({ "type": "latency" })).unwrap();
    let full = json!({
        "name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 1.0,
        "attributes": { "latency": 0, "jitter": 0 },
    });
    assert_eq!(json!(toxic), full);
    let nulls = json!({
        "name": null, "type": "latency", "stream": null, "toxicity": null,
        "attributes": { "latency": null, "jitter": null },
    });
    assert_eq!(new(&nulls).unwrap(), toxic);
    let nothing = json!({ "name": "", "type": "latency", "attributes": null });
    assert_eq!(new(&nothing).unwrap(), toxic);
    // Its name says which way it is.
    let toxic = new(&json!({ "type": "slow_close", "stream": "UpStream" })).unwrap();
    assert_eq!((toxic.name(), toxic.direction()), ("slow_close_upstream", Direction::Upstream));
    // Some clients say more than there is to say.
    let more = json!({
        "type": "latency", "version": 3, "attributes": { "latency": 1, "colour": "red" },
    });
    assert_eq!(new(&more).unwrap().toxic(), Toxic::latency(millis(1), millis(0)).unwrap());
}

#[test]
fn a_change_keeps_what_it_does_not_name() {
    let first = json!({
        "type": "latency", "toxicity": 0.5, "attributes": { "latency": 100, "jitter": 10 },
    });
    let first = new(&first).unwrap();
    let after = |change: Value| first.changed(change.to_string().as_bytes()).unwrap();

    let jitter = after(json!({ "attributes": { "jitter": 5 } }));
    let latency = |delay, jitter| Toxic::latency(millis(delay), millis(jitter)).unwrap();
    assert_eq!(jitter.toxic(), latency(100, 5).toxicity(0.5).unwrap());
    let null = after(json!({ "attributes": { "latency": null, "jitter": 5 } }));
    assert_eq!(null, jitter);
    let toxicity = after(json!({ "toxicity": 0.75 }));
    assert_eq!(toxicity.toxic(), latency(100, 10).toxicity(0.75).unwrap());
    // What it is, its name and its direction stay, whatever the change says.
    let all = after(json!({
        "name": "other", "type": "bandwidth", "stream": "upstream", "attributes": { "rate": 1 },
    }));
    assert_eq!(all, first);
}

#[test]
fn no_bandwidth_at_all_is_a_blackhole_until_there_is_some() {
    let none = new(&json!({ "type": "bandwidth" })).unwrap();
    assert_eq!(none.toxic().kind(), &ToxicKind::Blackhole);
    assert_eq!(json!(none)["type"], "bandwidth");
    let some = none.changed(br#"{"attributes":{"rate":1}}"#).unwrap();
    assert_eq!(some.toxic(), Toxic::bandwidth(1000).unwrap());
    let most = none.changed(br#"{"attributes":{"rate":18446744073709551615}}"#).unwrap();
    assert_eq!(most.toxic(), Toxic::bandwidth(u64::MAX).unwrap());
}

#[test]
fn mistakes_are_told_in_toxiproxys_words_and_order() {
    let told = |body: &[u8], taken| {
        let error = NamedToxic::new(body, |_| taken).unwrap_err();
        (error.status.as_u16(), error.to_string())
    };
    let (status, error) = told(b"{", true);
    assert_eq!(status, 400);
    assert!(error.starts_with("bad request body: "), "{error}");
    let stream = "stream was invalid, can be either upstream or downstream";
    let wrong = br#"{"stream":"sideways","type":"none"}"#;
    assert_eq!(told(wrong, true), (400, stream.into()));
    let invalid = (400, "invalid toxic type".to_owned());
    for wrong in [&br#"{"type":"none"}"#[..], br#"{"type":"Latency"}"#, b"{}"] {
        assert_eq!(told(wrong, true), invalid);
    }
    let wrong = br#"{"type":"latency","attributes":{"latency":-1}}"#;
    assert_eq!(told(wrong, true), (409, "toxic already exists".into()));
    let (status, error) = told(wrong, false);
    assert_eq!(status, 400);
    assert!(error.starts_with("bad request body: "), "{error}");
}

#[test]
fn what_makes_no_sense_is_refused_when_it_is_new_and_when_it_is_changed() {
    let wrong = [
        ("latency", json!({ "latency": "long" })),
        ("latency", json!({ "latency": 1.5 })),
        ("latency", json!({ "latency": u64::MAX })),
        ("latency", json!({ "jitter": -1 })),
        ("slicer", json!({ "average_size": 0 })),
        ("slicer", json!({ "average_size": 10, "size_variation": 10 })),
        ("timeout", json!({ "timeout": u64::MAX })),
        ("limit_data", json!({ "bytes": -1 })),
    ];
    for (kind, attributes) in wrong {
        let error = new(&json!({ "type": kind, "attributes": attributes })).unwrap_err();
        assert_eq!(error.status, StatusCode::BAD_REQUEST, "{kind} {attributes}");
        let good = json!({ "type": kind, "attributes": { "average_size": 20 } });
        let change = json!({ "attributes": attributes }).to_string();
        let error = new(&good).unwrap().changed(change.as_bytes()).unwrap_err();
        assert_eq!(error.status, StatusCode::BAD_REQUEST, "{kind} {attributes}");
    }
    for toxicity in [json!(1.5), json!(-0.1), json!("all")] {
        let error = new(&json!({ "type": "latency", "toxicity": toxicity })).unwrap_err();
        assert_eq!(error.status, StatusCode::BAD_REQUEST, "{toxicity}");
    }
}
