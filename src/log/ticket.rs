//! Appends on their way: what callers hand over, what they get back, and the queue between.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::config::{GROUP_BYTES_MAX, IN_FLIGHT_BYTES_MAX, QUEUE_BYTES_MAX, TopicConfig};
use super::error::Error;
use super::partition::Partition;
use super::topic::Topic;
use crate::topic::Offset;

/// A group of appends is awaited at most so often while it grows; each time is as long as the
/// others need who want the processor.
const YIELDS_MAX: usize = 4;

/// For whom an append is: decides which disk floor holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// New data: changes, produced and pushed records. Refused below the disk floor.
    Outside,
    /// Acknowledgements, offsets, dead-letter moves, deletes: go on down to the reserve.
    Inside,
}

/// One or more whole RecordBatch v2 for one partition. Base offsets count from 0 and are set by
/// the log; the batches have been verified (`record::verify`).
#[derive(Debug)]
pub struct PartitionBatch {
    /// Where they go.
    pub partition: Arc<Partition>,
    /// The batches.
    pub bytes: Vec<u8>,
}

/// Batches for any number of partitions, durable or absent as a whole.
#[derive(Debug)]
pub struct Append {
    /// For whom it is.
    pub origin: Origin,
    /// What is appended where.
    pub batches: Vec<PartitionBatch>,
}

impl Append {
    fn bytes(&self) -> usize {
        self.batches.iter().map(|b| b.bytes.len()).sum()
    }
}

/// Where an append went; one entry per `Append::batches` entry, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Where each of them went.
    pub batches: Vec<Written>,
}

/// Where one partition's batches went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Offset behind the last record.
    pub end_offset: Offset,
    /// The partition's log start when it was written.
    pub log_start: Offset,
    /// The batch had been appended before (idempotent producer); offsets are the original ones.
    pub duplicate: bool,
}

/// The outcome of a submitted append. Dropping it does not take the append back.
#[derive(Debug)]
pub struct Ticket(oneshot::Receiver<Result<Appended, Error>>);

impl Future for Ticket {
    type Output = Result<Appended, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|outcome| {
            outcome.unwrap_or_else(|_| {
                // The appender ended without an answer: it died in the middle of the write.
                Err(Error::OutcomeUnknown("the log was stopped".to_owned()))
            })
        })
    }
}

/// Ties the appends of one writer together: once one of them has failed, for whatever reason
/// (refused, too large, disk full, outcome unknown), every later one submitted with the same chain
/// is refused and nothing of it is stored. A source needs this, because it has several appends on
/// their way and each carries the position behind its records: one that is stored after another
/// was lost would be a gap. The appender looks at it when it takes the append, in order.
#[derive(Debug, Clone, Default)]
pub struct Chain(Arc<AtomicBool>);

impl Chain {
    /// A chain without a failure.
    #[must_use]
    pub fn new() -> Chain {
        Chain::default()
    }

    /// Whether an append of it has failed.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Where an append's outcome goes.
#[derive(Debug)]
pub(super) struct Answer {
    done: oneshot::Sender<Result<Appended, Error>>,
    chain: Option<Chain>,
    pub(super) since: Instant,
}

impl Answer {
    pub(super) fn new(
        done: oneshot::Sender<Result<Appended, Error>>,
        chain: Option<Chain>,
    ) -> Answer {
        Answer {
            done,
            chain,
            since: Instant::now(),
        }
    }

