//! Giving dead letters back to their group, as the caller sees it.

use super::super::error::Error;
use crate::topic::{Offset, PartitionId, TopicName};

/// A dead letter that is to be redriven: where it lies, and the record it was copied from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The topic of the dead letter.
    pub letter_topic: TopicName,
    /// Its partition.
    pub letter_partition: PartitionId,
    /// Its offset.
    pub letter_offset: Offset,
    /// The topic of the record, from the letter's headers.
    pub topic: TopicName,
    /// The partition of the record.
    pub partition: PartitionId,
    /// The offset of the record.
    pub offset: Offset,
    /// How often the record was redriven before: the letter's header `__dlq.redrive.count`, 0
    /// without one.
    pub redrive_count: u16,
}

/// What became of a number of letters.
#[derive(Debug, Default)]
pub struct Redriven {
    /// Letters whose records are available again, and that are marked.
    pub done: usize,
    /// Letters of which nothing changed.
    pub refused: Vec<NotRedriven>,
}

/// A letter that was not redriven.
#[derive(Debug)]
pub struct NotRedriven {
    /// Its place in the list that was handed over.
    pub index: usize,
    /// Why not: its code is `DLQ_RECORD_GONE` where retention removed the record,
    /// `DLQ_NOT_REDRIVABLE` where the letter was redriven before.
    pub why: Error,
}
