//! The one appender: takes what waits, gives offsets, writes the journal, syncs once, publishes.
//!
//! Who starts it: `Log::open`, as a thread of its own, because it blocks on the disk. It ends when
//! the queue is closed and empty. A panic ends the process's ability to append: tickets resolve to
//! `OutcomeUnknown`.
//!
//! Invariant: an offset that was given is published only after the sync that covers it; if that
//! sync fails, everything given since the last one is taken back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;

use super::backlog::{Backlog, Step};
use super::batch;
use super::config::APPEND_BYTES_MAX;
use super::error::Error;
use super::journal::{Journal, Part, PartHeader, Rolled};
use super::partition::{Assigned, Chunk, Partition};
use super::producer_state::{Check, Producer};
use super::segment::OpenFiles;
use super::status::{DiskSpace, Part as Trouble, Status};
use super::ticket::{
    Answer, Append, Appended, Effect, Origin, PartitionBatch, Queue, Queued, Taken, Written,
};
use super::topic::Catalog;
use crate::backoff::Backoff;
use crate::error::chain;
use crate::metrics::names::APPEND_SECONDS;
use crate::record::BatchHeader;
use crate::topic::Offset;

/// Wait after a failed write before a new file is tried, doubling up to the second.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// How long an append waits for the writer before it looks whether waiting makes sense.
const PROGRESS_WAIT: Duration = Duration::from_millis(100);

/// What the appender shares with others.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) queue: Arc<Queue>,
    pub(super) backlog: Arc<Backlog>,
    pub(super) status: Arc<Status>,
    pub(super) files: Arc<OpenFiles>,
    pub(super) catalog: Arc<ArcSwap<Catalog>>,
}

/// Takes appends to the journal.
#[derive(Debug)]
pub(super) struct Appender {
    shared: Shared,
    journal: Journal,
    backoff: Backoff,
    /// While the journal fails: when to try again.
    retry_at: Option<Instant>,
}

/// An append with its offsets, not yet durable.
#[derive(Debug)]
struct Staged {
    parts: Vec<Part>,
    chunks: Vec<(Arc<Partition>, Chunk)>,
    written: Vec<Written>,
    undo: Vec<Undo>,
    effect: Option<Effect>,
    answer: Answer,
}

/// What holds for a whole group.
#[derive(Debug, Clone, Copy)]
struct Moment {
    space: DiskSpace,
    now_ms: i64,
}

/// What to put back if an append does not become durable.
#[derive(Debug)]
enum Undo {
    Assigned(Arc<Partition>, i64, usize),
    Producer(Arc<Partition>, i64, Option<Producer>),
}

