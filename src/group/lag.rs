//! How far groups are behind.

use std::sync::Arc;

use super::groups::Groups;
use super::id::GroupId;
use crate::log::{Log, Partition};
use crate::record::{Records, batches};
use crate::topic::{Offset, PartitionId, TopicName};

/// Bytes of records that are unpacked to find one record's time; a batch that is larger answers
/// with the time of its last record.
const UNPACKED_BYTES_MAX: usize = 4 << 20;

/// How far one group is behind on one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// Which group.
    pub group: GroupId,
    /// Which topic.
    pub topic: TopicName,
    /// Which partition.
    pub partition: PartitionId,
    /// The next record the group wants.
    pub committed: Offset,
    /// Offset behind the last record.
    pub end: Offset,
    /// Records between the two that are still kept: those that retention took count no more.
    pub records: i64,
}

impl Groups {
    /// The lag of every group on every partition it committed and that there still is.
    #[must_use]
    pub fn lag(&self) -> Vec<Lag> {
        let state = self.shared.state.lock();
        let mut all = Vec::new();
        for group in state.groups.values() {
            for (topic, id, committed) in group.offsets().iter() {
                let found = self.shared.log.topic(topic.as_str());
                let found = found.filter(|t| committed.topic_id.is_none_or(|known| known == t.id));
                let Some(found) = found else {
                    continue;
                };
                let Some(partition) = found.partition(id) else {
                    continue;
                };
                let end = partition.end();
                let from = committed.offset.max(partition.start());
                all.push(Lag {
                    group: group.id().clone(),
                    topic: topic.clone(),
                    partition: id,
                    committed: committed.offset,
                    end,
                    records: end.0.saturating_sub(from.0).max(0),
                });
            }
        }
        all
    }

    /// When the first record that the group has not read was written, ms since 1970-01-01 UTC;
    /// `None` where there is none, or it cannot be read. Reads one batch.
    pub async fn waiting_since_ms(&self, lag: &Lag) -> Option<i64> {
        let log = &self.shared.log;
        let topic = log.topic(lag.topic.as_str())?;
        let partition = topic.partition(lag.partition)?;
        let from = lag.committed.max(partition.start());
        if from >= partition.end() {
            return None;
        }
        timestamp_at(log, partition, from).await
    }
}

pub(super) async fn timestamp_at(
    log: &Log,
    partition: &Arc<Partition>,
    offset: Offset,
) -> Option<i64> {
    let read = log.read(partition, offset, 1).await.ok()?;
    for chunk in &read.chunks {
        for batch in batches(chunk) {
            let (header, bytes) = batch.ok()?;
            if header.next_offset() <= offset.0 {
                continue;
            }
            let Ok(records) = Records::decode(bytes, UNPACKED_BYTES_MAX) else {
                return Some(header.max_timestamp);
            };
            let mut records = records.iter().filter_map(Result::ok);
            let record = records.find(|record| record.offset >= offset.0);
            return Some(record.map_or(header.max_timestamp, |record| record.timestamp));
        }
    }
    None
}
