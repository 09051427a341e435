//! Full-jitter exponential backoff (G8). Chance is given.

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng};
use std::time::Duration;

const BASE: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_secs(300);

/// The engine's source of chance.
pub(crate) struct Dice(Mutex<SmallRng>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(SmallRng::seed_from_u64(seed)))
    }

    /// A delay before try number `attempt + 1`: between nothing and the doubled base.
    pub(crate) fn backoff(&self, attempt: u32) -> Duration {
        let ceiling = BASE.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(CAP);
        ceiling.mul_f64(self.0.lock().random_range(0.0..1.0))
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&self, n: u32) -> bool {
        self.0.lock().random_range(0..n) == 0
    }

    /// What a provider asked for, plus up to a tenth, so that all who were refused do not come back at once.
    pub(crate) fn spread(&self, asked: Duration) -> Duration {
        asked + asked.mul_f64(self.0.lock().random_range(0.0..0.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_are_jittered_and_capped() {
        let dice = Dice::new(7);
        for attempt in 1..40 {
            let ceiling = Duration::from_secs(1 << (attempt - 1).min(9)).min(CAP);
            assert!((0..50).all(|_| dice.backoff(attempt) <= ceiling), "attempt {attempt}");
        }
        let many: Vec<_> = (0..100).map(|_| dice.backoff(5)).collect();
        assert!(many.iter().max().unwrap().as_secs() >= 10 && many.iter().min().unwrap().as_secs() <= 6);
    }
}
