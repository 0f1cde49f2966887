//! Compaction: of the records with one key the latest stays. Offsets are kept, so batches have
//! gaps, as Kafka's cleaner leaves them. The segment that is written is never touched.
//!
//! 1. A thread of its own (a [`Job`]) reads the closed segments and writes new ones beside them,
//!    under names that end in `.cleaned`, and syncs them.
//! 2. The writer puts them into the view, and the next checkpoint names them: that commits.
//! 3. They are renamed over the old ones. A crash before that is made good at the next start, as
//!    the checkpoint says which segments may still have their temporary names.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::batch;
use super::config::Cleanup;
use super::disk;
use super::error::Error;
use super::partition::Partition;
use super::segment::{Batches, Kind, OpenFiles, Resume, Segment, SegmentWriter};
use super::store::Store;
use super::writer::Writer;
use crate::record::{self, BatchHeader, Filtered, Record};

/// `delete.retention.ms`: tombstones stay a day, so that a reader who is behind sees them.
const TOMBSTONES_KEPT_MS: i64 = 24 * 3_600_000;

/// Compaction begins when this much was written since the last one, or a segment if that is less.
const DIRTY_BYTES: u64 = 16 << 20;

/// Keys told apart in one pass (about 50 bytes each); what is behind waits for the next pass.
const KEYS_MAX: usize = 500_000;

/// Segments are read in pieces of about this size.
const READ_BYTES: usize = 1 << 20;

/// The work of one pass over one partition.
#[derive(Debug)]
pub(super) struct Job {
    partition: Arc<Partition>,
    /// The closed segments, in order.
    segments: Vec<Arc<Segment>>,
    /// Offset behind the last of them.
    end: i64,
    /// Keys are looked at from here on; what is before has been compacted.
    from: i64,
    /// What had been written since the last pass when this one began.
    dirty_bytes: u64,
    segment_bytes: u32,
    now_ms: i64,
    stop: Arc<AtomicBool>,
}

/// What a pass made.
#[derive(Debug)]
pub(super) struct Cleaned {
    pub(super) partition: Arc<Partition>,
    old: Vec<Arc<Segment>>,
    new: Vec<Arc<Segment>>,
    /// Offset up to which it is compacted.
    covered: i64,
    /// What need not be counted as dirty any more.
    clean_bytes: u64,
}

/// The latest offset of each key, by a hash of 128 bits that nobody outside can aim at.
struct Latest {
    hashers: (RandomState, RandomState),
    offsets: HashMap<u128, i64>,
    /// Offsets before this one are covered.
    covered: i64,
}

impl Latest {
    fn hash(&self, key: &[u8]) -> u128 {
        let (high, low) = (self.hashers.0.hash_one(key), self.hashers.1.hash_one(key));
        (u128::from(high) << 64) | u128::from(low)
    }

    /// Whether a record is the latest of its key. Records without a key stay.
    fn keeps(&self, record: &Record<'_>) -> bool {
        record.offset >= self.covered
            || record.key.is_none_or(|key| {
                self.offsets
                    .get(&self.hash(key))
                    .is_none_or(|latest| *latest <= record.offset)
            })
    }
}

/// Reads a segment's batches in order, from the one that holds `from` on.
fn each_batch(
    files: &OpenFiles,
    segment: &Arc<Segment>,
    from: i64,
    mut with: impl FnMut(&BatchHeader, &[u8]) -> Result<bool, Error>,
) -> Result<bool, Error> {
    let mut offset = from.max(segment.base);
    loop {
        match segment.read(files, offset, READ_BYTES)? {
            Batches::Behind => return Ok(true),
            Batches::Damaged(bad) => {
                return Err(Error::Format {
                    path: segment.path(Kind::Log),
                    what: bad.what.to_owned(),
                });
            }
            Batches::Found(bytes) => {
                for (header, batch) in batch::whole(&bytes) {
                    if !with(&header, batch)? {
                        return Ok(false);
                    }
                    offset = header.next_offset();
                }
            }
        }
    }
}

impl Job {
    /// The pass a partition needs, if it needs one.
    pub(super) fn for_store(store: &Store, now_ms: i64, stop: &Arc<AtomicBool>) -> Option<Job> {
        let config = store.partition.settings.config.load();
        let due = DIRTY_BYTES.min(config.segment_bytes.into());
        if config.cleanup == Cleanup::Delete || store.dirty_bytes < due {
            return None;
        }
        let mut segments = store.partition.view.lock().segments.clone();
        let active = segments.pop()?;
        if segments.is_empty() {
            return None;
        }
        Some(Job {
            partition: Arc::clone(&store.partition),
            segments,
            end: active.base,
            from: store.compacted,
            dirty_bytes: store.dirty_bytes,
            segment_bytes: config.segment_bytes,
            now_ms,
            stop: Arc::clone(stop),
        })
    }

