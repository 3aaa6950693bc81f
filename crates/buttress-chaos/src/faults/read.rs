//! Faults from a file.

use std::num::NonZeroU64;

use buttress_core::{ConfigError, Pace, Stall};
use serde::{Deserialize, Deserializer, de::Error};

use super::{Faults, Rated};
use crate::latency::{
    Latency,
    read::{Bell, Delay, LongTail, Range, Tail, Time},
};

/// Each kind of fault is a setting that is called as its method here is:
///
/// ```toml
/// latency = { rate = 0.2, delay = "300ms" }     # the rate left out: all calls
/// errors = 0.05                                 # so hangs, panics, unready
/// status = { rate = 0.1, code = 503 }
/// cut = { rate = 0.1, after = 4096 }            # so breaks
/// stalls = { after = 0, lasts = "10s" }         # left out: for ever
/// slow = { bytes_per_second = 1024 }            # or each_frame = "50ms"
/// trailers = { code = 14 }
/// ready_late = { delay = "1s" }
/// ```
///
/// In place of `delay` stand `uniform = { from = "…", to = "…" }`, `normal = { mean = "…",
/// deviation = "…" }`, `log_normal = { median = "…", sigma = 0.5 }` or `pareto = { least = "…",
/// shape = 1.2 }`, and beside it `at_most = "…"`.
impl<'de> Deserialize<'de> for Faults {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)
    }
}

/// Faults as they are written.
#[derive(Deserialize)]
#[serde(remote = "Faults", deny_unknown_fields)]
struct Written {
    #[serde(default, deserialize_with = "latency")]
    latency: Option<Rated<Latency>>,
    #[serde(default, deserialize_with = "hangs")]
    hangs: Option<Rated<()>>,
    #[serde(default, deserialize_with = "panics")]
    panics: Option<Rated<()>>,
    #[serde(default, deserialize_with = "errors")]
    errors: Option<Rated<()>>,
    #[serde(default, deserialize_with = "status")]
    status: Option<Rated<u16>>,
    #[serde(default, deserialize_with = "cut")]
    cut: Option<Rated<u64>>,
    #[serde(default, deserialize_with = "stalls")]
    stalls: Option<Rated<Stall>>,
    #[serde(default, deserialize_with = "slow")]
    slow: Option<Rated<Pace>>,
    #[serde(default, deserialize_with = "breaks")]
    breaks: Option<Rated<u64>>,
    #[serde(default, deserialize_with = "trailers")]
    trailers: Option<Rated<u16>>,
    #[serde(default, deserialize_with = "unready")]
    unready: Option<Rated<()>>,
    #[serde(default, deserialize_with = "ready_late")]
    ready_late: Option<Rated<Latency>>,
}

/// Reads one setting by its method, so that what is refused there is told with its line.
macro_rules! setting {
    ($name:ident: $type:ty, $written:ty, $set:expr) => {
        fn $name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Rated<$type>>, D::Error> {
            let set: fn(Faults, $written) -> Result<Faults, ConfigError> = $set;
            let faults = set(Faults::none(), <$written>::deserialize(from)?);
            faults.map(|faults| faults.$name).map_err(D::Error::custom)
        }
    };
}

setting!(latency: Latency, Late, |faults, late| faults.latency(late.rate, late.latency()?));
setting!(hangs: (), f64, Faults::hangs);
setting!(panics: (), f64, Faults::panics);
setting!(errors: (), f64, Faults::errors);
setting!(status: u16, Code, |faults, status| faults.status(status.rate, status.code));
setting!(cut: u64, After, |faults, cut| faults.cut(cut.rate, cut.after));
setting!(stalls: Stall, Stalls, |faults, stalls| {
    faults.stalls(stalls.rate, stalls.after, stalls.lasts.unwrap_or(Time::FOR_EVER).0)
});
setting!(slow: Pace, Slow, |faults, slow| faults.slow(slow.rate, slow.pace()?));
setting!(breaks: u64, After, |faults, breaks| faults.breaks(breaks.rate, breaks.after));
setting!(trailers: u16, Code, |faults, trailers| faults.trailers(trailers.rate, trailers.code));
setting!(unready: (), f64, Faults::unready);
setting!(ready_late: Latency, Late, |faults, late| faults.ready_late(late.rate, late.latency()?));

/// The rate where none is said.
fn always() -> f64 {
    1.0
}

// What is common to them is written out in each: serde's `flatten` would lose the line of an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Late {
    #[serde(default = "always")]
    rate: f64,
    delay: Option<Time>,
    uniform: Option<Range>,
    normal: Option<Bell>,
    log_normal: Option<LongTail>,
    pareto: Option<Tail>,
    at_most: Option<Time>,
}

impl Late {
    fn latency(&self) -> Result<Latency, ConfigError> {
        let Self { delay, uniform, normal, log_normal, pareto, .. } = self;
        let delays: [Option<&dyn Delay>; 5] = [
            delay.as_ref().map(|it| it as _),
            uniform.as_ref().map(|it| it as _),
            normal.as_ref().map(|it| it as _),
            log_normal.as_ref().map(|it| it as _),
            pareto.as_ref().map(|it| it as _),
        ];
        let mut said = delays.into_iter().flatten();
        let (Some(one), None) = (said.next(), said.next()) else {
            let allowed = "one of `delay`, `uniform`, `normal`, `log_normal`, `pareto`";
            return Err(ConfigError::new("latency", "none or several", allowed));
        };
        let latency = one.latency()?;
        self.at_most.map_or(Ok(latency), |at_most| latency.at_most(at_most.0))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    #[serde(default = "always")]
    rate: f64,
    code: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    #[serde(default = "always")]
    rate: f64,
    after: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stalls {
    #[serde(default = "always")]
    rate: f64,
    after: u64,
    lasts: Option<Time>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slow {
    #[serde(default = "always")]
    rate: f64,
    each_frame: Option<Time>,
    bytes_per_second: Option<NonZeroU64>,
}

impl Slow {
    fn pace(&self) -> Result<Pace, ConfigError> {
        match (self.each_frame, self.bytes_per_second) {
            (Some(delay), None) => Ok(Pace::EachFrame(delay.0)),
            (None, Some(bytes)) => Ok(Pace::BytesPerSecond(bytes)),
            _ => {
                let allowed = "one of `each_frame`, `bytes_per_second`";
                Err(ConfigError::new("slow", "none or both", allowed))
            }
        }
    }
}
