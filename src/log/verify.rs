//! Checks a data directory that no process uses: the journal's entries, every batch, the order of
//! offsets, and both indexes. Changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch;
use super::checkpoint::{Checkpoint, KnownPartition, KnownSegment};
use super::disk::{self, Disk, DiskFile, Open, RealDisk};
use super::error::Error;
use super::journal::{Entries, scan};
use super::metadata::{self, Metadata};
use super::recovery;
use super::segment::{
    Kind, OffsetEntry, TimeEntry, file_name, offset_entry, temporary_path, time_entry,
};
use crate::error::chain;
use crate::record;
use crate::topic::CLUSTER_METADATA;

/// Segments are read in pieces of about this size.
const READ_BYTES: usize = 1 << 20;

/// Problems listed; a ruined disk must not fill the memory.
const PROBLEMS_MAX: usize = 1000;

/// What [`verify`] found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Partitions that hold something.
    pub partitions: u64,
    /// Their segments.
    pub segments: u64,
    /// Batches that were checked.
    pub batches: u64,
    /// Bytes of segments that were checked.
    pub bytes: u64,
    /// Entries of the journal that are not yet in segments.
    pub journal_entries: u64,
    /// What is wrong, at most [`PROBLEMS_MAX`] of it.
    pub problems: Vec<Problem>,
}

/// Something that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// Where in the file.
    pub position: u64,
    /// What is wrong.
    pub what: String,
}

impl VerifyReport {
    fn problem(&mut self, path: &Path, position: u64, what: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem {
                path: path.to_owned(),
                position,
                what: what.into(),
            });
        }
    }
}

