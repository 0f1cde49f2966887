//! The fixed header of a stored RecordBatch v2: what the log reads and sets without looking at
//! records.
//!
//! ```text
//! 0 base offset i64 | 8 batch length i32 | 12 leader epoch i32 | 16 magic i8 (2) | 17 crc u32
//! 21 attributes i16 | 23 last offset delta i32 | 27 base timestamp i64 | 35 max timestamp i64
//! 43 producer id i64 | 51 producer epoch i16 | 53 base sequence i32 | 57 records i32 | 61 records
//! ```
//!
//! The CRC covers everything from 21 on, so base offset and leader epoch can be set without
//! touching it.

use bytes::{Buf, BufMut};

/// Bytes before the first record.
pub(super) const HEADER_BYTES: usize = 61;

/// Bytes before what the batch length counts.
const LENGTH_FROM: usize = 12;

/// From here on the CRC covers the batch.
const CRC_FROM: usize = 21;

/// The leader epoch of every batch: there is one node and no change of leader.
const LEADER_EPOCH: i32 = 0;

/// The header's fields that the log uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) base_offset: i64,
    /// Size of the whole batch.
    pub(super) bytes: usize,
    pub(super) crc: u32,
    pub(super) last_offset_delta: i32,
    pub(super) max_timestamp: i64,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) base_sequence: i32,
}

impl Header {
    /// Reads the header at the start of `bytes`; the batch's end may lie behind `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Header, &'static str> {
        if bytes.len() < HEADER_BYTES {
            return Err("a batch header is cut off");
        }
        let mut buf = bytes;
        let base_offset = buf.get_i64();
        let length = buf.get_i32();
        let _leader_epoch = buf.get_i32();
        let magic = buf.get_i8();
        let crc = buf.get_u32();
        let _attributes = buf.get_i16();
        let last_offset_delta = buf.get_i32();
        let _base_timestamp = buf.get_i64();
        let max_timestamp = buf.get_i64();
        let producer_id = buf.get_i64();
        let producer_epoch = buf.get_i16();
        let base_sequence = buf.get_i32();
        if magic != 2 {
            return Err("a batch's magic is not 2");
        }
        let size = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(LENGTH_FROM))
            .filter(|size| *size >= HEADER_BYTES)
            .ok_or("a batch's length is too small")?;
        if last_offset_delta < 0 || base_offset.checked_add(last_offset_delta.into()).is_none() {
            return Err("a batch's offsets are out of range");
        }
        Ok(Header {
            base_offset,
            bytes: size,
            crc,
            last_offset_delta,
            max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
        })
    }

    /// Offset of the last record.
    pub(super) fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// Offset behind the last record.
    pub(super) fn end_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// The sequence number of the last record; it wraps from `i32::MAX` to 0.
    pub(super) fn last_sequence(&self) -> i32 {
        let last = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        i32::try_from(last % (i64::from(i32::MAX) + 1)).unwrap_or(i32::MAX)
    }
}

/// Splits the first whole batch off `bytes`.
pub(super) fn split_first(bytes: &[u8]) -> Result<(Header, &[u8], &[u8]), &'static str> {
    let header = Header::parse(bytes)?;
    let (batch, rest) = bytes
        .split_at_checked(header.bytes)
        .ok_or("a batch is cut off")?;
    Ok((header, batch, rest))
}

/// Whether the batch's bytes are the ones its CRC was made of.
pub(super) fn crc_holds(header: &Header, batch: &[u8]) -> bool {
    batch
        .get(CRC_FROM..)
        .is_some_and(|covered| crc32c::crc32c(covered) == header.crc)
}

/// Sets the base offset and leader epoch of the batch at `at`; the CRC stays valid.
pub(super) fn place(bytes: &mut [u8], at: usize, base_offset: i64) {
    if let Some(field) = bytes.get_mut(at..at + 8) {
        field.copy_from_slice(&base_offset.to_be_bytes());
    }
    if let Some(field) = bytes.get_mut(at + 12..at + 16) {
        field.copy_from_slice(&LEADER_EPOCH.to_be_bytes());
    }
}

/// The whole batches of `bytes` in order; ends at the first that is malformed or cut off.
pub(super) fn whole(bytes: &[u8]) -> impl Iterator<Item = (Header, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (header, batch, behind) = split_first(rest).ok()?;
        rest = behind;
        Some((header, batch))
    })
}

/// The first record at or behind `offset` with at least this timestamp.
pub(super) fn first_at(batch: &[u8], offset: i64, timestamp: i64) -> Option<(Offset, i64)> {
    let records = Records::decode(batch, DECOMPRESSED_BYTES_MAX).ok()?;
    let mut records = records.iter().filter_map(Result::ok);
    let found = records.find(|r| r.offset >= offset && r.timestamp >= timestamp)?;
    Some((Offset(found.offset), found.timestamp))
}

/// A batch of one record without a producer.
pub(super) fn single(record: &[u8], timestamp_ms: i64) -> Vec<u8> {
    build(1, record, timestamp_ms, (-1, -1, -1))
}

/// A batch of `records` records from a (producer id, epoch, base sequence).
fn build(records: i32, body: &[u8], timestamp_ms: i64, producer: (i64, i16, i32)) -> Vec<u8> {
    let mut covered = Vec::with_capacity(HEADER_BYTES - CRC_FROM + body.len());
    covered.put_i16(0);
    covered.put_i32(records - 1);
    covered.put_i64(timestamp_ms);
    covered.put_i64(timestamp_ms);
    covered.put_i64(producer.0);
    covered.put_i16(producer.1);
    covered.put_i32(producer.2);
    covered.put_i32(records);
    covered.put_slice(body);
    let mut out = Vec::with_capacity(CRC_FROM + covered.len());
    out.put_i64(0);
    out.put_i32(i32::try_from(CRC_FROM - LENGTH_FROM + covered.len()).unwrap_or(i32::MAX));
    out.put_i32(LEADER_EPOCH);
    out.put_i8(2);
    out.put_u32(crc32c::crc32c(&covered));
    out.append(&mut covered);
    out
}

#[cfg(test)]
pub(super) mod sample {
    //! Batches for tests; the records' bytes are no records unless a test says so.

    /// One batch of `records` records.
    pub(in crate::log) fn batch(records: i32, payload: &[u8], timestamp: i64) -> Vec<u8> {
        from_producer(records, payload, timestamp, (-1, -1, -1))
    }

    /// One batch of `records` records from (producer id, epoch, base sequence).
    pub(in crate::log) fn from_producer(
        records: i32,
        payload: &[u8],
        timestamp: i64,
        producer: (i64, i16, i32),
    ) -> Vec<u8> {
        super::build(records, payload, timestamp, producer)
    }
}
