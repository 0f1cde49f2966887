//! Rewrites a batch with fewer records, for compaction: offsets, producer and timestamps of what
//! stays are as they were, and so is the range of offsets that the batch covers.

use super::builder::complete;
use super::error::Error;
use super::header::{BATCH_HEADER_BYTES, BatchHeader};
use super::records::{Record, Records};

/// What is left of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filtered {
    /// All records stay: the batch may be kept as it is.
    Unchanged,
    /// Some records stay: a new batch.
    Rewritten(Vec<u8>),
    /// No record stays. [`empty_batch`] makes a batch that keeps the producer's last sequence.
    Nothing,
}

/// Keeps the records for which `keep` says so. The batch must have been verified; it is
/// decompressed to at most `decompressed_bytes_max` and compressed again with its own codec.
pub fn filter(
    batch: &[u8],
    decompressed_bytes_max: usize,
    mut keep: impl FnMut(&Record<'_>) -> bool,
) -> Result<Filtered, Error> {
    let records = Records::decode(batch, decompressed_bytes_max)?;
    let header = *records.header();
    let mut kept = Vec::new();
    let mut kept_count = 0_i32;
    let mut max_timestamp = i64::MIN;
    let mut walk = records.iter();
    while let Some(walked) = walk.next_walked() {
        let walked = walked?;
        if keep(&walked.record) {
            kept.extend_from_slice(walked.raw);
            kept_count = kept_count.saturating_add(1);
            max_timestamp = max_timestamp.max(walked.record.timestamp);
        }
    }
    if kept_count == header.records_count {
        return Ok(Filtered::Unchanged);
    }
    if kept_count == 0 {
        return Ok(Filtered::Nothing);
    }
    let codec = header.codec()?;
    let mut rewritten = Vec::with_capacity(kept.len().saturating_add(BATCH_HEADER_BYTES));
    rewritten.resize(BATCH_HEADER_BYTES, 0);
    codec.compress(&kept, &mut rewritten)?;
    let header = BatchHeader {
        records_count: kept_count,
        max_timestamp,
        ..header
    };
    complete(&header, &mut rewritten)?;
    Ok(Filtered::Rewritten(rewritten))
}

/// A batch without records that covers the offsets of `header` and keeps its producer, as Kafka
/// leaves behind for the last batch of a producer.
#[must_use]
pub fn empty_batch(header: &BatchHeader) -> Vec<u8> {
    let mut batch = vec![0; BATCH_HEADER_BYTES];
    let header = BatchHeader {
        records_count: 0,
        ..*header
    };
    complete(&header, &mut batch).expect("61 bytes are a legal length");
    batch
}
