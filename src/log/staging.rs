//! Gives an append its offsets, checks its producers, and remembers what to put back if it does not
//! become durable.

use std::sync::Arc;

use super::batch;
use super::error::Error;
use super::gather::Gather;
use super::journal::{Journal, Part, PartHeader};
use super::partition::{Assigned, Chunk, Partition};
use super::producer_state::{Check, Producer};
use super::segment::OpenFiles;
use super::status::DiskSpace;
use super::ticket::{Answer, Append, Effect, Origin, PartitionBatch, Queued, Written};
use crate::error::chain;
use crate::record::BatchHeader;
use crate::topic::Offset;

/// An append with its offsets, not yet durable.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) parts: Vec<Part>,
    pub(super) chunks: Vec<(Arc<Partition>, Chunk)>,
    pub(super) written: Vec<Written>,
    pub(super) undo: Vec<Undo>,
    pub(super) effect: Option<Effect>,
    pub(super) answer: Answer,
}

/// What holds for a whole group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) space: DiskSpace,
    pub(super) now_ms: i64,
}

/// What to put back if an append does not become durable.
#[derive(Debug)]
pub(super) enum Undo {
    Assigned(Arc<Partition>, i64, usize),
    Producer(Arc<Partition>, i64, Option<Producer>),
}

/// Puts back what was changed, the last change first.
pub(super) fn take_back(undo: Vec<Undo>) {
    for step in undo.into_iter().rev() {
        match step {
            Undo::Assigned(partition, next_offset, staged_bytes) => {
                let mut assigned = partition.assigned.lock();
                assigned.next_offset = next_offset;
                assigned.staged_bytes = staged_bytes;
            }
            Undo::Producer(partition, id, before) => {
                partition.assigned.lock().producers.restore(id, before);
            }
        }
    }
}

/// Upper bound of the size of an append's entry.
pub(super) fn entry_bytes(append: &Append) -> u64 {
    let bytes = append.batches.iter().map(|b| b.bytes.len()).sum();
    Journal::entry_bytes(append.batches.len(), bytes)
}

/// Gives an append its offsets; `None` if it was refused and answered.
pub(super) fn stage(
    files: &OpenFiles,
    gather: &mut Gather,
    queued: Queued,
    moment: Moment,
) -> Option<Staged> {
    let Append { origin, batches } = queued.append;
    let mut staged = Staged {
        parts: Vec::with_capacity(batches.len()),
        chunks: Vec::with_capacity(batches.len()),
        written: Vec::with_capacity(batches.len()),
        undo: Vec::new(),
        effect: queued.effect,
        answer: queued.answer,
    };
    for batch in batches {
        if let Err(error) = stage_part((files, gather), batch, origin, moment, &mut staged) {
            take_back(staged.undo);
            staged.answer.refuse(error);
            return None;
        }
    }
    Some(staged)
}

fn stage_part(
    (files, gather): (&OpenFiles, &mut Gather),
    batch: PartitionBatch,
    origin: Origin,
    moment: Moment,
    staged: &mut Staged,
) -> Result<(), Error> {
    let PartitionBatch {
        partition,
        mut bytes,
    } = batch;
    if partition.is_deleted() {
        return Err(Error::UnknownTopic(partition.topic.to_string()));
    }
    let headers = headers(&partition, &bytes, origin)?;
    let mut assigned = partition.assigned.lock();
    let log_start = partition.start();
    if let Some((base, end)) = duplicate(&assigned, &headers)? {
        staged.written.push(Written {
            base_offset: Offset(base),
            end_offset: Offset(end),
            log_start,
            duplicate: true,
        });
        return Ok(());
    }
    reserve(files, &partition, &assigned, bytes.len(), moment.space)?;
    let base = assigned.next_offset;
    let undo = &mut staged.undo;
    let staged_bytes = assigned.staged_bytes;
    undo.push(Undo::Assigned(Arc::clone(&partition), base, staged_bytes));
    place(
        &partition,
        &mut assigned,
        headers,
        &mut bytes,
        undo,
        moment.now_ms,
    )?;
    let end = assigned.next_offset;
    drop(assigned);
    let bytes = gather.add(bytes);
    staged.parts.push(Part {
        header: PartHeader {
            topic: partition.topic_id,
            partition: partition.id.0,
            base_offset: base,
        },
        bytes: bytes.clone(),
    });
    staged.chunks.push((partition, Chunk { base, end, bytes }));
    staged.written.push(Written {
        base_offset: Offset(base),
        end_offset: Offset(end),
        log_start,
        duplicate: false,
    });
    Ok(())
}

/// The headers of all batches, which must be whole.
fn headers(partition: &Partition, bytes: &[u8], origin: Origin) -> Result<Vec<BatchHeader>, Error> {
    let malformed = |what| Error::Malformed {
        topic: partition.topic.clone(),
        what,
    };
    let max = partition.settings.config.load().max_message_bytes;
    let mut headers = Vec::with_capacity(1);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (header, _, behind) = batch::split_first(rest).map_err(malformed)?;
        // What Penstock writes itself is bounded by the append's limit.
        if origin == Origin::Outside
            && u64::try_from(header.total_bytes()).is_ok_and(|b| b > max.into())
        {
            return Err(Error::TooLarge {
                topic: partition.topic.clone(),
                bytes: header.total_bytes(),
                max,
            });
        }
        headers.push(header);
        rest = behind;
    }
    match headers.is_empty() {
        true => Err(malformed("there is no batch")),
        false => Ok(headers),
    }
}

/// The original offsets, if all batches were appended before.
fn duplicate(assigned: &Assigned, headers: &[BatchHeader]) -> Result<Option<(i64, i64)>, Error> {
    let mut original: Option<(i64, i64)> = None;
    for header in headers {
        // A later batch is checked against its forerunners as they are noted.
        let Check::Duplicate(base, end) = assigned.producers.check(header)? else {
            return Ok(None);
        };
        original = Some((original.map_or(base, |(first, _)| first), end));
    }
    Ok(original)
}

/// Makes room in the partition's segment, so that a full disk is found before the journal says
/// that the records are stored.
fn reserve(
    files: &OpenFiles,
    partition: &Partition,
    assigned: &Assigned,
    bytes: usize,
    space: DiskSpace,
) -> Result<(), Error> {
    let bytes = assigned.staged_bytes + bytes;
    let staged = partition.reserve(files, assigned.next_offset, bytes);
    staged.map_err(|error| match error.is_full() {
        true => Error::DiskFull {
            free: space.free,
            floor: space.floor,
        },
        false => Error::Refusing(chain(&error)),
    })
}

/// Sets offsets and notes producers.
fn place(
    partition: &Arc<Partition>,
    assigned: &mut Assigned,
    headers: Vec<BatchHeader>,
    bytes: &mut [u8],
    undo: &mut Vec<Undo>,
    now_ms: i64,
) -> Result<(), Error> {
    let mut at = 0;
    let mut next = assigned.next_offset;
    for mut header in headers {
        if matches!(assigned.producers.check(&header)?, Check::Duplicate(..)) {
            return Err(Error::DuplicateSequence {
                producer_id: header.producer_id,
            });
        }
        header.base_offset = next;
        batch::place(bytes, at, next);
        at += header.total_bytes();
        next = header.next_offset();
        if header.producer_id >= 0 && header.base_sequence >= 0 {
            let before = assigned.producers.note(&header, now_ms);
            let id = header.producer_id;
            undo.push(Undo::Producer(Arc::clone(partition), id, before));
        }
    }
    assigned.next_offset = next;
    assigned.staged_bytes += bytes.len();
    Ok(())
}
