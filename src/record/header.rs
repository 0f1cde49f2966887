//! The 61 bytes before the records of a batch, and the walk over a run of batches.

use bytes::{Buf, BufMut};

use super::codec::Codec;
use super::error::Error;

/// Bytes of a batch before its records.
pub const BATCH_HEADER_BYTES: usize = 61;
/// Bytes of a batch that its length field does not count: base offset and the length itself.
const LENGTH_BEFORE: usize = 12;
/// Where the leader epoch stands.
const LEADER_EPOCH_AT: usize = 12;
/// Where the checksum stands.
const CRC_AT: usize = 17;
/// First byte under the checksum.
pub(super) const CRC_FROM: usize = 21;
/// Where the largest timestamp stands.
const MAX_TIMESTAMP_AT: usize = 35;

/// The producer id of a batch that has none.
pub const NO_PRODUCER_ID: i64 = -1;
/// The producer epoch of a batch that has none.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// The base sequence of a batch that has none.
pub const NO_SEQUENCE: i32 = -1;

pub(super) const CODEC_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;
pub(super) const RESERVED: i16 =
    !(CODEC_MASK | LOG_APPEND_TIME | TRANSACTIONAL | CONTROL | DELETE_HORIZON);

/// What a batch says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; of what was the first, where compaction removed it.
    pub base_offset: i64,
    /// Bytes after this field; at least 49 once parsed.
    pub batch_length: i32,
    /// Epoch of the leader that stored the batch.
    pub partition_leader_epoch: i32,
    /// Message format; always 2 once parsed.
    pub magic: i8,
    /// CRC-32C of the bytes from the attributes on.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: i16,
    /// Offset of the last record, counted from `base_offset`.
    pub last_offset_delta: i32,
    /// Timestamp (ms) that the records' deltas count from.
    pub base_timestamp: i64,
    /// Largest timestamp (ms) of the records.
    pub max_timestamp: i64,
    /// Idempotent producer, or [`NO_PRODUCER_ID`].
    pub producer_id: i64,
    /// Its epoch, or [`NO_PRODUCER_EPOCH`].
    pub producer_epoch: i16,
    /// Sequence of the first record, or [`NO_SEQUENCE`].
    pub base_sequence: i32,
    /// Number of records.
    pub records_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`, which may go on behind the batch or end before
    /// the batch does. Checks the format number and that the length covers a header, nothing else.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, Error> {
        let Some(head) = bytes.first_chunk::<BATCH_HEADER_BYTES>() else {
            return Err(truncated("the header", BATCH_HEADER_BYTES, bytes.len()));
        };
        let mut head = &head[..];
        let header = BatchHeader {
            base_offset: head.get_i64(),
            batch_length: head.get_i32(),
            partition_leader_epoch: head.get_i32(),
            magic: head.get_i8(),
            crc: head.get_u32(),
            attributes: head.get_i16(),
            last_offset_delta: head.get_i32(),
            base_timestamp: head.get_i64(),
            max_timestamp: head.get_i64(),
            producer_id: head.get_i64(),
            producer_epoch: head.get_i16(),
            base_sequence: head.get_i32(),
            records_count: head.get_i32(),
        };
        if header.magic != 2 {
            return Err(Error::Magic(header.magic));
        }
        if header.total_bytes() < BATCH_HEADER_BYTES {
            return Err(Error::Malformed("its length is less than a header"));
        }
        Ok(header)
    }

    /// Writes the header over the first 61 bytes of `batch`.
    pub(super) fn write(&self, batch: &mut [u8; BATCH_HEADER_BYTES]) {
        let mut out = &mut batch[..];
        out.put_i64(self.base_offset);
        out.put_i32(self.batch_length);
        out.put_i32(self.partition_leader_epoch);
        out.put_i8(self.magic);
        out.put_u32(self.crc);
        out.put_i16(self.attributes);
        out.put_i32(self.last_offset_delta);
        out.put_i64(self.base_timestamp);
        out.put_i64(self.max_timestamp);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_i32(self.base_sequence);
        out.put_i32(self.records_count);
    }

    /// Bytes of the whole batch, header included.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        usize::try_from(self.batch_length).map_or(0, |length| length.saturating_add(LENGTH_BEFORE))
    }

    /// Offset of the last record; saturates where the numbers are out of range.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(i64::from(self.last_offset_delta))
    }

    /// Offset behind the last record.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// How the records are compressed.
    pub fn codec(&self) -> Result<Codec, Error> {
        let [_, low] = (self.attributes & CODEC_MASK).to_be_bytes();
        Codec::from_number(low).ok_or(Error::UnknownCodec(low))
    }

    /// Whether the batch belongs to a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch is a transaction marker or another control batch.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether all records have `max_timestamp`, the time of the append.
    #[must_use]
    pub fn has_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Whether `base_timestamp` is the time after which tombstones may be removed.
    #[must_use]
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON != 0
    }

    /// Whether an idempotent producer sent the batch.
    #[must_use]
    pub fn has_producer(&self) -> bool {
        self.producer_id != NO_PRODUCER_ID
    }

    /// Sequence of the last record; sequences wrap from `i32::MAX` to 0. Only with a producer.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        self.base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
    }
}

pub(super) fn truncated(what: &'static str, needed: usize, available: usize) -> Error {
    let wide = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    Error::Truncated {
        what,
        needed: wide(needed),
        available: wide(available),
    }
}

/// Walks the batches of `bytes`, each with its header and all its bytes. Ends after the first
/// error, such as a batch that is cut. Checks what [`BatchHeader::parse`] checks.
#[must_use]
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { rest: bytes }
}

/// The walk of [`batches`].
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    /// The bytes behind the batches seen so far. Empty after an error.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<(BatchHeader, &'a [u8]), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        let header = match BatchHeader::parse(rest) {
            Ok(header) => header,
            Err(error) => return Some(Err(error)),
        };
        let Some((batch, behind)) = rest.split_at_checked(header.total_bytes()) else {
            return Some(Err(truncated(
                "the records",
                header.total_bytes(),
                rest.len(),
            )));
        };
        self.rest = behind;
        Some(Ok((header, batch)))
    }
}

/// Sets where a batch is stored. Both fields stand before the checksum's range.
///
/// # Panics
/// If `batch` has not been verified and is shorter than a header.
pub fn set_base_offset(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    assert!(batch.len() >= BATCH_HEADER_BYTES, "a batch has a header");
    put(batch, 0, &base_offset.to_be_bytes());
    put(batch, LEADER_EPOCH_AT, &leader_epoch.to_be_bytes());
}

/// Sets the largest timestamp of a batch and the checksum, which covers it. Brokers do this for
/// producers that leave the field unset.
///
/// # Panics
/// If `batch` has not been verified and is shorter than a header.
pub fn set_max_timestamp(batch: &mut [u8], max_timestamp: i64) {
    assert!(batch.len() >= BATCH_HEADER_BYTES, "a batch has a header");
    put(batch, MAX_TIMESTAMP_AT, &max_timestamp.to_be_bytes());
    seal(batch);
}

/// Writes the checksum of a batch that is otherwise complete.
pub(super) fn seal(batch: &mut [u8]) {
    let crc = checksum(batch);
    put(batch, CRC_AT, &crc.to_be_bytes());
}

/// The checksum of a batch's bytes.
pub(super) fn checksum(batch: &[u8]) -> u32 {
    crc32c::crc32c(batch.get(CRC_FROM..).unwrap_or_default())
}

fn put(batch: &mut [u8], at: usize, field: &[u8]) {
    if let Some(target) = batch.get_mut(at..at.saturating_add(field.len())) {
        target.copy_from_slice(field);
    }
}
