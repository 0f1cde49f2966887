//! Reading: from memory where a batch is not yet in a segment, else from segments, off the executor.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;

use super::batch;
use super::error::Error;
use super::handle::Log;
use super::partition::{Partition, Place};
use super::segment::{Bad, Batches, Kind, Segment};
use crate::topic::Offset;

/// A search for a timestamp reads in pieces of about this size.
const TIME_SEARCH_BYTES: usize = 256 << 10;

/// What a read found.
#[derive(Debug, Clone)]
pub struct Read {
    /// Whole batches in offset order; the first may begin before the asked offset. Empty at the end.
    pub chunks: Vec<Bytes>,
    /// First offset that is kept.
    pub log_start: Offset,
    /// Offset behind the last durable record.
    pub end: Offset,
}

impl Log {
    /// Reads whole batches from the one that holds `offset`; at least one batch if there is any,
    /// even above `max_bytes`. Never past what is durable. Cancel safe.
    pub async fn read(
        &self,
        partition: &Arc<Partition>,
        offset: Offset,
        max_bytes: usize,
    ) -> Result<Read, Error> {
        let (start, end) = (partition.start(), partition.end());
        if offset < start || offset > end {
            return Err(out_of_range(partition, offset));
        }
        let mut read = Read {
            chunks: Vec::new(),
            log_start: start,
            end,
        };
        if partition.is_deleted() {
            return Err(Error::UnknownTopic(partition.topic.to_string()));
        }
        if offset == end {
            return Ok(read);
        }
        read.chunks = match partition.locate(offset.0, max_bytes) {
            Place::Memory(chunks) => chunks,
            Place::Disk(segments) => {
                self.read_disk(partition, segments, offset, max_bytes)
                    .await?
            }
        };
        Ok(read)
    }

    async fn read_disk(
        &self,
        partition: &Arc<Partition>,
        mut segments: Vec<Arc<Segment>>,
        offset: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Bytes>, Error> {
        loop {
            let shared = self.0.shared.clone();
            let asked = Arc::clone(partition);
            let last_base = segments.last().map(|s| s.base);
            let found = blocking(move || {
                for segment in &segments {
                    match segment.read(&shared.files, offset.0, max_bytes) {
                        Ok(Batches::Behind) => {}
                        Ok(Batches::Found(bytes)) => return Ok(Found::Batches(bytes)),
                        _ if segment.is_retired() => return Ok(Found::Moved),
                        Ok(Batches::Damaged(bad)) => return Err(damaged(&asked, segment, &bad)),
                        Err(error) => return Err(error),
                    }
                }
                Ok(Found::Behind)
            })
            .await?;
            let next = match found {
                Found::Batches(bytes) => return Ok(vec![bytes]),
                Found::Moved if partition.is_deleted() => {
                    return Err(Error::UnknownTopic(partition.topic.to_string()));
                }
                Found::Moved if offset < partition.start() => {
                    return Err(out_of_range(partition, offset));
                }
                Found::Moved => offset.0,
                // All of them end before the offset: it is in a later one, or by now in one that
                // was memory a moment ago.
                Found::Behind => {
                    let next = last_base.and_then(|b| partition.base_after(b.max(offset.0)));
                    let Some(next) = next else {
                        return Ok(Vec::new());
                    };
                    next
                }
            };
            match partition.locate(next, max_bytes) {
                Place::Memory(chunks) => return Ok(chunks),
                Place::Disk(later) => segments = later,
            }
        }
    }

    /// The first offset whose record has at least this timestamp (ms), with that timestamp.
    pub async fn offset_for_time(
        &self,
        partition: &Arc<Partition>,
        timestamp_ms: i64,
    ) -> Result<Option<(Offset, i64)>, Error> {
        let shared = self.0.shared.clone();
        let asked = Arc::clone(partition);
        let bound =
            blocking(move || asked.lower_bound_for_time(&shared.files, timestamp_ms)).await?;
        let mut offset = bound.max(partition.start());
        loop {
            let read = self.read(partition, offset, TIME_SEARCH_BYTES).await?;
            if read.chunks.is_empty() {
                return Ok(None);
            }
            for (header, batch) in read.chunks.iter().flat_map(|chunk| batch::whole(chunk)) {
                if header.max_timestamp >= timestamp_ms
                    && let Some(found) = batch::first_at(batch, offset.0, timestamp_ms)
                {
                    return Ok(Some(found));
                }
                offset = offset.max(Offset(header.next_offset()));
            }
        }
    }

    /// Resolves when any of the partitions' ends is past the offset beside it (at once if so
    /// already). Cancel safe.
    pub async fn wait_for(&self, any: &[(Arc<Partition>, Offset)]) {
        let waiter = Arc::new(Notify::new());
        let _registered = Registered {
            any,
            waiter: &waiter,
        };
        for (partition, _) in any {
            partition.register(&waiter);
        }
        loop {
            if any
                .iter()
                .any(|(p, offset)| p.end() > *offset || p.is_deleted())
            {
                return;
            }
            waiter.notified().await;
            for (partition, _) in any {
                partition.unregister(&waiter);
                partition.register(&waiter);
            }
        }
    }
}

/// What some segments had of an offset.
enum Found {
    Batches(Bytes),
    /// They end before it.
    Behind,
    /// One of them was replaced or removed meanwhile.
    Moved,
}

/// Takes a waiter off its partitions when the wait ends or is dropped.
struct Registered<'a> {
    any: &'a [(Arc<Partition>, Offset)],
    waiter: &'a Arc<Notify>,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        for (partition, _) in self.any {
            partition.unregister(self.waiter);
        }
    }
}

/// Runs what blocks on the disk off the executor.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

pub(super) fn out_of_range(partition: &Partition, asked: Offset) -> Error {
    Error::OffsetOutOfRange {
        topic: partition.topic.clone(),
        partition: partition.id,
        asked,
        start: partition.start(),
        end: partition.end(),
    }
}

/// The error for a damaged range; reported once.
fn damaged(partition: &Partition, segment: &Segment, bad: &Bad) -> Error {
    let resume = bad
        .resume
        .or_else(|| partition.base_after(bad.offset.max(segment.base)));
    if partition.note_damage(bad) {
        tracing::error!(
            topic = %partition.topic,
            partition = %partition.id,
            offset = bad.offset,
            path = %segment.path(Kind::Log).display(),
            position = bad.position,
            what = bad.what,
            "a segment is damaged; the range is refused, the rest can be read",
        );
    }
    let what = match resume {
        Some(resume) => format!("{}; reading can go on at offset {resume}", bad.what),
        None => bad.what.to_owned(),
    };
    Error::Damaged {
        topic: partition.topic.clone(),
        partition: partition.id,
        offset: Offset(bad.offset),
        resume: resume.map(Offset),
        what,
    }
}
