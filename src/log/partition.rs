//! One partition as appender, writer and readers share it.
//!
//! Invariant: `start <= written <= end`; readers see offsets from `start` up to `end`, which is
//! what is durable. Batches from `written` on are served from memory (the tail), those before from
//! segments.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use super::batch;
use super::config::TopicConfig;
use super::disk::Open;
use super::error::Error;
use super::producer_state::Producers;
use super::segment::{Bad, Extent, OpenFiles, Segment};
use crate::topic::{Offset, PartitionId, TopicName};

/// What all partitions of a topic share.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: ArcSwap<TopicConfig>,
    /// Set when the topic is deleted; appends and reads are refused from then on.
    pub(super) deleted: AtomicBool,
}

/// One partition of a topic.
pub struct Partition {
    /// The topic's name.
    pub topic: TopicName,
    /// Its number in the topic.
    pub id: PartitionId,
    pub(super) topic_id: Uuid,
    pub(super) dir: Arc<Path>,
    pub(super) settings: Arc<Settings>,
    start: AtomicI64,
    end: AtomicI64,
    /// Bytes of its segments.
    bytes: AtomicU64,
    pub(super) view: Mutex<View>,
    /// Only the appender uses it.
    pub(super) assigned: Mutex<Assigned>,
    /// Damaged ranges that were found.
    damage: Mutex<Vec<Bad>>,
    waiters: Mutex<Vec<Arc<Notify>>>,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition")
            .field("topic", &self.topic)
            .field("id", &self.id.0)
            .field("start", &self.start().0)
            .field("end", &self.end().0)
            .finish_non_exhaustive()
    }
}

/// What the next batch gets, ahead of `end` while a group is being written.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    pub(super) next_offset: i64,
    /// Bytes that were given offsets and are not yet published or taken back.
    pub(super) staged_bytes: usize,
    pub(super) producers: Producers,
}

/// Batches that are durable in the journal but not yet in a segment.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) base: i64,
    /// Offset behind its last record.
    pub(super) end: i64,
    pub(super) bytes: Bytes,
}

/// Where batches are.
#[derive(Debug, Default)]
pub(super) struct View {
    /// In offset order; the last one is written.
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) tail: VecDeque<Chunk>,
    pub(super) tail_bytes: usize,
}

/// Where to read an offset.
#[derive(Debug)]
pub(super) enum Place {
    /// The batches themselves.
    Memory(Vec<Bytes>),
    /// Segments that may hold it, in order.
    Disk(Vec<Arc<Segment>>),
}

/// Damaged ranges remembered per partition: enough to see, bounded.
const DAMAGE_MAX: usize = 64;

/// Segments handed to one read: the one that may hold the offset and some behind it, as a
/// compacted or damaged one may end before.
const SEGMENTS_PER_READ: usize = 8;

impl Partition {
    pub(super) fn new(
        topic: TopicName,
        id: PartitionId,
        topic_id: Uuid,
        dir: Arc<Path>,
        settings: Arc<Settings>,
    ) -> Partition {
        Partition {
            topic,
            id,
            topic_id,
            dir,
            settings,
            start: AtomicI64::new(0),
            end: AtomicI64::new(0),
            bytes: AtomicU64::new(0),
            view: Mutex::default(),
            assigned: Mutex::default(),
            damage: Mutex::default(),
            waiters: Mutex::default(),
        }
    }

    /// First offset that is kept.
    pub fn start(&self) -> Offset {
        Offset(self.start.load(Ordering::Acquire))
    }

    /// Offset behind the last durable record.
    pub fn end(&self) -> Offset {
        Offset(self.end.load(Ordering::Acquire))
    }

