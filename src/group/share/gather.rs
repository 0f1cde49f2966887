//! What a group may be given, and reading it: the part of a read that waits for the disk.

use std::sync::Arc;

use super::super::error::Error;
use super::cell::{Cell, Place};
use super::fetch::{self, Budget, Copied, Fetched, Found, Unreadable};
use super::limits::READ_BYTES;
use super::read::Ask;
use super::shared::Shared;
use crate::log::{Partition, PartitionBatch};

/// What may be given out, in the order of the partitions' turns.
pub(super) struct Plan {
    pub(super) parts: Vec<Part>,
}

/// What may be given out of one partition.
pub(super) struct Part {
    place: Place,
    partition: Arc<Partition>,
    /// Records that wait for another delivery.
    pub(super) due: Vec<i64>,
    next: i64,
    /// How many new ones the member may take.
    room: usize,
}

/// What was read.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) found: Vec<FoundIn>,
}

/// What was read of one partition.
pub(super) struct FoundIn {
    pub(super) place: Place,
    partition: Arc<Partition>,
    pub(super) due: Found<Copied>,
    pub(super) new: Option<New>,
}

/// New records.
pub(super) struct New {
    pub(super) from: i64,
    pub(super) records: Vec<Copied>,
    pub(super) upto: i64,
    unreadable: Vec<Unreadable>,
}

impl Part {
    pub(super) fn has_new(&self) -> bool {
        self.room > 0 && self.partition.end().0 > self.next
    }
}

impl Gathered {
    /// Whether nothing would change.
    pub(super) fn is_empty(&self) -> bool {
        let has_new = |new: &New| new.upto > new.from;
        self.found
            .iter()
            .all(|found| found.due.is_empty() && !found.new.as_ref().is_some_and(has_new))
    }
}

impl Shared {
    /// What may be given out now, with the group's number of reloads; `None` while it is paused
    /// and where there is nothing.
    pub(super) fn plan(
        &self,
        cell: &Cell,
        ask: &Ask,
        turn: usize,
    ) -> Result<Option<(Plan, u64)>, Error> {
        let now = self.now();
        let mut state = cell.state.lock();
        state.check(&cell.id)?;
        if state.breaker.paused_until(now.timer_ms).is_some() {
            return Ok(None);
        }
        let policy = self.policy(&cell.id);
        let count = ask.sources.len().max(1);
        let mut parts = Vec::with_capacity(count);
        for at in 0..ask.sources.len() {
            let Some((place, partition)) = ask.sources.get((at + turn) % count) else {
                continue;
            };
            let Some(slot) = state.slots.get_mut(place) else {
                continue;
            };
            slot.partition.trim(partition.start().0);
            let allowance = slot.partition.allowance(ask.member);
            let count = ask.max_records.min(allowance);
            let due = slot.partition.due(now, policy.delivery_limit, count);
            let room = slot.partition.room_for(ask.member);
            parts.push(Part {
                place: *place,
                partition: Arc::clone(partition),
                next: slot.partition.next(),
                room: room.min(allowance.saturating_sub(due.len())),
                due,
            });
        }
        let plan = Plan { parts };
        Ok((!plan.is_empty()).then_some((plan, state.reloads)))
    }

    /// Reads what was planned, as far as `max_records` and the bytes of an answer reach.
    pub(super) async fn gather(&self, plan: &Plan, max_records: usize) -> Result<Gathered, Error> {
        let mut budget = Budget {
            records: max_records,
            bytes: READ_BYTES,
        };
        let mut gathered = Gathered::default();
        let with_due = plan.parts.iter().filter(|part| !part.due.is_empty());
        let mut left = with_due.clone().count();
        for part in with_due {
            if budget.is_spent() {
                break;
            }
            let mut own = budget.share(left);
            let given = own;
            let found = fetch::at(&self.log, &part.partition, &part.due, &mut own, Copied::of);
            let due = found.await?;
            budget = budget.without(given, own);
            left = left.saturating_sub(1);
            gathered.part(part).due = due;
        }
        let with_new = plan.parts.iter().filter(|part| part.has_new());
        let mut left = with_new.clone().count();
        for part in with_new {
            if budget.is_spent() {
                break;
            }
            let mut own = budget.share(left);
            own.records = own.records.min(part.room);
            let given = own;
            let from = part.next;
            let fetched = fetch::from(&self.log, &part.partition, from, &mut own).await?;
            budget = budget.without(given, own);
            left = left.saturating_sub(1);
            let Fetched {
                records,
                unreadable,
                upto,
            } = fetched;
            gathered.part(part).new = Some(New {
                from,
                records,
                upto,
                unreadable,
            });
        }
        Ok(gathered)
    }

    /// Letters for what could not be read.
    pub(super) async fn unreadable_letters(
        &self,
        cell: &Cell,
        gathered: &Gathered,
    ) -> Result<Vec<PartitionBatch>, Error> {
        let new = |found: &FoundIn| found.new.as_ref().is_some_and(|n| !n.unreadable.is_empty());
        if !gathered.found.iter().any(new) {
            return Ok(Vec::new());
        }
        let to = self.letter_box(&cell.id).await?;
        let mut letters = Vec::new();
        for found in &gathered.found {
            for range in found.new.iter().flat_map(|new| &new.unreadable) {
                tracing::error!(
                    group = %cell.id,
                    topic = %found.partition.topic,
                    partition = %found.partition.id,
                    first = range.first,
                    last = range.last,
                    what = range.what,
                    "records cannot be read; the group goes on behind them",
                );
                letters.push(to.unreadable(&found.partition, range, self.clock.now_ms()));
            }
        }
        to.tell_dropped(letters.len());
        Ok(to.append(&letters))
    }
}

impl Gathered {
    fn part(&mut self, part: &Part) -> &mut FoundIn {
        let known = self
            .found
            .iter()
            .position(|found| found.place == part.place);
        let at = known.unwrap_or_else(|| {
            self.found.push(FoundIn {
                place: part.place,
                partition: Arc::clone(&part.partition),
                due: Found::new(),
                new: None,
            });
            self.found.len() - 1
        });
        &mut self.found[at]
    }
}
