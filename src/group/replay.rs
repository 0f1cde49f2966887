//! Rebuilds all groups from `__consumer_offsets`.
//!
//! Compaction keeps the last record of each key, so the order of what is left is the order of the
//! last changes. A tombstone of a group takes its generation and members away; its offsets have
//! tombstones of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::Error;
use super::id::GroupId;
use super::limits::{Config, STATE_BYTES_MAX};
use super::state::{Group, Now};
use super::stored::{Key, decode_group, decode_offset};
use crate::log::{Log, Partition};
use crate::record::{Record, Records, batches};
use crate::topic::{CONSUMER_OFFSETS, Offset, TopicName};

/// Serial of every group that was read back: none of them has a write under way.
pub(super) const SERIAL: u64 = 0;
/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

pub(super) async fn replay(
    log: &Log,
    partition: &Arc<Partition>,
    now: Now,
    config: Config,
) -> Result<BTreeMap<GroupId, Group>, Error> {
    let mut replay = Replay {
        groups: BTreeMap::new(),
        now,
        config,
    };
    let mut next = partition.start();
    let end = partition.end();
    while next < end {
        let read = log.read(partition, next, READ_BYTES).await?;
        let before = next;
        for chunk in &read.chunks {
            next = replay.chunk(chunk, next)?;
        }
        if next == before {
            return Err(Error::Damaged {
                topic: CONSUMER_OFFSETS,
                offset: next.0,
                what: "no batch begins there".to_owned(),
            });
        }
    }
    // A group that was deleted leaves a tombstone, and no offsets.
    replay
        .groups
        .retain(|_, g| !g.is_unused() || g.generation() > 0);
    Ok(replay.groups)
}

struct Replay {
    groups: BTreeMap<GroupId, Group>,
    now: Now,
    config: Config,
}

impl Replay {
    /// Takes the batches of a chunk; returns the offset behind them.
    fn chunk(&mut self, chunk: &[u8], mut next: Offset) -> Result<Offset, Error> {
        let damaged = |offset: Offset, error: &dyn std::error::Error| Error::Damaged {
            topic: CONSUMER_OFFSETS,
            offset: offset.0,
            what: error.to_string(),
        };
        for batch in batches(chunk) {
            let (header, bytes) = batch.map_err(|error| damaged(next, &error))?;
            let records = Records::decode(bytes, STATE_BYTES_MAX);
            let records = records.map_err(|error| damaged(next, &error))?;
            for record in &records {
                let record = record.map_err(|error| damaged(next, &error))?;
                if let Err(what) = self.record(&record) {
                    // One record that cannot be read must not keep all groups from being served.
                    tracing::error!(offset = record.offset, what, "a group's record is left out");
                }
            }
            next = next.max(Offset(header.next_offset()));
        }
        Ok(next)
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), &'static str> {
        match Key::decode(record.key.ok_or("it has no key")?)? {
            Key::Offset {
                group,
                topic,
                partition,
            } => {
                let topic = TopicName::parse(&topic).map_err(|_| "its topic is not legal")?;
                let group = self.group(&group)?;
                match record.value {
                    Some(value) => {
                        let committed = decode_offset(value)?;
                        group.offsets_mut().put(topic, partition, committed);
                    }
                    None => {
                        group.offsets_mut().remove(topic.as_str(), partition);
                    }
                }
            }
            Key::Group { group } => {
                let now = self.now;
                let config = self.config;
                let group = self.group(&group)?;
                match record.value {
                    Some(value) => group.restore(now, decode_group(value)?),
                    None => {
                        let mut empty = Group::new(group.id().clone(), SERIAL, config, now);
                        std::mem::swap(empty.offsets_mut(), group.offsets_mut());
                        *group = empty;
                    }
                }
            }
            Key::Other(_) => {}
        }
        Ok(())
    }

    fn group(&mut self, id: &str) -> Result<&mut Group, &'static str> {
        let id = GroupId::parse(id).map_err(|_| "its group id is not legal")?;
        let new = || Group::new(id.clone(), SERIAL, self.config, self.now);
        Ok(self.groups.entry(id.clone()).or_insert_with(new))
    }
}
