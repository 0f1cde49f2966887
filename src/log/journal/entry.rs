//! One entry of the journal, as bytes.
//!
//! ```text
//! 0  magic        u32  "PENT"
//! 4  crc          u32  CRC32C of everything from 8 to the end of the body
//! 8  body bytes   u32
//! 12 parts        u32
//! 16 generation   u64  of the file's use
//! 24 sequence     u64  previous entry's + 1
//! 32 synced       u64  the last sequence known to be durable when this was written
//! 40 body: for each part 16 bytes topic id, i32 partition, i64 base offset, u32 bytes;
//!          then the parts' batches; then zeros up to a multiple of 8
//! ```
//!
//! `synced` tells damage from a torn tail: several entries are written before one sync, and a
//! power cut may keep any of their pages. A bad entry is a torn tail unless a later valid one says
//! that it had been synced.

use bytes::{Buf, BufMut, Bytes};
use uuid::Uuid;

/// Begins every entry.
pub(super) const MAGIC: u32 = u32::from_be_bytes(*b"PENT");

/// Bytes before the body.
pub(in crate::log) const HEADER_BYTES: usize = 40;

/// Bytes of one part's header.
const PART_BYTES: usize = 32;

/// Entries begin at multiples of this.
pub(super) const ALIGN: usize = 8;

/// Where a part's batches belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::log) struct PartHeader {
    pub(in crate::log) topic: Uuid,
    pub(in crate::log) partition: i32,
    pub(in crate::log) base_offset: i64,
}

/// Batches for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::log) struct Part {
    pub(in crate::log) header: PartHeader,
    pub(in crate::log) bytes: Bytes,
}

/// What stands before an entry's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) crc: u32,
    pub(super) body_bytes: usize,
    pub(super) parts: u32,
    pub(super) generation: u64,
    pub(super) sequence: u64,
    pub(super) synced: u64,
}

impl Header {
    /// Reads a header; `None` if there is none.
    pub(super) fn parse(mut buf: &[u8]) -> Option<Header> {
        if buf.len() < HEADER_BYTES || buf.get_u32() != MAGIC {
            return None;
        }
        Some(Header {
            crc: buf.get_u32(),
            body_bytes: usize::try_from(buf.get_u32()).ok()?,
            parts: buf.get_u32(),
            generation: buf.get_u64(),
            sequence: buf.get_u64(),
            synced: buf.get_u64(),
        })
    }
}

/// Size of an entry that holds `parts` parts with `bytes` bytes of batches, padding included.
pub(in crate::log) fn entry_bytes(parts: usize, bytes: usize) -> usize {
    (HEADER_BYTES + parts * PART_BYTES + bytes).next_multiple_of(ALIGN)
}

/// Zeros for the padding.
const PADDING: [u8; ALIGN] = [0; ALIGN];

/// Adds what comes before the batches of an entry to `out`; returns the padding that comes behind
/// them.
pub(in crate::log) fn encode_head(
    out: &mut Vec<u8>,
    generation: u64,
    sequence: u64,
    synced: u64,
    parts: &[Part],
) -> &'static [u8] {
    let batches: usize = parts.iter().map(|part| part.bytes.len()).sum();
    let whole = entry_bytes(parts.len(), batches);
    let unpadded = HEADER_BYTES + parts.len() * PART_BYTES + batches;
    let padding = PADDING.get(..whole - unpadded).unwrap_or_default();
    let begin = out.len();
    out.put_u32(MAGIC);
    out.put_u32(0);
    out.put_u32(length(whole - HEADER_BYTES));
    out.put_u32(length(parts.len()));
    out.put_u64(generation);
    out.put_u64(sequence);
    out.put_u64(synced);
    for part in parts {
        out.put_slice(part.header.topic.as_bytes());
        out.put_i32(part.header.partition);
        out.put_i64(part.header.base_offset);
        out.put_u32(length(part.bytes.len()));
    }
    let mut crc = crc32c::crc32c(out.get(begin + 8..).unwrap_or_default());
    for part in parts {
        crc = crc32c::crc32c_append(crc, &part.bytes);
    }
    crc = crc32c::crc32c_append(crc, padding);
    if let Some(field) = out.get_mut(begin + 4..begin + 8) {
        field.copy_from_slice(&crc.to_be_bytes());
    }
    padding
}

/// A length that the appender's limits keep below 4 GiB.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("an append is smaller than APPEND_BYTES_MAX")
}

/// Whether `entry` (header and body) is what its CRC was made of.
pub(super) fn crc_holds(header: &Header, entry: &[u8]) -> bool {
    entry
        .get(8..)
        .is_some_and(|covered| crc32c::crc32c(covered) == header.crc)
}

/// Takes an entry's body apart; `None` if its lengths do not add up.
pub(super) fn decode(header: &Header, mut body: Bytes) -> Option<Vec<Part>> {
    let count = usize::try_from(header.parts).ok()?;
    if count.checked_mul(PART_BYTES)? > body.len() {
        return None;
    }
    let mut heads = body.split_to(count * PART_BYTES);
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let header = PartHeader {
            topic: Uuid::from_u128(heads.get_u128()),
            partition: heads.get_i32(),
            base_offset: heads.get_i64(),
        };
        let bytes = usize::try_from(heads.get_u32()).ok()?;
        if bytes > body.len() {
            return None;
        }
        parts.push(Part {
            header,
            bytes: body.split_to(bytes),
        });
    }
    (body.len() < ALIGN).then_some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(generation: u64, sequence: u64, parts: &[Part]) -> Vec<u8> {
        let mut out = Vec::new();
        let padding = encode_head(&mut out, generation, sequence, 3, parts);
        for part in parts {
            out.extend_from_slice(&part.bytes);
        }
        out.extend_from_slice(padding);
        out
    }

    proptest! {
        #[test]
        fn an_entry_comes_back_as_it_was_and_no_other_bytes_do(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..5),
            flip in any::<proptest::sample::Index>(),
        ) {
            let parts: Vec<Part> = bodies.into_iter().enumerate().map(|(i, bytes)| Part {
                header: PartHeader {
                    topic: Uuid::from_u128(i as u128),
                    partition: i as i32,
                    base_offset: 7,
                },
                bytes: bytes.into(),
            }).collect();
            let mut bytes = whole(5, 9, &parts);
            prop_assert_eq!(bytes.len() % ALIGN, 0);
            let header = Header::parse(&bytes).unwrap();
            prop_assert!(crc_holds(&header, &bytes));
            let body = Bytes::copy_from_slice(&bytes[HEADER_BYTES..]);
            prop_assert_eq!(decode(&header, body), Some(parts));

            let at = flip.index(bytes.len());
            bytes[at] ^= 0x10;
            let still = Header::parse(&bytes)
                .is_some_and(|h| h.body_bytes + HEADER_BYTES == bytes.len() && crc_holds(&h, &bytes));
            prop_assert!(!still);
        }

        #[test]
        fn any_body_is_taken_apart_without_a_panic(
            parts in any::<u32>(),
            body in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let header = Header {
                crc: 0, body_bytes: body.len(), parts, generation: 0, sequence: 0, synced: 0,
            };
            let _ = decode(&header, body.into());
        }
    }
}
