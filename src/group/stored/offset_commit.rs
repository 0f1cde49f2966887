//! `OffsetCommitValue`: how far a group has read one partition.

use bytes::BufMut;

use super::reader::{Malformed, Reader};
use super::writer::{put_compact_string, put_string};
use crate::group::state::Committed;
use crate::topic::Offset;

/// The tagged field that holds the topic's id, since version 4.
const TOPIC_ID_TAG: u32 = 0;
const TOPIC_ID_BYTES: u32 = 16;

pub(in crate::group) fn encode_offset(committed: &Committed) -> Vec<u8> {
    let mut out = Vec::with_capacity(48 + committed.metadata.len());
    out.put_i16(if committed.topic_id.is_some() { 4 } else { 3 });
    out.put_i64(committed.offset.0);
    out.put_i32(committed.leader_epoch);
    match committed.topic_id {
        None => {
            put_string(&mut out, &committed.metadata);
            out.put_i64(committed.commit_ms);
        }
        Some(id) => {
            put_compact_string(&mut out, &committed.metadata);
            out.put_i64(committed.commit_ms);
            // One tagged field: tag 0, 16 bytes.
            out.put_slice(&[1, 0, 16]);
            out.put_u128(id.as_u128());
        }
    }
    out
}

pub(in crate::group) fn decode_offset(bytes: &[u8]) -> Result<Committed, Malformed> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    if !(0..=4).contains(&version) {
        return Err("an offset's version is not known");
    }
    let offset = Offset(reader.i64()?);
    let leader_epoch = if version >= 3 { reader.i32()? } else { -1 };
    let metadata = if version >= 4 {
        reader.compact_string()?
    } else {
        reader.string()?
    };
    let commit_ms = reader.i64()?;
    let mut topic_id = None;
    if version >= 4 {
        for _ in 0..reader.uvarint()? {
            let (tag, length) = (reader.uvarint()?, reader.uvarint()?);
            if (tag, length) == (TOPIC_ID_TAG, TOPIC_ID_BYTES) {
                topic_id = Some(reader.uuid()?);
            } else {
                reader.take(usize::try_from(length).map_err(|_| "a length is too large")?)?;
            }
        }
    }
    Ok(Committed {
        offset,
        leader_epoch,
        metadata,
        commit_ms,
        topic_id,
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// Bytes written by Kafka 4.3.1's generated classes.
    const V1: &[u8] = b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x2a\x00\x01m\x00\x00\x01\x8b\xcf\xe5\x68\x7b\xff\xff\xff\xff\xff\xff\xff\xff";
    const V3: &[u8] = b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x2a\x00\x00\x00\x07\x00\x01m\x00\x00\x01\x8b\xcf\xe5\x68\x7b";
    const V4: &[u8] = b"\x00\x04\x00\x00\x00\x00\x00\x00\x00\x2a\x00\x00\x00\x07\x02m\x00\x00\x01\x8b\xcf\xe5\x68\x7b\x01\x00\x10\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10";
    const V4_WITHOUT_ID: &[u8] = b"\x00\x04\x00\x00\x00\x00\x00\x00\x00\x2a\x00\x00\x00\x07\x02m\x00\x00\x01\x8b\xcf\xe5\x68\x7b\x00";

    fn committed(topic_id: Option<Uuid>) -> Committed {
        Committed {
            offset: Offset(42),
            leader_epoch: 7,
            metadata: "m".to_owned(),
            commit_ms: 1_700_000_000_123,
            topic_id,
        }
    }

    #[test]
    fn offsets_are_kafkas_bytes() {
        let id = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
        assert_eq!(encode_offset(&committed(None)), V3);
        assert_eq!(decode_offset(V3), Ok(committed(None)));
        assert_eq!(encode_offset(&committed(Some(id))), V4);
        assert_eq!(decode_offset(V4), Ok(committed(Some(id))));
        assert_eq!(decode_offset(V4_WITHOUT_ID), Ok(committed(None)));
        let old = Committed {
            leader_epoch: -1,
            ..committed(None)
        };
        assert_eq!(decode_offset(V1), Ok(old));
    }

    #[test]
    fn long_metadata_survives_the_compact_form() {
        for length in [0, 126, 127, 128, 4_096] {
            let id = Some(Uuid::from_u128(1));
            let wanted = Committed {
                metadata: "x".repeat(length),
                ..committed(id)
            };
            assert_eq!(decode_offset(&encode_offset(&wanted)), Ok(wanted));
        }
    }

    #[test]
    fn cut_and_unknown_offsets_are_refused() {
        for bytes in [V3, V4] {
            for end in 0..bytes.len() {
                assert!(decode_offset(&bytes[..end]).is_err(), "{end}");
            }
        }
        assert!(decode_offset(b"\x00\x05").is_err());
        assert!(decode_offset(b"\xff\xff").is_err());
    }
}