    /// Whether the append may be stored for all that its chain says.
    pub(super) fn admits(&self) -> Result<(), Error> {
        match &self.chain {
            Some(chain) if chain.is_broken() => Err(Error::Refusing(
                "an append before it in the same chain failed".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn done(self, appended: Appended) {
        // A caller that went away does not take its append back.
        drop(self.done.send(Ok(appended)));
    }

    pub(super) fn refuse(self, error: Error) {
        if let Some(chain) = &self.chain {
            chain.0.store(true, Ordering::Release);
        }
        drop(self.done.send(Err(error)));
    }
}

/// What a durable append changes about the topics; done by the appender before anything later.
#[derive(Debug)]
pub(super) enum Effect {
    Create(Arc<Topic>),
    Delete(Uuid),
    Alter(Arc<Topic>, TopicConfig),
}

/// An append that waits for the appender.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) append: Append,
    pub(super) effect: Option<Effect>,
    pub(super) answer: Answer,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Queued>,
    closing: bool,
}

/// Appends in the order of their submission.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Of what waits. Changed under the lock, read without it.
    bytes: AtomicUsize,
    arrived: Condvar,
    room: Notify,
}

/// What the appender finds in the queue.
#[derive(Debug)]
pub(super) enum Taken {
    Group(Vec<Queued>),
    /// Nothing came in time.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

impl Queue {
    /// Puts an append behind all others.
    pub(super) fn submit(
        &self,
        append: Append,
        effect: Option<Effect>,
        chain: Option<Chain>,
    ) -> Ticket {
        let (done, ticket) = oneshot::channel();
        let answer = Answer::new(done, chain);
        let mut waiting = self.waiting.lock();
        if waiting.closing {
            drop(waiting);
            answer.refuse(Error::Refusing("the log is closed".to_owned()));
            return Ticket(ticket);
        }
        let bytes = append.bytes();
        let waiting_bytes = self.bytes.load(Ordering::Relaxed);
        if append.origin == Origin::Outside && waiting_bytes + bytes > QUEUE_BYTES_MAX {
            drop(waiting);
            let stalled = "too much waits for the disk already";
            answer.refuse(Error::Refusing(stalled.to_owned()));
            return Ticket(ticket);
        }
        self.bytes.store(waiting_bytes + bytes, Ordering::Relaxed);
        waiting.items.push_back(Queued {
            append,
            effect,
            answer,
        });
        drop(waiting);
        self.arrived.notify_one();
        Ticket(ticket)
    }

    /// Resolves when less than [`IN_FLIGHT_BYTES_MAX`] wait. Cancel safe.
    pub(super) async fn room(&self) {
        loop {
            let notified = self.room.notified();
            if self.has_room() {
                return;
            }
            notified.await;
        }
    }

    /// Whether less than [`IN_FLIGHT_BYTES_MAX`] wait.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < IN_FLIGHT_BYTES_MAX
    }

    /// Takes what waits, up to [`GROUP_BYTES_MAX`] and at least one; waits for it up to `timeout`.
    pub(super) fn take(&self, timeout: Option<Duration>) -> Taken {
        let mut waiting = self.waiting.lock();
        if waiting.items.is_empty() && !waiting.closing {
            match timeout {
                Some(timeout) => drop(self.arrived.wait_for(&mut waiting, timeout)),
                None => self.arrived.wait(&mut waiting),
            }
        }
        // Where the processors are busy, those who are about to append too go first and share the
        // sync. Where one is idle, yielding returns at once, and nothing has come meanwhile.
        for _ in 0..YIELDS_MAX {
            let before = waiting.items.len();
            MutexGuard::unlocked(&mut waiting, std::thread::yield_now);
            if waiting.items.len() == before {
                break;
            }
        }
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(next) = waiting.items.front() {
            let more = next.append.bytes();
            if !group.is_empty() && bytes + more > GROUP_BYTES_MAX {
                break;
            }
            bytes += more;
            group.extend(waiting.items.pop_front());
        }
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        let closed = waiting.closing;
        drop(waiting);
        self.room.notify_waiters();
        match group.is_empty() {
            false => Taken::Group(group),
            true if closed => Taken::Closed,
            true => Taken::Nothing,
        }
    }

    /// Refuses what comes from now on; what waits is still done.
    pub(super) fn close(&self) {
        self.waiting.lock().closing = true;
        self.arrived.notify_all();
        self.room.notify_waiters();
    }
}
