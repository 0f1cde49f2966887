//! The durable log: topics made of partitions, written through one journal, read by offset.
//! (Face only; the inside follows.)

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::clock::Clock;
use crate::error::{Code, Explain, Kind};
use crate::topic::{Offset, PartitionId, TopicName};

/// What deletes old data of a topic (`cleanup.policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    Delete,
    Compact,
}

/// Settings of one topic; every value is effective (defaults filled in).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    /// `retention.ms`; `None` keeps for ever (-1).
    pub retention_ms: Option<i64>,
    /// `retention.bytes` per partition; `None` is no limit (-1).
    pub retention_bytes: Option<i64>,
    /// `segment.bytes`.
    pub segment_bytes: u32,
    /// `cleanup.policy`.
    pub cleanup: Cleanup,
    /// `max.message.bytes`, of a batch as stored.
    pub max_message_bytes: u32,
}

/// Where and how large.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory.
    pub dir: PathBuf,
    /// Bytes of one journal file (64 MiB).
    pub journal_file_bytes: u64,
    /// Number of journal files (4).
    pub journal_files: u32,
    /// Settings of topics made without settings.
    pub topic_defaults: TopicConfig,
}

/// The log. Cheap to clone.
#[derive(Clone)]
pub struct Log(());
impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

/// A topic as it is now.
#[derive(Debug)]
pub struct Topic {
    pub name: TopicName,
    pub id: Uuid,
    partitions: Vec<Arc<Partition>>,
}

/// One partition of a topic.
#[derive(Debug)]
pub struct Partition {
    pub topic: TopicName,
    pub id: PartitionId,
}

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
    pub partition: Arc<Partition>,
    pub bytes: Vec<u8>,
}

/// Batches for any number of partitions, durable or absent as a whole.
#[derive(Debug)]
pub struct Append {
    pub origin: Origin,
    pub batches: Vec<PartitionBatch>,
}

/// Where an append went; one entry per `Append::batches` entry, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
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

/// What a read found.
#[derive(Debug, Clone)]
pub struct Read {
    /// Whole batches in offset order; the first may begin before the asked offset. Empty at the end.
    pub chunks: Vec<Bytes>,
    pub log_start: Offset,
    /// Offset behind the last durable record.
    pub end: Offset,
}

/// Whether appends are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Writable,
    /// Reads go on, appends from outside are refused.
    Refusing {
        reason: String,
        since_ms: i64,
    },
}

/// Why an operation on the log failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("find topic \"{0}\"")]
    UnknownTopic(String),
    #[error("create topic \"{0}\", which exists")]
    TopicExists(TopicName),
    #[error("create a topic: {0}")]
    InvalidTopic(String),
    #[error("read offset {asked} of {topic}-{partition}, which holds {start} up to {end}")]
    OffsetOutOfRange {
        topic: TopicName,
        partition: PartitionId,
        asked: Offset,
        start: Offset,
        end: Offset,
    },
    #[error("append {bytes} bytes to \"{topic}\", whose max.message.bytes is {max}")]
    TooLarge {
        topic: TopicName,
        bytes: usize,
        max: u32,
    },
    #[error("append: {free} bytes of disk are free, less than the floor of {floor}")]
    DiskFull { free: u64, floor: u64 },
    /// Nothing was stored.
    #[error("append while the log refuses appends: {0}")]
    Refusing(String),
    /// The write or sync failed; the records may be stored or not.
    #[error("append (the records may be stored): {0}")]
    OutcomeUnknown(String),
    #[error("append sequence {got} of producer {producer_id} where {wanted} was due")]
    OutOfOrderSequence {
        producer_id: i64,
        wanted: i32,
        got: i32,
    },
    #[error("append a batch of producer {producer_id} that is older than the last five")]
    DuplicateSequence { producer_id: i64 },
    #[error("append with epoch {got} of producer {producer_id}, whose epoch is {current}")]
    InvalidProducerEpoch {
        producer_id: i64,
        current: i16,
        got: i16,
    },
    #[error("read {topic}-{partition} at offset {offset}: {what}")]
    Damaged {
        topic: TopicName,
        partition: PartitionId,
        offset: Offset,
        what: String,
    },
    #[error("open the data directory \"{0}\", which another process uses")]
    InUse(PathBuf),
    #[error("{doing} \"{path}\"")]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("open \"{path}\": {what}")]
    Format { path: PathBuf, what: String },
}
impl Explain for Error {
    fn code(&self) -> Code {
        unimplemented!()
    }
    fn kind(&self) -> Kind {
        unimplemented!()
    }
}

