//! Reads batches of a segment from an offset on, checking everything that can be checked: header,
//! order of offsets, CRC.

use std::sync::Arc;

use bytes::Bytes;

use super::files::{Extent, Handles, Kind, OpenFiles, Segment};
use super::index::{self, OffsetEntry};
use crate::log::batch;
use crate::log::disk::{self, Open};
use crate::log::error::Error;
use crate::record::{BATCH_HEADER_BYTES, BatchHeader};

/// What a read of a segment found.
#[derive(Debug)]
pub(in crate::log) enum Batches {
    /// Whole batches, the first of which ends at or after the offset.
    Found(Bytes),
    /// All batches end before the offset.
    Behind,
    /// The offset lies in bytes that are not what was written.
    Damaged(Bad),
}

/// A damaged range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::log) struct Bad {
    /// First offset that cannot be read.
    pub(in crate::log) offset: i64,
    /// Where in the log file it was found.
    pub(in crate::log) position: u64,
    pub(in crate::log) what: &'static str,
    /// First offset behind it that can be read, if this segment holds one.
    pub(in crate::log) resume: Option<i64>,
}

/// A segment's files and extent at one moment.
struct View<'a> {
    segment: &'a Segment,
    handles: Arc<Handles>,
    extent: Extent,
}

impl Segment {
    /// Whole batches from the one that holds `offset` (or the first behind it) on: about
    /// `max_bytes`, at least one.
    pub(in crate::log) fn read(
        self: &Arc<Segment>,
        files: &OpenFiles,
        offset: i64,
        max_bytes: usize,
    ) -> Result<Batches, Error> {
        let extent = self.extent();
        if extent.bytes == 0 || offset >= extent.end {
            return Ok(Batches::Behind);
        }
        let view = View {
            segment: self,
            handles: files.get(self, Open::Read)?,
            extent,
        };
        view.read(offset, max_bytes)
            .map_err(Error::io("read the segment", &self.path(Kind::Log)))
    }

    /// Offset from which on to look for a timestamp: no record before it is as late.
    pub(in crate::log) fn lower_bound_for_time(
        self: &Arc<Segment>,
        files: &OpenFiles,
        timestamp: i64,
    ) -> Result<i64, Error> {
        let extent = self.extent();
        let handles = files.get(self, Open::Read)?;
        let read = |at| index::time_entry(&*handles.time, self.base, at);
        let find = || {
            let after =
                index::first_after(extent.time_entries, read, |e| e.timestamp >= timestamp)?;
            match after.checked_sub(1) {
                Some(before) => Ok(read(before)?.map_or(self.base, |e| e.offset)),
                None => Ok(self.base),
            }
        };
        find().map_err(Error::io(
            "read the time index",
            &self.path(Kind::TimeIndex),
        ))
    }
}

