//! What becomes of a load, and how it is summed up.

use std::time::Duration;

use serde::Serialize;

use super::median::median;

/// What a generator of load got back: all of it well, or there would be an error in its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Answers {
    pub(super) count: u64,
    /// From the first request to the last answer.
    pub(super) took: Duration,
    pub(super) latency: Latency,
}

/// By percentiles.
#[expect(clippy::struct_field_names, reason = "programs that read them have to know the unit")]
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
}

impl Latency {
    /// The median of each figure.
    pub(super) fn median(all: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(all.iter().map(figure));
        Self {
            p50_ms: of(|of| of.p50_ms),
            p99_ms: of(|of| of.p99_ms),
            p999_ms: of(|of| of.p999_ms),
        }
    }
}

/// The figures of one load on one gateway.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Load {
    pub(super) per_second: f64,
    #[serde(flatten)]
    pub(super) latency: Latency,
    /// Where the system tells it.
    pub(super) cpu_us_per_request: Option<f64>,
}

impl Load {
    pub(super) fn new(answers: &Answers, cpu: Option<Duration>) -> Self {
        let count = answers.count as f64;
        Self {
            per_second: count / answers.took.as_secs_f64(),
            latency: answers.latency,
            cpu_us_per_request: cpu.map(|used| used.as_secs_f64() * 1e6 / count),
        }
    }

    /// Each figure in times of the other's.
    pub(super) fn to(&self, other: &Self) -> Self {
        let latency = |figure: fn(&Latency) -> f64| figure(&self.latency) / figure(&other.latency);
        Self {
            per_second: self.per_second / other.per_second,
            latency: Latency {
                p50_ms: latency(|of| of.p50_ms),
                p99_ms: latency(|of| of.p99_ms),
                p999_ms: latency(|of| of.p999_ms),
            },
            cpu_us_per_request: self
                .cpu_us_per_request
                .zip(other.cpu_us_per_request)
                .map(|(this, other)| this / other),
        }
    }

    /// The median of each figure.
    pub(super) fn median(loads: &[Self]) -> Self {
        let latencies: Vec<_> = loads.iter().map(|load| load.latency).collect();
        let cpu: Vec<_> = loads.iter().filter_map(|load| load.cpu_us_per_request).collect();
        Self {
            per_second: median(loads.iter().map(|load| load.per_second)),
            latency: Latency::median(&latencies),
            cpu_us_per_request: (!cpu.is_empty()).then(|| median(cpu)),
        }
    }
}
