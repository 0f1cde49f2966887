//! Values of records: hexadecimal digits without a pattern, from a pool that is made once.

/// Bytes of the pool beyond one value; far beyond the window of snappy and lz4.
const POOL_BYTES: usize = 1 << 18;
/// The next value begins so many bytes later: a prime, so that they rarely repeat.
const STRIDE: usize = 4_099;

/// An endless row of values.
#[derive(Debug)]
pub(super) struct Payload {
    pool: Vec<u8>,
    at: usize,
    value_bytes: usize,
}

impl Payload {
    pub(super) fn new(value_bytes: usize) -> Payload {
        // A xorshift generator with a fixed seed: every run writes the same bytes.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut pool = Vec::with_capacity(POOL_BYTES + value_bytes);
        while pool.len() < POOL_BYTES + value_bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            pool.extend_from_slice(format!("{state:016x}").as_bytes());
        }
        Payload {
            pool,
            at: 0,
            value_bytes,
        }
    }

    pub(super) fn value(&mut self) -> &[u8] {
        self.at = (self.at + STRIDE) % POOL_BYTES;
        let end = self.at + self.value_bytes;
        self.pool.get(self.at..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_size_and_differ() {
        for bytes in [1, 100, 1_000_000] {
            let mut payload = Payload::new(bytes);
            let first = payload.value().to_vec();
            for _ in 0..200 {
                assert_eq!(payload.value().len(), bytes);
            }
            if bytes > 1 {
                assert_ne!(payload.value(), first);
            }
        }
    }
}
