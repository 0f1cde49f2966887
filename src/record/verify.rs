//! What a batch must be before it is believed: on the way out of a segment ([`verify`]) and on the
//! way in from a producer ([`verify_produced`]).

use super::error::Error;
use super::header::{
    BatchHeader, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, RESERVED, batches, checksum,
    truncated,
};
use super::records::Records;

/// How much a produced record set may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Batches in one record set; Kafka allows 1 in Produce 3 and later.
    pub batches_max: usize,
    /// Bytes of one batch as sent (`max.message.bytes`).
    pub batch_bytes_max: usize,
    /// Bytes that one batch may decompress to.
    pub decompressed_bytes_max: usize,
}

/// Checks that `batch` is one whole batch whose checksum is right and whose header is consistent
/// in itself. Does not read the records.
pub fn verify(batch: &[u8]) -> Result<BatchHeader, Error> {
    let header = BatchHeader::parse(batch)?;
    let total_bytes = header.total_bytes();
    if batch.len() < total_bytes {
        return Err(truncated("the records", total_bytes, batch.len()));
    }
    if batch.len() > total_bytes {
        return Err(Error::Malformed("bytes follow the batch"));
    }
    let computed = checksum(batch);
    if computed != header.crc {
        return Err(Error::Checksum {
            stored: header.crc,
            computed,
        });
    }
    if header.attributes & RESERVED != 0 {
        return Err(Error::Malformed("it has attributes that are not known"));
    }
    header.codec()?;
    if header.base_offset < 0 || header.last_offset_delta < 0 {
        return Err(Error::Malformed("it has a negative offset"));
    }
    if header
        .base_offset
        .checked_add(i64::from(header.last_offset_delta))
        .is_none()
    {
        return Err(Error::Malformed("its last offset is out of range"));
    }
    // Compaction may have removed records, but never adds one.
    if header.records_count < 0
        || i64::from(header.records_count) > i64::from(header.last_offset_delta) + 1
    {
        return Err(Error::Malformed(
            "its count of records does not fit its offsets",
        ));
    }
    Ok(header)
}

/// Checks a record set as a producer sends it: whole batches, checksums, records that can be
/// walked and whose count and offsets are dense from the batch's first. Refused are transactional
/// and control batches, broker-made timestamps and everything beyond `limits`.
///
/// Base offsets are 0, or go on from the batch before. A returned `max_timestamp` is that of the
/// records; where a producer left the field unset ([`super::BatchHeader::parse`] tells another),
/// [`super::set_max_timestamp`] mends the bytes.
pub fn verify_produced(bytes: &[u8], limits: &Limits) -> Result<Vec<BatchHeader>, Error> {
    let mut headers = Vec::with_capacity(1);
    let mut next_offset = 0_i64;
    for batch in batches(bytes) {
        let (header, batch) = batch?;
        if batch.len() > limits.batch_bytes_max {
            return Err(Error::TooLarge {
                what: "a record batch",
                bytes: u64::try_from(batch.len()).unwrap_or(u64::MAX),
                max: u64::try_from(limits.batch_bytes_max).unwrap_or(u64::MAX),
            });
        }
        if headers.len() >= limits.batches_max {
            return Err(Error::NotAllowed(
                "the request has too many batches for one partition",
            ));
        }
        let checked = verify(batch)?;
        assert!(checked == header, "a batch has one header");
        check_produced_header(&header, next_offset)?;
        let max_timestamp = check_produced_records(batch, limits)?;
        next_offset = header.next_offset();
        headers.push(BatchHeader {
            max_timestamp,
            ..header
        });
    }
    if headers.is_empty() {
        return Err(Error::NotAllowed(
            "the request has no batch for a partition",
        ));
    }
    Ok(headers)
}

fn check_produced_header(header: &BatchHeader, next_offset: i64) -> Result<(), Error> {
    if header.is_control() {
        return Err(Error::NotAllowed(
            "control batches come from the broker only",
        ));
    }
    if header.is_transactional() {
        return Err(Error::NotAllowed("transactions are not supported"));
    }
    if header.has_log_append_time() || header.has_delete_horizon() {
        return Err(Error::NotAllowed(
            "its timestamps are of a kind that only the broker sets",
        ));
    }
    if header.base_offset != 0 && header.base_offset != next_offset {
        return Err(Error::NotAllowed("its base offset is not 0"));
    }
    if header.records_count < 1
        || i64::from(header.records_count) != i64::from(header.last_offset_delta) + 1
    {
        return Err(Error::NotAllowed(
            "its count of records is not that of its offsets",
        ));
    }
    let has_sequence = header.base_sequence >= 0 && header.producer_epoch >= 0;
    let has_nothing =
        header.base_sequence == NO_SEQUENCE && header.producer_epoch == NO_PRODUCER_EPOCH;
    let consistent = match header.producer_id {
        NO_PRODUCER_ID => has_nothing,
        id => id >= 0 && has_sequence,
    };
    if !consistent {
        return Err(Error::NotAllowed(
            "its producer id, epoch and sequence do not fit together",
        ));
    }
    Ok(())
}

/// Walks the records; returns their largest timestamp.
fn check_produced_records(batch: &[u8], limits: &Limits) -> Result<i64, Error> {
    let records = Records::decode(batch, limits.decompressed_bytes_max)?;
    let mut walk = records.iter();
    let mut expected = 0_i32;
    let mut max_timestamp = i64::MIN;
    while let Some(walked) = walk.next_walked() {
        let walked = walked?;
        if walked.offset_delta != expected {
            return Err(Error::NotAllowed(
                "the offsets of its records are not dense",
            ));
        }
        expected = expected.saturating_add(1);
        max_timestamp = max_timestamp.max(walked.record.timestamp);
    }
    Ok(max_timestamp)
}
