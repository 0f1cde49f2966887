//! The writer: brings what is durable in the journal into segments, in large pieces and off the
//! critical path, checkpoints, and does what deletes or rewrites segments.
//!
//! Who starts it: `Log::open`, as a thread of its own, because it blocks on the disk. It ends when
//! it is told to stop. What fails is tried again; the journal keeps it until it succeeded.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::appender::Shared;
use super::backlog::{Request, Step, Work};
use super::checkpoint::{Checkpoint, KnownPartition, KnownSegment};
use super::cleaner::Cleaner;
use super::disk::{self, Disk};
use super::error::Error;
use super::journal::Freeing;
use super::partition::{Chunk, Partition};
use super::segment::{Kind, Resume, Segment, SegmentWriter, file_name, temporary_path};
use super::status::Part as Trouble;
use super::store::Store;
use super::topic::Topic;
use crate::clock::Clock;
use crate::error::chain;
use crate::topic::Offset;

/// The writer looks at retention and compaction this often, and tries again after a failure.
const TICK: Duration = Duration::from_secs(1);

/// A checkpoint is taken at least this often while there is something new, so that recovery after
/// a quiet day does not read a whole journal.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(300);

/// Owner of all segments that are written.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: Shared,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) dir: PathBuf,
    freeing: Freeing,
    pub(super) stores: HashMap<(Uuid, i32), Store>,
    /// Entries up to it are in segments (not necessarily durable there).
    applied: u64,
    /// Entries up to it were taken from the backlog.
    taken: u64,
    /// The last checkpoint's sequence, and when it was taken.
    checkpointed: (u64, Instant),
    /// Partitions with batches that are not in segments.
    touched: BTreeSet<(Uuid, i32)>,
    /// Folders whose entries changed since the last checkpoint.
    pub(super) dirs: BTreeSet<PathBuf>,
    /// Segments that the next checkpoint does not name; removed after it.
    pub(super) doomed: Vec<Arc<Segment>>,
    /// Segments made by compaction that still have their temporary names.
    pub(super) swaps: Vec<Arc<Segment>>,
    /// The last checkpoint says that files may have temporary names.
    pub(super) has_named_swaps: bool,
    pub(super) cleaner: Cleaner,
}

impl Writer {
    /// A writer for stores that hold everything up to entry `applied`.
    pub(super) fn new(
        shared: Shared,
        clock: Arc<dyn Clock>,
        dir: PathBuf,
        freeing: Freeing,
        stores: HashMap<(Uuid, i32), Store>,
        applied: u64,
    ) -> Writer {
        Writer {
            shared,
            clock,
            dir,
            freeing,
            stores,
            applied,
            taken: applied,
            checkpointed: (applied, Instant::now()),
            touched: BTreeSet::new(),
            dirs: BTreeSet::new(),
            doomed: Vec::new(),
            swaps: Vec::new(),
            has_named_swaps: false,
            cleaner: Cleaner::default(),
        }
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        let mut maintained = Instant::now();
        loop {
            let work = self.shared.backlog.take(TICK);
            let stop = work.stop;
            self.work(work);
            if stop {
                self.stop_compaction();
                return;
            }
            if maintained.elapsed() >= TICK {
                self.maintain();
                maintained = Instant::now();
            }
        }
    }

    /// Does what came from the backlog.
    pub(super) fn work(&mut self, work: Work) {
        for step in work.steps {
            match step {
                Step::Entry { sequence, parts } => {
                    self.taken = sequence;
                    for (partition, chunk) in parts {
                        self.push(&partition, chunk);
                    }
                }
                Step::Remove(topic) => {
                    let outcome = self.write();
                    self.note(outcome);
                    self.remove(&topic);
                    self.shared.backlog.removed(&topic.name);
                }
            }
        }
        self.shared.backlog.spread_over(self.touched.len());
        let outcome = self.write();
        self.note(outcome);
        let due =
            self.applied > self.checkpointed.0 && self.checkpointed.1.elapsed() >= CHECKPOINT_EVERY;
        if self.freeing.wants_checkpoint() || due {
            let outcome = self.checkpoint();
            self.note(outcome);
        }
        for request in work.requests {
            self.answer(request);
        }
    }

    fn note(&self, outcome: Result<(), Error>) {
        match outcome {
            Ok(()) if self.is_healthy() => self.shared.status.works(Trouble::Segments),
            Ok(()) => {}
            Err(error) => self.shared.status.failed(Trouble::Segments, chain(&error)),
        }
    }

    /// Whether everything taken is in segments that can be trusted.
    fn is_healthy(&self) -> bool {
        self.applied == self.taken && !self.stores.values().any(Store::is_poisoned)
    }

