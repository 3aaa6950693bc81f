//! The three dependencies of the example, and what each can bear.

use std::time::Duration;

/// How long a healthy upstream takes. Long beside what a call costs the machine, which must not be
/// what is measured.
pub(crate) const SERVICE_TIME: Duration = Duration::from_millis(20);

/// The part of its places that a dependency has in use on average: so near to all of them that many a
/// call has to queue.
const LOAD: f64 = 0.8;

/// Something that calls are made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dependency {
    /// The one that hangs.
    Payment,
    Inventory,
    Email,
}

impl Dependency {
    pub(crate) const ALL: [Self; 3] = [Self::Payment, Self::Inventory, Self::Email];

    /// Those that stay well.
    pub(crate) const NEIGHBOURS: [Self; 2] = [Self::Inventory, Self::Email];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Inventory => "inventory",
            Self::Email => "email",
        }
    }

    /// The calls that its compartment lets pass at once.
    pub(crate) const fn places(self) -> usize {
        match self {
            Self::Payment => 10,
            Self::Inventory => 15,
            Self::Email => 5,
        }
    }

    /// The calls that are made to it in a second, on average.
    pub(crate) fn per_second(self) -> f64 {
        LOAD * self.places() as f64 / SERVICE_TIME.as_secs_f64()
    }
}
