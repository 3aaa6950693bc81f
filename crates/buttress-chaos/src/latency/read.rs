//! The parts of a delay as they are written in a file.

use std::time::Duration;

use buttress_core::ConfigError;
use serde::{Deserialize, Deserializer, de};

use super::Latency;

/// A way to say how long a delay is.
pub(crate) trait Delay {
    fn latency(&self) -> Result<Latency, ConfigError>;
}

/// A time, as `"1m 30s"`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Time(pub(crate) Duration);

impl Time {
    pub(crate) const FOR_EVER: Self = Self(Duration::MAX);
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Time;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a time, as \"5s\" or \"200ms\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                let time = humantime::parse_duration(text);
                time.map(Time).map_err(|error| {
                    E::custom(format!("expected a time, as \"5s\" or \"200ms\": {error}"))
                })
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    from: Time,
    to: Time,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bell {
    mean: Time,
    deviation: Time,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LongTail {
    median: Time,
    sigma: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tail {
    least: Time,
    shape: f64,
}

impl Delay for Time {
    fn latency(&self) -> Result<Latency, ConfigError> {
        Latency::fixed(self.0)
    }
}

impl Delay for Range {
    fn latency(&self) -> Result<Latency, ConfigError> {
        Latency::uniform(self.from.0, self.to.0)
    }
}

impl Delay for Bell {
    fn latency(&self) -> Result<Latency, ConfigError> {
        Latency::normal(self.mean.0, self.deviation.0)
    }
}

impl Delay for LongTail {
    fn latency(&self) -> Result<Latency, ConfigError> {
        Latency::log_normal(self.median.0, self.sigma)
    }
}

impl Delay for Tail {
    fn latency(&self) -> Result<Latency, ConfigError> {
        Latency::pareto(self.least.0, self.shape)
    }
}
