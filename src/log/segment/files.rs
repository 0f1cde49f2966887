//! A segment's three files, opened on demand; only so many are open at a time.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::log::disk::{Disk, DiskFile, Open};
use crate::log::error::Error;

/// Segments whose files are open at once; three descriptors each, so that the usual limit of
/// 1024 descriptors leaves room for sockets.
const OPEN_SEGMENTS_MAX: usize = 128;

/// Space reserved ahead grows with the segment between these bounds.
const RESERVE_BYTES_MIN: u64 = 64 << 10;
const RESERVE_BYTES_MAX: u64 = 16 << 20;

/// One of the files of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::log) enum Kind {
    Log,
    Index,
    TimeIndex,
}

impl Kind {
    /// All files of a segment; the log last, so that it is the last to be renamed or removed.
    pub(in crate::log) const ALL: [Kind; 3] = [Kind::Index, Kind::TimeIndex, Kind::Log];

    fn extension(self) -> &'static str {
        match self {
            Kind::Log => "log",
            Kind::Index => "index",
            Kind::TimeIndex => "timeindex",
        }
    }
}

/// The name of a segment's file.
pub(in crate::log) fn file_name(base: i64, kind: Kind) -> String {
    format!("{base:020}.{}", kind.extension())
}

/// The base offset and kind in the name of a segment's file.
pub(in crate::log) fn parse_name(name: &str) -> Option<(i64, Kind)> {
    let (digits, extension) = name.split_once('.')?;
    let kind = Kind::ALL.into_iter().find(|k| k.extension() == extension)?;
    if digits.len() != 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, kind))
}

/// What the names of files that compaction makes end in.
const TEMPORARY: &str = ".cleaned";

/// The name of a segment's file while compaction makes it.
pub(in crate::log) fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY);
    name.into()
}

/// The final name of a segment's file.
pub(in crate::log) fn final_name(name: &str) -> &str {
    name.strip_suffix(TEMPORARY).unwrap_or(name)
}

/// A segment as readers see it.
#[derive(Debug)]
pub(in crate::log) struct Segment {
    pub(in crate::log) dir: Arc<Path>,
    /// Offset in the files' names: no record in it is before.
    pub(in crate::log) base: i64,
    /// Bytes of the log that may be read.
    bytes: AtomicU64,
    /// Entries of the offset index that may be read.
    index_entries: AtomicU64,
    /// Entries of the time index that may be read.
    time_entries: AtomicU64,
    /// Highest timestamp; `i64::MIN` while empty.
    max_timestamp: AtomicI64,
    /// Offset behind its last batch.
    end: AtomicI64,
    /// Compaction made it, so its offsets may have gaps.
    pub(in crate::log) has_gaps: bool,
    /// Its files have the names compaction gave them.
    is_temporary: AtomicBool,
    /// It is not in the view any more, and its names may stand for other files.
    is_retired: AtomicBool,
    /// Space of the log file is reserved up to here.
    reserved: AtomicU64,
    handles: Mutex<Option<(Open, Arc<Handles>)>>,
}

/// What is published of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::log) struct Extent {
    pub(in crate::log) bytes: u64,
    pub(in crate::log) index_entries: u64,
    pub(in crate::log) time_entries: u64,
    pub(in crate::log) max_timestamp: i64,
    /// Offset behind the last batch.
    pub(in crate::log) end: i64,
}

impl Extent {
    /// Of a segment without a batch.
    pub(in crate::log) const EMPTY: Extent = Extent {
        bytes: 0,
        index_entries: 0,
        time_entries: 0,
        max_timestamp: i64::MIN,
        end: 0,
    };
}

/// The open files of a segment.
#[derive(Debug)]
pub(in crate::log) struct Handles {
    pub(in crate::log) log: Arc<dyn DiskFile>,
    pub(in crate::log) index: Arc<dyn DiskFile>,
    pub(in crate::log) time: Arc<dyn DiskFile>,
}

impl Segment {
    pub(in crate::log) fn new(dir: Arc<Path>, base: i64, extent: Extent) -> Arc<Segment> {
        Arc::new(Segment::build(dir, base, extent))
    }

    fn build(dir: Arc<Path>, base: i64, extent: Extent) -> Segment {
        Segment {
            dir,
            base,
            bytes: AtomicU64::new(extent.bytes),
            index_entries: AtomicU64::new(extent.index_entries),
            time_entries: AtomicU64::new(extent.time_entries),
            max_timestamp: AtomicI64::new(extent.max_timestamp),
            is_temporary: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
            reserved: AtomicU64::new(extent.bytes),
            end: AtomicI64::new(extent.end),
            has_gaps: false,
            handles: Mutex::new(None),
        }
    }

    /// A segment that compaction made earlier.
    pub(in crate::log) fn with_gaps(dir: Arc<Path>, base: i64, extent: Extent) -> Arc<Segment> {
        Arc::new(Segment {
            has_gaps: true,
            ..Segment::build(dir, base, extent)
        })
    }

    /// A segment whose files have temporary names until [`Segment::set_final`].
    pub(in crate::log) fn temporary(dir: Arc<Path>, base: i64, has_gaps: bool) -> Arc<Segment> {
        Arc::new(Segment {
            is_temporary: AtomicBool::new(true),
            has_gaps,
            ..Segment::build(dir, base, Extent::EMPTY)
        })
    }

    /// Its files have been renamed.
    pub(in crate::log) fn set_final(&self) {
        self.is_temporary.store(false, Ordering::Release);
    }

