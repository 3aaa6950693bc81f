//! What a toxic does, to which direction, and to how many connections.

mod said;

use std::{fmt, time::Duration};

use buttress_core::ConfigError;

/// No time of a toxic is longer.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Which way bytes flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Direction {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    #[default]
    Downstream,
}

impl Direction {
    /// As it is written: `upstream` or `downstream`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One fault on the wire; see the [table](crate::proxy#toxics).
///
/// It strikes what the server sends, on every connection, until told otherwise. No time in it is
/// longer than a year.
///
/// ```
/// use std::time::Duration;
/// use buttress_chaos::proxy::{Direction, Toxic};
///
/// # fn main() -> Result<(), buttress_core::ConfigError> {
/// let late = Toxic::latency(Duration::from_millis(100), Duration::from_millis(20))?;
/// let late = late.on(Direction::Upstream).toxicity(0.5)?;
/// assert_eq!(late.kind().name(), "latency");
/// assert_eq!(Toxic::bandwidth(0).unwrap_err().setting(), "bandwidth");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Toxic {
    kind: ToxicKind,
    direction: Direction,
    toxicity: f64,
}

/// What a toxic does; see the [table](crate::proxy#toxics).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToxicKind {
    /// Each byte comes later.
    #[non_exhaustive]
    Latency {
        /// By so much,
        delay: Duration,
        /// give or take up to so much.
        jitter: Duration,
    },
    /// Bytes come no faster.
    #[non_exhaustive]
    Bandwidth {
        /// Bytes in a second.
        rate: u64,
    },
    /// Bytes come in small pieces.
    #[non_exhaustive]
    Slicer {
        /// Bytes of a piece on the average,
        average: usize,
        /// give or take up to so many.
        variation: usize,
        /// Between two pieces.
        delay: Duration,
    },
    /// The connection closes after so many bytes.
    #[non_exhaustive]
    LimitData {
        /// How many still pass.
        bytes: u64,
    },
    /// Bytes are swallowed, and then the connection closes.
    #[non_exhaustive]
    Timeout {
        /// When it closes; zero: never.
        after: Duration,
    },
    /// Nothing comes through until the toxic is removed.
    Blackhole,
    /// The connection is reset.
    #[non_exhaustive]
    ResetPeer {
        /// When that is.
        after: Duration,
    },
    /// The end of the connection comes later than its last byte.
    #[non_exhaustive]
    SlowClose {
        /// By so much.
        delay: Duration,
    },
}

impl ToxicKind {
    /// Its name, as Toxiproxy has it: `latency`, `bandwidth`, `slicer`, `limit_data`, `timeout`,
    /// `blackhole` (which Toxiproxy has not), `reset_peer` or `slow_close`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Bandwidth { .. } => "bandwidth",
            Self::Slicer { .. } => "slicer",
            Self::LimitData { .. } => "limit_data",
            Self::Timeout { .. } => "timeout",
            Self::Blackhole => "blackhole",
            Self::ResetPeer { .. } => "reset_peer",
            Self::SlowClose { .. } => "slow_close",
        }
    }
}

/// # What it does
impl Toxic {
    /// Each byte comes later, by `delay` give or take up to `jitter`, evenly spread.
    ///
    /// Order is kept, so a byte whose jitter is short waits for the one before; under a steady stream
    /// the delay is therefore nearer to `delay + jitter`. Bytes that come close together stay so: no
    /// bandwidth is lost as long as what is on its way fits into the
    /// [buffer](crate::proxy::FaultProxyBuilder::buffer).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if one of them is longer than a year.
    pub fn latency(delay: Duration, jitter: Duration) -> Result<Self, ConfigError> {
        check_time("latency", delay)?;
        check_time("jitter", jitter)?;
        Ok(Self::of(ToxicKind::Latency { delay, jitter }))
    }

    /// Bytes come no faster than `rate` in a second.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is zero: for that there is [`blackhole`](Self::blackhole).
    pub fn bandwidth(rate: u64) -> Result<Self, ConfigError> {
        if rate == 0 {
            return Err(ConfigError::new("bandwidth", rate, "1 byte a second or more"));
        }
        Ok(Self::of(ToxicKind::Bandwidth { rate }))
    }

