//! Changes on their way to the log: what is written, and what happens once it is synced.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, oneshot};

use super::super::error::Error;
use super::cell::{Cell, Place, State};
use super::marks::Marked;
use super::shared::Shared;
use super::stored::{Key, encode_snapshot};
use super::tally::Tally;
use crate::log::{Append, Origin, PartitionBatch, Ticket};
use crate::record::BatchBuilder;

/// The answer to whoever asked for a change.
pub(super) type Answered = oneshot::Receiver<Result<(), Error>>;

/// A change on its way to the disk.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) ticket: Result<Ticket, Error>,
    /// Whose state it holds; `None` for marks without a group.
    pub(super) of: Option<Stored>,
    pub(super) marks: Option<Marking>,
    pub(super) answer: oneshot::Sender<Result<(), Error>>,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// What a change of a group does once it is durable.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) cell: Arc<Cell>,
    /// What is stored then; `None` is a tombstone.
    pub(super) values: Vec<(Place, Option<Bytes>)>,
    pub(super) tally: Tally,
    /// The group is gone for good then.
    pub(super) is_deletion: bool,
}

/// Marks that hold once they are durable. The guard keeps others from making theirs until then,
/// since each record holds all marks of its partition.
#[derive(Debug)]
pub(super) struct Marking {
    pub(super) marked: Vec<Marked>,
    pub(super) _guard: OwnedMutexGuard<()>,
}

/// What a change of a group consists of.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Partitions whose state as it is now is to be stored, or deleted where there is none.
    pub(super) places: Vec<Place>,
    /// Dead letters, or what else goes into the same append.
    pub(super) with: Vec<PartitionBatch>,
    pub(super) tally: Tally,
    pub(super) marks: Option<Marking>,
    pub(super) is_deletion: bool,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Shared {
    /// Submits a change of a group whose state is locked.
    pub(super) fn submit(&self, cell: &Arc<Cell>, state: &mut State, change: Change) -> Answered {
        let now_ms = self.clock.now_ms();
        let mut records = Vec::with_capacity(change.places.len());
        let mut values = Vec::with_capacity(change.places.len());
        for place in change.places {
            let value = state.slots.get_mut(&place).map(|slot| {
                slot.epoch = slot.epoch.wrapping_add(1);
                let value = encode_snapshot(&slot.partition, slot.epoch, slot.made_ms, now_ms);
                Bytes::from(value)
            });
            let key = Key::Snapshot {
                group: cell.id.to_string(),
                topic: place.topic,
                partition: place.partition,
            };
            records.push((key, value.clone()));
            values.push((place, value));
        }
        let marking = change.marks.iter().flat_map(|marking| &marking.marked);
        records.extend(marking.map(Marked::record));
        let ticket = self.append(&records, change.with);
        let ticket = ticket.map(|append| self.log.submit_in(&state.chain, append));
        state.pending += 1;
        let of = Stored {
            cell: Arc::clone(cell),
            values,
            tally: change.tally,
            is_deletion: change.is_deletion,
        };
        self.queue(ticket, Some(of), change.marks, change.room)
    }

    /// Submits marks that no group's state goes with.
    pub(super) fn submit_marks(
        &self,
        marking: Marking,
        with: Vec<PartitionBatch>,
        room: OwnedSemaphorePermit,
    ) -> Answered {
        let records: Vec<_> = marking.marked.iter().map(Marked::record).collect();
        let ticket = self
            .append(&records, with)
            .map(|append| self.log.submit(append));
        self.queue(ticket, None, Some(marking), Some(room))
    }

    fn queue(
        &self,
        ticket: Result<Ticket, Error>,
        of: Option<Stored>,
        marks: Option<Marking>,
        room: Option<OwnedSemaphorePermit>,
    ) -> Answered {
        let (answer, answered) = oneshot::channel();
        self.writes.lock().push_back(Write {
            ticket,
            of,
            marks,
            answer,
            room,
        });
        self.write_queued.notify_one();
        answered
    }

    pub(super) fn append(
        &self,
        records: &[(Key, Option<Bytes>)],
        mut with: Vec<PartitionBatch>,
    ) -> Result<Append, Error> {
        let refused = |_| Error::Invalid("its records are larger than a batch may be");
        let mut batch = BatchBuilder::new();
        let timestamp_ms = self.clock.now_ms();
        for (key, value) in records {
            let appended = batch.append(timestamp_ms, Some(&key.encode()), value.as_deref(), &[]);
            appended.map_err(refused)?;
        }
        with.push(PartitionBatch {
            partition: Arc::clone(&self.partition),
            bytes: batch.finish().map_err(refused)?,
        });
        Ok(Append {
            origin: Origin::Inside,
            batches: with,
        })
    }
}

/// Waits for the outcome of a change.
pub(super) async fn outcome(answered: Answered) -> Result<(), Error> {
    answered.await.unwrap_or(Err(Error::Closing))
}

impl Stored {
    /// Learns what became of the append. Whether the group holds nothing any more.
    pub(super) fn settle(self, outcome: &Result<(), Error>) -> bool {
        let mut state = self.cell.state.lock();
        state.pending = state.pending.saturating_sub(1);
        match outcome {
            Ok(()) => {
                for (place, value) in self.values {
                    if let Some(slot) = state.slots.get_mut(&place) {
                        slot.stored = value;
                    }
                }
                self.tally.add(&self.cell.id);
            }
            Err(error) => {
                state.failure.get_or_insert_with(|| error.clone());
                state.is_gone &= !self.is_deletion;
            }
        }
        if state.failure.is_some() && state.pending == 0 {
            tracing::warn!(group = %self.cell.id, "an append failed; the group goes back to what is stored");
            state.reload();
            self.cell.changed.notify_waiters();
        }
        state.slots.is_empty() && state.pending == 0
    }
}
