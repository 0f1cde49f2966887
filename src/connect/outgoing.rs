//! Records on their way to the log: one batch under construction for each partition, handed over
//! as one append together with the position.

use std::sync::Arc;

use crate::log::{APPEND_BYTES_MAX, Append, Origin, Partition, PartitionBatch};
use crate::record::{BatchBuilder, Header};

use super::error::Error;

/// Bytes that are collected before an append is due; appends of about this size keep the journal
/// at its sequential rate without holding records back.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

/// Bytes of all records of one change: they go into one append, beside what has waited and the
/// position.
pub(super) const CHANGE_BYTES_MAX: usize = APPEND_BYTES_MAX - 2 * CHUNK_BYTES;

/// Bytes of a batch's header (61) and of a record's own lengths (at most 31, and 10 for each
/// header), by which a record in its batch is larger than key, value and headers.
const RECORD_OVERHEAD_BYTES: usize = 256;

/// Number of a partition in [`Outgoing`]; valid as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lane(usize);

/// One record to be added.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewRecord<'a> {
    pub(super) timestamp_ms: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: &'a [Header<'a>],
}

impl NewRecord<'_> {
    /// Bytes that the record takes in a batch of its own, at most; and so in any batch.
    pub(super) fn batch_bytes(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len));
        let payload = [self.key, self.value]
            .into_iter()
            .flatten()
            .map(<[u8]>::len);
        payload.chain(headers).sum::<usize>() + RECORD_OVERHEAD_BYTES
    }
}

/// What a topic that takes batches of `max_message_bytes` takes as one record, overhead included.
pub(super) fn record_bytes_max(max_message_bytes: u32) -> usize {
    let max = usize::try_from(max_message_bytes).unwrap_or(usize::MAX);
    max.min(CHANGE_BYTES_MAX)
}

/// Batches under construction.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    lanes: Vec<Building>,
    bytes: usize,
    records: usize,
}

/// The batches of a partition.
#[derive(Debug)]
struct Building {
    partition: Arc<Partition>,
    /// No batch gets larger, unless by its first record.
    batch_bytes_max: usize,
    /// Batches that are full.
    full: Vec<u8>,
    batch: BatchBuilder,
}

impl Outgoing {
    /// The lane of `partition`, made on first use; its topic takes batches of `max_message_bytes`.
    pub(super) fn lane(&mut self, partition: &Arc<Partition>, max_message_bytes: u32) -> Lane {
        let batch_bytes_max = record_bytes_max(max_message_bytes);
        let known = |building: &Building| Arc::ptr_eq(&building.partition, partition);
        let at = self.lanes.iter().position(known).unwrap_or_else(|| {
            self.lanes.push(Building {
                partition: Arc::clone(partition),
                batch_bytes_max,
                full: Vec::new(),
                batch: BatchBuilder::new(),
            });
            self.lanes.len() - 1
        });
        if let Some(building) = self.lanes.get_mut(at) {
            building.batch_bytes_max = batch_bytes_max;
        }
        Lane(at)
    }

    /// Adds a record to a lane.
    pub(super) fn add(&mut self, lane: Lane, record: NewRecord<'_>) -> Result<(), Error> {
        let Some(building) = self.lanes.get_mut(lane.0) else {
            return Ok(());
        };
        let with_it = building
            .batch
            .len_bytes()
            .saturating_add(record.batch_bytes());
        if with_it > building.batch_bytes_max && !building.batch.is_empty() {
            building.batch.finish_into(&mut building.full)?;
        }
        let before = building.batch.len_bytes();
        building.batch.append(
            record.timestamp_ms,
            record.key,
            record.value,
            record.headers,
        )?;
        self.bytes += building.batch.len_bytes().saturating_sub(before);
        self.records += 1;
        Ok(())
    }

    /// Bytes of records that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of records that wait.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Takes all that waits as one append for `origin`.
    pub(super) fn take(&mut self, origin: Origin) -> Result<Append, Error> {
        self.bytes = 0;
        self.records = 0;
        let mut batches = Vec::new();
        for building in self.lanes.iter_mut().filter(|lane| !lane.batch.is_empty()) {
            let bytes = match building.full.is_empty() {
                true => building.batch.finish()?,
                false => {
                    let mut bytes = std::mem::take(&mut building.full);
                    building.batch.finish_into(&mut bytes)?;
                    bytes
                }
            };
            batches.push(PartitionBatch {
                partition: Arc::clone(&building.partition),
                bytes,
            });
        }
        Ok(Append { origin, batches })
    }
}
