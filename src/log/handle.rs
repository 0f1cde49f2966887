//! The log as the rest of Penstock uses it.

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::appender::Shared;
use super::backlog::Request;
use super::batch;
use super::config::{Config, PARTITIONS_MAX, TopicConfig};
use super::disk::{Disk, DiskLock};
use super::error::Error;
use super::metadata::{self, Change, StoredConfig, StoredTopic};
use super::partition::{Partition, Place};
use super::recovery::{self, Opened};
use super::segment::{Batches, Segment};
use super::status::{DiskSpace, State};
use super::ticket::{Append, Appended, Chain, Effect, Origin, PartitionBatch, Ticket};
use super::topic::Topic;
use crate::clock::Clock;
use crate::topic::{CLUSTER_METADATA, Offset, PartitionId, TopicName};

/// Producer ids taken at once; ids of a block that were not handed out before a restart are lost.
const PRODUCER_ID_BLOCK: i64 = 1000;

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

/// The log. Cheap to clone.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("dir", &self.0.config.dir)
            .finish_non_exhaustive()
    }
}

struct Inner {
    config: Config,
    clock: Arc<dyn Clock>,
    shared: Shared,
    cluster_id: String,
    metadata: Arc<Partition>,
    /// Held while topics are changed, so that what was checked still holds when it is appended.
    admin: tokio::sync::Mutex<()>,
    /// The next id and the end of the block it is from.
    producer_ids: tokio::sync::Mutex<(i64, i64)>,
    threads: Mutex<Threads>,
    /// Released after the threads have ended.
    _lock: Box<dyn DiskLock>,
}

#[derive(Default)]
struct Threads {
    appender: Option<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let threads = self.threads.get_mut();
        self.shared.queue.close();
        join(threads.appender.take());
        self.shared.backlog.stop();
        join(threads.writer.take());
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread
        && thread.join().is_err()
    {
        tracing::error!("a thread of the log ended with a panic");
    }
}

