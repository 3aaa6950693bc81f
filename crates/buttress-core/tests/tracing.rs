//! What the default observer writes.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress_core::{
    CircuitState, Event, EventKind, GaveUp, Judgement, Observer, Rejection, RejectionKind, Tracing,
    Trip,
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_event_is_one_line_with_its_layer_and_name() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_max_level(tracing::Level::DEBUG)
        .without_time()
        .with_ansi(false)
        .finish();
    let rejection = Rejection::new(
        "breaker",
        "b".into(),
        RejectionKind::CircuitOpen { why: Trip::ConsecutiveFailures(5) },
    );
    let down = io::Error::other("down");
    let events = [
        EventKind::Rejected(&rejection),
        EventKind::Retrying { attempt: 1, delay: Duration::from_millis(70), cause: Some(&down) },
        EventKind::Retrying { attempt: 2, delay: Duration::ZERO, cause: None },
        EventKind::GaveUp { attempts: 3, why: GaveUp::Attempts },
        EventKind::CircuitChanged {
            from: CircuitState::Closed,
            to: CircuitState::Open,
            why: Some(Trip::Forced),
        },
        EventKind::FallingBack { judgement: Judgement::FAILURE, cause: Some(&down) },
        EventKind::Served { tier: "trending", age: None },
        EventKind::Served { tier: "remembered", age: Some(Duration::from_secs(12)) },
        EventKind::Missed { tier: "remembered" },
        EventKind::NotStored { tier: "remembered", cause: &down, again: false },
        EventKind::NotStored { tier: "remembered", cause: &down, again: true },
        EventKind::TierFailed { tier: "trending", cause: &down, again: false },
        EventKind::TierFailed { tier: "trending", cause: &down, again: true },
        EventKind::Ignored { field: "grpc-timeout", value: &"soon" },
        EventKind::Injected { fault: "latency" },
    ];
    tracing::subscriber::with_default(subscriber, || {
        for kind in events {
            Tracing.observe(&Event::new("layer", "pricing", kind));
        }
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let who = r#"layer="layer" name="pricing""#;
    assert_eq!(
        lines,
        [
            format!(
                "DEBUG buttress: rejected {who} rejection=breaker `b`: circuit open, since 5 calls in a row failed"
            ),
            format!("DEBUG buttress: retrying {who} attempt=1 delay=70ms cause=down"),
            format!("DEBUG buttress: retrying {who} attempt=2 delay=0ns"),
            format!("DEBUG buttress: gave up {who} attempts=3 why=no attempts left"),
            format!(
                "WARN buttress: circuit changed {who} from=closed to=open why=it was opened on purpose"
            ),
            format!("DEBUG buttress: falling back {who} outcome=Failure cause=down"),
            format!(r#"DEBUG buttress: served degraded {who} tier="trending""#),
            format!(r#"DEBUG buttress: served degraded {who} tier="remembered" age=12s"#),
            format!(r#"DEBUG buttress: nothing remembered {who} tier="remembered""#),
            format!(r#"WARN buttress: not stored {who} tier="remembered" cause=down"#),
            format!(r#"DEBUG buttress: not stored {who} tier="remembered" cause=down"#),
            format!(r#"WARN buttress: tier failed {who} tier="trending" cause=down"#),
            format!(r#"DEBUG buttress: tier failed {who} tier="trending" cause=down"#),
            format!(r#"DEBUG buttress: ignored {who} field="grpc-timeout" value="soon""#),
            format!(r#"DEBUG buttress: fault injected {who} fault="latency""#),
        ]
    );
}
