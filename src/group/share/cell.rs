//! One shared group in memory: what it has open, and how that relates to the log.
//!
//! What members see is ahead of the log by the appends under way. All appends of a group are one
//! [`Chain`]: the log stores none after one that failed. When one has failed the group takes no
//! more; once all its tickets are answered it goes back to what is stored
//! ([`Slot::stored`], which is what a read of the log would give, since an append that failed is
//! void once the log goes on), with no leases, and a new chain.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::sync::Notify;
use uuid::Uuid;

use super::super::error::Error;
use super::super::id::GroupId;
use super::limits::PARTITION_BYTES;
use super::state::{Breaker, Partition};
use super::stored::{Snapshot, decode_snapshot};
use crate::log::Chain;
use crate::topic::{PartitionId, TopicName};

/// A partition of a topic, whatever is made later under the topic's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) topic: Uuid,
    pub(super) partition: PartitionId,
}

/// What a group knows of one partition.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) topic: TopicName,
    pub(super) partition: Partition,
    /// Of the last snapshot that was submitted.
    pub(super) epoch: i32,
    pub(super) made_ms: i64,
    /// The last snapshot that is durable; `None` while the first is under way.
    pub(super) stored: Option<Bytes>,
}

/// A shared group.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) id: GroupId,
    /// Held by the one reader that looks for records; its number rotates the partitions.
    pub(super) reader: tokio::sync::Mutex<usize>,
    /// Records may have become available: released, expired, redriven, or room was made.
    pub(super) changed: Notify,
    pub(super) state: parking_lot::Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) slots: BTreeMap<Place, Slot>,
    pub(super) chain: Chain,
    /// Appends whose outcome is not known yet.
    pub(super) pending: usize,
    /// Why an append failed; `Some` until the group was reloaded.
    pub(super) failure: Option<Error>,
    /// Grows when state in memory is thrown away: what was found out before does not hold.
    pub(super) reloads: u64,
    pub(super) breaker: Breaker,
    /// It was taken out, or is about to be; nobody may use it.
    pub(super) is_gone: bool,
}

impl Cell {
    pub(super) fn new(id: GroupId) -> Cell {
        Cell {
            id,
            reader: tokio::sync::Mutex::new(0),
            changed: Notify::new(),
            state: parking_lot::Mutex::default(),
        }
    }
}

impl Slot {
    /// A partition the group begins to read.
    pub(super) fn new(topic: TopicName, next: i64, now_ms: i64) -> Slot {
        Slot {
            topic,
            partition: Partition::new(next),
            epoch: 0,
            made_ms: now_ms,
            stored: None,
        }
    }

    /// A partition as it was stored.
    pub(super) fn stored(topic: TopicName, snapshot: Snapshot, bytes: Bytes) -> Slot {
        Slot {
            topic,
            partition: snapshot.partition,
            epoch: snapshot.epoch,
            made_ms: snapshot.made_ms,
            stored: Some(bytes),
        }
    }
}

impl State {
    /// Checks that the group takes changes.
    pub(super) fn check(&self, group: &GroupId) -> Result<(), Error> {
        match &self.failure {
            _ if self.is_gone => Err(Error::NotFound(group.to_string())),
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    /// Estimated memory.
    pub(super) fn bytes(&self) -> usize {
        let slots = self
            .slots
            .values()
            .map(|slot| slot.partition.bytes() + slot.stored.as_ref().map_or(0, Bytes::len));
        PARTITION_BYTES + slots.sum::<usize>()
    }

    pub(super) fn in_flight_count(&self) -> usize {
        self.slots
            .values()
            .map(|slot| slot.partition.in_flight_count())
            .sum()
    }

    /// Goes back to what is stored.
    pub(super) fn reload(&mut self) {
        self.slots.retain(|_, slot| {
            let stored = slot.stored.as_deref().map(decode_snapshot);
            let Some(Ok(snapshot)) = stored else {
                return false;
            };
            slot.partition = snapshot.partition;
            true
        });
        self.chain = Chain::new();
        self.failure = None;
        self.reloads += 1;
    }
}