impl Log {
    /// Opens or makes the data directory and recovers. Blocking (call before the runtime serves).
    pub fn open(config: Config, disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Result<Log, Error> {
        let Opened {
            lock,
            shared,
            mut appender,
            writer,
            cluster_id,
            next_producer_id,
        } = recovery::open(&config, disk, Arc::clone(&clock))?;
        let metadata = shared
            .catalog
            .load()
            .get(CLUSTER_METADATA)
            .and_then(|topic| topic.partition(PartitionId(0)).cloned())
            .ok_or_else(|| Error::UnknownTopic(CLUSTER_METADATA.to_owned()))?;
        let cluster_id = match cluster_id {
            Some(id) => id,
            None => {
                let id = URL_SAFE_NO_PAD.encode(Uuid::new_v4().as_bytes());
                let batch = Change::Cluster(&id).batch(clock.now_ms());
                appender.commit_now(&metadata, batch)?;
                id
            }
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let start = Error::io("start a thread for", &config.dir);
        let appender = thread("log-appender").spawn(move || appender.run());
        let appender = appender.map_err(start)?;
        let start = Error::io("start a thread for", &config.dir);
        let writer = thread("log-writer").spawn(move || writer.run());
        let writer = writer.map_err(start)?;
        Ok(Log(Arc::new(Inner {
            config,
            clock,
            shared,
            cluster_id,
            metadata,
            admin: tokio::sync::Mutex::default(),
            producer_ids: tokio::sync::Mutex::new((next_producer_id, next_producer_id)),
            threads: Mutex::new(Threads {
                appender: Some(appender),
                writer: Some(writer),
            }),
            _lock: lock,
        })))
    }

    /// Random id of this data directory, as Kafka's cluster id (22 characters of base64url).
    pub fn cluster_id(&self) -> &str {
        &self.0.cluster_id
    }

    /// Creates a topic, durable when it returns. Cancel safe: the topic is created or not.
    pub async fn create_topic(
        &self,
        name: &TopicName,
        partitions: u32,
        config: TopicConfig,
    ) -> Result<Arc<Topic>, Error> {
        let _admin = self.0.admin.lock().await;
        if self.topic(name.as_str()).is_some() {
            return Err(Error::TopicExists(name.clone()));
        }
        self.check_topic(name, partitions, &config)?;
        self.0.shared.backlog.wait_until_removed(name).await;
        let stored = StoredTopic {
            id: Uuid::new_v4(),
            partitions,
            config: StoredConfig::from(&config),
        };
        let dir = self.0.config.dir.join("topics");
        let topic = Topic::new(name.clone(), stored.id, partitions, config, &dir);
        let topic = Arc::new(topic);
        let effect = Effect::Create(Arc::clone(&topic));
        self.change(&Change::Topic(name, &stored), Origin::Outside, Some(effect))
            .await?;
        Ok(topic)
    }

    fn check_topic(
        &self,
        name: &TopicName,
        partitions: u32,
        config: &TopicConfig,
    ) -> Result<(), Error> {
        if let Some(other) = self.0.shared.catalog.load().collision(name) {
            return Err(Error::InvalidTopic(format!(
                "\"{name}\" differs from the topic \"{other}\" only in '.' and '_'"
            )));
        }
        if partitions == 0 || partitions > PARTITIONS_MAX {
            return Err(Error::InvalidTopic(format!(
                "\"{name}\" cannot have {partitions} partitions (1 to {PARTITIONS_MAX})"
            )));
        }
        check_config(name, config)
    }

    /// Deletes a topic with its records; durable when it returns.
    pub async fn delete_topic(&self, name: &TopicName) -> Result<(), Error> {
        let _admin = self.0.admin.lock().await;
        let topic = self
            .topic(name.as_str())
            .filter(|topic| topic.id != metadata::TOPIC_ID)
            .ok_or_else(|| Error::UnknownTopic(name.to_string()))?;
        let effect = Effect::Delete(topic.id);
        self.change(&Change::NoTopic(name), Origin::Inside, Some(effect))
            .await
    }

    /// Changes a topic's settings; durable when it returns.
    pub async fn alter_topic(&self, name: &TopicName, config: TopicConfig) -> Result<(), Error> {
        let _admin = self.0.admin.lock().await;
        let topic = self
            .topic(name.as_str())
            .filter(|topic| topic.id != metadata::TOPIC_ID)
            .ok_or_else(|| Error::UnknownTopic(name.to_string()))?;
        check_config(name, &config)?;
        let stored = StoredTopic {
            id: topic.id,
            partitions: u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX),
            config: StoredConfig::from(&config),
        };
        let effect = Effect::Alter(topic, config);
        self.change(&Change::Topic(name, &stored), Origin::Inside, Some(effect))
            .await
    }

    /// Defaults for a topic of this name (internal topics are compacted with small segments,
    /// `dlq.*` keep 30 days).
    pub fn default_topic_config(&self, name: &TopicName) -> TopicConfig {
        self.0.config.topic_defaults(name)
    }

    async fn change(
        &self,
        change: &Change<'_>,
        origin: Origin,
        effect: Option<Effect>,
    ) -> Result<(), Error> {
        let append = Append {
            origin,
            batches: vec![PartitionBatch {
                partition: Arc::clone(&self.0.metadata),
                bytes: change.batch(self.0.clock.now_ms()),
            }],
        };
        self.0.shared.queue.submit(append, effect, None).await?;
        Ok(())
    }

    /// The topic of this name.
    pub fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.0.shared.catalog.load().get(name).cloned()
    }

