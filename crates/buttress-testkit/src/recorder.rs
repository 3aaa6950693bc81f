//! An observer for tests.

use std::sync::{Arc, Mutex, PoisonError};

use buttress_core::{Event, EventKind, Observer};

/// Keeps what it is told, one line of text an event: the layer, its name, what happened.
///
/// Clones share what they keep.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    /// A recorder that has been told nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was recorded since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Recorder {
    fn observe(&self, event: &Event<'_>) {
        let what = match event.kind {
            EventKind::Rejected(rejection) => format!("rejected: {}", rejection.kind()),
            EventKind::Retrying { attempt, .. } => format!("retrying after attempt {attempt}"),
            EventKind::GaveUp { attempts, why } => format!("gave up after {attempts}: {why}"),
            EventKind::CircuitChanged { from, to, .. } => format!("circuit {from} -> {to}"),
            EventKind::FallingBack { .. } => "falling back".into(),
            EventKind::Served { tier, age: None } => format!("served by {tier}"),
            EventKind::Served { tier, age: Some(age) } => format!("served by {tier}, {age:?} old"),
            EventKind::Missed { tier } => format!("nothing in {tier}"),
            EventKind::NotStored { tier, cause, again } => {
                format!("not stored by {tier}{}: {cause}", if again { " again" } else { "" })
            }
            EventKind::TierFailed { tier, cause, .. } => format!("tier {tier} failed: {cause}"),
            EventKind::Ignored { field, value } => format!("ignored {field}: {value:?}"),
            EventKind::Injected { fault } => format!("injected {fault}"),
            other => format!("{other:?}"),
        };
        let line = format!("{} {}: {what}", event.layer, event.name);
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}