    /// What it works on.
    pub(super) fn partition(&self) -> Arc<Partition> {
        Arc::clone(&self.partition)
    }

    /// Writes the new segments; after an error nothing of them is left.
    pub(super) fn run(self, files: &OpenFiles) -> Result<Cleaned, Error> {
        let latest = self.latest(files)?;
        let mut outputs = Outputs {
            files,
            job: &self,
            done: Vec::new(),
            open: None,
        };
        match self.rewrite(files, &latest, &mut outputs) {
            Ok(()) => {}
            Err(error) => {
                outputs.discard();
                return Err(error);
            }
        }
        let new = outputs.done;
        Ok(Cleaned {
            covered: latest.covered,
            clean_bytes: match latest.covered >= self.end {
                true => self.dirty_bytes,
                false => 0,
            },
            partition: self.partition,
            old: self.segments,
            new,
        })
    }

    fn check_stop(&self) -> Result<(), Error> {
        match self.stop.load(Ordering::Acquire) {
            true => Err(Error::Refusing("the log is stopping".to_owned())),
            false => Ok(()),
        }
    }

    /// The latest offset of as many keys as fit.
    fn latest(&self, files: &OpenFiles) -> Result<Latest, Error> {
        let mut latest = Latest {
            hashers: (RandomState::new(), RandomState::new()),
            offsets: HashMap::new(),
            covered: self.from,
        };
        for segment in &self.segments {
            self.check_stop()?;
            let more = each_batch(files, segment, self.from, |header, batch| {
                if latest.offsets.len() >= KEYS_MAX {
                    return Ok(false);
                }
                let unreadable = |e: record::Error| self.unreadable(segment, header, &e);
                let records = record::Records::decode(batch, batch::DECOMPRESSED_BYTES_MAX);
                for record in &records.map_err(unreadable)? {
                    let record = record.map_err(unreadable)?;
                    if let Some(key) = record.key {
                        latest.offsets.insert(latest.hash(key), record.offset);
                    }
                }
                latest.covered = header.next_offset();
                Ok(true)
            })?;
            if !more {
                return Ok(latest);
            }
        }
        latest.covered = self.end;
        Ok(latest)
    }

    fn unreadable(&self, segment: &Segment, header: &BatchHeader, error: &record::Error) -> Error {
        Error::Format {
            path: segment.path(Kind::Log),
            what: format!("the batch at offset {}: {error}", header.base_offset),
        }
    }

    fn rewrite(
        &self,
        files: &OpenFiles,
        latest: &Latest,
        outputs: &mut Outputs<'_>,
    ) -> Result<(), Error> {
        for segment in &self.segments {
            self.check_stop()?;
            let max_timestamp = segment.extent().max_timestamp;
            let drops_tombstones = max_timestamp.saturating_add(TOMBSTONES_KEPT_MS) < self.now_ms;
            each_batch(files, segment, 0, |header, batch| {
                let keep = |record: &Record<'_>| {
                    let is_old_tombstone = drops_tombstones && record.value.is_none();
                    latest.keeps(record) && !(is_old_tombstone && record.offset < latest.covered)
                };
                let kept = match header.is_control() {
                    true => Ok(Filtered::Unchanged),
                    false => record::filter(batch, batch::DECOMPRESSED_BYTES_MAX, keep),
                };
                match kept.map_err(|e| self.unreadable(segment, header, &e))? {
                    Filtered::Unchanged => {
                        outputs.put(segment.base, header, Bytes::copy_from_slice(batch))?;
                    }
                    Filtered::Rewritten(batch) => {
                        outputs.put(segment.base, header, batch.into())?;
                    }
                    Filtered::Nothing => {}
                }
                Ok(true)
            })?;
        }
        outputs.finish()
    }
}

/// The new segments.
struct Outputs<'a> {
    files: &'a OpenFiles,
    job: &'a Job,
    done: Vec<Arc<Segment>>,
    /// The one that is written, and what is collected for it.
    open: Option<Output>,
}

struct Output {
    writer: SegmentWriter,
    segment: Arc<Segment>,
    pieces: Vec<Bytes>,
    bytes: usize,
    /// Base of the old segment whose batches come now.
    source: i64,
}

