//! A fault of the wire from a file.

use buttress_core::ConfigError;
use serde::{Deserialize, Deserializer, de::Error};

use super::WireFault;
use crate::{
    latency::read::Time,
    proxy::{Direction, Toxic},
};

impl<'de> Deserialize<'de> for WireFault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Refuse => Self::Refuse,
            Written::Latency(toxic)
            | Written::Bandwidth(toxic)
            | Written::Slicer(toxic)
            | Written::LimitData(toxic)
            | Written::Timeout(toxic)
            | Written::Blackhole(toxic)
            | Written::ResetPeer(toxic)
            | Written::SlowClose(toxic) => Self::Toxic(toxic),
        })
    }
}

/// A fault as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Latency(#[serde(deserialize_with = "toxic::<Latency, _>")] Toxic),
    Bandwidth(#[serde(deserialize_with = "toxic::<Bandwidth, _>")] Toxic),
    Slicer(#[serde(deserialize_with = "toxic::<Slicer, _>")] Toxic),
    LimitData(#[serde(deserialize_with = "toxic::<LimitData, _>")] Toxic),
    Timeout(#[serde(deserialize_with = "toxic::<Timeout, _>")] Toxic),
    Blackhole(#[serde(deserialize_with = "toxic::<Blackhole, _>")] Toxic),
    ResetPeer(#[serde(deserialize_with = "toxic::<ResetPeer, _>")] Toxic),
    SlowClose(#[serde(deserialize_with = "toxic::<SlowClose, _>")] Toxic),
    Refuse,
}

/// Reads and checks it at once, so that what is refused is told with its line.
fn toxic<'de, T, D>(from: D) -> Result<Toxic, D::Error>
where
    T: Deserialize<'de> + Settings,
    D: Deserializer<'de>,
{
    let settings = T::deserialize(from)?;
    let (direction, toxicity) = settings.whom();
    let toxic = settings.what().and_then(|toxic| toxic.on(direction).toxicity(toxicity));
    toxic.map_err(D::Error::custom)
}

/// The settings of one toxic.
trait Settings {
    fn what(&self) -> Result<Toxic, ConfigError>;
    fn whom(&self) -> (Direction, f64);
}

/// Those of its own, and those that all have: serde's `flatten` would lose the line of an error.
macro_rules! settings {
    ($name:ident { $($(#[$default:meta])? $field:ident: $type:ty,)* } => $what:expr) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            $($(#[$default])? $field: $type,)*
            #[serde(default)]
            direction: Direction,
            #[serde(default = "all")]
            toxicity: f64,
        }

        impl Settings for $name {
            fn what(&self) -> Result<Toxic, ConfigError> {
                let what: fn(&Self) -> Result<Toxic, ConfigError> = $what;
                what(self)
            }

            fn whom(&self) -> (Direction, f64) {
                (self.direction, self.toxicity)
            }
        }
    };
}

settings!(Latency { delay: Time, #[serde(default)] jitter: Time, } => |it| {
    Toxic::latency(it.delay.0, it.jitter.0)
});
settings!(Bandwidth { rate: u64, } => |it| Toxic::bandwidth(it.rate));
settings!(Slicer {
    average: usize,
    #[serde(default)] variation: usize,
    #[serde(default)] delay: Time,
} => |it| Toxic::slicer(it.average, it.variation, it.delay.0));
settings!(LimitData { bytes: u64, } => |it| Ok(Toxic::limit_data(it.bytes)));
settings!(Timeout { #[serde(default)] after: Time, } => |it| Toxic::timeout(it.after.0));
settings!(Blackhole {} => |_| Ok(Toxic::blackhole()));
settings!(ResetPeer { #[serde(default)] after: Time, } => |it| Toxic::reset_peer(it.after.0));
settings!(SlowClose { delay: Time, } => |it| Toxic::slow_close(it.delay.0));

/// The share where none is said.
fn all() -> f64 {
    1.0
}