    /// Puts new files in the place of those whose sync failed.
    fn heal(&mut self) -> Result<(), Error> {
        for store in self.stores.values_mut().filter(|s| s.is_poisoned()) {
            let base = store.writer().map_or(0, |w| w.segment().base);
            let dir = Arc::clone(&store.partition.dir);
            let is_named = |s: &Arc<Segment>| s.base == base && s.dir == dir;
            if self.swaps.iter().any(is_named) || self.has_named_swaps {
                // Its temporary names are taken: a second failure before the first was mended.
                return Err(Error::Refusing(format!(
                    "segments of \"{}\" failed to sync more than once; a restart mends them",
                    dir.display()
                )));
            }
            let segment = store.rebuild(&self.shared.files)?;
            self.dirs.insert(dir.to_path_buf());
            self.swaps.extend(segment);
        }
        Ok(())
    }

    fn push(&mut self, partition: &Arc<Partition>, chunk: Chunk) {
        let key = (partition.topic_id, partition.id.0);
        self.touched.insert(key);
        self.stores
            .entry(key)
            .or_insert_with(|| Store::new(Arc::clone(partition)))
            .push(chunk);
    }

    /// Writes everything that was taken; what fails stays and is tried again.
    fn write(&mut self) -> Result<(), Error> {
        self.heal()?;
        let now_ms = self.clock.now_ms();
        let mut outcome = Ok(());
        let mut failed = BTreeSet::new();
        for key in std::mem::take(&mut self.touched) {
            let Some(store) = self.stores.get_mut(&key) else {
                continue;
            };
            let (bytes, written) = store.write(&self.shared.files, &mut self.dirs, now_ms);
            self.shared.backlog.written(bytes);
            if let Err(error) = written {
                outcome = Err(error);
                failed.insert(key);
            }
        }
        self.touched = failed;
        if self.touched.is_empty() {
            self.applied = self.taken;
        }
        outcome
    }

    /// Takes one entry during recovery.
    pub(super) fn replay(
        &mut self,
        sequence: u64,
        parts: Vec<(Arc<Partition>, Chunk)>,
    ) -> Result<(), Error> {
        for (partition, chunk) in parts {
            let key = (partition.topic_id, partition.id.0);
            let due = self.stores.get(&key).map_or(0, Store::next_offset);
            if chunk.base != due {
                let what = format!(
                    "entry {sequence} goes on with offset {} of {}-{}, which ends at {due}",
                    chunk.base, partition.topic, partition.id
                );
                let path = self.dir.join("journal");
                return Err(Error::Format { path, what });
            }
            self.shared.backlog.replayed(chunk.bytes.len());
            self.push(&partition, chunk);
        }
        self.taken = sequence;
        Ok(())
    }

    /// Writes what was replayed.
    pub(super) fn write_replayed(&mut self) -> Result<(), Error> {
        self.write()
    }

    /// Shows what was recovered to readers and the appender.
    pub(super) fn show_restored(&self) {
        for store in self.stores.values() {
            let producers = store.producers.clone();
            store
                .partition
                .restore(store.start, store.written, producers);
        }
    }

    /// Makes everything written durable and says so in the checkpoint; then gives journal files
    /// back and removes segments that are not named any more.
    pub(super) fn checkpoint(&mut self) -> Result<(), Error> {
        self.heal()?;
        let sequence = self.applied;
        if !self.touched.is_empty() {
            return Err(Error::Refusing(
                "some batches are not yet in segments".to_owned(),
            ));
        }
        let now_ms = self.clock.now_ms();
        for store in self.stores.values_mut() {
            store.producers.expire(now_ms);
            store.sync(&self.shared.files)?;
        }
        let disk = self.shared.files.disk();
        while let Some(dir) = self.dirs.first() {
            disk.sync_dir(dir)
                .map_err(Error::io("sync the folder", dir))?;
            self.dirs.pop_first();
        }
        let checkpoint = Checkpoint {
            sequence,
            generation: self.freeing.generation(),
            partitions: self.stores.values().map(|s| self.known(s)).collect(),
        };
        checkpoint.store(disk, &self.dir)?;
        self.has_named_swaps = !self.swaps.is_empty();
        self.checkpointed = (sequence, Instant::now());
        for store in self.stores.values_mut() {
            store.partition.set_start(store.start);
            self.doomed.extend(store.drop_before_start());
        }
        self.finish_swaps()?;
        self.remove_doomed();
        let freed = self.freeing.free_up_to(sequence);
        self.shared.backlog.checkpointed();
        freed
    }