impl Outputs<'_> {
    /// Adds a batch that was in the old segment with base `source`. New segments begin where old
    /// ones did, so that their names lie in order with those around them.
    fn put(&mut self, source: i64, header: &BatchHeader, batch: Bytes) -> Result<(), Error> {
        let is_full = self.open.as_ref().is_some_and(|open| {
            let bytes = open.bytes + batch.len();
            let max = self.job.segment_bytes;
            open.source != source && open.writer.is_full_for(max, bytes, header.last_offset())
        });
        if is_full {
            self.finish()?;
        }
        if self.open.is_none() {
            let dir = Arc::clone(&self.job.partition.dir);
            let segment = Segment::temporary(dir, source, true);
            self.files.get(&segment, disk::Open::Replace)?;
            segment.close();
            self.open = Some(Output {
                writer: SegmentWriter::new(Arc::clone(&segment), Resume::EMPTY),
                segment,
                pieces: Vec::new(),
                bytes: 0,
                source,
            });
        }
        let Some(open) = self.open.as_mut() else {
            return Ok(());
        };
        open.source = source;
        open.bytes += batch.len();
        open.pieces.push(batch);
        if open.bytes >= READ_BYTES {
            open.flush(self.files)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        self.done.push(Arc::clone(&open.segment));
        open.flush(self.files)?;
        open.writer.finish(self.files)?;
        open.writer.sync(self.files)
    }

    fn discard(self) {
        let open = self.open.map(|open| open.segment);
        remove(self.files, &self.done);
        remove(self.files, open.as_slice());
    }
}

impl Output {
    fn flush(&mut self, files: &OpenFiles) -> Result<(), Error> {
        self.writer.append(files, &self.pieces)?;
        self.pieces.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// Removes segments' files; what cannot be removed is left over and removed at the next start.
fn remove(files: &OpenFiles, segments: &[Arc<Segment>]) {
    for segment in segments {
        segment.close();
        for kind in Kind::ALL {
            // Left over at worst.
            let _ = disk::remove_if_there(files.disk(), &segment.path(kind));
        }
    }
}

impl Cleaned {
    /// Removes what was made.
    pub(super) fn discard(self, files: &OpenFiles) {
        remove(files, &self.new);
    }
}

impl Writer {
    /// The next pass, if one is due.
    pub(super) fn next_job(&mut self, stop: &Arc<AtomicBool>) -> Result<Option<Job>, Error> {
        let now_ms = self.clock.now_ms();
        let mut jobs = self.stores.values();
        let Some(job) = jobs.find_map(|store| Job::for_store(store, now_ms, stop)) else {
            return Ok(None);
        };
        // Until no file has a temporary name, and no checkpoint says that one may, nothing may be
        // written under such names: one checkpoint names them, the next says that they are gone.
        while self.has_named_swaps || !self.swaps.is_empty() {
            self.checkpoint()?;
        }
        Ok(Some(job))
    }

    /// Puts the new segments in the place of the old ones, and commits that.
    pub(super) fn install(&mut self, cleaned: Cleaned) -> Result<(), Error> {
        let key = (cleaned.partition.topic_id, cleaned.partition.id.0);
        let Some(store) = self.stores.get_mut(&key) else {
            cleaned.discard(&self.shared.files);
            return Ok(());
        };
        let mut view = cleaned.partition.view.lock();
        let count = cleaned.old.len();
        let now = view.segments.get(..count).unwrap_or_default();
        let same = |(a, b): (&Arc<Segment>, &Arc<Segment>)| Arc::ptr_eq(a, b);
        if now.len() < count || !now.iter().zip(&cleaned.old).all(same) {
            // Something was trimmed meanwhile.
            drop(view);
            cleaned.discard(&self.shared.files);
            return Ok(());
        }
        view.segments.splice(..count, cleaned.new.iter().cloned());
        drop(view);
        store.compacted = cleaned.covered;
        store.dirty_bytes = store.dirty_bytes.saturating_sub(cleaned.clean_bytes);
        store.partition.count_bytes();
        for old in cleaned.old {
            old.retire();
            // One that begins where a new one does is replaced by the renaming.
            if cleaned.new.iter().all(|new| new.base != old.base) {
                self.doomed.push(old);
            }
        }
        let bytes: u64 = cleaned
            .new
            .iter()
            .map(|s: &Arc<Segment>| s.extent().bytes)
            .sum();
        tracing::debug!(topic = %cleaned.partition.topic, bytes, "compacted");
        // The checkpoint names the new files, so their names must be durable before it.
        self.dirs.insert(cleaned.partition.dir.to_path_buf());
        self.swaps.extend(cleaned.new);
        self.checkpoint()
    }
}
