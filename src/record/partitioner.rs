//! Kafka's default partitioner: murmur2 of the key's bytes.

/// The seed of Kafka's `Utils.murmur2`.
const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;

/// murmur2 as Kafka's clients compute it.
#[must_use]
pub fn murmur2(key: &[u8]) -> u32 {
    // Keys are shorter than 2^32; the hash is defined over a 32-bit length.
    let length = u32::try_from(key.len() & 0xffff_ffff).unwrap_or(0);
    let mut hash = SEED ^ length;
    let (words, tail) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        k ^= k >> 24;
        hash = hash.wrapping_mul(MULTIPLIER) ^ k.wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

/// The partition of a record: by its key as Kafka's default partitioner does it; without a key
/// partition 0, so that order is kept. 0 also for a topic without partitions.
#[must_use]
pub fn partition_for_key(key: Option<&[u8]>, partitions: u32) -> i32 {
    let Some(key) = key else { return 0 };
    let positive = murmur2(key) & 0x7fff_ffff;
    let partition = positive.checked_rem(partitions).unwrap_or(0);
    i32::try_from(partition).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn hashes_are_those_of_kafka() {
        for (key, hash) in [
            (&b"21"[..], -973_932_308_i32),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key).cast_signed(), hash);
        }
    }

    #[test]
    fn records_without_a_key_go_to_partition_0() {
        assert_eq!(partition_for_key(None, 7), 0);
        assert_eq!(partition_for_key(Some(b"a"), 0), 0);
        assert_eq!(partition_for_key(Some(b"21"), 1), 0);
        assert_eq!(partition_for_key(Some(b"foobar"), 1000), 166);
    }
}
