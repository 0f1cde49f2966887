//! Keys: what a record is about.

use bytes::BufMut;

use super::reader::{Malformed, Reader};
use super::writer::put_string;
use crate::topic::PartitionId;

const OFFSET_COMMIT: i16 = 1;
/// Written by Kafka before 0.9; means the same as 1.
const OFFSET_COMMIT_OLD: i16 = 0;
const GROUP_METADATA: i16 = 2;

/// What a record of `__consumer_offsets` is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::group) enum Key {
    /// A committed offset.
    Offset {
        group: String,
        topic: String,
        partition: PartitionId,
    },
    /// A group's generation and members.
    Group { group: String },
    /// Something that only newer versions of Kafka know.
    Other(i16),
}

impl Key {
    pub(in crate::group) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Key::Offset {
                group,
                topic,
                partition,
            } => {
                out.put_i16(OFFSET_COMMIT);
                put_string(&mut out, group);
                put_string(&mut out, topic);
                out.put_i32(partition.0);
            }
            Key::Group { group } => {
                out.put_i16(GROUP_METADATA);
                put_string(&mut out, group);
            }
            Key::Other(kind) => out.put_i16(*kind),
        }
        out
    }

    pub(in crate::group) fn decode(bytes: &[u8]) -> Result<Key, Malformed> {
        let mut reader = Reader::new(bytes);
        match reader.i16()? {
            OFFSET_COMMIT | OFFSET_COMMIT_OLD => Ok(Key::Offset {
                group: reader.string()?,
                topic: reader.string()?,
                partition: PartitionId(reader.i32()?),
            }),
            GROUP_METADATA => Ok(Key::Group {
                group: reader.string()?,
            }),
            other => Ok(Key::Other(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes written by Kafka 4.3.1's generated classes.
    const OFFSET: &[u8] = b"\x00\x01\x00\x02g1\x00\x11app.public.orders\x00\x00\x00\x03";
    const GROUP: &[u8] = b"\x00\x02\x00\x02g1";

    #[test]
    fn keys_are_kafkas_bytes() {
        let offset = Key::Offset {
            group: "g1".to_owned(),
            topic: "app.public.orders".to_owned(),
            partition: PartitionId(3),
        };
        assert_eq!(offset.encode(), OFFSET);
        assert_eq!(Key::decode(OFFSET), Ok(offset));
        let group = Key::Group {
            group: "g1".to_owned(),
        };
        assert_eq!(group.encode(), GROUP);
        assert_eq!(Key::decode(GROUP), Ok(group));
    }

    #[test]
    fn unknown_kinds_are_named_and_cut_keys_refused() {
        assert_eq!(Key::decode(b"\x00\x03\x00\x02g1"), Ok(Key::Other(3)));
        for end in 0..OFFSET.len() {
            assert!(Key::decode(&OFFSET[..end]).is_err(), "{end}");
        }
        assert!(Key::decode(b"\x00\x02\xff\xfe").is_err());
        assert!(Key::decode(b"\x00\x02\x00\x01\xff").is_err());
    }
}
