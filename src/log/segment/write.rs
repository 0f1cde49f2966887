//! Writes the last segment of a partition: whole pieces, with Kafka's index entries.
//!
//! A piece that fails is written again at the same place; what readers see moves only after all
//! of it is written.

use std::sync::Arc;

use bytes::{BufMut, Bytes};

use super::files::{Extent, Kind, OpenFiles, Segment};
use super::index::{OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES};
use crate::log::batch;
use crate::log::disk::{self, Open};
use crate::log::error::Error;
use crate::record::BatchHeader;

/// `index.interval.bytes`: an index entry about every so many bytes of log.
const INDEX_INTERVAL_BYTES: u64 = 4096;

/// What has to be known of a segment, besides its files, to go on writing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::log) struct Resume {
    pub(in crate::log) extent: Extent,
    /// Bytes since the last index entry.
    pub(in crate::log) since_index: u64,
    /// Last offset of the batch with the highest timestamp.
    pub(in crate::log) max_timestamp_offset: i64,
    /// Timestamp of the last entry of the time index.
    pub(in crate::log) indexed_timestamp: i64,
}

impl Resume {
    /// Of a segment without a batch.
    pub(in crate::log) const EMPTY: Resume = Resume {
        extent: Extent::EMPTY,
        since_index: 0,
        max_timestamp_offset: 0,
        indexed_timestamp: i64::MIN,
    };

    /// Moves on over one batch; index entries are added to `index` and `time`.
    fn step(&mut self, base: i64, header: &BatchHeader, index: &mut Vec<u8>, time: &mut Vec<u8>) {
        if header.max_timestamp > self.extent.max_timestamp {
            self.extent.max_timestamp = header.max_timestamp;
            self.max_timestamp_offset = header.last_offset();
        }
        if self.since_index > INDEX_INTERVAL_BYTES {
            index.put_u32(relative(base, header.last_offset()));
            index.put_u32(u32::try_from(self.extent.bytes).unwrap_or(u32::MAX));
            self.extent.index_entries += 1;
            self.add_time_entry(base, time);
            self.since_index = 0;
        }
        let bytes = u64::try_from(header.total_bytes()).unwrap_or(u64::MAX);
        self.since_index += bytes;
        self.extent.bytes += bytes;
        self.extent.end = header.next_offset();
    }

    fn add_time_entry(&mut self, base: i64, time: &mut Vec<u8>) {
        if self.extent.max_timestamp > self.indexed_timestamp && self.extent.max_timestamp >= 0 {
            time.put_i64(self.extent.max_timestamp);
            time.put_u32(relative(base, self.max_timestamp_offset));
            self.indexed_timestamp = self.extent.max_timestamp;
            self.extent.time_entries += 1;
        }
    }
}

/// An offset as the indexes hold it; segments are rolled before it overflows.
fn relative(base: i64, offset: i64) -> u32 {
    u32::try_from(offset - base).unwrap_or(u32::MAX)
}

/// Writes one segment.
#[derive(Debug)]
pub(in crate::log) struct SegmentWriter {
    segment: Arc<Segment>,
    resume: Resume,
    /// The file's content differs from what a checkpoint synced.
    dirty: bool,
    /// A sync failed: nothing of it may be written or synced again.
    poisoned: bool,
}

impl SegmentWriter {
    /// Goes on with a segment; its files are cut to what `resume` says by [`SegmentWriter::cut`].
    pub(in crate::log) fn new(segment: Arc<Segment>, resume: Resume) -> SegmentWriter {
        SegmentWriter {
            segment,
            resume,
            dirty: false,
            poisoned: false,
        }
    }

    pub(in crate::log) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    pub(in crate::log) fn resume(&self) -> Resume {
        self.resume
    }

    /// Whether batches of this size that end with this offset go beyond what a segment holds.
    pub(in crate::log) fn is_full_for(
        &self,
        segment_bytes: u32,
        bytes: usize,
        last_offset: i64,
    ) -> bool {
        let after = self.resume.extent.bytes + u64::try_from(bytes).unwrap_or(u64::MAX);
        after > segment_bytes.into() || last_offset - self.segment.base > i64::from(i32::MAX)
    }

