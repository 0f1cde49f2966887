//! What operators and the log do to a partition: redrive, seek, retention.

use super::partition::{Entry, Partition, Phase};

/// What a redrive of a record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redrivable {
    /// It was done and is available again.
    Again,
    /// It is open or was not considered yet, after a seek: it will be delivered anyway.
    Already,
}

impl Partition {
    /// Makes a record available again with a fresh delivery count, and counts the redrive on top
    /// of the `redrive_count` that its dead letter tells.
    pub fn redrive(&mut self, offset: i64, redrive_count: u16) -> Redrivable {
        if offset >= self.next() || self.get(offset).is_some() {
            return Redrivable::Already;
        }
        let entry = Entry {
            phase: Phase::Available { not_before_ms: 0 },
            delivery_count: 0,
            redrive_count: redrive_count.saturating_add(1),
        };
        self.put(offset, entry);
        Redrivable::Again
    }

    /// Begins again at `offset` as if nothing had been delivered; every lease ends.
    pub fn seek(&mut self, offset: i64) {
        *self = Partition::new(offset);
    }

    /// Forgets records below `start`, which retention has taken; how many were open.
    pub fn trim(&mut self, start: i64) -> usize {
        let gone = self.keep_from(start);
        if start > self.next() {
            self.set_next(start);
        }
        gone
    }

    /// Forgets a record that is not there any more (compaction) and that nobody holds.
    pub fn forget(&mut self, offset: i64) -> bool {
        let is_available = matches!(
            self.get(offset),
            Some(Entry {
                phase: Phase::Available { .. },
                ..
            })
        );
        is_available && self.take(offset).is_some()
    }
}
