//! Randomness that a test can seed.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use rand::{Rng, SeedableRng, rngs::StdRng};

/// Where a layer draws its jitter or its faults from.
///
/// By default each thread's own generator, seeded by the operating system, so that independent
/// calls and independent processes draw independently. Seeded, one generator shared by the whole
/// layer: the same seed and the same order of calls give the same draws.
#[derive(Default)]
pub struct Randomness {
    seeded: Option<Mutex<StdRng>>,
}

impl Randomness {
    /// Draws from a generator that starts at `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self { seeded: Some(Mutex::new(StdRng::seed_from_u64(seed))) }
    }

    /// Lends the generator to `draw`.
    pub fn with<R>(&self, draw: impl FnOnce(&mut dyn Rng) -> R) -> R {
        match &self.seeded {
            // A draw that panicked leaves a generator that is as random as before.
            Some(rng) => draw(&mut *rng.lock().unwrap_or_else(PoisonError::into_inner)),
            None => draw(&mut rand::rng()),
        }
    }
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Randomness").field("seeded", &self.seeded.is_some()).finish()
    }
}
