//! Waiting times between tries: doubling, bounded, with jitter.

use std::time::Duration;

/// Part of the wait by which it is varied, so that many waiters do not come back together.
const JITTER: f64 = 0.1;

/// A series of waiting times that doubles from `first` up to `max`.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    tries: u32,
}

impl Backoff {
    /// A series that begins with `first` and never exceeds `max` (before jitter).
    #[must_use]
    pub fn new(first: Duration, max: Duration) -> Backoff {
        Backoff {
            first,
            max,
            tries: 0,
        }
    }

    /// The next waiting time. `random` lies in 0..1 and chooses the jitter (0.5: none).
    pub fn next(&mut self, random: f64) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1_u32.checked_shl(self.tries).unwrap_or(u32::MAX));
        self.tries = self.tries.saturating_add(1).min(31);
        doubled
            .min(self.max)
            .mul_f64(1.0 + JITTER * (2.0 * random.clamp(0.0, 1.0) - 1.0))
    }

    /// How often a wait was asked for since the last reset.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Begins again with the first waiting time; to be called once work succeeds.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_start_again_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let waits: Vec<u64> = (0..8).map(|_| backoff.next(0.5).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.next(0.5), Duration::from_secs(1));
        assert_eq!(backoff.next(1.0), Duration::from_millis(2200));
    }
}
