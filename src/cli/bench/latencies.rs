//! Percentiles of many times in little memory: counts in steps of at most 1/64 of the value.

use std::time::Duration;

use serde_json::{Value, json};

/// Steps within a power of two, as a power of two: a reported time is at most 1.6 % too high.
const STEP_BITS: u32 = 6;
const STEPS: u64 = 1 << STEP_BITS;
/// Powers of two above the first, which has one step per nanosecond.
const DOUBLINGS: u64 = 64 - 6;
/// Counters: 30 KiB.
const COUNTERS: usize = 59 * 64;

/// How long something took, many times.
#[derive(Debug, Clone)]
pub(super) struct Latencies {
    counts: Vec<u64>,
    count: u64,
    max_ns: u64,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies {
            counts: vec![0; COUNTERS],
            count: 0,
            max_ns: 0,
        }
    }
}

impl Latencies {
    pub(super) fn record(&mut self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let counter = usize::try_from(counter_of(ns)).ok();
        if let Some(count) = counter.and_then(|at| self.counts.get_mut(at)) {
            *count += 1;
        }
        self.count += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds those of another.
    pub(super) fn add(&mut self, other: &Latencies) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The time that `per_mille` of 1,000 did not exceed; zero where nothing was recorded.
    pub(super) fn quantile(&self, per_mille: u64) -> Duration {
        let rank = self.count.saturating_mul(per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (at, count) in (0..).zip(&self.counts) {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(highest_of(at).min(self.max_ns));
            }
        }
        Duration::from_nanos(self.max_ns)
    }

    /// Milliseconds by percentile.
    pub(super) fn json(&self) -> Value {
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        json!({
            "p50": ms(self.quantile(500)),
            "p99": ms(self.quantile(990)),
            "p99.9": ms(self.quantile(999)),
            "max": ms(Duration::from_nanos(self.max_ns)),
        })
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        format!(
            "p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, max {:.3} ms",
            ms(self.quantile(500)),
            ms(self.quantile(990)),
            ms(self.quantile(999)),
            ms(Duration::from_nanos(self.max_ns)),
        )
    }
}

/// The counter of a time.
fn counter_of(ns: u64) -> u64 {
    if ns < STEPS {
        return ns;
    }
    let shift = u64::BITS - 1 - ns.leading_zeros() - STEP_BITS;
    u64::from(shift + 1) * STEPS + ((ns >> shift) & (STEPS - 1))
}

/// The longest time that a counter counts.
fn highest_of(counter: u64) -> u64 {
    let doubling = counter / STEPS;
    if doubling == 0 {
        return counter;
    }
    if doubling > DOUBLINGS {
        return u64::MAX;
    }
    let lowest = (STEPS + counter % STEPS) << (doubling - 1);
    lowest.saturating_add((1 << (doubling - 1)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_the_range_of_its_counter() {
        let mut times = vec![0, 1, 63, 64, 65, 127, 128, u64::MAX - 1, u64::MAX];
        times.extend((6..64).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1]));
        for ns in times {
            let counter = counter_of(ns);
            assert!(usize::try_from(counter).unwrap() < COUNTERS, "{ns}");
            let highest = highest_of(counter);
            assert!(highest >= ns, "{ns} is counted up to {highest}");
            assert!(highest - ns <= ns / 64, "{ns} is counted up to {highest}");
        }
    }

    #[test]
    fn quantiles_are_the_ranks_of_the_sorted_times() {
        let mut latencies = Latencies::default();
        for us in (1..=1000).rev() {
            latencies.record(Duration::from_micros(us));
        }
        assert_eq!(latencies.count(), 1000);
        for (per_mille, us) in [(500, 500), (990, 990), (999, 999), (1000, 1000)] {
            let exact = Duration::from_micros(us);
            let got = latencies.quantile(per_mille);
            assert!(
                got >= exact && got <= exact.mul_f64(1.016),
                "{per_mille}: {got:?}"
            );
        }
    }

    #[test]
    fn a_single_time_is_every_quantile_and_none_is_zero() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(500), Duration::ZERO);
        latencies.record(Duration::from_nanos(123_456_789));
        for per_mille in [0, 1, 500, 999, 1000] {
            assert_eq!(
                latencies.quantile(per_mille),
                Duration::from_nanos(123_456_789)
            );
        }
    }
}
