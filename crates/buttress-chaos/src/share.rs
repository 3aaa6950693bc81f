//! How many are struck, in words.

use std::fmt;

/// The share of the calls or connections that a fault strikes, to be said behind it: nothing where that is
/// all of them.
pub(crate) struct Share(pub(crate) f64);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1.0 {
            // Two digits behind the point at most, and none that says nothing.
            write!(f, " on {} %", (self.0 * 10_000.0).round() / 100.0)?;
        }
        Ok(())
    }
}
