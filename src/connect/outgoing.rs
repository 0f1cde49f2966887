//! Records on their way to the log: one batch under construction for each partition, handed over
//! as one append together with the position.

use std::sync::Arc;

use crate::log::{Append, Origin, Partition, PartitionBatch};
use crate::record::{BatchBuilder, Header};

use super::error::Error;

/// Bytes that are collected before an append is due; appends of about this size keep the journal
/// at its sequential rate without holding records back.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

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

/// Batches under construction.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    lanes: Vec<(Arc<Partition>, BatchBuilder)>,
    bytes: usize,
    records: usize,
}

impl Outgoing {
    /// The lane of `partition`, made on first use.
    pub(super) fn lane(&mut self, partition: &Arc<Partition>) -> Lane {
        match self
            .lanes
            .iter()
            .position(|(known, _)| Arc::ptr_eq(known, partition))
        {
            Some(lane) => Lane(lane),
            None => {
                self.lanes
                    .push((Arc::clone(partition), BatchBuilder::new()));
                Lane(self.lanes.len() - 1)
            }
        }
    }

    /// Adds a record to a lane.
    pub(super) fn add(&mut self, lane: Lane, record: NewRecord<'_>) -> Result<(), Error> {
        let Some((_, builder)) = self.lanes.get_mut(lane.0) else {
            return Ok(());
        };
        let before = builder.len_bytes();
        builder.append(
            record.timestamp_ms,
            record.key,
            record.value,
            record.headers,
        )?;
        self.bytes += builder.len_bytes().saturating_sub(before);
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
        for (partition, builder) in self.lanes.iter_mut().filter(|(_, b)| !b.is_empty()) {
            let partition = Arc::clone(partition);
            batches.push(PartitionBatch {
                partition,
                bytes: builder.finish()?,
            });
        }
        Ok(Append { origin, batches })
    }
}