    /// Bytes come in pieces of `average` size, give or take up to `variation`, with `delay` between
    /// two of them. Each piece is written to the socket by itself.
    ///
    /// The timer is no finer than a millisecond; shorter delays are kept on the average.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `average` is zero, `variation` not less than it, or `delay` longer than a year.
    pub fn slicer(average: usize, variation: usize, delay: Duration) -> Result<Self, ConfigError> {
        ConfigError::check_count("average", average, isize::MAX as usize)?;
        if variation >= average {
            let allowed = format!("less than the average of {average}");
            return Err(ConfigError::new("variation", variation, allowed));
        }
        check_time("delay", delay)?;
        Ok(Self::of(ToxicKind::Slicer { average, variation, delay }))
    }

    /// The connection closes, both ways, when so many bytes have passed; with zero, at the first one.
    ///
    /// Who goes on sending a second later is reset then, and loses what he has not read by that time.
    pub const fn limit_data(bytes: u64) -> Self {
        Self::of(ToxicKind::LimitData { bytes })
    }

    /// Bytes are swallowed, and after this time the connection closes, both ways; with zero, never.
    ///
    /// The time begins when the toxic comes upon the connection, and anew when it is changed. If the
    /// toxic is removed after it has swallowed something, the connection closes as well: what follows
    /// would be taken for what was swallowed. What had passed before it is still written first, to a reader
    /// who takes it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is longer than a year.
    pub fn timeout(after: Duration) -> Result<Self, ConfigError> {
        check_time("timeout", after)?;
        Ok(Self::of(ToxicKind::Timeout { after }))
    }

    /// Connections are accepted and bytes taken, up to the bound of the buffer, but nothing comes through:
    /// no byte, no end. When the toxic is removed, all of it does, as when a network heals. Until then a
    /// connection whose client has given up stays open, with both its sockets: as many as a long test makes
    /// may need a higher `ulimit -n`.
    pub const fn blackhole() -> Self {
        Self::of(ToxicKind::Blackhole)
    }

    /// The connection is reset, both ways, after this time, as if a machine had died: the peers see
    /// `ECONNRESET`. Until then bytes pass. The time begins when the toxic comes upon the connection, and
    /// anew when it is changed.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is longer than a year.
    pub fn reset_peer(after: Duration) -> Result<Self, ConfigError> {
        check_time("reset_peer", after)?;
        Ok(Self::of(ToxicKind::ResetPeer { after }))
    }

    /// The end comes later than the last byte, by this much.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is longer than a year.
    pub fn slow_close(delay: Duration) -> Result<Self, ConfigError> {
        check_time("slow_close", delay)?;
        Ok(Self::of(ToxicKind::SlowClose { delay }))
    }
}

/// # Whom it strikes
impl Toxic {
    /// Strikes what flows this way. Default: [`Direction::Downstream`].
    pub const fn on(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Strikes this share of the connections, from 0.0 to 1.0. Default: 1.0, all of them.
    ///
    /// Each connection draws once for each toxic, independently; when the share of a toxic is raised,
    /// those that it struck stay struck.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is outside its range or not a number.
    pub fn toxicity(mut self, share: f64) -> Result<Self, ConfigError> {
        ConfigError::check_rate("toxicity", share)?;
        self.toxicity = share;
        Ok(self)
    }
}

/// # What was said
impl Toxic {
    const fn of(kind: ToxicKind) -> Self {
        Self { kind, direction: Direction::Downstream, toxicity: 1.0 }
    }

    /// What it does.
    pub const fn kind(&self) -> &ToxicKind {
        &self.kind
    }

    /// What flows which way it strikes.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// The share of the connections that it strikes.
    pub const fn share(&self) -> f64 {
        self.toxicity
    }
}

fn check_time(setting: &'static str, time: Duration) -> Result<(), ConfigError> {
    if time > LONGEST {
        return Err(ConfigError::new(setting, format!("{time:?}"), "at most a year"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let second = Duration::from_secs(1);
        let refused = [
            (Toxic::latency(Duration::MAX, second), "latency"),
            (Toxic::latency(second, Duration::MAX), "jitter"),
            (Toxic::bandwidth(0), "bandwidth"),
            (Toxic::slicer(0, 0, second), "average"),
            (Toxic::slicer(10, 10, second), "variation"),
            (Toxic::slicer(10, 1, Duration::MAX), "delay"),
            (Toxic::timeout(Duration::MAX), "timeout"),
            (Toxic::reset_peer(Duration::MAX), "reset_peer"),
            (Toxic::slow_close(Duration::MAX), "slow_close"),
            (Toxic::blackhole().toxicity(1.1), "toxicity"),
            (Toxic::blackhole().toxicity(f64::NAN), "toxicity"),
        ];
        for (refused, setting) in refused {
            assert_eq!(refused.unwrap_err().setting(), setting);
        }
    }
}
