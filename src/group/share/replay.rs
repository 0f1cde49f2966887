//! Rebuilds shared groups and marks from `__share_group_state`.
//!
//! The last record of each key holds. What belongs to a topic that is gone is left out and deleted,
//! should its deletion have been cut short.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::super::error::Error;
use super::super::id::GroupId;
use super::cell::{Cell, Place, Slot};
use super::marks::Marked;
use super::shared::Shared;
use super::stored::{Key, Snapshot, decode_marks, decode_snapshot};
use super::tally;
use crate::error::chain;
use crate::log::{Log, Partition};
use crate::record::{Record, Records, batches};
use crate::topic::{Offset, PartitionId, SHARE_GROUP_STATE, TopicName};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;
/// What a batch of the topic may decompress to; it is written uncompressed, far below this.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// Snapshots as they were read, by group.
type Groups = BTreeMap<GroupId, BTreeMap<Place, (Snapshot, Bytes)>>;

pub(super) async fn state_partition(log: &Log) -> Result<Arc<Partition>, Error> {
    let topic = match log.topic(SHARE_GROUP_STATE) {
        Some(topic) => topic,
        None => {
            let name = TopicName::parse(SHARE_GROUP_STATE).expect("the name is legal");
            let config = log.default_topic_config(&name);
            log.create_topic(&name, 1, config).await?
        }
    };
    let partition = topic.partition(PartitionId(0)).cloned();
    partition.ok_or_else(|| damaged(Offset(0), "the topic has no partition".to_owned()))
}

fn damaged(offset: Offset, what: String) -> Error {
    Error::Damaged {
        topic: SHARE_GROUP_STATE,
        offset: offset.0,
        what,
    }
}

pub(super) async fn replay(shared: &Shared) -> Result<(), Error> {
    let partition = &shared.partition;
    let mut groups = Groups::new();
    let mut next = partition.start();
    let end = partition.end();
    while next < end {
        let read = shared.log.read(partition, next, READ_BYTES).await?;
        let before = next;
        for chunk in &read.chunks {
            next = replay_chunk(shared, &mut groups, chunk, next)?;
        }
        if read.chunks.is_empty() {
            // Compaction left nothing up to the end.
            break;
        }
        if next == before {
            return Err(damaged(next, "no batch begins there".to_owned()));
        }
    }
    let mut gone: Vec<_> = shared
        .marks
        .orphans(&shared.log)
        .iter()
        .map(Marked::record)
        .collect();
    for (id, snapshots) in groups {
        restore(shared, id, snapshots, &mut gone);
    }
    if !gone.is_empty() {
        let deleted = shared.log.append(shared.append(&gone, Vec::new())?).await;
        if let Err(error) = deleted {
            tracing::warn!(error = %chain(&error), "what deleted topics left behind stays for now");
        }
    }
    Ok(())
}

/// Takes the batches of a chunk; returns the offset behind them.
fn replay_chunk(
    shared: &Shared,
    groups: &mut Groups,
    chunk: &[u8],
    mut next: Offset,
) -> Result<Offset, Error> {
    for batch in batches(chunk) {
        let (header, bytes) = batch.map_err(|error| damaged(next, chain(&error)))?;
        let records = Records::decode(bytes, BATCH_BYTES_MAX);
        let records = records.map_err(|error| damaged(next, chain(&error)))?;
        for record in &records {
            let record = record.map_err(|error| damaged(next, chain(&error)))?;
            if let Err(what) = replay_record(shared, groups, &record) {
                // One record that cannot be read must not keep all groups from being served.
                tracing::error!(
                    offset = record.offset,
                    what,
                    "a shared group's record is left out"
                );
            }
        }
        next = next.max(Offset(header.next_offset()));
    }
    Ok(next)
}

fn replay_record(
    shared: &Shared,
    groups: &mut Groups,
    record: &Record<'_>,
) -> Result<(), &'static str> {
    match Key::decode(record.key.ok_or("it has no key")?)? {
        Key::Snapshot {
            group,
            topic,
            partition,
        } => {
            let id = GroupId::parse(&group).map_err(|_| "its group id is not legal")?;
            let place = Place { topic, partition };
            let places = groups.entry(id).or_default();
            match record.value {
                Some(value) => {
                    let snapshot = decode_snapshot(value)?;
                    places.insert(place, (snapshot, Bytes::copy_from_slice(value)));
                }
                None => drop(places.remove(&place)),
            }
        }
        Key::Marks { topic, partition } => {
            let ranges = record.value.map(decode_marks).transpose()?;
            shared.marks.restore(Place { topic, partition }, ranges);
        }
        Key::Other(_) => {}
    }
    Ok(())
}

fn restore(
    shared: &Shared,
    id: GroupId,
    snapshots: BTreeMap<Place, (Snapshot, Bytes)>,
    gone: &mut Vec<(Key, Option<Bytes>)>,
) {
    let mut slots = BTreeMap::new();
    for (place, (snapshot, bytes)) in snapshots {
        if let Some(topic) = shared.log.topic_by_id(place.topic) {
            slots.insert(place, Slot::stored(topic.name.clone(), snapshot, bytes));
        } else {
            let key = Key::Snapshot {
                group: id.to_string(),
                topic: place.topic,
                partition: place.partition,
            };
            gone.push((key, None));
        }
    }
    if slots.is_empty() {
        return;
    }
    if let Err(error) = shared.ordered.claim_shared(&id) {
        tracing::error!(group = %id, error = %chain(&error), "a shared group is left out");
        return;
    }
    tally::begin(&id);
    let cell = Cell::new(id.clone());
    cell.state.lock().slots = slots;
    shared.cells.lock().insert(id, Arc::new(cell));
}