    /// The topic with this id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.0.shared.catalog.load().by_id(id).cloned()
    }

    /// All topics, by name.
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        self.0.shared.catalog.load().all().cloned().collect()
    }

    /// Queues an append and returns at once; appends become durable in the order of these calls.
    /// The future resolves after fsync. Dropping it does not take the append back.
    ///
    /// An append that fails does not stop those behind it; see [`Log::submit_in`] for a caller to
    /// whom that matters.
    pub fn submit(&self, append: Append) -> Ticket {
        self.0.shared.queue.submit(append, None, None)
    }

    /// [`Log::submit`] as a link of `chain`.
    pub fn submit_in(&self, chain: &Chain, append: Append) -> Ticket {
        self.0
            .shared
            .queue
            .submit(append, None, Some(chain.clone()))
    }

    /// `submit` and wait.
    pub async fn append(&self, append: Append) -> Result<Appended, Error> {
        self.submit(append).await
    }

    /// Resolves when the appends that wait leave room for more
    /// ([`super::IN_FLIGHT_BYTES_MAX`]). To be awaited before a body is read. Cancel safe.
    pub async fn room(&self) {
        self.0.shared.queue.room().await;
    }

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

    /// Moves the log start up (Kafka's DeleteRecords); durable when it returns. Returns the start.
    pub async fn trim(&self, partition: &Arc<Partition>, before: Offset) -> Result<Offset, Error> {
        if before > partition.end() || before < Offset(0) {
            return Err(out_of_range(partition, before));
        }
        let (done, outcome) = oneshot::channel();
        self.0.shared.backlog.request(Request::Trim {
            partition: Arc::clone(partition),
            before: before.0,
            done,
        });
        outcome.await.unwrap_or_else(|_| Err(closed()))
    }

    /// A producer id that was never handed out before, also not before a crash.
    pub async fn allocate_producer_id(&self) -> Result<i64, Error> {
        let mut ids = self.0.producer_ids.lock().await;
        if ids.0 == ids.1 {
            let next = ids.1 + PRODUCER_ID_BLOCK;
            self.change(&Change::ProducerIds { next }, Origin::Inside, None)
                .await?;
            ids.1 = next;
        }
        ids.0 += 1;
        Ok(ids.0 - 1)
    }

    /// Whether appends are taken.
    pub fn state(&self) -> State {
        self.0.shared.status.state()
    }

    /// Free bytes of the data directory's file system and the floor below which appends from
    /// outside are refused.
    pub fn disk(&self) -> DiskSpace {
        self.0.shared.status.space()
    }

    /// Refuses new appends, finishes queued ones, checkpoints. Afterwards opening needs no replay.
    pub async fn close(&self) -> Result<(), Error> {
        self.0.shared.queue.close();
        let appender = self.0.threads.lock().appender.take();
        blocking(move || join(appender)).await;
        let (done, outcome) = oneshot::channel();
        let writer = self.0.threads.lock().writer.take();
        if writer.is_none() {
            return Ok(());
        }
        self.0.shared.backlog.request(Request::Close(done));
        let outcome = outcome.await.unwrap_or_else(|_| Err(closed()));
        self.0.shared.backlog.stop();
        blocking(move || join(writer)).await;
        outcome
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
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn closed() -> Error {
    Error::Refusing("the log is closed".to_owned())
}

fn out_of_range(partition: &Partition, asked: Offset) -> Error {
    Error::OffsetOutOfRange {
        topic: partition.topic.clone(),
        partition: partition.id,
        asked,
        start: partition.start(),
        end: partition.end(),
    }
}

fn check_config(name: &TopicName, config: &TopicConfig) -> Result<(), Error> {
    let what = if config.segment_bytes < 1 << 10 || i32::try_from(config.segment_bytes).is_err() {
        format!(
            "segment.bytes {} of \"{name}\" is not between 1 KiB and 2 GiB",
            config.segment_bytes
        )
    } else if config.max_message_bytes == 0 || i32::try_from(config.max_message_bytes).is_err() {
        let max = config.max_message_bytes;
        format!("max.message.bytes {max} of \"{name}\" is not between 1 and 2 GiB")
    } else {
        return Ok(());
    };
    Err(Error::InvalidTopic(what))
}

/// The error for a damaged range; reported once.
fn damaged(partition: &Partition, segment: &Segment, bad: &super::segment::Bad) -> Error {
    let resume = bad
        .resume
        .or_else(|| partition.base_after(bad.offset.max(segment.base)));
    if partition.note_damage(bad) {
        tracing::error!(
            topic = %partition.topic,
            partition = %partition.id,
            offset = bad.offset,
            path = %segment.path(super::segment::Kind::Log).display(),
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

#[cfg(test)]
mod tests;
