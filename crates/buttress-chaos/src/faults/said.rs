//! Faults in words, as logs and reports say them.

use std::{fmt, time::Duration};

use buttress_core::{Pace, Stall};

use super::{Faults, Rated};

/// In the words of a timeline's file: `latency 300ms on 20 %, errors on 5 %`; or `none`.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = |bytes: u64| format!(" after {bytes} bytes");
        let said = [
            say("latency", self.latency, |latency| format!(" {latency}")),
            say("hangs", self.hangs, |()| String::new()),
            say("panics", self.panics, |()| String::new()),
            say("errors", self.errors, |()| String::new()),
            say("status", self.status, |status| format!(" {status}")),
            say("cut", self.cut, after),
            say("stalls", self.stalls, stall),
            say("slow", self.slow, pace),
            say("breaks", self.breaks, after),
            say("trailers", self.trailers, |code| format!(" {code}")),
            say("unready", self.unready, |()| String::new()),
            say("ready_late", self.ready_late, |latency| format!(" {latency}")),
        ];
        let said: Vec<_> = said.into_iter().flatten().collect();
        f.write_str(if said.is_empty() { "none" } else { "" })?;
        f.write_str(&said.join(", "))
    }
}

fn say<T>(name: &str, fault: Option<Rated<T>>, what: impl Fn(T) -> String) -> Option<String> {
    let Rated { rate, what: fault } = fault?;
    // Two digits behind the point at most, and none that says nothing.
    let share = (rate < 1.0).then(|| format!(" on {} %", (rate * 10_000.0).round() / 100.0));
    Some(format!("{name}{}{}", what(fault), share.unwrap_or_default()))
}

fn pace(pace: Pace) -> String {
    match pace {
        Pace::EachFrame(delay) => format!(" by {delay:?} a frame"),
        Pace::BytesPerSecond(bytes) => format!(" {bytes} bytes/s"),
        _ => String::new(),
    }
}

fn stall(Stall { after, lasts }: Stall) -> String {
    if lasts == Duration::MAX {
        format!(" after {after} bytes for ever")
    } else {
        format!(" after {after} bytes for {lasts:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Latency;

    #[test]
    fn what_is_said_is_what_is_set() {
        let (none, ms) = (Faults::none(), Duration::from_millis);
        let tail = Latency::log_normal(ms(80), 0.5).unwrap();
        for (faults, said) in [
            (Ok(none), "none"),
            (
                none.latency(0.2, ms(300)).and_then(|it| it.errors(0.05)),
                "latency 300ms on 20 %, errors on 5 %",
            ),
            (none.latency(1.0, Duration::MAX), "latency for ever"),
            (none.ready_late(1.0, tail), "ready_late log_normal 80ms, 0.5"),
            (none.hangs(1.0).and_then(|it| it.panics(0.001)), "hangs, panics on 0.1 %"),
            (none.status(1.0, 503), "status 503"),
            (
                none.cut(1.0, 7).and_then(|it| it.breaks(0.5, 9)),
                "cut after 7 bytes, breaks after 9 bytes on 50 %",
            ),
            (none.stalls(1.0, 7, Duration::MAX), "stalls after 7 bytes for ever"),
            (none.stalls(1.0, 7, ms(10)), "stalls after 7 bytes for 10ms"),
            (none.slow(1.0, Pace::EachFrame(ms(5))), "slow by 5ms a frame"),
            (none.trailers(1.0, 14).and_then(|it| it.unready(1.0)), "trailers 14, unready"),
        ] {
            assert_eq!(faults.unwrap().to_string(), said);
        }
    }
}
