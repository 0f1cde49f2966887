//! Segments: a partition's batches in files of Apache Kafka's own formats, so that Kafka's
//! DumpLogSegments reads them.
//!
//! `<20-digit base offset>.log` holds batches, `.index` the positions of some offsets, `.timeindex`
//! the offsets of some timestamps. Only the last segment of a partition is written, by one writer;
//! readers see what was published to [`Segment`].

mod files;
mod index;
mod read;
mod write;

pub(super) use files::{
    Extent, Kind, OpenFiles, Segment, file_name, final_name, parse_name, temporary_path,
};
pub(super) use index::{OffsetEntry, TimeEntry, offset_entry, time_entry};
pub(super) use read::{Bad, Batches};
pub(super) use write::{Resume, SegmentWriter};