    /// Bytes of its segments and of what is not yet in one.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.settings.deleted.load(Ordering::Acquire)
    }

    pub(super) fn set_start(&self, start: i64) {
        self.start.fetch_max(start, Ordering::AcqRel);
    }

    /// Sets both ends after recovery.
    pub(super) fn restore(&self, start: i64, end: i64, producers: Producers) {
        self.start.store(start, Ordering::Release);
        self.end.store(end, Ordering::Release);
        *self.assigned.lock() = Assigned {
            next_offset: end,
            staged_bytes: 0,
            producers,
        };
        self.count_bytes();
    }

    /// Reserves space in the segment for everything that is not yet in it and `more` bytes that
    /// are to begin at `base`. Makes the first segment.
    pub(super) fn reserve(&self, files: &OpenFiles, base: i64, more: usize) -> Result<(), Error> {
        let (last, tail_bytes) = {
            let view = self.view.lock();
            (view.segments.last().cloned(), view.tail_bytes)
        };
        let segment = match last {
            Some(segment) => segment,
            None => {
                files
                    .disk()
                    .create_dir_all(&self.dir)
                    .map_err(Error::io("make the folder", &self.dir))?;
                let segment = Segment::new(Arc::clone(&self.dir), base, Extent::EMPTY);
                files.get(&segment, Open::Write)?;
                self.view.lock().segments.push(Arc::clone(&segment));
                segment
            }
        };
        let waiting = u64::try_from(tail_bytes.saturating_add(more)).unwrap_or(u64::MAX);
        let wanted = segment.extent().bytes.saturating_add(waiting);
        segment.reserve(files, wanted)
    }

    /// Shows durable batches to readers and wakes those who wait.
    pub(super) fn publish(&self, chunk: Chunk) {
        let end = chunk.end;
        {
            let mut view = self.view.lock();
            view.tail_bytes += chunk.bytes.len();
            let bytes = u64::try_from(chunk.bytes.len()).unwrap_or(u64::MAX);
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            view.tail.push_back(chunk);
            self.end.store(end, Ordering::Release);
        }
        for waiter in std::mem::take(&mut *self.waiters.lock()) {
            waiter.notify_one();
        }
    }

    /// Forgets the tail up to what segments now hold.
    pub(super) fn written_up_to(&self, written: i64) {
        let mut view = self.view.lock();
        while view.tail.front().is_some_and(|c| c.end <= written) {
            if let Some(chunk) = view.tail.pop_front() {
                view.tail_bytes -= chunk.bytes.len();
            }
        }
        if view.tail.is_empty() {
            view.tail.shrink_to(16);
        }
    }

    /// Counts bytes anew after segments were removed or replaced.
    pub(super) fn count_bytes(&self) {
        let view = self.view.lock();
        let segments: u64 = view.segments.iter().map(|s| s.extent().bytes).sum();
        let tail = u64::try_from(view.tail_bytes).unwrap_or(0);
        self.bytes.store(segments + tail, Ordering::Relaxed);
    }

    /// Where `offset`, which lies before the end, is.
    pub(super) fn locate(&self, offset: i64, max_bytes: usize) -> Place {
        let view = self.view.lock();
        let first = view.tail.partition_point(|chunk| chunk.end <= offset);
        if view.tail.front().is_some_and(|chunk| chunk.base <= offset) {
            return Place::Memory(from_tail(&view.tail, first, offset, max_bytes));
        }
        let at = view.segments.partition_point(|s| s.base <= offset);
        let from = at.saturating_sub(1);
        let to = view.segments.len().min(from + SEGMENTS_PER_READ);
        let segments = view.segments.get(from..to).unwrap_or_default();
        Place::Disk(segments.to_vec())
    }

    /// An offset before which no record is as late as `timestamp`.
    pub(super) fn lower_bound_for_time(
        &self,
        files: &OpenFiles,
        timestamp: i64,
    ) -> Result<Offset, Error> {
        let (segment, written) = {
            let view = self.view.lock();
            let late = |s: &&Arc<Segment>| s.extent().max_timestamp >= timestamp;
            let written = view.tail.front().map(|chunk| chunk.base);
            (view.segments.iter().find(late).cloned(), written)
        };
        match segment {
            Some(segment) => Ok(Offset(segment.lower_bound_for_time(files, timestamp)?)),
            None => Ok(written.map_or(self.end(), Offset)),
        }
    }

    /// Base offset of the first batch behind `offset` that is in a later segment or in memory.
    pub(super) fn base_after(&self, offset: i64) -> Option<i64> {
        let view = self.view.lock();
        let segment = view.segments.iter().map(|s| s.base).find(|b| *b > offset);
        segment.or_else(|| view.tail.front().map(|c| c.base).filter(|b| *b > offset))
    }

    /// Remembers a damaged range; `true` if it is new.
    pub(super) fn note_damage(&self, bad: &Bad) -> bool {
        let mut damage = self.damage.lock();
        if damage.len() >= DAMAGE_MAX || damage.iter().any(|d| d.offset == bad.offset) {
            return false;
        }
        damage.push(bad.clone());
        true
    }

    /// First offsets of damaged ranges that were found, with what was found.
    pub fn damage(&self) -> Vec<(Offset, &'static str)> {
        let damage = self.damage.lock();
        damage.iter().map(|d| (Offset(d.offset), d.what)).collect()
    }

    /// `waiter` is notified once the end moves.
    pub(super) fn register(&self, waiter: &Arc<Notify>) {
        self.waiters.lock().push(Arc::clone(waiter));
    }

    /// Undoes [`Partition::register`].
    pub(super) fn unregister(&self, waiter: &Arc<Notify>) {
        self.waiters.lock().retain(|w| !Arc::ptr_eq(w, waiter));
    }
}

/// Whole batches of the tail from `offset` on, about `max_bytes`, at least one.
fn from_tail(tail: &VecDeque<Chunk>, first: usize, offset: i64, max_bytes: usize) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    let mut left = max_bytes;
    for chunk in tail.range(first..) {
        if chunk.base >= offset && chunk.bytes.len() <= left {
            left -= chunk.bytes.len();
            chunks.push(chunk.bytes.clone());
            continue;
        }
        // The first chunk may begin before the offset, the last may not fit: whole batches of it.
        let (mut from, mut to) = (0, 0);
        for (header, _) in batch::whole(&chunk.bytes) {
            if header.last_offset() < offset {
                from += header.total_bytes();
                to = from;
            } else if to + header.total_bytes() - from <= left || (chunks.is_empty() && to == from)
            {
                to += header.total_bytes();
            } else {
                break;
            }
        }
        if to > from {
            left = left.saturating_sub(to - from);
            chunks.push(chunk.bytes.slice(from..to));
        }
        if to < chunk.bytes.len() {
            break;
        }
    }
    chunks
}
