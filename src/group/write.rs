//! Changes on their way to the log: what is written, and what happens once it is synced.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::error::Error;
use super::id::GroupId;
use super::shared::{Shared, State};
use super::state::{Committed, Group};
use super::stored::{Key, encode_group, encode_offset};
use crate::log::{Append, Origin, PartitionBatch, Ticket};
use crate::record::BatchBuilder;
use crate::topic::{PartitionId, TopicName};

/// A change on its way to the disk.
pub(super) struct Write {
    pub(super) ticket: Result<Ticket, Error>,
    pub(super) effect: Effect,
    /// `None` for what the state machine asks for: at most one of a group is under way.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

/// What a change does once it is durable.
pub(super) enum Effect {
    /// Offsets are set, or deleted where there is none.
    Offsets {
        group: GroupId,
        serial: u64,
        offsets: Vec<(TopicName, PartitionId, Option<Committed>)>,
        answer: oneshot::Sender<Result<(), Error>>,
    },
    /// The state machine learns that its generation is stored.
    Generation {
        group: GroupId,
        serial: u64,
        generation: i32,
    },
    /// The group is gone for good; it comes back if the write failed.
    Deletion {
        group: Box<Group>,
        answer: oneshot::Sender<Result<(), Error>>,
    },
}

impl Shared {
    pub(super) fn write_generation(&self, state: &mut State, id: &GroupId, generation: i32) {
        let Some(group) = state.groups.get(id) else {
            return;
        };
        let key = Key::Group {
            group: id.to_string(),
        };
        let value = encode_group(&group.to_stored());
        let effect = Effect::Generation {
            group: id.clone(),
            serial: group.serial(),
            generation,
        };
        self.write(state, &[(key, Some(value))], effect, None);
    }

    pub(super) fn write_offsets(
        &self,
        state: &mut State,
        group: &GroupId,
        offsets: Vec<(TopicName, PartitionId, Option<Committed>)>,
        room: Option<OwnedSemaphorePermit>,
    ) -> oneshot::Receiver<Result<(), Error>> {
        let (answer, answered) = oneshot::channel();
        let mut serial = 0;
        if let Some(known) = state.groups.get_mut(group) {
            serial = known.serial();
            let before = known.bytes();
            for (topic, partition, _) in &offsets {
                known.offsets_mut().submitted(topic, *partition);
            }
            let after = known.bytes();
            state.bytes = (state.bytes + after).saturating_sub(before);
        }
        let mut records = Vec::with_capacity(offsets.len());
        for (topic, partition, committed) in &offsets {
            let key = Key::Offset {
                group: group.to_string(),
                topic: topic.to_string(),
                partition: *partition,
            };
            records.push((key, committed.as_ref().map(encode_offset)));
        }
        let effect = Effect::Offsets {
            group: group.clone(),
            serial,
            offsets,
            answer,
        };
        self.write(state, &records, effect, room);
        answered
    }

    /// Takes a group out and writes tombstones for it and its offsets. `None` if it is not there.
    pub(super) fn write_deletion(
        &self,
        state: &mut State,
        id: &GroupId,
        room: Option<OwnedSemaphorePermit>,
    ) -> Option<oneshot::Receiver<Result<(), Error>>> {
        let group = state.remove(id)?;
        let (answer, answered) = oneshot::channel();
        let partitions = group.offsets().partitions().into_iter();
        let offsets = partitions.map(|(topic, partition)| Key::Offset {
            group: id.to_string(),
            topic: topic.to_string(),
            partition,
        });
        let own = Key::Group {
            group: id.to_string(),
        };
        let records: Vec<_> = offsets.chain([own]).map(|key| (key, None)).collect();
        let group = Box::new(group);
        self.write(state, &records, Effect::Deletion { group, answer }, room);
        Some(answered)
    }

    fn write(
        &self,
        state: &mut State,
        records: &[(Key, Option<Vec<u8>>)],
        effect: Effect,
        room: Option<OwnedSemaphorePermit>,
    ) {
        let ticket = self.submit(records);
        state.writes.push_back(Write {
            ticket,
            effect,
            _room: room,
        });
        self.write_queued.notify_one();
    }

    fn submit(&self, records: &[(Key, Option<Vec<u8>>)]) -> Result<Ticket, Error> {
        let refused = |_| Error::Invalid("its records are larger than a batch may be");
        let mut batch = BatchBuilder::new();
        let timestamp_ms = self.clock.now_ms();
        for (key, value) in records {
            let key = key.encode();
            let appended = batch.append(timestamp_ms, Some(&key), value.as_deref(), &[]);
            appended.map_err(refused)?;
        }
        let bytes = batch.finish().map_err(refused)?;
        Ok(self.log.submit(Append {
            origin: Origin::Inside,
            batches: vec![PartitionBatch {
                partition: Arc::clone(&self.partition),
                bytes,
            }],
        }))
    }
}
