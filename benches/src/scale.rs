//! How a cost grows with what there is at once, and whether it grows faster than that.

use crate::table::aligned;

/// Ten times as many may cost each this many times as much, and as many times more as they do where there is
/// nothing but memory. Where each costs in proportion to how many there are it is 10.
const TOLERATED_PER_DECADE: f64 = 2.5;

/// Below this it is the fixed part that is seen.
const FEW: u64 = 1_000;

/// How many there were at once, and what each cost.
pub type Points = Vec<(u64, f64)>;

/// The cost of one thing among so many.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    /// What it is, and of which layer.
    pub name: String,
    /// What each cost, from few to many.
    pub points: Points,
    /// What as much memory costs by itself, for caches miss the more the more there is. May be empty.
    pub memory: Points,
}

impl Growth {
    /// The worst growth of the cost of each while there are ten times as many, in times of that of memory.
    pub fn per_decade(&self) -> Option<f64> {
        let mut worst = None::<f64>;
        for pair in self.points.windows(2).filter(|pair| pair[0].0 >= FEW) {
            let memory = growth(&self.memory, pair[0].0, pair[1].0).unwrap_or(1.0);
            let growth = growth(pair, pair[0].0, pair[1].0)? / memory.max(1.0);
            worst = Some(worst.map_or(growth, |worst| worst.max(growth)));
        }
        worst
    }

    /// Whether it grows faster than the number of what there is.
    pub fn is_superlinear(&self) -> bool {
        self.per_decade().is_some_and(|growth| growth > TOLERATED_PER_DECADE)
    }
}

/// How many times as much each costs where there are ten times as many.
fn growth(points: &[(u64, f64)], few: u64, many: u64) -> Option<f64> {
    let at = |units| points.iter().find(|(known, _)| *known == units).map(|(_, each)| each);
    let decades = (many as f64 / few as f64).log10();
    Some((at(many)? / at(few)?).powf(1.0 / decades))
}

/// A table of costs that were measured at the same sizes. `unit` says of what, `digit` how a cost is written.
pub fn growths(unit: &str, cost: fn(f64) -> String, all: &[Growth]) -> String {
    let sizes = all.first().map(|first| first.points.iter().map(|&(units, _)| units));
    let sizes: Vec<_> = sizes.into_iter().flatten().collect();
    let mut lines = vec![vec![unit.to_owned()]];
    lines[0].extend(sizes.iter().map(|&size| with_commas(size)));
    lines[0].push("worst growth by ten times as many".to_owned());
    for growth in all {
        let mut line = vec![growth.name.clone()];
        line.extend(sizes.iter().map(|size| {
            let point = growth.points.iter().find(|(units, _)| units == size);
            point.map_or_else(String::new, |&(_, each)| cost(each))
        }));
        line.push(growth.per_decade().map_or_else(String::new, |times| {
            let superlinear = if growth.is_superlinear() { " SUPERLINEAR" } else { "" };
            format!("{times:.1}{superlinear}")
        }));
        lines.push(line);
    }
    aligned(&lines)
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grows(cost: impl Fn(f64) -> f64, memory: impl Fn(f64) -> f64) -> Growth {
        let sizes = [10, 1_000, 10_000, 100_000, 1_000_000];
        let points = |cost: &dyn Fn(f64) -> f64| sizes.map(|n| (n, cost(n as f64))).to_vec();
        Growth { name: "x".to_owned(), points: points(&cost), memory: points(&memory) }
    }

    fn misses_caches(n: f64) -> f64 {
        if n > 50_000.0 { 40.0 } else { 10.0 }
    }

    #[test]
    fn what_costs_each_the_same_or_a_logarithm_is_not_superlinear() {
        assert!(!grows(|_| 7.0, |_| 1.0).is_superlinear());
        assert!(!grows(f64::log2, |_| 1.0).is_superlinear());
    }

    #[test]
    fn what_costs_more_where_memory_does_is_not_superlinear() {
        assert!(grows(misses_caches, |_| 1.0).is_superlinear());
        assert!(!grows(misses_caches, misses_caches).is_superlinear());
        assert!(!grows(|_| 7.0, |n| 1.0 / n).is_superlinear(), "nor what stays where that falls");
    }

    #[test]
    fn what_looks_at_all_others_is_superlinear() {
        assert!(grows(|n| n, |_| 1.0).is_superlinear());
        assert!(grows(|n| 100.0 + n / 100.0, |_| 1.0).is_superlinear(), "also if cheap at first");
    }

    #[test]
    fn the_table_has_a_column_for_each_size_and_says_what_grows() {
        let slow = Growth {
            name: "slow".into(),
            points: vec![(1_000, 2.0), (10_000, 20.0)],
            memory: vec![],
        };
        let good = Growth {
            name: "good".into(),
            points: vec![(1_000, 2.0), (10_000, 3.0)],
            memory: vec![],
        };
        assert_eq!(
            growths("ns a key", |each| format!("{each:.1}"), &[good, slow]),
            "\
| ns a key | 1,000 | 10,000 | worst growth by ten times as many |
| -------- | ----- | ------ | --------------------------------- |
| good     | 2.0   | 3.0    | 1.5                               |
| slow     | 2.0   | 20.0   | 10.0 SUPERLINEAR                  |
"
        );
    }

    #[test]
    fn numbers_are_written_in_groups_of_three() {
        assert_eq!(
            [10, 1_000, 123_456, 1_000_000].map(with_commas).join(" "),
            "10 1,000 123,456 1,000,000"
        );
    }
}