    /// Writes whole batches behind the last one and shows them to readers.
    pub(in crate::log) fn append(
        &mut self,
        files: &OpenFiles,
        pieces: &[Bytes],
    ) -> Result<(), Error> {
        if self.poisoned {
            return Err(self.poison_error());
        }
        let mut next = self.resume;
        let (mut index, mut time) = (Vec::new(), Vec::new());
        for piece in pieces {
            for (header, _) in batch::whole(piece) {
                next.step(self.segment.base, &header, &mut index, &mut time);
            }
        }
        let handles = files.get(&self.segment, Open::Write)?;
        self.dirty = true;
        let slices: Vec<&[u8]> = pieces.iter().map(|piece| &**piece).collect();
        let extent = self.resume.extent;
        let write = || {
            disk::write_all(&*handles.log, &slices, extent.bytes)?;
            if !index.is_empty() {
                let at = extent.index_entries * OFFSET_ENTRY_BYTES;
                disk::write_all(&*handles.index, &[&index], at)?;
            }
            if !time.is_empty() {
                let at = extent.time_entries * TIME_ENTRY_BYTES;
                disk::write_all(&*handles.time, &[&time], at)?;
            }
            Ok(())
        };
        write().map_err(Error::io(
            "write the segment",
            &self.segment.path(Kind::Log),
        ))?;
        self.resume = next;
        self.segment.publish(next.extent);
        Ok(())
    }

    /// Ends the segment as Kafka does: a last entry of the time index, no reserved space.
    pub(in crate::log) fn finish(&mut self, files: &OpenFiles) -> Result<(), Error> {
        let mut next = self.resume;
        let mut time = Vec::new();
        next.add_time_entry(self.segment.base, &mut time);
        let handles = files.get(&self.segment, Open::Write)?;
        self.dirty = true;
        let end = || {
            if !time.is_empty() {
                let at = self.resume.extent.time_entries * TIME_ENTRY_BYTES;
                disk::write_all(&*handles.time, &[&time], at)?;
            }
            handles.log.set_len(next.extent.bytes)
        };
        end().map_err(Error::io("end the segment", &self.segment.path(Kind::Log)))?;
        self.resume = next;
        self.segment.release(next.extent.bytes);
        self.segment.publish(next.extent);
        Ok(())
    }

    /// Cuts the files to what is known of them. A log that is shorter is not touched: `false`.
    pub(in crate::log) fn cut(&mut self, files: &OpenFiles) -> Result<bool, Error> {
        let extent = self.resume.extent;
        let handles = files.get(&self.segment, Open::Write)?;
        let path = self.segment.path(Kind::Log);
        let io = |cause| Error::io("cut the segment", &path)(cause);
        if handles.log.size().map_err(io)? < extent.bytes {
            return Ok(false);
        }
        self.dirty = true;
        handles.log.set_len(extent.bytes).map_err(io)?;
        handles
            .index
            .set_len(extent.index_entries * OFFSET_ENTRY_BYTES)
            .map_err(io)?;
        handles
            .time
            .set_len(extent.time_entries * TIME_ENTRY_BYTES)
            .map_err(io)?;
        Ok(true)
    }

    /// Makes the files' bytes durable, if there is anything new.
    pub(in crate::log) fn sync(&mut self, files: &OpenFiles) -> Result<(), Error> {
        if self.poisoned {
            return Err(self.poison_error());
        }
        if !self.dirty {
            return Ok(());
        }
        let handles = files.get(&self.segment, Open::Write)?;
        let sync = || {
            handles.log.sync()?;
            handles.index.sync()?;
            handles.time.sync()
        };
        if let Err(cause) = sync() {
            self.poisoned = true;
            return Err(Error::io("sync the segment", &self.segment.path(Kind::Log))(cause));
        }
        self.dirty = false;
        Ok(())
    }

    /// Whether a sync of it failed.
    pub(in crate::log) fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    fn poison_error(&self) -> Error {
        Error::Refusing(format!(
            "\"{}\" could not be synced and is not trusted any more",
            self.segment.path(Kind::Log).display()
        ))
    }
}
