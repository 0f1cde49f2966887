//! What the log asks of stored batches beyond [`crate::record`]: whole ones in a row, with offsets
//! that can be counted on.

use crate::record::{self, BATCH_HEADER_BYTES, BatchHeader, Records};
use crate::topic::Offset;

/// From here on the CRC covers a batch.
const CRC_FROM: usize = 21;

/// The leader epoch of every batch: there is one node and no change of leader.
const LEADER_EPOCH: i32 = 0;

/// A batch that is looked into may decompress to this much.
pub(super) const DECOMPRESSED_BYTES_MAX: usize = 256 << 20;

/// Reads the header at the start of `bytes`; the batch's end may lie behind `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Result<BatchHeader, &'static str> {
    if bytes.len() < BATCH_HEADER_BYTES {
        return Err("a batch header is cut off");
    }
    let header = BatchHeader::parse(bytes).map_err(|_| "a batch header is malformed")?;
    let last = header
        .base_offset
        .checked_add(header.last_offset_delta.into());
    if header.base_offset < 0 || header.last_offset_delta < 0 || last.is_none_or(|l| l == i64::MAX)
    {
        return Err("a batch's offsets are out of range");
    }
    Ok(header)
}

/// Splits the first whole batch off `bytes`.
pub(super) fn split_first(bytes: &[u8]) -> Result<(BatchHeader, &[u8], &[u8]), &'static str> {
    let header = parse(bytes)?;
    let (batch, rest) = bytes
        .split_at_checked(header.total_bytes())
        .ok_or("a batch is cut off")?;
    Ok((header, batch, rest))
}

/// Whether the batch's bytes are the ones its CRC was made of.
pub(super) fn crc_holds(header: &BatchHeader, batch: &[u8]) -> bool {
    batch
        .get(CRC_FROM..)
        .is_some_and(|covered| crc32c::crc32c(covered) == header.crc)
}

/// Sets the base offset and leader epoch of the batch at `at`; the CRC stays valid.
pub(super) fn place(bytes: &mut [u8], at: usize, base_offset: i64) {
    if let Some(batch) = bytes.get_mut(at..) {
        record::set_base_offset(batch, base_offset, LEADER_EPOCH);
    }
}

/// The whole batches of `bytes` in order; ends at the first that is malformed or cut off.
pub(super) fn whole(bytes: &[u8]) -> impl Iterator<Item = (BatchHeader, &[u8])> {
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
    let mut records = records.iter().map_while(Result::ok);
    let found = records.find(|r| r.offset >= offset && r.timestamp >= timestamp)?;
    Some((Offset(found.offset), found.timestamp))
}

#[cfg(test)]
pub(super) mod sample {
    //! Batches for tests.

    use crate::record::BatchBuilder;

    /// One batch of `records` records with this value.
    pub(in crate::log) fn batch(records: u32, value: &[u8], timestamp: i64) -> Vec<u8> {
        build(BatchBuilder::new(), records, value, timestamp)
    }

    /// One batch of `records` records from (producer id, epoch, base sequence).
    pub(in crate::log) fn from_producer(
        records: u32,
        value: &[u8],
        timestamp: i64,
        (id, epoch, sequence): (i64, i16, i32),
    ) -> Vec<u8> {
        let builder = BatchBuilder::new().producer(id, epoch, sequence);
        build(builder, records, value, timestamp)
    }

    /// One batch of one keyed record.
    pub(in crate::log) fn keyed(key: &[u8], value: Option<&[u8]>, timestamp: i64) -> Vec<u8> {
        let mut builder = BatchBuilder::new();
        builder.append(timestamp, Some(key), value, &[]).unwrap();
        builder.finish().unwrap()
    }

    fn build(mut builder: BatchBuilder, records: u32, value: &[u8], timestamp: i64) -> Vec<u8> {
        for _ in 0..records {
            builder.append(timestamp, None, Some(value), &[]).unwrap();
        }
        builder.finish().unwrap()
    }
}
