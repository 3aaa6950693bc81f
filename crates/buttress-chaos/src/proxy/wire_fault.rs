//! What a timeline can do to a proxy.

#[cfg(feature = "serde")]
mod read;

use super::Toxic;

/// One fault of a [`Timeline`](crate::Timeline) that a proxy [plays](crate::proxy::ProxyHandle::play): a
/// toxic, or that nobody is let in.
///
/// With the feature `serde` (or `toml`) it is read from a file, each with a setting that is called as
/// the toxic is. Beside its own settings each toxic takes `direction` (`"downstream"`, if left out, or
/// `"upstream"`) and `toxicity` (left out: 1.0).
///
/// ```toml
/// latency = { delay = "300ms", jitter = "50ms" }       # jitter left out: none
/// bandwidth = { rate = 1024 }                          # bytes a second
/// slicer = { average = 64, variation = 16, delay = "10ms" }   # the last two left out: none
/// slow_close = { delay = "1s" }
/// blackhole = {}
/// limit_data = { bytes = 4096 }
/// timeout = { after = "5s" }                           # left out: never
/// reset_peer = { after = "1s" }                        # left out: at once
/// refuse = true
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum WireFault {
    /// The toxic is in force.
    Toxic(Toxic),
    /// Nobody is let in, and who is there is cut off; see
    /// [`refuse`](crate::proxy::ProxyHandle::refuse).
    Refuse,
}

impl From<Toxic> for WireFault {
    fn from(toxic: Toxic) -> Self {
        Self::Toxic(toxic)
    }
}
