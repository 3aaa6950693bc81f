//! A toxic in words, as logs and reports say it.

use std::fmt;

use super::{Direction, Toxic, ToxicKind};
use crate::{proxy::WireFault, share::Share};

/// In the words of a timeline's file, in units: `latency 300ms ± 50ms`, `bandwidth 1024 bytes/s`. Then, where
/// it is not the default, the direction and the share of the connections: `blackhole upstream on 50 %`.
impl fmt::Display for Toxic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)?;
        if self.direction() != Direction::default() {
            write!(f, " {}", self.direction())?;
        }
        Share(self.share()).fmt(f)
    }
}

impl fmt::Display for ToxicKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Latency { delay, jitter } if jitter.is_zero() => write!(f, " {delay:?}"),
            Self::Latency { delay, jitter } => write!(f, " {delay:?} ± {jitter:?}"),
            Self::Bandwidth { rate } => write!(f, " {rate} bytes/s"),
            Self::Slicer { average, variation, delay } => {
                write!(f, " {average} ± {variation} bytes every {delay:?}")
            }
            Self::LimitData { bytes } => write!(f, " {bytes} bytes"),
            Self::Timeout { after } if after.is_zero() => Ok(()),
            Self::Timeout { after } | Self::ResetPeer { after } => write!(f, " after {after:?}"),
            Self::SlowClose { delay } => write!(f, " {delay:?}"),
            Self::Blackhole => Ok(()),
        }
    }
}

/// As the toxic, or `refuse`.
impl fmt::Display for WireFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Toxic(toxic) => toxic.fmt(f),
            Self::Refuse => f.write_str("refuse"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_said_is_what_is_set() {
        let (ms, zero) = (Duration::from_millis, Duration::ZERO);
        for (toxic, said) in [
            (Toxic::latency(ms(2000), zero).unwrap(), "latency 2s"),
            (Toxic::latency(ms(300), ms(50)).unwrap(), "latency 300ms ± 50ms"),
            (Toxic::bandwidth(1024).unwrap(), "bandwidth 1024 bytes/s"),
            (Toxic::slicer(64, 16, ms(10)).unwrap(), "slicer 64 ± 16 bytes every 10ms"),
            (Toxic::limit_data(9), "limit_data 9 bytes"),
            (Toxic::timeout(zero).unwrap(), "timeout"),
            (Toxic::timeout(ms(5)).unwrap(), "timeout after 5ms"),
            (Toxic::reset_peer(zero).unwrap(), "reset_peer after 0ns"),
            (Toxic::slow_close(ms(7)).unwrap(), "slow_close 7ms"),
            (Toxic::blackhole(), "blackhole"),
            (
                Toxic::blackhole().on(Direction::Upstream).toxicity(0.5).unwrap(),
                "blackhole upstream on 50 %",
            ),
            (Toxic::blackhole().toxicity(0.001).unwrap(), "blackhole on 0.1 %"),
        ] {
            assert_eq!(WireFault::from(toxic).to_string(), said);
        }
        assert_eq!(WireFault::Refuse.to_string(), "refuse");
    }
}
