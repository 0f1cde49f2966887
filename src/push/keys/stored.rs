//! A key as a record of `__push_keys`.
//!
//! ```text
//! key    offset bytes
//!         0  1  version (1)                      persisted: never renumber
//!         1 16  hash of integration and key
//! value   0  1  version (1)
//!         1  8  fingerprint of the payload
//!         9  8  when it was stored, ms since 1970-01-01 UTC
//!        17  4  records of the request
//!        21  4  partition of the records
//!        25  8  the partition's end when they were submitted: their offset is this or more
//!        33     the topic's name, to the end
//! ```
//!
//! Numbers are big endian. A value of another version is left out with an error in the log; an
//! absent value (a tombstone) takes the key away. The hash of zeros ([`NOTHING`]) is no key: a
//! tombstone of it is an append that changes nothing.

use super::key::Hash;
use crate::record::BatchBuilder;
use crate::topic::{Offset, PartitionId, TopicName};

const VERSION: u8 = 1;
const TOPIC_AT: usize = 33;

/// The hash that no key has.
pub(in crate::push) const NOTHING: Hash = [0, 0];

/// What is stored of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::push) struct StoredKey {
    pub(in crate::push) fingerprint: u64,
    pub(in crate::push) stored_ms: i64,
    pub(in crate::push) count: u32,
    pub(in crate::push) topic: TopicName,
    pub(in crate::push) partition: PartitionId,
    pub(in crate::push) lower_bound: Offset,
}

impl StoredKey {
    /// Its record as a batch. `None` only where memory has no end.
    pub(in crate::push) fn batch(&self, hash: Hash) -> Option<Vec<u8>> {
        let mut value = Vec::with_capacity(TOPIC_AT + self.topic.as_str().len());
        value.push(VERSION);
        value.extend(self.fingerprint.to_be_bytes());
        value.extend(self.stored_ms.to_be_bytes());
        value.extend(self.count.to_be_bytes());
        value.extend(self.partition.0.to_be_bytes());
        value.extend(self.lower_bound.0.to_be_bytes());
        value.extend(self.topic.as_str().as_bytes());
        let mut batch = BatchBuilder::with_capacity(value.len() + 64);
        let key = encode_hash(hash);
        batch
            .append(self.stored_ms, Some(&key), Some(&value), &[])
            .ok()?;
        batch.finish().ok()
    }

    /// Reads a value.
    pub(super) fn decode(value: &[u8]) -> Result<StoredKey, &'static str> {
        let (version, rest) = value.split_first().ok_or("its value is empty")?;
        if *version != VERSION {
            return Err("its value is of another version");
        }
        let short = "its value is cut off";
        let (fingerprint, rest) = rest.split_first_chunk().ok_or(short)?;
        let (stored_ms, rest) = rest.split_first_chunk().ok_or(short)?;
        let (count, rest) = rest.split_first_chunk().ok_or(short)?;
        let (partition, rest) = rest.split_first_chunk().ok_or(short)?;
        let (lower_bound, topic) = rest.split_first_chunk().ok_or(short)?;
        let topic = std::str::from_utf8(topic).map_err(|_| "its topic is no text")?;
        Ok(StoredKey {
            fingerprint: u64::from_be_bytes(*fingerprint),
            stored_ms: i64::from_be_bytes(*stored_ms),
            count: u32::from_be_bytes(*count),
            partition: PartitionId(i32::from_be_bytes(*partition)),
            lower_bound: Offset(i64::from_be_bytes(*lower_bound)),
            topic: TopicName::parse(topic).map_err(|_| "its topic is not legal")?,
        })
    }
}

/// Tombstones of keys as a batch; empty for none.
pub(in crate::push) fn tombstones(hashes: &[Hash], timestamp_ms: i64) -> Vec<u8> {
    let mut batch = BatchBuilder::with_capacity(hashes.len().saturating_mul(32));
    for hash in hashes {
        let key = encode_hash(*hash);
        // A batch has room for as many tombstones as a shard has keys.
        if batch.append(timestamp_ms, Some(&key), None, &[]).is_err() {
            break;
        }
    }
    batch.finish().unwrap_or_default()
}

fn encode_hash([first, second]: Hash) -> [u8; 17] {
    let mut key = [VERSION; 17];
    let (_, words) = key.split_at_mut(1);
    let both = first.to_be_bytes().into_iter().chain(second.to_be_bytes());
    for (to, from) in words.iter_mut().zip(both) {
        *to = from;
    }
    key
}

/// The hash of a record's key; `None` for a version that is not known.
pub(super) fn decode_hash(key: &[u8]) -> Option<Hash> {
    let (version, rest) = key.split_first()?;
    let (first, rest) = rest.split_first_chunk()?;
    let second: &[u8; 8] = rest.try_into().ok()?;
    (*version == VERSION).then(|| [u64::from_be_bytes(*first), u64::from_be_bytes(*second)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Records;

    fn sample() -> StoredKey {
        StoredKey {
            fingerprint: 0x0102_0304_0506_0708,
            stored_ms: 1_700_000_000_000,
            count: 3,
            topic: TopicName::parse("integrations.acme.data").unwrap(),
            partition: PartitionId(2),
            lower_bound: Offset(77),
        }
    }

    #[test]
    fn a_key_is_read_back_as_it_was_stored() {
        let batch = sample().batch([1, 2]).unwrap();
        let records = Records::decode(&batch, 1 << 20).unwrap();
        let record = records.iter().next().unwrap().unwrap();
        assert_eq!(decode_hash(record.key.unwrap()), Some([1, 2]));
        assert_eq!(StoredKey::decode(record.value.unwrap()).unwrap(), sample());
    }

    #[test]
    fn version_1_has_these_bytes() {
        let batch = sample().batch([1, 2]).unwrap();
        let records = Records::decode(&batch, 1 << 20).unwrap();
        let record = records.iter().next().unwrap().unwrap();
        let key = [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2];
        assert_eq!(record.key.unwrap(), key);
        let mut value = vec![1, 1, 2, 3, 4, 5, 6, 7, 8];
        value.extend([0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0]);
        value.extend([0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 77]);
        value.extend(b"integrations.acme.data");
        assert_eq!(record.value.unwrap(), value);
    }

    #[test]
    fn values_that_are_none_are_refused() {
        let batch = sample().batch([1, 2]).unwrap();
        let records = Records::decode(&batch, 1 << 20).unwrap();
        let value = records.iter().next().unwrap().unwrap().value.unwrap();
        for end in 0..=TOPIC_AT {
            assert!(StoredKey::decode(&value[..end]).is_err(), "{end}");
        }
        let mut other = value.to_vec();
        other[0] = 2;
        assert!(StoredKey::decode(&other).is_err());
        assert_eq!(decode_hash(&[1; 16]), None);
        assert_eq!(decode_hash(&[2; 17]), None);
        assert_eq!(decode_hash(&[]), None);
    }
}
