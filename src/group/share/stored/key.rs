//! Keys: what a record is about.

use bytes::BufMut;
use uuid::Uuid;

use crate::group::stored::reader::{Malformed, Reader};
use crate::group::stored::writer::put_string;
use crate::topic::PartitionId;

/// Kafka's ShareSnapshot.
const SNAPSHOT: i16 = 0;
/// Ours; above every number of Kafka's.
const MARKS: i16 = 100;

/// What a record of `__share_group_state` is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::group::share) enum Key {
    /// What a group has open of a partition.
    Snapshot {
        group: String,
        topic: Uuid,
        partition: PartitionId,
    },
    /// Which dead letters of a partition were redriven.
    Marks { topic: Uuid, partition: PartitionId },
    /// Something else.
    Other(i16),
}

impl Key {
    pub(in crate::group::share) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let (topic, partition) = match self {
            Key::Snapshot {
                group,
                topic,
                partition,
            } => {
                out.put_i16(SNAPSHOT);
                put_string(&mut out, group);
                (topic, partition)
            }
            Key::Marks { topic, partition } => {
                out.put_i16(MARKS);
                (topic, partition)
            }
            Key::Other(kind) => {
                out.put_i16(*kind);
                return out;
            }
        };
        out.put_u128(topic.as_u128());
        out.put_i32(partition.0);
        out
    }

    pub(in crate::group::share) fn decode(bytes: &[u8]) -> Result<Key, Malformed> {
        let mut reader = Reader::new(bytes);
        match reader.i16()? {
            SNAPSHOT => Ok(Key::Snapshot {
                group: reader.string()?,
                topic: reader.uuid()?,
                partition: PartitionId(reader.i32()?),
            }),
            MARKS => Ok(Key::Marks {
                topic: reader.uuid()?,
                partition: PartitionId(reader.i32()?),
            }),
            other => Ok(Key::Other(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes written by Kafka 4.3.1's generated classes.
    const SNAPSHOT: &[u8] = b"\x00\x00\x00\x02g1\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x00\x00\x00\x03";
    const MARKS: &[u8] =
        b"\x00\x64\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x00\x00\x00\x00";
    const TOPIC: Uuid = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);

    #[test]
    fn a_partition_of_a_group_is_named_in_kafkas_bytes_and_marks_in_ours() {
        let snapshot = Key::Snapshot {
            group: "g1".to_owned(),
            topic: TOPIC,
            partition: PartitionId(3),
        };
        let marks = Key::Marks {
            topic: TOPIC,
            partition: PartitionId(0),
        };
        for (key, bytes) in [(snapshot, SNAPSHOT), (marks, MARKS)] {
            assert_eq!(key.encode(), bytes);
            assert_eq!(Key::decode(bytes), Ok(key));
            for end in 0..bytes.len() {
                assert!(Key::decode(&bytes[..end]).is_err(), "{end}");
            }
        }
        assert_eq!(Key::decode(b"\x00\x01"), Ok(Key::Other(1)));
    }
}
