//! The handle to all shared groups.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::super::error::Error;
use super::super::groups::Groups;
use super::super::id::GroupId;
use super::redrive::{Redrive, Redriven};
use crate::clock::Clock;
use crate::config::topics::Rules;
use crate::log::{Log, PartitionBatch};
use crate::topic::{Offset, PartitionId, TopicName};

pub use super::super::lag::Lag;

const NOT_YET: Error = Error::Invalid("shared groups are not built yet");

/// All shared groups. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shares {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    redriven: watch::Sender<u64>,
}

/// The part of the shared groups that runs by itself. There is one; it is spawned as one task.
#[derive(Debug)]
pub struct Service {}

/// What a member asks for.
#[derive(Debug, Clone)]
pub struct Read {
    /// The group it is a member of; it is made if there is none.
    pub group: GroupId,
    /// The topics it reads.
    pub topics: Vec<TopicName>,
    /// At most so many records.
    pub max_records: usize,
    /// How long to wait while there is none.
    pub wait: Duration,
    /// How long the records are the member's; `None` for the group's policy.
    pub lease: Option<Duration>,
}

/// A record handed to a member.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its topic.
    pub topic: TopicName,
    /// Its partition.
    pub partition: PartitionId,
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp, ms since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers in their order.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// How often it was delivered, this time included; from 1.
    pub delivery_count: u16,
    /// How often it was redriven.
    pub redrive_count: u16,
    /// By which it is accepted, released, rejected or renewed.
    pub ack_id: String,
}

/// A shared group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Id of the group.
    pub group: GroupId,
    /// Records that are delivered and neither acknowledged nor expired.
    pub in_flight: usize,
    /// Whether a flood of failures paused it.
    pub is_paused: bool,
}

impl Shares {
    /// Makes `__share_group_state` if it is not there, and reads all of it. The service has to run
    /// for anything to be answered. `groups` learns which ids are shared.
    #[expect(clippy::unused_async, reason = "the topic is read here")]
    pub async fn open(
        _log: Log,
        _clock: Arc<dyn Clock>,
        _rules: Rules,
        _groups: Groups,
    ) -> Result<(Shares, Service), Error> {
        let inner = Arc::new(Inner {
            redriven: watch::Sender::new(0),
        });
        Ok((Shares { inner }, Service {}))
    }

    /// Waits for records and hands them out; durably counted as delivered when it returns. Empty
    /// where none came in time. Cancel safe: records that were taken for a caller that went away
    /// come back when their lease ends.
    #[expect(clippy::unused_async, reason = "it waits for records")]
    pub async fn read(&self, _read: Read) -> Result<Vec<Delivery>, Error> {
        Err(NOT_YET)
    }

    /// Makes the records of dead letters available again to their group, with a fresh delivery
    /// count and one redrive more, and marks the letters, all in one append; durable when it
    /// returns. What cannot be redriven is refused one by one. A group that is not shared is
    /// `NotFound`. Cancel safe: all or nothing happens.
    #[expect(clippy::unused_async, reason = "it waits for the append")]
    pub async fn redrive(&self, _group: &GroupId, _letters: &[Redrive]) -> Result<Redriven, Error> {
        Err(NOT_YET)
    }

    /// Marks letters as redriven and appends `with` (the records that take their place), all in
    /// one append; durable when it returns. Refused as a whole where one of them is marked already.
    /// Cancel safe.
    #[expect(clippy::unused_async, reason = "it waits for the append")]
    pub async fn mark_redriven(
        &self,
        _letters: &[(TopicName, PartitionId, Offset)],
        _with: Vec<PartitionBatch>,
    ) -> Result<(), Error> {
        Err(NOT_YET)
    }

    /// Whether the dead letter at this offset was redriven.
    #[must_use]
    pub fn is_redriven(&self, _topic: &str, _partition: PartitionId, _offset: Offset) -> bool {
        false
    }

    /// A number that grows whenever letters were marked.
    #[must_use]
    pub fn redriven_version(&self) -> u64 {
        *self.inner.redriven.borrow()
    }

    /// Resolves with the new number once letters were marked after `version`. Cancel safe.
    pub async fn redriven_since(&self, version: u64) -> u64 {
        let mut changes = self.inner.redriven.subscribe();
        let changed = changes.wait_for(|now| *now > version).await;
        changed.map_or(version, |now| *now)
    }

    /// Whether there is a shared group of this id.
    #[must_use]
    pub fn is_shared(&self, _group: &str) -> bool {
        false
    }

    /// All shared groups, by id.
    #[must_use]
    pub fn list(&self) -> Vec<Listing> {
        Vec::new()
    }

    /// How far every shared group is behind on every partition it reads.
    #[must_use]
    pub fn lag(&self) -> Vec<Lag> {
        Vec::new()
    }
}

impl Service {
    /// Runs until `shutdown`; then refuses requests, and ends when every write that was taken is
    /// answered. The log has to be closed after this.
    pub async fn run(self, shutdown: CancellationToken) {
        shutdown.cancelled().await;
    }
}
