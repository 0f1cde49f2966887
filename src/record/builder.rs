//! Builds one batch: every byte is copied once, the checksum is taken at the end.

use super::codec::Codec;
use super::error::Error;
use super::header::{
    BATCH_HEADER_BYTES, BatchHeader, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, seal,
};
use super::records::Record;
use super::varint::{put_varint, varint_bytes};

/// No batch is built beyond this: its length is an `i32` on the wire, and the records may grow
/// when a codec fails to compress them.
pub const BATCH_BYTES_MAX: usize = 1 << 30;

/// A header of a record to be written. Keys may repeat; their order is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its value; `None` is null.
    pub value: Option<&'a [u8]>,
}

/// Builds batches one after the other. Base offsets are 0 and leader epochs -1 until the log sets
/// them.
#[derive(Debug)]
pub struct BatchBuilder {
    codec: Codec,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    /// Room for the header, then the records as they are before compression.
    bytes: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        BatchBuilder::new()
    }
}

impl BatchBuilder {
    /// An empty batch without codec and producer.
    #[must_use]
    pub fn new() -> BatchBuilder {
        BatchBuilder::with_capacity(0)
    }

    /// The same with room for `bytes` of records.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> BatchBuilder {
        let mut buffer = Vec::with_capacity(bytes.saturating_add(BATCH_HEADER_BYTES));
        buffer.resize(BATCH_HEADER_BYTES, 0);
        BatchBuilder {
            codec: Codec::None,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            bytes: buffer,
            count: 0,
            base_timestamp: 0,
            max_timestamp: i64::MIN,
        }
    }

    /// Compresses this and the following batches.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> BatchBuilder {
        self.codec = codec;
        self
    }

    /// Makes this the batch of an idempotent producer. `finish` moves the sequence on.
    #[must_use]
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> BatchBuilder {
        self.producer_id = id;
        self.producer_epoch = epoch;
        self.base_sequence = base_sequence;
        self
    }

    /// Number of records so far.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count.unsigned_abs()
    }

    /// Whether there is no record yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the batch so far, header included, before compression.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a record with the next offset.
    pub fn append(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), Error> {
        self.append_with(timestamp_ms, key, value, (0, &[]), headers)
    }

    /// Appends a copy of `record`, with its timestamp and headers and `more` headers behind them.
    pub fn append_copy(&mut self, record: &Record<'_>, more: &[Header<'_>]) -> Result<(), Error> {
        let headers = (record.headers_count, record.headers_raw);
        self.append_with(record.timestamp, record.key, record.value, headers, more)
    }

    /// Appends a copy of `record` at another time, without the headers that `is_dropped` names and
    /// with `more` behind those that stay.
    pub fn append_copy_without(
        &mut self,
        timestamp_ms: i64,
        record: &Record<'_>,
        is_dropped: impl Fn(&[u8]) -> bool,
        more: &[Header<'_>],
    ) -> Result<(), Error> {
        let mut kept = Vec::with_capacity(record.headers_raw.len());
        let mut count = 0_i32;
        for (key, value) in record.headers().filter(|(key, _)| !is_dropped(key)) {
            put_field(&mut kept, Some(key));
            put_field(&mut kept, value);
            count = count.saturating_add(1);
        }
        let headers = (count, kept.as_slice());
        self.append_with(timestamp_ms, record.key, record.value, headers, more)
    }

    fn append_with(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        raw: (i32, &[u8]),
        headers: &[Header<'_>],
    ) -> Result<(), Error> {
        if self.count == 0 {
            self.base_timestamp = timestamp_ms;
        }
        let timestamp_delta = timestamp_ms.wrapping_sub(self.base_timestamp);
        let offset_delta = i64::from(self.count);
        let headers_count = i64::from(raw.0).saturating_add(length(headers.len()));
        // One byte of attributes.
        let mut body_bytes = 1_usize
            .saturating_add(varint_bytes(timestamp_delta))
            .saturating_add(varint_bytes(offset_delta))
            .saturating_add(field_bytes(key))
            .saturating_add(field_bytes(value))
            .saturating_add(varint_bytes(headers_count))
            .saturating_add(raw.1.len());
        for header in headers {
            body_bytes = body_bytes
                .saturating_add(field_bytes(Some(header.key.as_bytes())))
                .saturating_add(field_bytes(header.value));
        }
        let total_bytes = self
            .bytes
            .len()
            .saturating_add(body_bytes)
            .saturating_add(5);
        if total_bytes > BATCH_BYTES_MAX {
            return Err(Error::TooLarge {
                what: "a record batch",
                bytes: u64::try_from(total_bytes).unwrap_or(u64::MAX),
                max: u64::try_from(BATCH_BYTES_MAX).unwrap_or(u64::MAX),
            });
        }
        self.bytes.reserve(body_bytes.saturating_add(5));
        let out = &mut self.bytes;
        put_varint(out, length(body_bytes));
        out.push(0);
        put_varint(out, timestamp_delta);
        put_varint(out, offset_delta);
        put_field(out, key);
        put_field(out, value);
        put_varint(out, headers_count);
        out.extend_from_slice(raw.1);
        for header in headers {
            put_field(out, Some(header.key.as_bytes()));
            put_field(out, header.value);
        }
        self.max_timestamp = self.max_timestamp.max(timestamp_ms);
        // Cannot overflow: a record has at least 7 bytes and a batch at most BATCH_BYTES_MAX.
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// Forgets the records so far and keeps the buffer.
    pub fn clear(&mut self) {
        self.bytes.truncate(BATCH_HEADER_BYTES);
        self.count = 0;
        self.max_timestamp = i64::MIN;
    }

    /// The batch so far; the builder is empty again. No bytes where there is no record. Without a
    /// codec the buffer itself is handed out and one of the same size takes its place.
    pub fn finish(&mut self) -> Result<Vec<u8>, Error> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let mut batch = if self.codec == Codec::None {
            let next = BatchBuilder::with_capacity(self.bytes.len()).bytes;
            std::mem::replace(&mut self.bytes, next)
        } else {
            let plain = self.bytes.get(BATCH_HEADER_BYTES..).unwrap_or_default();
            let mut batch = Vec::with_capacity(plain.len() / 2);
            batch.resize(BATCH_HEADER_BYTES, 0);
            self.codec.compress(plain, &mut batch)?;
            batch
        };
        self.complete(&mut batch)?;
        self.moved_on();
        Ok(batch)
    }

    /// Appends the batch so far to `out`; the builder is empty again and keeps its buffer.
    /// Returns the bytes written: 0 where there is no record.
    pub fn finish_into(&mut self, out: &mut Vec<u8>) -> Result<usize, Error> {
        if self.is_empty() {
            return Ok(0);
        }
        let start = out.len();
        let header_end = start.saturating_add(BATCH_HEADER_BYTES);
        out.resize(header_end, 0);
        let plain = self.bytes.get(BATCH_HEADER_BYTES..).unwrap_or_default();
        self.codec.compress(plain, out)?;
        let batch = out.get_mut(start..).unwrap_or_default();
        let written = batch.len();
        self.complete(batch)?;
        self.moved_on();
        Ok(written)
    }

    fn complete(&self, batch: &mut [u8]) -> Result<(), Error> {
        let header = BatchHeader {
            base_offset: 0,
            batch_length: 0,
            partition_leader_epoch: -1,
            magic: 2,
            crc: 0,
            attributes: i16::from(self.codec.number()),
            last_offset_delta: self.count.saturating_sub(1),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            records_count: self.count,
        };
        complete(&header, batch)
    }

    fn moved_on(&mut self) {
        if self.base_sequence != NO_SEQUENCE {
            self.base_sequence = self.base_sequence.wrapping_add(self.count) & i32::MAX;
        }
        self.clear();
    }
}

/// Writes `header` over the start of `batch`, with the batch's length and checksum.
pub(super) fn complete(header: &BatchHeader, batch: &mut [u8]) -> Result<(), Error> {
    let too_long = Error::Malformed("it is longer than its length field can say");
    let length = batch
        .len()
        .checked_sub(12)
        .and_then(|length| i32::try_from(length).ok());
    let batch_length = length.ok_or(too_long)?;
    if let Some(head) = batch.first_chunk_mut::<BATCH_HEADER_BYTES>() {
        BatchHeader {
            batch_length,
            ..*header
        }
        .write(head);
    }
    seal(batch);
    Ok(())
}

/// A length as the number a varint carries; lengths are far below `i64::MAX`.
fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn field_bytes(field: Option<&[u8]>) -> usize {
    match field {
        None => 1,
        Some(bytes) => varint_bytes(length(bytes.len())).saturating_add(bytes.len()),
    }
}

fn put_field(out: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, length(bytes.len()));
            out.extend_from_slice(bytes);
        }
    }
}
