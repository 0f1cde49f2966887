//! What is durable in the journal and not yet in segments, on its way from the appender to the
//! writer; and what the writer is asked to do besides.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, oneshot};

use super::config::IN_FLIGHT_BYTES_MAX;
use super::error::Error;
use super::partition::{Chunk, Partition};
use super::topic::Topic;
use crate::topic::{Offset, TopicName};

/// The writer starts at once when this much waits for each partition that it found last time; less
/// waits for [`LINGER`], so that small appends become few large writes.
const EAGER_BYTES_EACH: usize = 32 << 10;

/// Not with less than this, of however few partitions: it is still in the caches then.
const EAGER_BYTES_MIN: usize = 128 << 10;

/// With this much in any case.
const EAGER_BYTES_MAX: usize = 4 << 20;

/// How long little waits before it is written.
const LINGER: Duration = Duration::from_millis(200);

/// One step for the writer.
#[derive(Debug)]
pub(super) enum Step {
    /// An entry of the journal.
    Entry {
        sequence: u64,
        parts: Vec<(Arc<Partition>, Chunk)>,
    },
    /// A topic was deleted; nothing for it comes behind.
    Remove(Arc<Topic>),
}

/// Something a caller waits for.
#[derive(Debug)]
pub(super) enum Request {
    /// Move a partition's start up.
    Trim {
        partition: Arc<Partition>,
        before: i64,
        done: oneshot::Sender<Result<Offset, Error>>,
    },
    /// Nothing more comes: write everything, checkpoint, and leave nothing to replay.
    Close(oneshot::Sender<Result<(), Error>>),
}

#[derive(Debug, Default)]
struct Waiting {
    steps: VecDeque<Step>,
    requests: Vec<Request>,
    /// Bytes in `steps` and in the writer's hands.
    bytes: usize,
    /// Partitions that the writer found the last time.
    partitions: usize,
    /// When the oldest step came.
    since: Option<Instant>,
    /// A checkpoint is wanted as soon as possible.
    hurry: bool,
    stop: bool,
}

impl Waiting {
    /// Whether it is worth a write.
    fn is_much(&self) -> bool {
        let eager = self.partitions.saturating_mul(EAGER_BYTES_EACH);
        self.bytes >= eager.clamp(EAGER_BYTES_MIN, EAGER_BYTES_MAX)
    }
}

/// The queue between appender and writer.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    room: Condvar,
    /// Deleted topics whose folders are still there.
    leaving: Mutex<Vec<TopicName>>,
    left: Notify,
}

/// What the writer takes at once.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) steps: Vec<Step>,
    pub(super) requests: Vec<Request>,
    pub(super) stop: bool,
}

impl Backlog {
    /// Adds a step of this many bytes.
    pub(super) fn push(&self, step: Step, bytes: usize) {
        let mut waiting = self.waiting.lock();
        waiting.bytes += bytes;
        let first = waiting.since.is_none();
        if first {
            waiting.since = Some(Instant::now());
        }
        waiting.steps.push_back(step);
        let wake = first || waiting.is_much();
        drop(waiting);
        if wake {
            self.arrived.notify_one();
        }
    }

    /// Hands a deleted topic to the writer.
    pub(super) fn remove(&self, topic: Arc<Topic>) {
        self.leaving.lock().push(topic.name.clone());
        self.push(Step::Remove(topic), 0);
        self.hurry();
    }

    /// Notes that a deleted topic's folders are gone.
    pub(super) fn removed(&self, name: &TopicName) {
        self.leaving.lock().retain(|leaving| leaving != name);
        self.left.notify_waiters();
    }

    /// Resolves when no folders of deleted topics of this name are left, so that a topic made
    /// again does not share them. Cancel safe.
    pub(super) async fn wait_until_removed(&self, name: &TopicName) {
        loop {
            let left = self.left.notified();
            if !self.leaving.lock().contains(name) {
                return;
            }
            left.await;
        }
    }

    /// Adds a request.
    pub(super) fn request(&self, request: Request) {
        let mut waiting = self.waiting.lock();
        if waiting.stop {
            return; // Dropping the request tells its caller.
        }
        waiting.requests.push(request);
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Asks for a checkpoint soon.
    pub(super) fn hurry(&self) {
        self.waiting.lock().hurry = true;
        self.arrived.notify_one();
    }

    /// Ends the writer after what it is doing.
    pub(super) fn stop(&self) {
        self.waiting.lock().stop = true;
        self.arrived.notify_one();
        self.room.notify_all();
    }

    /// Notes that this many bytes are in segments.
    pub(super) fn written(&self, bytes: usize) {
        self.waiting.lock().bytes -= bytes;
        self.room.notify_all();
    }

    /// Notes over how many partitions the writer's last work was spread.
    pub(super) fn spread_over(&self, partitions: usize) {
        self.waiting.lock().partitions = partitions;
    }

    /// Counts bytes that recovery hands to the writer itself.
    pub(super) fn replayed(&self, bytes: usize) {
        self.waiting.lock().bytes += bytes;
    }

    /// Wakes an appender that waits for a journal file.
    pub(super) fn checkpointed(&self) {
        drop(self.waiting.lock());
        self.room.notify_all();
    }

    /// Whether more may be appended.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.lock().bytes < IN_FLIGHT_BYTES_MAX
    }

    /// Waits until something was written or checkpointed, or for `timeout`.
    pub(super) fn wait_for_progress(&self, timeout: Duration) {
        let mut waiting = self.waiting.lock();
        if !waiting.stop {
            self.room.wait_for(&mut waiting, timeout);
        }
    }

    /// Takes everything that waits; waits for it up to `timeout`, and lingers over little.
    pub(super) fn take(&self, timeout: Duration) -> Work {
        let deadline = Instant::now() + timeout;
        let mut waiting = self.waiting.lock();
        loop {
            let now = Instant::now();
            let urgent = waiting.stop || waiting.hurry || !waiting.requests.is_empty();
            let due = waiting.since.map(|since| since + LINGER);
            let until = due.map_or(deadline, |due| due.min(deadline));
            if urgent || waiting.is_much() || now >= until {
                break;
            }
            self.arrived.wait_until(&mut waiting, until);
        }
        waiting.since = None;
        waiting.hurry = false;
        Work {
            steps: std::mem::take(&mut waiting.steps).into(),
            requests: std::mem::take(&mut waiting.requests),
            stop: waiting.stop,
        }
    }
}
