//! Records become a member's.

use super::Now;
use super::partition::{Entry, Partition, Phase};

/// What a member is told of a record it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acquired {
    /// How often the record was delivered, this time included.
    pub delivery_count: u16,
    /// How often it was redriven.
    pub redrive_count: u16,
}

impl Partition {
    /// Records that wait for another delivery and whose time has come, at most `count`. One that
    /// was delivered `limit` times is not among them: it is to be buried.
    #[must_use]
    pub fn due(&self, now: Now, limit: u16, count: usize) -> Vec<i64> {
        let ripe = self
            .available()
            .take_while(|(not_before_ms, _)| *not_before_ms <= now.wall_ms);
        let deliverable = ripe.filter(|(_, offset)| {
            self.get(*offset)
                .is_some_and(|entry| entry.delivery_count < limit)
        });
        let mut due: Vec<i64> = deliverable.take(count).map(|(_, offset)| offset).collect();
        due.sort_unstable();
        due
    }

    /// When the first record that is not due yet will be, ms since 1970-01-01 UTC.
    #[must_use]
    pub fn due_next_ms(&self, now: Now) -> Option<i64> {
        let mut later = self
            .available()
            .filter(|(not_before_ms, _)| *not_before_ms > now.wall_ms);
        later.next().map(|(not_before_ms, _)| not_before_ms)
    }

    /// Gives a record that waits to `owner`; `None` where it is not available now.
    pub fn acquire(
        &mut self,
        now: Now,
        owner: u64,
        offset: i64,
        lease_ms: i64,
        limit: u16,
    ) -> Option<Acquired> {
        let entry = *self.get(offset)?;
        let Phase::Available { not_before_ms } = entry.phase else {
            return None;
        };
        if not_before_ms > now.wall_ms || entry.delivery_count >= limit {
            return None;
        }
        Some(self.lease(now, owner, offset, lease_ms, entry))
    }

    /// Gives new records to `owner` and considers everything below `upto`: an offset in between
    /// that is not in `offsets` holds no record, and is done. Offsets below `next` are left out:
    /// they have been considered.
    pub fn acquire_new(
        &mut self,
        now: Now,
        owner: u64,
        offsets: &[i64],
        upto: i64,
        lease_ms: i64,
    ) -> Vec<(i64, Acquired)> {
        let (from, upto) = (self.next(), upto.max(self.next()));
        self.set_next(upto);
        let new = Entry {
            phase: Phase::Available { not_before_ms: 0 },
            delivery_count: 0,
            redrive_count: 0,
        };
        let offsets = offsets.iter().filter(|o| (from..upto).contains(*o));
        let lease = |offset: &i64| (*offset, self.lease(now, owner, *offset, lease_ms, new));
        offsets.map(lease).collect()
    }

    fn lease(
        &mut self,
        now: Now,
        owner: u64,
        offset: i64,
        lease_ms: i64,
        entry: Entry,
    ) -> Acquired {
        let deadline_ms = now.timer_ms.saturating_add(lease_ms);
        let entry = Entry {
            phase: Phase::Acquired {
                owner,
                deadline_ms,
                lease_ms,
            },
            delivery_count: entry.delivery_count.saturating_add(1),
            ..entry
        };
        self.put(offset, entry);
        Acquired {
            delivery_count: entry.delivery_count,
            redrive_count: entry.redrive_count,
        }
    }
}
