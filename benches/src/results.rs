//! The figures of one run, as plain data.

use std::collections::BTreeMap;

/// Whose a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// Nobody's: the inner service by itself, called in the same way.
    Bare,
    /// Ours.
    Buttress,
    /// tower's own layers.
    Tower,
    /// tower-resilience.
    TowerResilience,
    /// seatbelt, over tower.
    Seatbelt,
    /// failsafe, around the service's future.
    Failsafe,
    /// recloser, around the service's future.
    Recloser,
}

impl Who {
    /// As the columns stand.
    pub const ALL: [Self; 7] = [
        Self::Bare,
        Self::Buttress,
        Self::Tower,
        Self::TowerResilience,
        Self::Seatbelt,
        Self::Failsafe,
        Self::Recloser,
    ];

    /// As its crate is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Buttress => "buttress",
            Self::Tower => "tower",
            Self::TowerResilience => "tower-resilience",
            Self::Seatbelt => "seatbelt",
            Self::Failsafe => "failsafe",
            Self::Recloser => "recloser",
        }
    }

    /// The one that is called so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|who| who.name() == name)
    }
}

/// What one call allocates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allocations {
    /// How often.
    pub count: f64,
    /// How much in all.
    pub bytes: f64,
}

/// What is known of one library in one row.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// Nanoseconds per call, in the best batch.
    pub nanos: Option<f64>,
    /// What a call allocates.
    pub allocations: Option<Allocations>,
    /// `size_of` the future over an inner one of eight bytes.
    pub future: Option<usize>,
    /// The calls per second of two threads, in times of those of one.
    pub two_threads: Option<f64>,
    /// The requests per second of a gateway with its layers, in times of those of one without.
    pub throughput: Option<f64>,
}

/// One row: what is known of each library.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// What is measured.
    pub name: String,
    /// Of those that have it.
    pub of: BTreeMap<Who, Figures>,
}

/// All rows, in the order in which they were first heard of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Results {
    /// One after another.
    pub rows: Vec<Row>,
}

impl Results {
    /// Where the figures of this library in this row are kept.
    pub fn entry(&mut self, row: &str, who: Who) -> &mut Figures {
        let at = self.rows.iter().position(|known| known.name == row).unwrap_or_else(|| {
            self.rows.push(Row { name: row.to_owned(), of: BTreeMap::new() });
            self.rows.len() - 1
        });
        self.rows[at].of.entry(who).or_default()
    }

    /// What is known.
    pub fn get(&self, row: &str, who: Who) -> Option<&Figures> {
        self.rows.iter().find(|known| known.name == row)?.of.get(&who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_in_the_order_in_which_they_came() {
        let mut results = Results::default();
        results.entry("second", Who::Tower).nanos = Some(2.0);
        results.entry("first", Who::Tower).nanos = Some(1.0);
        results.entry("second", Who::Buttress).nanos = Some(3.0);
        let names: Vec<_> = results.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["second", "first"]);
        assert_eq!(results.get("second", Who::Tower).unwrap().nanos, Some(2.0));
        assert_eq!(results.get("first", Who::Buttress), None);
    }

    #[test]
    fn names_lead_back() {
        for who in Who::ALL {
            assert_eq!(Who::named(who.name()), Some(who));
        }
        assert_eq!(Who::named("nobody"), None);
    }
}