/// Checks the data directory `dir`; `progress` is told how many of how many bytes are done.
pub fn verify(dir: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport, Error> {
    verify_on(&RealDisk, dir, progress)
}

/// [`verify`] on any disk.
pub(super) fn verify_on(
    disk: &dyn Disk,
    dir: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, Error> {
    let path = dir.join("lock");
    let _lock = disk
        .lock(&path)
        .map_err(Error::io("lock", &path))?
        .ok_or_else(|| Error::InUse(dir.to_owned()))?;
    let mut report = VerifyReport::default();
    let Some(checkpoint) = Checkpoint::load(disk, dir)? else {
        return Err(Error::Format {
            path: dir.to_owned(),
            what: "it is no data directory: there is no checkpoint".to_owned(),
        });
    };
    let mut metadata = Metadata::default();
    let topics = dir.join("topics");
    let segments = checkpoint.partitions.iter().flat_map(|p| &p.segments);
    let total: u64 = segments.map(|s| s.extent.bytes).sum();
    let is_metadata = |known: &&KnownPartition| known.topic == metadata::TOPIC_ID;
    if let Some(known) = checkpoint.partitions.iter().find(is_metadata) {
        // Damage in it shows again, with its place, when the segments are checked.
        if let Err(error) = recovery::read_metadata(disk, &topics, known, &mut metadata) {
            report.problem(&topics, 0, chain(&error));
        }
    }
    check_journal(disk, dir, &checkpoint, &mut report);
    for known in &checkpoint.partitions {
        let Some(folder) = folder_of(known, &metadata) else {
            report.problem(
                &topics,
                0,
                format!("the topic with id {} is not known", known.topic),
            );
            continue;
        };
        report.partitions += u64::from(!known.segments.is_empty());
        let mut due = None;
        for segment in &known.segments {
            let mut check = SegmentCheck {
                disk,
                dir: &topics.join(&folder),
                known: segment,
                report: &mut report,
            };
            check.run(&mut due)?;
            // Compaction may have left a gap before the next one.
            due = due.filter(|_| !segment.has_gaps);
            progress(report.bytes, total);
        }
    }
    Ok(report)
}

fn check_journal(disk: &dyn Disk, dir: &Path, checkpoint: &Checkpoint, report: &mut VerifyReport) {
    let dir = dir.join("journal");
    let scan = match scan(disk, &dir, checkpoint.sequence) {
        Ok(scan) => scan,
        Err(error) => return report.problem(&dir, 0, chain(&error)),
    };
    report.journal_entries = scan.entries_count();
    let mut entries = Entries::new(disk, &scan);
    loop {
        match entries.next() {
            Ok(None) => return,
            Err(error) => return report.problem(&dir, 0, chain(&error)),
            Ok(Some((sequence, parts))) => {
                for part in parts {
                    let bad = batch::whole(&part.bytes).find(|(h, b)| !batch::crc_holds(h, b));
                    if bad.is_some() {
                        let what = format!("a batch of entry {sequence} fails its checksum");
                        report.problem(&dir, 0, what);
                    }
                }
            }
        }
    }
}

/// The name of a partition's folder.
fn folder_of(known: &KnownPartition, metadata: &Metadata) -> Option<String> {
    if known.topic == metadata::TOPIC_ID {
        return Some(format!("{CLUSTER_METADATA}-{}", known.partition));
    }
    let found = metadata.topics.iter().find(|(_, t)| t.id == known.topic);
    found.map(|(name, _)| format!("{name}-{}", known.partition))
}

struct SegmentCheck<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    known: &'a KnownSegment,
    report: &'a mut VerifyReport,
}

/// A batch as the indexes may name it.
#[derive(Clone, Copy)]
struct Seen {
    position: u64,
    last_offset: i64,
    max_timestamp: i64,
}

impl SegmentCheck<'_> {
    fn open(&self, kind: Kind) -> (PathBuf, std::io::Result<Arc<dyn DiskFile>>) {
        let path = self.dir.join(file_name(self.known.base, kind));
        let temporary = temporary_path(&path);
        if self.known.swap
            && let Ok(file) = self.disk.open(&temporary, Open::Read)
        {
            return (temporary, Ok(file));
        }
        let file = self.disk.open(&path, Open::Read);
        (path, file)
    }

    /// Checks a segment; `due` is the offset that must come next.
    fn run(&mut self, due: &mut Option<i64>) -> Result<(), Error> {
        self.report.segments += 1;
        let (path, file) = self.open(Kind::Log);
        let file = match file {
            Ok(file) => file,
            Err(error) => {
                self.report.problem(&path, 0, error.to_string());
                *due = None;
                return Ok(());
            }
        };
        let bytes = file.size().map_err(Error::io("read the segment", &path))?;
        if bytes < self.known.extent.bytes {
            let what = format!(
                "the file has {bytes} bytes, {} were durable in it",
                self.known.extent.bytes
            );
            self.report.problem(&path, bytes, what);
        }
        let end = bytes.min(self.known.extent.bytes);
        let mut index = IndexCheck::open(self);
        self.walk(&*file, &path, end, due, &mut index)
            .map_err(Error::io("read the segment", &path))?;
        index.end(self);
        self.report.bytes += end;
        Ok(())
    }

    fn walk(
        &mut self,
        file: &dyn DiskFile,
        path: &Path,
        end: u64,
        due: &mut Option<i64>,
        index: &mut IndexCheck,
    ) -> std::io::Result<()> {
        let mut at = 0;
        let mut wanted = READ_BYTES;
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            let mut buf = vec![0; wanted.min(left)];
            let read = disk::read_full(file, &mut buf, at)?;
            buf.truncate(read);
            let mut used = 0;
            for (header, batch) in batch::whole(&buf) {
                let position = at + u64::try_from(used).unwrap_or(0);
                self.batch(path, position, batch, due);
                index.batch(
                    self,
                    Seen {
                        position,
                        last_offset: header.last_offset(),
                        max_timestamp: header.max_timestamp,
                    },
                );
                used += header.total_bytes();
            }
            if used == 0 {
                // Either the batch is larger than what was read, or it is no batch.
                match batch::parse(&buf) {
                    Ok(header) if header.total_bytes() > buf.len() && buf.len() < left => {
                        wanted = header.total_bytes();
                        continue;
                    }
                    Ok(_) => self
                        .report
                        .problem(path, at, "a batch goes beyond the segment's end"),
                    Err(what) => self.report.problem(path, at, what),
                }
                *due = None;
                return Ok(());
            }
            wanted = READ_BYTES;
            at += u64::try_from(used).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    fn batch(&mut self, path: &Path, position: u64, bytes: &[u8], due: &mut Option<i64>) {
        self.report.batches += 1;
        let header = match record::verify(bytes) {
            Ok(header) => header,
            Err(error) => {
                self.report.problem(path, position, error.to_string());
                *due = None;
                return;
            }
        };
        let wrong = match *due {
            Some(due) if self.known.has_gaps => header.base_offset < due,
            Some(due) => header.base_offset != due,
            None => header.base_offset < self.known.base,
        };
        let wrong = wrong || header.next_offset() > self.known.extent.end;
        if wrong {
            let what = format!(
                "the batch begins with offset {} where {} was due",
                header.base_offset,
                due.unwrap_or(self.known.base)
            );
            self.report.problem(path, position, what);
        }
        *due = Some(header.next_offset());
    }
}

/// Compares the indexes with the batches as they pass.
struct IndexCheck {
    index: Option<Arc<dyn DiskFile>>,
    time: Option<Arc<dyn DiskFile>>,
    /// Number of the next entry of each.
    next_index: u64,
    next_time: u64,
    highest: i64,
}

impl IndexCheck {
    fn open(check: &mut SegmentCheck<'_>) -> IndexCheck {
        let extent = check.known.extent;
        let mut open = |kind, entries: u64| {
            let (path, file) = check.open(kind);
            if let (Err(error), true) = (&file, entries > 0) {
                check.report.problem(&path, 0, error.to_string());
            }
            file.ok()
        };
        IndexCheck {
            index: open(Kind::Index, extent.index_entries),
            time: open(Kind::TimeIndex, extent.time_entries),
            next_index: 0,
            next_time: 0,
            highest: i64::MIN,
        }
    }

    fn offset_entry(&self, check: &SegmentCheck<'_>) -> Option<OffsetEntry> {
        let file = self.index.as_ref()?;
        let due = self.next_index < check.known.extent.index_entries;
        let entry = offset_entry(&**file, check.known.base, self.next_index);
        entry.ok().flatten().filter(|_| due)
    }

    fn time_entry(&self, check: &SegmentCheck<'_>) -> Option<TimeEntry> {
        let file = self.time.as_ref()?;
        let due = self.next_time < check.known.extent.time_entries;
        let entry = time_entry(&**file, check.known.base, self.next_time);
        entry.ok().flatten().filter(|_| due)
    }

    fn batch(&mut self, check: &mut SegmentCheck<'_>, seen: Seen) {
        if let Some(entry) = self.offset_entry(check)
            && entry.position == seen.position
            && entry.offset == seen.last_offset
        {
            self.next_index += 1;
        }
        self.highest = self.highest.max(seen.max_timestamp);
        if let Some(entry) = self.time_entry(check)
            && entry.offset == seen.last_offset
            && entry.timestamp == self.highest
        {
            self.next_time += 1;
        }
    }

    /// Every entry must have met its batch.
    fn end(&self, check: &mut SegmentCheck<'_>) {
        let extent = check.known.extent;
        let parts = [
            (Kind::Index, self.next_index, extent.index_entries),
            (Kind::TimeIndex, self.next_time, extent.time_entries),
        ];
        for (kind, met, entries) in parts {
            if met < entries {
                let (path, _) = check.open(kind);
                let what = format!("entry {met} of {entries} names no batch of the log");
                check.report.problem(&path, 0, what);
            }
        }
    }
}
