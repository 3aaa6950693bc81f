//! Limits that change, and that learn.

mod changes;
mod responses;
mod samples;
mod told;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
