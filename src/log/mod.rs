//! The durable log: topics made of partitions, written through one journal, read by offset.
//!
//! Every write is one atomic append: batches for any number of partitions, durable or absent as a
//! whole, acknowledged after one fdatasync of the journal that covers all that waited (`appender`,
//! `answers`).
//! A second thread brings them into segments in Apache Kafka's own formats (`writer`, `segment`),
//! off the critical path; until then readers get them from memory (`partition`). A checkpoint says
//! what segments hold durably and gives journal files back; opening is checkpoint + replay
//! (`recovery`).
//!
//! On disk, below the data directory:
//!
//! ```text
//! lock                                      held while in use
//! checkpoint                                what segments hold durably
//! journal/NNNNNN.journal                    entries that segments may not hold yet
//! topics/<topic>-<partition>/<base>.log     batches; .index and .timeindex beside it
//! ```
//!
//! Invariant: what is acknowledged is durable; readers never see past what is durable.
//! Invariant: damage is never cut silently; only what was never durable is.
//! Not here: consumer groups, what records mean, replication.

mod answers;
mod appender;
mod backlog;
mod batch;
mod checkpoint;
mod cleaner;
mod compaction;
mod config;
#[cfg(test)]
mod crash_disk;
#[cfg(test)]
mod crash_tests;
mod disk;
mod error;
mod gather;
mod handle;
mod journal;
mod metadata;
mod partition;
mod producer_state;
mod read;
mod recovery;
mod restore;
mod retention;
mod segment;
mod staging;
mod status;
mod store;
mod ticket;
mod topic;
mod verify;
mod writer;

pub use answers::Answers;
pub use config::{
    APPEND_BYTES_MAX, Cleanup, Config, DiskFloors, IN_FLIGHT_BYTES_MAX, PARTITIONS_MAX, TopicConfig,
};
pub use disk::{DirEntry, Disk, DiskFile, DiskLock, Open, RealDisk, Space};
pub use error::Error;
pub use handle::Log;
pub use partition::Partition;
pub use read::Read;
pub use status::{DiskSpace, State};
pub use ticket::{Append, Appended, Chain, Origin, PartitionBatch, Ticket, Written};
pub use topic::Topic;
pub use verify::{Problem, VerifyReport, verify};