impl Log {
    /// Opens or makes the data directory and recovers. Blocking (call before the runtime serves).
    pub fn open(
        _config: Config,
        _disk: Arc<dyn Disk>,
        _clock: Arc<dyn Clock>,
    ) -> Result<Log, Error> {
        unimplemented!()
    }
    /// Random id of this data directory, as Kafka's cluster id (22 characters of base64url).
    pub fn cluster_id(&self) -> &str {
        unimplemented!()
    }
    /// Creates a topic, durable when it returns.
    pub async fn create_topic(
        &self,
        _name: &TopicName,
        _partitions: u32,
        _config: TopicConfig,
    ) -> Result<Arc<Topic>, Error> {
        std::future::ready(()).await;
        unimplemented!()
    }
    pub async fn delete_topic(&self, _name: &TopicName) -> Result<(), Error> {
        std::future::ready(()).await;
        unimplemented!()
    }
    pub async fn alter_topic(&self, _name: &TopicName, _config: TopicConfig) -> Result<(), Error> {
        std::future::ready(()).await;
        unimplemented!()
    }
    /// Defaults for a topic of this name (internal topics are compacted with small segments, `dlq.*` keep 30 days).
    pub fn default_topic_config(&self, _name: &TopicName) -> TopicConfig {
        unimplemented!()
    }
    pub fn topic(&self, _name: &str) -> Option<Arc<Topic>> {
        unimplemented!()
    }
    pub fn topic_by_id(&self, _id: Uuid) -> Option<Arc<Topic>> {
        unimplemented!()
    }
    /// All topics, by name.
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        unimplemented!()
    }
    /// Queues an append and returns at once; appends become durable in the order of these calls.
    /// The future resolves after fsync. Dropping it does not take the append back.
    pub fn submit(&self, _append: Append) -> Ticket {
        unimplemented!()
    }
    /// `submit` and wait.
    pub async fn append(&self, append: Append) -> Result<Appended, Error> {
        self.submit(append).await
    }
    /// Reads whole batches from the one that holds `offset`; at least one batch if there is any,
    /// even above `max_bytes`. Never past what is durable.
    pub async fn read(
        &self,
        _partition: &Arc<Partition>,
        _offset: Offset,
        _max_bytes: usize,
    ) -> Result<Read, Error> {
        std::future::ready(()).await;
        unimplemented!()
    }
    /// The first offset whose record has at least this timestamp (ms), with that timestamp.
    pub async fn offset_for_time(
        &self,
        _partition: &Arc<Partition>,
        _timestamp_ms: i64,
    ) -> Result<Option<(Offset, i64)>, Error> {
        std::future::ready(()).await;
        unimplemented!()
    }
    /// Resolves when any of the partitions' ends is past the offset beside it (at once if so already). Cancel safe.
    pub async fn wait_for(&self, _any: &[(Arc<Partition>, Offset)]) {
        std::future::ready(()).await;
        unimplemented!()
    }
    /// Moves the log start up (Kafka's DeleteRecords).
    pub async fn trim(
        &self,
        _partition: &Arc<Partition>,
        _before: Offset,
    ) -> Result<Offset, Error> {
        std::future::ready(()).await;
        unimplemented!()
    }
    /// A producer id that was never handed out before, also not before a crash.
    pub async fn allocate_producer_id(&self) -> Result<i64, Error> {
        std::future::ready(()).await;
        unimplemented!()
    }
    pub fn state(&self) -> State {
        unimplemented!()
    }
    /// Free bytes of the data directory's file system and the floor below which appends from outside are refused.
    pub fn disk(&self) -> DiskSpace {
        unimplemented!()
    }
    /// Refuses new appends, finishes queued ones, checkpoints. Afterwards opening needs no replay.
    pub async fn close(&self) -> Result<(), Error> {
        std::future::ready(()).await;
        unimplemented!()
    }
}

/// Free space and floor, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    pub free: u64,
    pub floor: u64,
}

/// The outcome of a submitted append.
#[derive(Debug)]
pub struct Ticket(());
impl std::future::Future for Ticket {
    type Output = Result<Appended, Error>;
    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        unimplemented!()
    }
}

impl Topic {
    pub fn config(&self) -> TopicConfig {
        unimplemented!()
    }
    pub fn partitions(&self) -> &[Arc<Partition>] {
        &self.partitions
    }
    pub fn partition(&self, id: PartitionId) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(id.0).ok()?)
    }
    /// Bytes of all partitions' segments.
    pub fn bytes(&self) -> u64 {
        unimplemented!()
    }
}
impl Partition {
    /// First offset that is kept.
    pub fn start(&self) -> Offset {
        unimplemented!()
    }
    /// Offset behind the last durable record.
    pub fn end(&self) -> Offset {
        unimplemented!()
    }
}

/// Where bytes are kept; see the crash disk of the tests. (The trait's shape belongs to its owner.)
pub trait Disk: Send + Sync + fmt::Debug {}
/// The real disk.
#[derive(Debug, Default)]
pub struct RealDisk;
impl Disk for RealDisk {}

/// Ties the appends of one writer together: once one of them has failed, for whatever reason
/// (refused, too large, disk full, outcome unknown), every later one submitted with the same chain
/// is refused and nothing of it is stored. A source needs this, because it has several appends on
/// their way and each carries the position behind its records: one that is stored after another
/// was lost would be a gap. The appender looks at it when it takes the append, in order.
#[derive(Debug, Clone, Default)]
pub struct Chain(());

impl Chain {
    /// A chain without a failure.
    #[must_use]
    pub fn new() -> Chain {
        Chain(())
    }
}

impl Log {
    /// [`Log::submit`] as a link of `chain`.
    pub fn submit_in(&self, _chain: &Chain, _append: Append) -> Ticket {
        unimplemented!()
    }
}
