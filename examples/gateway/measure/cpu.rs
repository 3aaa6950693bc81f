//! What a process has computed, which a busy neighbour hardly changes.

use std::{fs, time::Duration};

/// A tick of the kernel's accounts: the same on all common systems, whatever it counts by inside.
const TICK: Duration = Duration::from_millis(10);

/// The time that the threads of this process have run, in it and in the kernel for it. None where there
/// is no `/proc`.
pub(super) fn used(process: u32) -> Option<Duration> {
    ticks(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?).map(|ticks| TICK * ticks)
}

fn ticks(stat: &str) -> Option<u32> {
    // The name stands in parentheses, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let mut time = || times.next()?.parse::<u32>().ok();
    Some(time()? + time()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        assert_eq!(ticks("1 (a) 7 b) S 4 5 6 7 8 9 10 11 12 13 200 30 0 0 20"), Some(230));
        assert_eq!(ticks("1 (a) S"), None);
    }
}
