//! Which upstream fails when, and how: the script of a run, read from a file.

use std::{fs, path::PathBuf, time::Duration};

use buttress::{
    chaos::{Step, Timeline, proxy::WireFault},
    prelude::{BoxError, Faults},
};
use serde::{Deserialize, Serialize};

use crate::shop::Upstream;

/// How long a run is of which a file tells the times.
const WRITTEN_FOR: Duration = Duration::from_secs(20);

/// What fails in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Most upstreams, and all recover.
    Usual,
    /// The same, but that pricing is down from the first quarter of the run to its end.
    PricingDown,
    /// What stands in this file.
    Own(PathBuf),
}

/// The faults of a run.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Those between gateway and upstream.
    pub(crate) wire: Timeline<WireFault>,
    /// Those of the upstreams themselves.
    pub(crate) service: Timeline<Faults>,
    /// All of them, in the order in which they begin.
    pub(crate) windows: Vec<Window>,
}

/// The time of one fault of one upstream, counted from the start of the load.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    pub(crate) upstream: Upstream,
    pub(crate) fault: String,
    pub(crate) from: Duration,
    /// None if it lasts to the end of the run.
    pub(crate) to: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    wire: Timeline<WireFault>,
    #[serde(default)]
    service: Timeline<Faults>,
}

impl Window {
    fn contains(&self, at: Duration) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }
}

impl Script {
    /// That of a run of this length.
    pub(crate) fn of(scenario: &Scenario, run: Duration) -> Result<Self, BoxError> {
        match scenario {
            Scenario::Usual => Self::read(include_str!("faults.toml"), run),
            Scenario::PricingDown => Self::read(include_str!("pricing_down.toml"), run),
            Scenario::Own(path) => {
                let text = fs::read_to_string(path)
                    .map_err(|error| format!("can not read {}: {error}", path.display()))?;
                Self::read(&text, run)
                    .map_err(|error| format!("{}: {error}", path.display()).into())
            }
        }
    }

    fn read(text: &str, run: Duration) -> Result<Self, BoxError> {
        let File { wire, service } = toml::from_str(text)?;
        let (factor, known) =
            (run.div_duration_f64(WRITTEN_FOR), Upstream::ALL.map(Upstream::name));
        wire.check_targets(&known)?;
        service.check_targets(&known)?;
        Ok(Self::new(wire.scaled(factor)?, service.scaled(factor)?))
    }

    pub(crate) fn new(wire: Timeline<WireFault>, service: Timeline<Faults>) -> Self {
        let on_the_wire = wire.steps().iter().flat_map(windows);
        let mut windows: Vec<_> =
            on_the_wire.chain(service.steps().iter().flat_map(windows)).collect();
        windows.sort_by_key(|window| window.from);
        Self { wire, service, windows }
    }

    /// The faults of an upstream.
    pub(crate) fn of_upstream(&self, upstream: Upstream) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(move |window| window.upstream == upstream)
    }

    /// The faults of an upstream at a moment.
    pub(crate) fn active(&self, upstream: Upstream, at: Duration) -> impl Iterator<Item = &Window> {
        self.of_upstream(upstream).filter(move |window| window.contains(at))
    }

    /// Whether an upstream fails at a moment.
    pub(crate) fn fails(&self, upstream: Upstream, at: Duration) -> bool {
        self.active(upstream, at).next().is_some()
    }

    /// When the last fault of a run of this length ends.
    pub(crate) fn ends(&self, run: Duration) -> Duration {
        let ends = self.windows.iter().map(|window| window.to.unwrap_or(run));
        ends.max().unwrap_or_default().min(run)
    }
}

/// Those of one step: of its target, or of all.
fn windows<F: ToString>(step: &Step<F>) -> impl Iterator<Item = Window> {
    let targets = Upstream::ALL.into_iter().filter(|upstream| step.is_for(upstream.name()));
    targets.map(|upstream| Window {
        upstream,
        fault: step.fault().to_string(),
        from: step.at(),
        to: step.end(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Duration = Duration::from_secs(20);
    const FILES: [Scenario; 2] = [Scenario::Usual, Scenario::PricingDown];

    fn script(scenario: &Scenario, run: Duration) -> Script {
        Script::of(scenario, run).unwrap()
    }

    #[test]
    fn scales_with_the_run() {
        for scenario in FILES {
            let [short, long] = [RUN / 2, RUN * 10].map(|run| script(&scenario, run).windows);
            assert_eq!(short.len(), 5);
            assert!(short.is_sorted_by_key(|window| window.from));
            let long: Vec<_> = long
                .into_iter()
                .map(|it| Window { from: it.from / 20, to: it.to.map(|to| to / 20), ..it })
                .collect();
            assert_eq!(short, long);
        }
    }

    #[test]
    fn in_the_end_everything_has_recovered() {
        assert!(script(&Scenario::Usual, RUN).ends(RUN) <= RUN.mul_f64(0.6));
        assert_eq!(script(&Scenario::PricingDown, RUN).ends(RUN), RUN);
        assert_eq!(script(&Scenario::Usual, RUN * 10).ends(RUN), RUN, "it is over before");
    }

    #[test]
    fn an_upstream_has_one_fault_at_most() {
        for scenario in FILES {
            let script = script(&scenario, RUN);
            for upstream in Upstream::ALL {
                assert!(script.of_upstream(upstream).count() <= 1, "{upstream}");
            }
        }
    }

    #[test]
    fn pricing_that_is_down_stays_down_and_all_else_is_as_usual() {
        let [usual, down] = FILES.map(|scenario| script(&scenario, RUN));
        for upstream in Upstream::ALL {
            if upstream == Upstream::Pricing {
                let window = down.of_upstream(upstream).next().unwrap();
                assert_eq!((&*window.fault, window.from, window.to), ("refuse", RUN / 4, None));
            } else {
                assert!(down.of_upstream(upstream).eq(usual.of_upstream(upstream)));
            }
        }
    }

    #[test]
    fn what_stands_in_for_the_recommendations_fails_while_it_is_needed() {
        let usual = script(&Scenario::Usual, RUN);
        let fails: Vec<_> = (0..20)
            .map(Duration::from_secs)
            .filter(|&at| usual.fails(Upstream::Regional, at))
            .collect();
        assert!(!fails.is_empty());
        assert!(fails.iter().all(|&at| usual.fails(Upstream::Recommendations, at)));
    }

    #[test]
    fn who_writes_nonsense_is_told_what_and_where() {
        for (text, told) in [
            ("[[service]]\nat = \"1s\"\nerrors = 2", "line 3"),
            ("[[wire]]\nat = \"1s\"\nblackhole = {}\ntarget = \"prices\"", "`prices`"),
            ("[[service]]\nat = \"1s\"\nerrors = 1.0\ntarget = \"prices\"", "`prices`"),
            ("[[wire]]\nat = \"1s\"\nwarp = true", "line 3"),
            ("[[fault]]\nat = \"1s\"\nrefuse = true", "line 1"),
        ] {
            let error = Script::read(text, RUN).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
        let nowhere = Script::of(&Scenario::Own("no/such/file".into()), RUN).unwrap_err();
        assert!(nowhere.to_string().contains("no/such/file"), "{nowhere}");
    }
}
