//! The records of one partition that are open for one group.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::super::limits::{ENTRY_BYTES, IN_FLIGHT_RECORDS_MAX, PARTITION_BYTES};
use super::member::Member;

/// Where an open record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It can be acquired.
    Available {
        /// Not before this time, ms since 1970-01-01 UTC; 0 for at once.
        not_before_ms: i64,
    },
    /// It is a member's.
    Acquired {
        /// Whose.
        owner: u64,
        /// Until when, on the timer.
        deadline_ms: i64,
        /// How long the lease was when it began; renewing it begins it again.
        lease_ms: i64,
    },
}

/// An open record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub phase: Phase,
    /// How often it was delivered; at least 1 while acquired.
    pub delivery_count: u16,
    /// How often it was redriven.
    pub redrive_count: u16,
}

/// One partition for one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partition {
    next: i64,
    /// All below `next`.
    entries: BTreeMap<i64, Entry>,
    /// (not before, offset) of every available entry.
    available: BTreeSet<(i64, i64)>,
    /// (deadline, offset) of every acquired entry.
    leases: BTreeSet<(i64, i64)>,
    /// How many of the leases each member has; none has 0.
    held: BTreeMap<Member, usize>,
}

impl Partition {
    /// A partition of which nothing below `next` is open.
    #[must_use]
    pub fn new(next: i64) -> Partition {
        Partition {
            next,
            ..Partition::default()
        }
    }

    /// The first offset that was never considered.
    #[must_use]
    pub fn next(&self) -> i64 {
        self.next
    }

    /// The first open record, or `next`: everything below is done.
    #[must_use]
    pub fn start(&self) -> i64 {
        self.entries.keys().next().copied().unwrap_or(self.next)
    }

    /// The open records in offset order.
    pub fn open(&self) -> impl Iterator<Item = (i64, &Entry)> {
        self.entries.iter().map(|(offset, entry)| (*offset, entry))
    }

    /// How many records are open.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.entries.len()
    }

    /// How many records are with members.
    #[must_use]
    pub fn in_flight_count(&self) -> usize {
        self.leases.len()
    }

    /// How many new records may be acquired now.
    #[must_use]
    pub fn room(&self) -> usize {
        IN_FLIGHT_RECORDS_MAX.saturating_sub(self.entries.len())
    }

    /// How many more leases `member` may take: it never holds more than it leaves free. So a
    /// single member has half of all at most, and of several that acknowledge nothing each gets
    /// less, while one that holds nothing finds half of what is free.
    #[must_use]
    pub fn allowance(&self, member: Member) -> usize {
        let free = IN_FLIGHT_RECORDS_MAX.saturating_sub(self.leases.len());
        free.saturating_sub(self.held(member)).div_ceil(2)
    }

    /// How many new records `member` may take, by the same rule: what waits for another delivery
    /// takes room too, and much of that may be what the member let run out.
    #[must_use]
    pub fn room_for(&self, member: Member) -> usize {
        self.room().saturating_sub(self.held(member)).div_ceil(2)
    }

    fn held(&self, member: Member) -> usize {
        self.held.get(&member).copied().unwrap_or(0)
    }

    /// Estimated memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        PARTITION_BYTES + self.entries.len() * ENTRY_BYTES
    }

    /// The open record at `offset`.
    #[must_use]
    pub fn get(&self, offset: i64) -> Option<&Entry> {
        self.entries.get(&offset)
    }

    /// The records of `range` that `owner` holds.
    #[must_use]
    pub fn leased(&self, owner: u64, range: RangeInclusive<i64>) -> Vec<i64> {
        if range.is_empty() {
            return Vec::new();
        }
        let held =
            |entry: &Entry| matches!(entry.phase, Phase::Acquired { owner: o, .. } if o == owner);
        let entries = self.entries.range(range);
        entries
            .filter(|(_, entry)| held(entry))
            .map(|(offset, _)| *offset)
            .collect()
    }

    /// Entries that wait, by the time from which on they may be acquired.
    pub(super) fn available(&self) -> impl Iterator<Item = (i64, i64)> {
        self.available.iter().copied()
    }

    /// Leases, by their end.
    pub(super) fn leases(&self) -> impl Iterator<Item = (i64, i64)> {
        self.leases.iter().copied()
    }

    /// Puts an entry in as it was stored.
    pub fn restore(&mut self, offset: i64, entry: Entry) {
        self.put(offset, entry);
    }

    pub(super) fn put(&mut self, offset: i64, entry: Entry) {
        self.take(offset);
        match entry.phase {
            Phase::Available { not_before_ms } => self.available.insert((not_before_ms, offset)),
            Phase::Acquired {
                owner, deadline_ms, ..
            } => {
                *self.held.entry(Member::holding(owner)).or_default() += 1;
                self.leases.insert((deadline_ms, offset))
            }
        };
        self.entries.insert(offset, entry);
    }

    pub(super) fn take(&mut self, offset: i64) -> Option<Entry> {
        let entry = self.entries.remove(&offset)?;
        match entry.phase {
            Phase::Available { not_before_ms } => self.available.remove(&(not_before_ms, offset)),
            Phase::Acquired {
                owner, deadline_ms, ..
            } => {
                self.give_back(Member::holding(owner));
                self.leases.remove(&(deadline_ms, offset))
            }
        };
        Some(entry)
    }

    fn give_back(&mut self, member: Member) {
        let Some(count) = self.held.get_mut(&member) else {
            return;
        };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.held.remove(&member);
        }
    }

    pub(super) fn set_next(&mut self, next: i64) {
        self.next = next;
    }

    pub(super) fn keep_from(&mut self, start: i64) -> usize {
        let gone: Vec<i64> = self.entries.range(..start).map(|(o, _)| *o).collect();
        for offset in &gone {
            self.take(*offset);
        }
        gone.len()
    }
}