fn take_back(undo: Vec<Undo>) {
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

impl Appender {
    pub(super) fn new(shared: Shared, journal: Journal) -> Appender {
        Appender {
            shared,
            journal,
            backoff: Backoff::new(RETRY_FIRST, RETRY_MAX),
            retry_at: None,
        }
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            let timeout = self
                .retry_at
                .map(|at| at.saturating_duration_since(Instant::now()));
            match self.shared.queue.take(timeout) {
                Taken::Group(group) => self.commit(group),
                Taken::Nothing => {}
                Taken::Closed => return self.journal.retire(),
            }
            if self.retry_at.is_some_and(|at| at <= Instant::now()) {
                self.retry();
            }
        }
    }

    /// Tries a new file after a failure; appends are taken again if it can be started.
    fn retry(&mut self) {
        match self.roll(0) {
            Ok(()) => {
                self.retry_at = None;
                self.backoff.reset();
                self.shared.status.works(Trouble::Journal);
            }
            Err(_) => self.put_off(),
        }
    }

    /// [`Appender::retry`] without waiting.
    #[cfg(test)]
    pub(super) fn retry_if_failing(&mut self) {
        if self.retry_at.is_some() {
            self.retry();
        }
    }

    fn put_off(&mut self) {
        self.retry_at = Some(Instant::now() + self.backoff.next(0.5));
    }

    /// Appends one batch before the thread runs.
    pub(super) fn commit_now(
        &mut self,
        partition: &Arc<Partition>,
        bytes: Vec<u8>,
    ) -> Result<(), Error> {
        let (done, mut outcome) = tokio::sync::oneshot::channel();
        let batch = PartitionBatch {
            partition: Arc::clone(partition),
            bytes,
        };
        self.commit(vec![Queued {
            append: Append {
                origin: Origin::Inside,
                batches: vec![batch],
            },
            effect: None,
            answer: Answer::new(done, None),
        }]);
        match outcome.try_recv() {
            Ok(outcome) => outcome.map(drop),
            Err(_) => Err(Error::OutcomeUnknown(
                "the append was not answered".to_owned(),
            )),
        }
    }

    /// Makes a group of appends durable and answers each.
    pub(super) fn commit(&mut self, group: Vec<Queued>) {
        let moment = Moment {
            space: self.shared.status.look_at_disk(),
            now_ms: self.shared.status.now_ms(),
        };
        let mut pending = Vec::new();
        let mut pending_bytes = 0;
        for queued in group {
            let size = entry_bytes(&queued.append);
            if let Err(error) = self.admit(&queued, moment.space) {
                queued.answer.refuse(error);
                continue;
            }
            if !self.journal.has_room(pending_bytes, size) {
                self.flush(std::mem::take(&mut pending));
                pending_bytes = 0;
                if let Err(error) = self.next_file(size) {
                    queued.answer.refuse(error);
                    continue;
                }
            }
            if let Some(staged) = stage(&self.shared.files, queued, moment) {
                pending_bytes += size;
                pending.push(staged);
            }
        }
        self.flush(pending);
    }

    /// Whether an append is taken at all.
    fn admit(&self, queued: &Queued, space: DiskSpace) -> Result<(), Error> {
        queued.answer.admits()?;
        self.refuse_while_failing()?;
        self.shared.status.admits(queued.append.origin, space)?;
        let batches = &queued.append.batches;
        let bytes: usize = batches.iter().map(|b| b.bytes.len()).sum();
        if bytes > APPEND_BYTES_MAX {
            let topic = batches.first().map(|b| b.partition.topic.clone());
            return Err(
                topic.map_or(Error::Refusing(String::new()), |topic| Error::TooLarge {
                    topic,
                    bytes,
                    max: u32::try_from(APPEND_BYTES_MAX).unwrap_or(u32::MAX),
                }),
            );
        }
        while !self.shared.backlog.has_room() {
            if let Some(reason) = self.shared.status.reason(Trouble::Segments) {
                return Err(Error::Refusing(reason));
            }
            self.shared.backlog.wait_for_progress(PROGRESS_WAIT);
        }
        Ok(())
    }

    fn refuse_while_failing(&self) -> Result<(), Error> {
        if self.retry_at.is_none() {
            return Ok(());
        }
        let reason = self.shared.status.reason(Trouble::Journal);
        Err(Error::Refusing(reason.unwrap_or_default()))
    }

    /// Goes on in a file with room for an entry of `size`, unless the journal fails.
    fn next_file(&mut self, size: u64) -> Result<(), Error> {
        self.refuse_while_failing()?;
        self.roll(size).inspect_err(|error| {
            self.shared.status.failed(Trouble::Journal, chain(error));
            self.put_off();
        })
    }

    fn roll(&mut self, size: u64) -> Result<(), Error> {
        loop {
            match self.journal.roll(size)? {
                Rolled::Ready => {
                    self.shared.backlog.hurry();
                    return Ok(());
                }
                Rolled::Full => {
                    if let Some(reason) = self.shared.status.reason(Trouble::Segments) {
                        return Err(Error::Refusing(format!("the journal is full: {reason}")));
                    }
                    self.shared.backlog.hurry();
                    self.shared.backlog.wait_for_progress(PROGRESS_WAIT);
                }
            }
        }
    }

    /// Writes and syncs what is staged, then answers.
    fn flush(&mut self, mut staged: Vec<Staged>) {
        let entries: Vec<&[Part]> = staged
            .iter()
            .map(|s| s.parts.as_slice())
            .filter(|parts| !parts.is_empty())
            .collect();
        let first = self.journal.next_sequence();
        let durable = match entries.is_empty() {
            true => Ok(0),
            false => self
                .journal
                .write(&entries)
                .and_then(|()| self.journal.sync()),
        };
        match durable {
            Ok(_) => self.publish(staged, first),
            Err(error) => {
                self.journal.give_up();
                let reason = chain(&error);
                self.shared.status.failed(Trouble::Journal, reason.clone());
                self.put_off();
                while let Some(last) = staged.pop() {
                    take_back(last.undo);
                    last.answer.refuse(Error::OutcomeUnknown(reason.clone()));
                }
            }
        }
    }

    fn publish(&mut self, staged: Vec<Staged>, first: u64) {
        let mut sequence = first;
        for one in staged {
            for (partition, chunk) in &one.chunks {
                partition.assigned.lock().staged_bytes -= chunk.bytes.len();
                partition.publish(chunk.clone());
            }
            if !one.parts.is_empty() {
                let bytes = one.chunks.iter().map(|(_, c)| c.bytes.len()).sum();
                let parts = one.chunks;
                self.shared
                    .backlog
                    .push(Step::Entry { sequence, parts }, bytes);
                sequence += 1;
            }
            if let Some(effect) = one.effect {
                self.apply(effect);
            }
            let seconds = one.answer.since.elapsed().as_secs_f64();
            ::metrics::histogram!(APPEND_SECONDS).record(seconds);
            let batches = one.written;
            one.answer.done(Appended { batches });
        }
    }

    /// Changes the topics as a durable append says.
    fn apply(&self, effect: Effect) {
        let mut catalog = Catalog::clone(&self.shared.catalog.load());
        match effect {
            Effect::Create(topic) => catalog.insert(topic),
            Effect::Alter(topic, config) => return topic.set_config(config),
            Effect::Delete(id) => {
                let Some(topic) = catalog.remove(id) else {
                    return;
                };
                topic.set_deleted();
                self.shared.backlog.remove(topic);
            }
        }
        self.shared.catalog.store(Arc::new(catalog));
    }
}

