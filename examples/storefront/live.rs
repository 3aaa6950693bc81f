//! What is shown while the run goes on: a view that is drawn anew on a terminal, plain lines
//! elsewhere. On standard error, so that standard output is the report alone.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
    sync::Arc,
    time::Duration,
};

use buttress::{core::CircuitState, prelude::BreakerHandle};
use tokio::time::{Instant, interval_at};

use crate::{
    faults::Script,
    measure::{Meter, Tally},
    shop::Upstream,
};

/// How often the view on a terminal is drawn.
const FRAME: Duration = Duration::from_millis(200);
/// How often a plain line is written.
const LINE: Duration = Duration::from_secs(1);
/// How long back rates look.
const RATE_FRAMES: usize = 5;
/// The width of the progress bar.
const BAR: usize = 30;

/// What there is to look at.
pub(crate) struct Live {
    /// Bare and buttressed.
    pub(crate) meters: [Arc<Meter>; 2],
    pub(crate) breakers: Vec<BreakerHandle>,
    pub(crate) script: Script,
    pub(crate) start: Instant,
    pub(crate) run: Duration,
}

/// What is to be seen at one moment.
struct View {
    now: Duration,
    run: Duration,
    /// Pages per second, bare and buttressed.
    rates: [Tally; 2],
    upstreams: [(Upstream, String, CircuitState); 6],
}

impl Live {
    /// Shows the run until it is dropped.
    pub(crate) async fn show(self) {
        let terminal = io::stderr().is_terminal();
        let pace = if terminal { FRAME } else { LINE };
        let mut ticks = interval_at(self.start + pace, pace);
        let back = if terminal { RATE_FRAMES } else { 1 };
        let mut history = vec![[Tally::default(); 2]];
        let mut drawn = 0;
        loop {
            ticks.tick().await;
            history.push(self.meters.each_ref().map(|meter| meter.tally()));
            let since = history.len().saturating_sub(back + 1);
            let frames = history.len() - 1 - since;
            let view = self.view(history[since], history[history.len() - 1], pace, frames);
            let mut text = String::new();
            if terminal {
                let lines = view.frame();
                // Up to where the last frame began; each line erases what it replaces.
                if drawn > 0 {
                    let _ = write!(text, "\x1b[{drawn}A");
                }
                drawn = lines.len();
                for line in lines {
                    let _ = writeln!(text, "{line}\x1b[K");
                }
            } else {
                let _ = writeln!(text, "{}", view.line());
            }
            // A view that cannot be shown is no reason to end the run.
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }

    fn view(&self, before: [Tally; 2], now: [Tally; 2], pace: Duration, frames: usize) -> View {
        let seconds = pace.as_secs_f64() * frames as f64;
        let elapsed = self.start.elapsed().min(self.run);
        View {
            now: elapsed,
            run: self.run,
            rates: [now[0].per_second(before[0], seconds), now[1].per_second(before[1], seconds)],
            upstreams: Upstream::ALL.map(|upstream| {
                let faults = self.script.active(upstream, elapsed);
                let faults: Vec<_> = faults.map(|window| &*window.fault).collect();
                let faults = if faults.is_empty() { "well".into() } else { faults.join(", ") };
                (upstream, faults, self.breakers[upstream as usize].state())
            }),
        }
    }
}

impl View {
    /// The lines of the view on a terminal; always as many.
    fn frame(&self) -> Vec<String> {
        let part = self.now.as_secs_f64() / self.run.as_secs_f64();
        let done = (1..=BAR).filter(|&n| n as f64 <= part * BAR as f64).count();
        let (now, run) = (self.now.as_secs_f64(), self.run.as_secs_f64());
        let bar = format!("{}{}", "#".repeat(done), ".".repeat(BAR - done));
        let mut lines = vec![
            format!("[{bar}] {now:.1} of {run:.1} s"),
            String::new(),
            format!("{:<16} {:>8} {:>10} {:>8}", "pages/s", "full", "degraded", "failed"),
        ];
        for (name, rate) in ["bare", "buttressed"].iter().zip(self.rates) {
            let Tally { full, degraded, failed } = rate;
            lines.push(format!("{name:<16} {full:>8} {degraded:>10} {failed:>8}"));
        }
        lines.push(String::new());
        lines.push(format!("{:<16} {:<22} {}", "upstream", "", "breaker"));
        for (upstream, fault, state) in &self.upstreams {
            lines.push(format!("{upstream:<16} {fault:<22} {state}"));
        }
        lines
    }

    /// The same on one line.
    fn line(&self) -> String {
        let [bare, buttressed] = self.rates.map(|Tally { full, degraded, failed }| {
            format!("{full} full {degraded} degraded {failed} failed")
        });
        let mut line =
            format!("{:5.1} s  bare: {bare}; buttressed: {buttressed}", self.now.as_secs_f64());
        let not_closed =
            self.upstreams.iter().filter(|(_, _, state)| *state != CircuitState::Closed);
        for (upstream, _, state) in not_closed {
            let _ = write!(line, "; {upstream} {state}");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(state: CircuitState) -> View {
        View {
            now: Duration::from_secs(5),
            run: Duration::from_secs(20),
            rates: [Tally { full: 120, degraded: 0, failed: 80 }, Tally::default()],
            upstreams: Upstream::ALL.map(|upstream| (upstream, "well".into(), state)),
        }
    }

    #[test]
    fn the_bar_shows_how_far_the_run_is() {
        let first = &view(CircuitState::Closed).frame()[0];
        assert_eq!(first, "[#######.......................] 5.0 of 20.0 s");
    }

    #[test]
    fn a_plain_line_names_the_breakers_that_are_not_closed() {
        assert!(!view(CircuitState::Closed).line().contains("search"));
        assert!(view(CircuitState::HalfOpen).line().contains("; search half-open"));
    }
}
