//! Randomness of tests.

use std::{
    env,
    hash::{DefaultHasher, Hash, Hasher},
};

use rand::{SeedableRng, rngs::StdRng};

/// The generator of the test of this name.
///
/// Seeded by the name, so that a failure comes again; `BUTTRESS_SEED` in the environment chooses
/// another run.
pub fn seeded(test: &str) -> StdRng {
    let extra: u64 = env::var("BUTTRESS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let mut hasher = DefaultHasher::new();
    (test, extra).hash(&mut hasher);
    StdRng::seed_from_u64(hasher.finish())
}
