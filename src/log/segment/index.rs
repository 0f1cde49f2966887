//! Kafka's two sparse indexes, read entry by entry from their files.
//!
//! ```text
//! .index      8 bytes: offset - base u32, position in the log u32; of the batch whose last
//!             offset it is
//! .timeindex 12 bytes: timestamp i64, offset - base u32: no record before that offset's batch
//!             end is later than the timestamp
//! ```
//!
//! Both are sorted. They are hints: what they say is checked against the log, and a wrong index
//! costs time, not truth.

use bytes::Buf;

use crate::log::disk::{self, DiskFile};

/// Bytes of an entry of the offset index.
pub(in crate::log) const OFFSET_ENTRY_BYTES: u64 = 8;

/// Bytes of an entry of the time index.
pub(in crate::log) const TIME_ENTRY_BYTES: u64 = 12;

/// A batch's last offset and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::log) struct OffsetEntry {
    pub(in crate::log) offset: i64,
    pub(in crate::log) position: u64,
}

/// The highest timestamp so far and the last offset of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::log) struct TimeEntry {
    pub(in crate::log) timestamp: i64,
    pub(in crate::log) offset: i64,
}

/// Entry `at` of the offset index of a segment with this base.
pub(in crate::log) fn offset_entry(
    file: &dyn DiskFile,
    base: i64,
    at: u64,
) -> std::io::Result<Option<OffsetEntry>> {
    let mut bytes = [0; 8];
    if disk::read_full(file, &mut bytes, at * OFFSET_ENTRY_BYTES)? < bytes.len() {
        return Ok(None);
    }
    let mut buf = &bytes[..];
    Ok(Some(OffsetEntry {
        offset: base.saturating_add(buf.get_u32().into()),
        position: buf.get_u32().into(),
    }))
}

/// Entry `at` of the time index of a segment with this base.
pub(in crate::log) fn time_entry(
    file: &dyn DiskFile,
    base: i64,
    at: u64,
) -> std::io::Result<Option<TimeEntry>> {
    let mut bytes = [0; 12];
    if disk::read_full(file, &mut bytes, at * TIME_ENTRY_BYTES)? < bytes.len() {
        return Ok(None);
    }
    let mut buf = &bytes[..];
    Ok(Some(TimeEntry {
        timestamp: buf.get_i64(),
        offset: base.saturating_add(buf.get_u32().into()),
    }))
}

/// Number of the first entry for which `is_after` holds, of `count` sorted ones; entries that
/// cannot be read count as after.
pub(in crate::log) fn first_after<E>(
    count: u64,
    read: impl Fn(u64) -> std::io::Result<Option<E>>,
    is_after: impl Fn(&E) -> bool,
) -> std::io::Result<u64> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        match read(middle)? {
            Some(entry) if !is_after(&entry) => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
