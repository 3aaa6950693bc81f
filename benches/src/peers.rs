//! Each library's layers, with the settings that make them equal.
//!
//! What they all have in common: one of each, shared by its clones; a limit of two seconds, three attempts in
//! all, 64 places; a breaker that trips on failures of its dependency and stays open for an hour, longer than a
//! run; a fallback to a constant. Whatever a library would tell to metrics or logs is left out at compile time
//! or has nobody who listens. What one does more or less than the others is said where it is built.

#[cfg(feature = "peers")]
pub mod failsafe;
pub mod ours;
#[cfg(feature = "peers")]
pub mod recloser;
#[cfg(feature = "peers")]
pub mod seatbelt;
pub mod tower;
#[cfg(feature = "peers")]
pub mod tower_resilience;

use std::time::Duration;

/// The limit of a timeout.
pub const LIMIT: Duration = Duration::from_secs(2);

/// In all, the first included.
pub const ATTEMPTS: u32 = 3;

/// More than there are threads that call at once.
pub const PLACES: usize = 64;

/// Longer than a run, so that what is open stays open.
pub const OPEN_FOR: Duration = Duration::from_secs(3600);

/// In a row, for those that count so; the others go by a rate, at their defaults.
pub const FAILURES: u32 = 5;

/// What trips every breaker: the windows of those that go by a rate hold 100 calls.
pub const TO_TRIP: usize = 1_000;
