//! A toxic as the API has it, and what it is among ours.

use std::time::Duration;

use axum::http::StatusCode;
use buttress::chaos::proxy::{Direction, Toxic};
use buttress::core::ConfigError;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{error::ApiError, fields::read};

/// A toxic of a proxy. It is shown as it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct NamedToxic {
    name: String,
    #[serde(flatten)]
    effect: Effect,
    #[serde(serialize_with = "as_str")]
    stream: Direction,
    toxicity: f64,
    #[serde(skip)]
    toxic: Toxic,
}

/// What it does. Numbers that are left out are zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "attributes", rename_all = "snake_case")]
enum Effect {
    /// In milliseconds.
    Latency {
        #[serde(default)]
        latency: u64,
        #[serde(default)]
        jitter: u64,
    },
    /// In thousands of bytes a second. With zero nothing passes, as with Toxiproxy: a `blackhole`.
    Bandwidth {
        #[serde(default)]
        rate: u64,
    },
    /// In milliseconds.
    SlowClose {
        #[serde(default)]
        delay: u64,
    },
    /// In milliseconds.
    Timeout {
        #[serde(default)]
        timeout: u64,
    },
    /// In milliseconds.
    ResetPeer {
        #[serde(default)]
        timeout: u64,
    },
    /// In bytes and microseconds.
    Slicer {
        #[serde(default)]
        average_size: usize,
        #[serde(default)]
        size_variation: usize,
        #[serde(default)]
        delay: u64,
    },
    LimitData {
        #[serde(default)]
        bytes: u64,
    },
    /// Toxiproxy has none.
    Blackhole {},
}

/// How the effects are called.
const TYPES: [&str; 8] = [
    "latency",
    "bandwidth",
    "slow_close",
    "timeout",
    "reset_peer",
    "slicer",
    "limit_data",
    "blackhole",
];

/// What a request says of a toxic.
#[derive(Debug, Deserialize)]
struct Fields {
    name: Option<String>,
    r#type: Option<String>,
    stream: Option<String>,
    toxicity: Option<f64>,
    attributes: Option<Map<String, Value>>,
}

impl NamedToxic {
    /// The one that a request asks for. Mistakes are found in Toxiproxy's order.
    pub(super) fn new(body: &[u8], is_taken: impl Fn(&str) -> bool) -> Result<Self, ApiError> {
        let asked: Fields = read(body)?;
        let stream = direction(asked.stream.as_deref().unwrap_or("downstream"))?;
        let kind = asked.r#type.unwrap_or_default();
        let name = asked.name.filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| format!("{kind}_{stream}"));
        if !TYPES.contains(&&*kind) {
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid toxic type"));
        }
        if is_taken(&name) {
            return Err(ApiError::new(StatusCode::CONFLICT, "toxic already exists"));
        }
        let effect = Effect::read(&kind, Map::new(), asked.attributes)?;
        Self::of(name, effect, stream, asked.toxicity.unwrap_or(1.0))
    }

    /// This one as a request changes it: its toxicity, and those attributes that the request names.
    pub(super) fn changed(&self, body: &[u8]) -> Result<Self, ApiError> {
        let asked: Fields = read(body)?;
        let (kind, before) = self.effect.parts();
        let effect = Effect::read(&kind, before, asked.attributes)?;
        Self::of(self.name.clone(), effect, self.stream, asked.toxicity.unwrap_or(self.toxicity))
    }

    fn of(
        name: String,
        effect: Effect,
        stream: Direction,
        toxicity: f64,
    ) -> Result<Self, ApiError> {
        let toxic = effect.toxic().and_then(|toxic| toxic.on(stream).toxicity(toxicity));
        let toxic = toxic.map_err(ApiError::bad_body)?;
        Ok(Self { name, effect, stream, toxicity, toxic })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn direction(&self) -> Direction {
        self.stream
    }

    /// What it is among ours.
    pub(super) fn toxic(&self) -> Toxic {
        self.toxic
    }
}

impl Effect {
    /// Puts the attributes that are asked for over those before.
    fn read(
        kind: &str,
        mut attributes: Map<String, Value>,
        asked: Option<Map<String, Value>>,
    ) -> Result<Self, ApiError> {
        let said = asked.unwrap_or_default().into_iter().filter(|(_, value)| !value.is_null());
        attributes.extend(said);
        serde_json::from_value(json!({ "type": kind, "attributes": attributes }))
            .map_err(ApiError::bad_body)
    }

    /// Its type and its attributes.
    fn parts(&self) -> (String, Map<String, Value>) {
        let mut both = json!(self);
        let kind = both["type"].as_str().unwrap_or_default().to_owned();
        let attributes = match both["attributes"].take() {
            Value::Object(attributes) => attributes,
            _ => Map::new(),
        };
        (kind, attributes)
    }

    fn toxic(&self) -> Result<Toxic, ConfigError> {
        let (millis, micros) = (Duration::from_millis, Duration::from_micros);
        match *self {
            Self::Latency { latency, jitter } => Toxic::latency(millis(latency), millis(jitter)),
            Self::Bandwidth { rate: 0 } | Self::Blackhole {} => Ok(Toxic::blackhole()),
            Self::Bandwidth { rate } => Toxic::bandwidth(rate.saturating_mul(1000)),
            Self::SlowClose { delay } => Toxic::slow_close(millis(delay)),
            Self::Timeout { timeout } => Toxic::timeout(millis(timeout)),
            Self::ResetPeer { timeout } => Toxic::reset_peer(millis(timeout)),
            Self::Slicer { average_size, size_variation, delay } => {
                Toxic::slicer(average_size, size_variation, micros(delay))
            }
            Self::LimitData { bytes } => Ok(Toxic::limit_data(bytes)),
        }
    }
}

fn direction(stream: &str) -> Result<Direction, ApiError> {
    let ways = [Direction::Upstream, Direction::Downstream];
    ways.into_iter().find(|way| stream.eq_ignore_ascii_case(way.as_str())).ok_or_else(|| {
        let error = "stream was invalid, can be either upstream or downstream";
        ApiError::new(StatusCode::BAD_REQUEST, error)
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn as_str<S: Serializer>(direction: &Direction, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(direction.as_str())
}

#[cfg(test)]
mod tests;
