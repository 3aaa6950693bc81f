//! Faults as a header says them.

use std::{num::NonZeroU64, str::FromStr, time::Duration};

use buttress_core::{ConfigError, Pace};

use super::CONTROL_HEADER;
use crate::Faults;

/// Of all calls: a request speaks for itself alone.
const ALWAYS: f64 = 1.0;

/// Reads a list of faults, each as `name` or `name=value`.
pub(super) fn read(text: &str) -> Result<Faults, ConfigError> {
    let mut items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.try_fold(Faults::none(), |faults, item| {
        let (name, value) = match item.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
            None => (item, None),
        };
        add(&faults, name, value)
    })
}

fn add(faults: &Faults, name: &str, value: Option<&str>) -> Result<Faults, ConfigError> {
    match (name, value) {
        ("hangs", None) => faults.hangs(ALWAYS),
        ("panics", None) => faults.panics(ALWAYS),
        ("errors", None) => faults.errors(ALWAYS),
        ("latency", Some(time)) => faults.latency(ALWAYS, duration("latency", time)?),
        ("status", Some(code)) => faults.status(ALWAYS, number("status", code)?),
        ("cut", Some(after)) => faults.cut(ALWAYS, number("cut", after)?),
        ("stalls", Some(value)) => {
            let (after, lasts) = match value.split_once(':') {
                Some((after, lasts)) => (after, duration("stalls", lasts)?),
                None => (value, Duration::MAX),
            };
            faults.stalls(ALWAYS, number("stalls", after)?, lasts)
        }
        ("slow", Some(pace)) => {
            let pace = match pace.parse::<NonZeroU64>() {
                Ok(bytes) => Pace::BytesPerSecond(bytes),
                Err(_) => Pace::EachFrame(duration("slow", pace)?),
            };
            faults.slow(ALWAYS, pace)
        }
        ("breaks", Some(after)) => faults.breaks(ALWAYS, number("breaks", after)?),
        ("trailers", Some(code)) => faults.trailers(ALWAYS, number("trailers", code)?),
        _ => {
            let said = value.map_or_else(|| name.to_owned(), |value| format!("{name}={value}"));
            let allowed = "a list of `hangs`, `panics`, `errors`, `latency=…`, `status=…`, `cut=…`, \
                           `stalls=…`, `slow=…`, `breaks=…`, `trailers=…`";
            Err(ConfigError::new(CONTROL_HEADER, said, allowed))
        }
    }
}

fn number<N: FromStr>(setting: &'static str, text: &str) -> Result<N, ConfigError> {
    text.parse().map_err(|_| ConfigError::new(setting, text, "a whole number"))
}

fn duration(setting: &'static str, text: &str) -> Result<Duration, ConfigError> {
    humantime::parse_duration(text)
        .map_err(|_| ConfigError::new(setting, text, "a time, as 5s or 200ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_they_would_be_set() {
        let (none, second) = (Faults::none(), Duration::from_secs(1));
        let slow = |pace| none.slow(1.0, pace).unwrap();
        for (text, faults) in [
            ("", none),
            (" , ", none),
            ("hangs", none.hangs(1.0).unwrap()),
            ("panics", none.panics(1.0).unwrap()),
            ("latency=1s,errors", none.latency(1.0, second).unwrap().errors(1.0).unwrap()),
            (" status = 503 ", none.status(1.0, 503).unwrap()),
            ("cut=0", none.cut(1.0, 0).unwrap()),
            ("stalls=7", none.stalls(1.0, 7, Duration::MAX).unwrap()),
            ("stalls=7:1s", none.stalls(1.0, 7, second).unwrap()),
            ("slow=1s", slow(Pace::EachFrame(second))),
            ("slow=1024", slow(Pace::BytesPerSecond(NonZeroU64::new(1024).unwrap()))),
            ("breaks=9", none.breaks(1.0, 9).unwrap()),
            ("trailers=14", none.trailers(1.0, 14).unwrap()),
        ] {
            assert_eq!(read(text).unwrap(), faults, "{text}");
        }
    }

    #[test]
    fn what_can_not_be_read_is_refused() {
        for (text, setting, value) in [
            ("hang", CONTROL_HEADER, "hang"),
            ("hangs=1", CONTROL_HEADER, "hangs=1"),
            ("errors, unready", CONTROL_HEADER, "unready"),
            ("latency", CONTROL_HEADER, "latency"),
            ("latency=5", "latency", "5"),
            ("latency=0s", "latency", "0s"),
            ("status=700", "status", "700"),
            ("status=-1", "status", "-1"),
            ("cut=1.5", "cut", "1.5"),
            ("stalls=1:", "stalls", ""),
            ("slow=0", "slow", "0s"),
            ("trailers=17", "trailers", "17"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!((error.setting(), error.value()), (setting, value), "{text}");
        }
    }
}