impl View<'_> {
    fn read(&self, offset: i64, max_bytes: usize) -> std::io::Result<Batches> {
        let (mut at, mut due) = self.start_for(offset)?;
        let (position, first) = loop {
            if at >= self.extent.bytes {
                return Ok(Batches::Behind);
            }
            let bad = match self.header(at)? {
                Ok(header) if self.is_due(&header, due) => {
                    if header.last_offset() >= offset {
                        break (at, header);
                    }
                    at += u64::try_from(header.total_bytes()).unwrap_or(u64::MAX);
                    due = header.next_offset();
                    continue;
                }
                Ok(_) => "a batch's offsets are out of order",
                Err(what) => what,
            };
            match self.next_good(at)? {
                Some((position, header)) if header.base_offset <= offset => {
                    at = position;
                    due = header.base_offset;
                }
                next => {
                    return Ok(Batches::Damaged(Bad {
                        offset: due,
                        position: at,
                        what: bad,
                        resume: next.map(|(_, header)| header.base_offset),
                    }));
                }
            }
        };
        self.take(position, &first, offset, max_bytes)
    }

    /// Reads from a batch on and cuts behind the last whole, intact one.
    fn take(
        &self,
        position: u64,
        first: &BatchHeader,
        offset: i64,
        max_bytes: usize,
    ) -> std::io::Result<Batches> {
        let left = usize::try_from(self.extent.bytes - position).unwrap_or(usize::MAX);
        let mut buf = vec![0; max_bytes.max(first.total_bytes()).min(left)];
        let read = disk::read_full(&*self.handles.log, &mut buf, position)?;
        buf.truncate(read);
        let mut good = 0;
        let mut due = first.base_offset;
        for (header, batch) in batch::whole(&buf) {
            if !self.is_due(&header, due) || !batch::crc_holds(&header, batch) {
                break;
            }
            good += header.total_bytes();
            due = header.next_offset();
        }
        if good == 0 {
            let next = self.next_good(position)?;
            return Ok(Batches::Damaged(Bad {
                offset: first.base_offset.min(offset),
                position,
                what: "a batch fails its checksum",
                resume: next.map(|(_, header)| header.base_offset),
            }));
        }
        buf.truncate(good);
        Ok(Batches::Found(buf.into()))
    }

    /// A position at or before the batch that holds `offset`, and the offset due there.
    fn start_for(&self, offset: i64) -> std::io::Result<(u64, i64)> {
        let after = index::first_after(
            self.extent.index_entries,
            |at| self.index_entry(at),
            |e| e.offset > offset,
        )?;
        let Some(before) = after.checked_sub(1) else {
            return Ok((0, self.segment.base));
        };
        if let Some(entry) = self.index_entry(before)?
            && let Some(header) = self.holds(entry)?
        {
            return Ok((entry.position, header.base_offset));
        }
        Ok((0, self.segment.base))
    }

    fn index_entry(&self, at: u64) -> std::io::Result<Option<OffsetEntry>> {
        index::offset_entry(&*self.handles.index, self.segment.base, at)
    }

    /// The header of the batch an index entry points at, if the entry is right.
    fn holds(&self, entry: OffsetEntry) -> std::io::Result<Option<BatchHeader>> {
        if entry.position >= self.extent.bytes {
            return Ok(None);
        }
        let header = self.header(entry.position)?.ok();
        Ok(header.filter(|h| h.last_offset() == entry.offset))
    }

    /// The first batch behind `position` that an index entry leads to and that is intact.
    fn next_good(&self, position: u64) -> std::io::Result<Option<(u64, BatchHeader)>> {
        let mut at = index::first_after(
            self.extent.index_entries,
            |at| self.index_entry(at),
            |e| e.position > position,
        )?;
        while at < self.extent.index_entries {
            if let Some(entry) = self.index_entry(at)?
                && let Some(header) = self.holds(entry)?
            {
                let mut buf = vec![0; header.total_bytes()];
                let read = disk::read_full(&*self.handles.log, &mut buf, entry.position)?;
                if read == header.total_bytes() && batch::crc_holds(&header, &buf) {
                    return Ok(Some((entry.position, header)));
                }
            }
            at += 1;
        }
        Ok(None)
    }

    /// The header at a position; a batch that goes beyond the segment is malformed.
    fn header(&self, at: u64) -> std::io::Result<Result<BatchHeader, &'static str>> {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        let read = disk::read_full(&*self.handles.log, &mut bytes, at)?;
        let header = batch::parse(bytes.get(..read).unwrap_or_default());
        Ok(header.and_then(|header| {
            let end = at.saturating_add(u64::try_from(header.total_bytes()).unwrap_or(u64::MAX));
            if end > self.extent.bytes {
                Err("a batch goes beyond the segment's end")
            } else {
                Ok(header)
            }
        }))
    }

    /// Whether a batch may stand where the offset `due` is due.
    fn is_due(&self, header: &BatchHeader, due: i64) -> bool {
        let follows = match self.segment.has_gaps {
            true => header.base_offset >= due,
            false => header.base_offset == due,
        };
        follows && header.next_offset() <= self.extent.end
    }
}