    /// Notes that it has left the view. Who has its files open may go on reading them.
    pub(in crate::log) fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
    }

    /// Whether it has left the view.
    pub(in crate::log) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Acquire)
    }

    /// What may be read of it now.
    pub(in crate::log) fn extent(&self) -> Extent {
        // Bytes first: index entries published later point at bytes that are there, earlier ones
        // at bytes this reader sees.
        let bytes = self.bytes.load(Ordering::Acquire);
        Extent {
            bytes,
            index_entries: self.index_entries.load(Ordering::Acquire),
            time_entries: self.time_entries.load(Ordering::Acquire),
            max_timestamp: self.max_timestamp.load(Ordering::Acquire),
            end: self.end.load(Ordering::Acquire),
        }
    }

    /// Shows more of it to readers.
    pub(super) fn publish(&self, extent: Extent) {
        self.index_entries
            .store(extent.index_entries, Ordering::Release);
        self.time_entries
            .store(extent.time_entries, Ordering::Release);
        self.max_timestamp
            .store(extent.max_timestamp, Ordering::Release);
        self.end.store(extent.end, Ordering::Release);
        self.bytes.store(extent.bytes, Ordering::Release);
    }

    /// Path of one of its files.
    pub(in crate::log) fn path(&self, kind: Kind) -> PathBuf {
        let path = self.dir.join(file_name(self.base, kind));
        match self.is_temporary.load(Ordering::Acquire) {
            true => temporary_path(&path),
            false => path,
        }
    }

    /// Reserves space so that the log file can hold `bytes`.
    pub(in crate::log) fn reserve(
        self: &Arc<Segment>,
        files: &OpenFiles,
        bytes: u64,
    ) -> Result<(), Error> {
        if bytes <= self.reserved.load(Ordering::Acquire) {
            return Ok(());
        }
        let ahead = bytes.next_power_of_two();
        let target = bytes.next_multiple_of(ahead.clamp(RESERVE_BYTES_MIN, RESERVE_BYTES_MAX));
        let handles = files.get(self, Open::Write)?;
        handles.log.reserve(target, true).map_err(Error::io(
            "reserve space for the segment",
            &self.path(Kind::Log),
        ))?;
        self.reserved.store(target, Ordering::Release);
        Ok(())
    }

    /// Notes that space behind `bytes` was given back.
    pub(super) fn release(&self, bytes: u64) {
        self.reserved.store(bytes, Ordering::Release);
    }

    /// Closes its files, should they be open; readers that use them keep them.
    pub(in crate::log) fn close(&self) {
        *self.handles.lock() = None;
    }
}

/// Opens segments' files and closes those that were opened longest ago.
#[derive(Debug)]
pub(in crate::log) struct OpenFiles {
    disk: Arc<dyn Disk>,
    opened: Mutex<VecDeque<Weak<Segment>>>,
}

impl OpenFiles {
    pub(in crate::log) fn new(disk: Arc<dyn Disk>) -> OpenFiles {
        OpenFiles {
            disk,
            opened: Mutex::new(VecDeque::new()),
        }
    }

    /// The disk they lie on.
    pub(in crate::log) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// A segment's files. `Open::Write` makes what is missing.
    pub(in crate::log) fn get(
        &self,
        segment: &Arc<Segment>,
        how: Open,
    ) -> Result<Arc<Handles>, Error> {
        let mut slot = segment.handles.lock();
        if let Some((held, handles)) = &*slot
            && (*held == how || how == Open::Read)
        {
            return Ok(Arc::clone(handles));
        }
        let open = |kind| -> Result<Arc<dyn DiskFile>, Error> {
            let path = segment.path(kind);
            self.disk
                .open(&path, how)
                .map_err(Error::io("open the segment file", &path))
        };
        let handles = Arc::new(Handles {
            log: open(Kind::Log)?,
            index: open_index(open(Kind::Index))?,
            time: open_index(open(Kind::TimeIndex))?,
        });
        if segment.is_retired() {
            // What was opened may be what took its place.
            let path = segment.path(Kind::Log);
            return Err(Error::io("open the segment file", &path)(
                io::ErrorKind::NotFound.into(),
            ));
        }
        *slot = Some((how, Arc::clone(&handles)));
        drop(slot);
        self.note(segment);
        Ok(handles)
    }

    fn note(&self, segment: &Arc<Segment>) {
        let mut opened = self.opened.lock();
        opened.push_back(Arc::downgrade(segment));
        let over = opened.len().saturating_sub(OPEN_SEGMENTS_MAX);
        let closed: Vec<Weak<Segment>> = opened.drain(..over).collect();
        drop(opened);
        for segment in closed.iter().filter_map(Weak::upgrade) {
            segment.close();
        }
    }
}

/// A missing index only makes reads slower: an empty one stands in.
fn open_index(found: Result<Arc<dyn DiskFile>, Error>) -> Result<Arc<dyn DiskFile>, Error> {
    match found {
        Err(Error::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
            Ok(Arc::new(Missing))
        }
        other => other,
    }
}

/// Stands for an index file that is not there.
#[derive(Debug)]
struct Missing;

impl DiskFile for Missing {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }
    fn write_at(&self, _: &[io::IoSlice<'_>], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn reserve(&self, _: u64, _: bool) -> io::Result<()> {
        Ok(())
    }
    fn size(&self) -> io::Result<u64> {
        Ok(0)
    }
}
