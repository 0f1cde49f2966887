//! The offsets a group committed.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::group::{Group, Phase};
use crate::group::limits::OFFSET_BYTES;
use crate::topic::{Offset, PartitionId, TopicName};

/// One committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The next record the group wants.
    pub offset: Offset,
    /// Leader epoch of the last record read; -1 if not known.
    pub leader_epoch: i32,
    /// What the client stored beside it.
    pub metadata: String,
    /// When it was committed, ms since 1970-01-01 UTC.
    pub commit_ms: i64,
    /// The topic's id, so that a topic made again under the same name starts from its beginning.
    /// `None` in records written by Kafka before 4.1.
    pub topic_id: Option<Uuid>,
}

impl Committed {
    fn bytes(&self) -> usize {
        OFFSET_BYTES + self.metadata.len()
    }
}

/// Committed offsets by topic and partition.
#[derive(Debug, Default)]
pub struct Offsets {
    topics: BTreeMap<TopicName, BTreeMap<PartitionId, Committed>>,
    bytes: usize,
    /// Changes on their way to the disk, with how many there are of each.
    underway: BTreeMap<(TopicName, PartitionId), u32>,
}

impl Offsets {
    /// Whether there is none, nor one on its way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.underway.is_empty()
    }

    /// Whether a change is on its way to the disk.
    #[must_use]
    pub fn is_changing(&self) -> bool {
        !self.underway.is_empty()
    }

    /// Estimated memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes + self.underway.len() * OFFSET_BYTES
    }

    /// A change of this partition was submitted.
    pub fn submitted(&mut self, topic: &TopicName, partition: PartitionId) {
        *self.underway.entry((topic.clone(), partition)).or_default() += 1;
    }

    /// A submitted change is stored, or is known not to be.
    pub fn settled(&mut self, topic: &TopicName, partition: PartitionId) {
        let key = (topic.clone(), partition);
        if let Some(count) = self.underway.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.underway.remove(&key);
            }
        }
    }

    /// Every partition that has an offset or may get one from a change on its way.
    #[must_use]
    pub fn partitions(&self) -> Vec<(TopicName, PartitionId)> {
        let stored = self
            .iter()
            .map(|(topic, partition, _)| (topic.clone(), partition));
        let new = self
            .underway
            .keys()
            .filter(|(t, p)| self.get(t.as_str(), *p).is_none());
        stored.chain(new.cloned()).collect()
    }

    /// The offset of one partition.
    #[must_use]
    pub fn get(&self, topic: &str, partition: PartitionId) -> Option<&Committed> {
        self.topics.get(topic)?.get(&partition)
    }

    /// Puts an offset in, in place of an older one.
    pub fn put(&mut self, topic: TopicName, partition: PartitionId, committed: Committed) {
        self.bytes += committed.bytes();
        let old = self
            .topics
            .entry(topic)
            .or_default()
            .insert(partition, committed);
        if let Some(old) = old {
            self.bytes -= old.bytes();
        }
    }

    /// Takes an offset out.
    pub fn remove(&mut self, topic: &str, partition: PartitionId) -> Option<Committed> {
        let partitions = self.topics.get_mut(topic)?;
        let old = partitions.remove(&partition)?;
        self.bytes -= old.bytes();
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
        Some(old)
    }

    /// All offsets, by topic and partition.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicName, PartitionId, &Committed)> {
        self.topics
            .iter()
            .flat_map(|(topic, partitions)| partitions.iter().map(move |(p, c)| (topic, *p, c)))
    }

    /// The topics with their partitions.
    pub fn topics(&self) -> impl Iterator<Item = (&TopicName, &BTreeMap<PartitionId, Committed>)> {
        self.topics.iter()
    }
}

impl Group {
    /// Offsets that are older than the retention: of a group that had members, counted from when
    /// it became empty; of one that only holds offsets, from each commit.
    #[must_use]
    pub fn expired_offsets(
        &self,
        wall_ms: i64,
        retention_ms: i64,
    ) -> Vec<(TopicName, PartitionId)> {
        if self.phase != Phase::Empty || self.offsets.is_changing() {
            return Vec::new();
        }
        let is_over = |committed: &Committed| {
            let since_ms = match self.protocol_type {
                Some(_) => self.phase_since_ms.max(committed.commit_ms),
                None => committed.commit_ms,
            };
            wall_ms.saturating_sub(since_ms) >= retention_ms
        };
        let expired = self
            .offsets
            .iter()
            .filter(|(_, _, committed)| is_over(committed));
        expired
            .map(|(topic, partition, _)| (topic.clone(), partition))
            .collect()
    }
}
