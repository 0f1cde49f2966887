//! Random numbers that can be had again: the seed is printed and taken from `PENSTOCK_TEST_SEED`.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64: enough for loads and fault times.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Seeded from the environment or the clock; prints the seed for `what`.
    pub(crate) fn seeded(what: &str) -> Random {
        let seed = std::env::var("PENSTOCK_TEST_SEED")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                u64::from(now.subsec_nanos()) ^ (now.as_secs() << 20)
            });
        eprintln!("{what}: PENSTOCK_TEST_SEED={seed}");
        Random(seed)
    }

    /// Another stream of numbers, for another thread.
    pub(crate) fn fork(&mut self) -> Random {
        Random(self.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `low..high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low)
    }

    /// An index into a list of `count` items.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(count).unwrap()).unwrap()
    }
}
