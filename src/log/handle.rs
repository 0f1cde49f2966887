//! The log as the rest of Penstock uses it.

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::answers::Answers;
use super::appender::Shared;
use super::backlog::Request;
use super::config::{Config, PARTITIONS_MAX, TopicConfig};
use super::disk::{Disk, DiskLock};
use super::error::Error;
use super::metadata::{self, Change, StoredConfig, StoredTopic};
use super::partition::Partition;
use super::read::{blocking, out_of_range};
use super::recovery::{self, Opened};
use super::status::{DiskSpace, State};
use super::ticket::{Append, Appended, Chain, Effect, Origin, PartitionBatch, Ticket};
use super::topic::Topic;
use crate::clock::Clock;
use crate::record::dead_letter;
use crate::topic::{CLUSTER_METADATA, Offset, PartitionId, TopicName};

/// Producer ids taken at once; ids of a block that were not handed out before a restart are lost.
const PRODUCER_ID_BLOCK: i64 = 1000;

/// The log. Cheap to clone.
#[derive(Clone)]
pub struct Log(pub(super) Arc<Inner>);

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("dir", &self.0.config.dir)
            .finish_non_exhaustive()
    }
}

pub(super) struct Inner {
    config: Config,
    clock: Arc<dyn Clock>,
    pub(super) shared: Shared,
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

    /// Wakes those whose appends are durable; to be run as a task of the runtime in which they wait.
    /// Without it the log works all the same, at the price of a wake from outside for each append.
    pub fn answers(&self) -> Answers {
        self.0.shared.answering.answers()
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
        self.change(&Change::Topic(name, &stored), origin_of(name), Some(effect))
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

    /// Settings for a new topic of this name: what `topics.yaml` declares for it, and the defaults
    /// for the rest (internal topics are compacted with small segments, `dlq.*` keep 30 days).
    /// Whoever makes a topic begins with these.
    pub fn default_topic_config(&self, name: &TopicName) -> TopicConfig {
        self.0.config.topic_defaults(name)
    }

    /// Sets what `topics.yaml` declares for a topic of this name, and leaves the rest.
    pub fn declare(&self, name: &TopicName, config: &mut TopicConfig) {
        let rules = self.0.config.rules.now();
        if let Some(rule) = rules.topic(name.as_str()).filter(|_| !name.is_internal()) {
            config.declare(rule);
        }
    }

    /// Partitions for a new topic of this name: as `topics.yaml` declares, else `otherwise`.
    pub fn default_partitions(&self, name: &TopicName, otherwise: u32) -> u32 {
        let rules = self.0.config.rules.now();
        let rule = Some(&rules).filter(|_| !name.is_internal());
        let declared = rule.and_then(|rules| rules.topic(name.as_str())?.partitions);
        declared.unwrap_or(otherwise)
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

    /// Whether [`Log::room`] would resolve at once.
    pub fn has_room(&self) -> bool {
        self.0.shared.queue.has_room()
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

/// Below the disk floor dead letters still move, so a topic for them can still be made.
fn origin_of(name: &TopicName) -> Origin {
    if name.as_str().starts_with(dead_letter::TOPIC_PREFIX) || name.is_internal() {
        Origin::Inside
    } else {
        Origin::Outside
    }
}

fn closed() -> Error {
    Error::Refusing("the log is closed".to_owned())
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

#[cfg(test)]
mod tests;