    fn known(&self, store: &Store) -> KnownPartition {
        let resume = store.writer().map_or(Resume::EMPTY, SegmentWriter::resume);
        let segments = store.kept();
        let has_writer = store.writer().is_some();
        KnownPartition {
            topic: store.partition.topic_id,
            partition: store.partition.id.0,
            start: store.start,
            end: store.written,
            dirty_bytes: store.dirty_bytes,
            segments: segments
                .iter()
                .filter(|_| has_writer)
                .map(|segment| KnownSegment {
                    base: segment.base,
                    extent: segment.extent(),
                    swap: self.swaps.iter().any(|s| Arc::ptr_eq(s, segment)),
                    has_gaps: segment.has_gaps,
                })
                .collect(),
            since_index: resume.since_index,
            max_timestamp_offset: resume.max_timestamp_offset,
            indexed_timestamp: resume.indexed_timestamp,
            producers: store.producers.clone(),
        }
    }

    /// Gives segments that compaction made, and that the checkpoint names, their final names. What
    /// fails is tried again by the next checkpoint, or at the next start.
    pub(super) fn finish_swaps(&mut self) -> Result<(), Error> {
        while let Some(segment) = self.swaps.last() {
            finish_swap(self.shared.files.disk(), segment)?;
            self.dirs.insert(segment.dir.to_path_buf());
            self.swaps.pop();
        }
        Ok(())
    }

    /// Removes files of segments that the checkpoint does not name. What fails is left over and
    /// removed at the next start.
    fn remove_doomed(&mut self) {
        for segment in std::mem::take(&mut self.doomed) {
            segment.retire();
            segment.close();
            for kind in Kind::ALL {
                let path = segment.path(kind);
                if let Err(error) = disk::remove_if_there(self.shared.files.disk(), &path) {
                    tracing::warn!(path = %path.display(), %error, "a removed segment's file stays");
                }
            }
        }
    }

    /// Forgets a deleted topic and removes its folders. The deletion is durable in the journal, so
    /// what fails here is left over and removed at the next start.
    fn remove(&mut self, topic: &Topic) {
        let cleaned = self.cleaner.running.as_ref();
        if cleaned.is_some_and(|(partition, _)| partition.topic_id == topic.id) {
            self.stop_compaction();
        }
        for partition in topic.partitions() {
            let key = (topic.id, partition.id.0);
            let Some(store) = self.stores.remove(&key) else {
                continue;
            };
            self.touched.remove(&key);
            self.shared.backlog.written(store.pending_bytes());
            for segment in &partition.view.lock().segments {
                segment.retire();
                segment.close();
            }
            self.dirs.remove(&*partition.dir);
            if let Err(error) = remove_folder(self.shared.files.disk(), &partition.dir) {
                let path = partition.dir.display();
                tracing::warn!(path = %path, %error, "a deleted topic's folder stays");
            }
        }
        if self.touched.is_empty() {
            self.applied = self.taken;
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Close(done) => {
                let outcome = self.checkpoint().and_then(|()| self.freeing.remove_free());
                drop(done.send(outcome));
            }
            Request::Trim {
                partition,
                before,
                done,
            } => drop(done.send(self.trim(&partition, before))),
        }
    }

    fn trim(&mut self, partition: &Arc<Partition>, before: i64) -> Result<Offset, Error> {
        let key = (partition.topic_id, partition.id.0);
        if partition.is_deleted() {
            return Err(Error::UnknownTopic(partition.topic.to_string()));
        }
        let store = self
            .stores
            .entry(key)
            .or_insert_with(|| Store::new(Arc::clone(partition)));
        store.move_start(before, &self.shared.files, &mut self.dirs)?;
        let start = store.start;
        self.checkpoint()?;
        Ok(Offset(start))
    }

    /// Retention, compaction and a look at the disk.
    fn maintain(&mut self) {
        self.shared.status.look_at_disk();
        let outcome = self.write();
        self.note(outcome);
        let outcome = self.retain();
        self.note(outcome);
        let outcome = self.compact();
        self.note(outcome);
    }
}

/// Renames those of a segment's files that still have the name compaction gave them.
pub(super) fn finish_swap(disk: &dyn Disk, segment: &Segment) -> Result<(), Error> {
    for kind in Kind::ALL {
        let path = segment.dir.join(file_name(segment.base, kind));
        match disk.rename(&temporary_path(&path), &path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other.map_err(Error::io("put the compacted segment into place at", &path))?,
        }
    }
    segment.set_final();
    Ok(())
}

/// Removes a folder with the files in it.
pub(super) fn remove_folder(disk: &dyn Disk, dir: &Path) -> std::io::Result<()> {
    let entries = match disk.list(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        disk.remove_file(&dir.join(entry.name))?;
    }
    disk.remove_dir(dir)
}