/// Upper bound of the size of an append's entry.
fn entry_bytes(append: &Append) -> u64 {
    let bytes = append.batches.iter().map(|b| b.bytes.len()).sum();
    Journal::entry_bytes(append.batches.len(), bytes)
}

/// Gives an append its offsets; `None` if it was refused and answered.
fn stage(files: &OpenFiles, queued: Queued, moment: Moment) -> Option<Staged> {
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
        if let Err(error) = stage_part(files, batch, origin, moment, &mut staged) {
            take_back(staged.undo);
            staged.answer.refuse(error);
            return None;
        }
    }
    Some(staged)
}

fn stage_part(
    files: &OpenFiles,
    batch: PartitionBatch,
    origin: Origin,
    moment: Moment,
    staged: &mut Staged,
) -> Result<(), Error> {
    let PartitionBatch { partition, bytes } = batch;
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
    let bytes = place(
        &partition,
        &mut assigned,
        headers,
        bytes,
        undo,
        moment.now_ms,
    )?;
    let end = assigned.next_offset;
    drop(assigned);
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
    mut bytes: Vec<u8>,
    undo: &mut Vec<Undo>,
    now_ms: i64,
) -> Result<Bytes, Error> {
    let mut at = 0;
    let mut next = assigned.next_offset;
    for mut header in headers {
        if matches!(assigned.producers.check(&header)?, Check::Duplicate(..)) {
            return Err(Error::DuplicateSequence {
                producer_id: header.producer_id,
            });
        }
        header.base_offset = next;
        batch::place(&mut bytes, at, next);
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
    Ok(bytes.into())
}
