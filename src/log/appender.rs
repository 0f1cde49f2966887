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

use ::metrics::{Histogram, histogram};
use arc_swap::ArcSwap;

use super::answers::Answering;
use super::backlog::{Backlog, Step};
use super::config::APPEND_BYTES_MAX;
use super::error::Error;
use super::gather::Gather;
use super::journal::{Journal, Part, Rolled};
use super::partition::Partition;
use super::segment::OpenFiles;
use super::staging::{Moment, Staged, entry_bytes, stage, take_back};
use super::status::{DiskSpace, Part as Trouble, Status};
use super::ticket::{
    Answer, Append, Appended, Effect, Origin, PartitionBatch, Queue, Queued, Taken,
};
use super::topic::Catalog;
use crate::backoff::Backoff;
use crate::error::chain;
use crate::metrics::names::APPEND_SECONDS;

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
    pub(super) answering: Arc<Answering>,
}

/// Takes appends to the journal.
#[derive(Debug)]
pub(super) struct Appender {
    shared: Shared,
    journal: Journal,
    gather: Gather,
    backoff: Backoff,
    /// While the journal fails: when to try again.
    retry_at: Option<Instant>,
    /// How long appends took.
    seconds: Histogram,
}

impl Appender {
    pub(super) fn new(shared: Shared, journal: Journal) -> Appender {
        Appender {
            shared,
            journal,
            gather: Gather::default(),
            backoff: Backoff::new(RETRY_FIRST, RETRY_MAX),
            retry_at: None,
            seconds: histogram!(APPEND_SECONDS),
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
                Taken::Closed => {
                    self.shared.answering.close();
                    return self.journal.retire();
                }
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
            let staged = stage(&self.shared.files, &mut self.gather, queued, moment);
            if let Some(staged) = staged {
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
        let mut answers = Vec::with_capacity(staged.len());
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
            let batches = one.written;
            answers.push((one.answer, Appended { batches }));
        }
        let now = Instant::now();
        for (answer, _) in &answers {
            let after = now.saturating_duration_since(answer.since);
            self.seconds.record(after.as_secs_f64());
        }
        self.shared.answering.answer(answers);
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
