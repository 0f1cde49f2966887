//! Taking what members say of their deliveries.
//!
//! Records that are about to become dead letters are read, and their letters made, before anything
//! changes: first it is judged what an acknowledgement would do, then the records are read without
//! a lock, then everything happens and is submitted in one step under the lock. So a caller that
//! goes away changes nothing or all of its acknowledgements, and what was judged cannot change in
//! between but by the lease's end, which is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::error::Error;
use super::super::id::GroupId;
use super::ack_id::AckId;
use super::cell::{Cell, Place, State};
use super::fetch::{self, Budget};
use super::letters::LetterBox;
use super::limits::{ACKS_MAX, LETTER_BYTES, LETTERS_MAX};
use super::shared::{Shared, random};
use super::shares::Shares;
use super::state::{Ack, Acked, Death, Now};
use super::tally::Tally;
use super::write::{Answered, Change, outcome};
use crate::config::topics::GroupPolicy;

/// What became of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It holds, durably.
    Ok,
    /// Nothing changed: the record is open, but its lease is over or somebody else's.
    Expired,
    /// Nothing changed: no such record is open for the group; it is done, or never was delivered.
    Unknown,
}

/// An acknowledgement whose id could be read.
type Item = (Option<AckId>, Ack);
/// Records that would die, with how.
type Dying = BTreeMap<(Place, i64), Death>;
/// Their letters; `None` where the record is gone.
type Ready = BTreeMap<(Place, i64), Option<Vec<u8>>>;

impl Shares {
    /// Takes acknowledgements in their order; returns when those that hold are synced. Where it
    /// fails nothing holds that was not answered before, or it is not known (the log's error says
    /// which). Cancel safe.
    pub async fn ack(&self, group: &GroupId, acks: &[(String, Ack)]) -> Result<Vec<Status>, Error> {
        if acks.len() > ACKS_MAX {
            return Err(Error::LimitReached {
                what: "acknowledgements in one call",
                limit: ACKS_MAX,
            });
        }
        let shared = &self.shared;
        shared.check_open()?;
        let cell = shared.cell(group.as_str())?;
        let items: Vec<Item> = acks
            .iter()
            .map(|(id, ack)| (AckId::decode(id), *ack))
            .collect();
        let mut statuses = Vec::with_capacity(items.len());
        while let Some(rest) = items.get(statuses.len()..).filter(|rest| !rest.is_empty()) {
            statuses.extend(shared.ack_some(&cell, rest).await?);
        }
        Ok(statuses)
    }
}

impl Shared {
    /// Takes the first of `items`: all of them, unless more would die than fit one append.
    async fn ack_some(&self, cell: &Arc<Cell>, items: &[Item]) -> Result<Vec<Status>, Error> {
        let room = self.room().await?;
        let policy = self.policy(&cell.id);
        let dying = {
            let state = cell.state.lock();
            state.check(&cell.id)?;
            judge(&state, self.now(), items, &policy)
        };
        let (to, ready) = match dying.is_empty() {
            true => (None, Ready::new()),
            false => {
                let to = self.letter_box(&cell.id).await?;
                let ready = self.read_letters(&to, &dying).await?;
                (Some(to), ready)
            }
        };
        // Up to the first whose letter is not ready: it comes with the next append.
        let waits = |(id, _): &Item| {
            id.is_some_and(|id| {
                let at = (id.place, id.offset);
                dying.contains_key(&at) && !ready.contains_key(&at)
            })
        };
        let fitting = items.iter().position(waits).unwrap_or(items.len());
        let items = items.get(..fitting).unwrap_or_default();
        let (statuses, answered) = {
            let mut state = cell.state.lock();
            state.check(&cell.id)?;
            let mut done = Done::default();
            let now = self.now();
            let statuses: Vec<Status> = items
                .iter()
                .map(|(id, ack)| done.take(&mut state, now, *id, *ack, &policy, &ready))
                .collect();
            if done.tell(&mut state, now.timer_ms) {
                tell_paused(cell);
            }
            let answered = done.submit(self, cell, &mut state, to.as_ref(), room);
            (statuses, answered)
        };
        cell.changed.notify_waiters();
        match answered {
            Some(answered) => outcome(answered).await.map(|()| statuses),
            None => Ok(statuses),
        }
    }

    /// Makes the letters of records that die, as many as fit one append and one at least.
    pub(super) async fn read_letters(&self, to: &LetterBox, dying: &Dying) -> Result<Ready, Error> {
        let mut budget = Budget {
            records: LETTERS_MAX,
            bytes: LETTER_BYTES,
        };
        let mut ready = Ready::new();
        let places: BTreeSet<Place> = dying.keys().map(|(place, _)| *place).collect();
        for place in places {
            if budget.is_spent() && !ready.is_empty() {
                break;
            }
            let of_place = (place, i64::MIN)..=(place, i64::MAX);
            let offsets: Vec<i64> = dying
                .range(of_place)
                .map(|((_, offset), _)| *offset)
                .collect();
            let topic = self.log.topic_by_id(place.topic);
            let Some(partition) = topic.as_ref().and_then(|t| t.partition(place.partition)) else {
                ready.extend(offsets.into_iter().map(|offset| ((place, offset), None)));
                continue;
            };
            let letter = |record: &crate::record::Record<'_>| {
                let death = dying.get(&(place, record.offset));
                death
                    .map(|death| to.letter(partition, record, *death))
                    .unwrap_or_default()
            };
            let found = fetch::at(&self.log, partition, &offsets, &mut budget, letter).await?;
            ready.extend(
                found
                    .into_iter()
                    .map(|(offset, letter)| ((place, offset), letter)),
            );
        }
        Ok(ready)
    }
}

/// Which records these acknowledgements would end.
fn judge(state: &State, now: Now, items: &[Item], policy: &GroupPolicy) -> Dying {
    let mut dying = Dying::new();
    for (id, ack) in items.iter().filter_map(|(id, ack)| id.map(|id| (id, ack))) {
        let Some(slot) = state.slots.get(&id.place) else {
            continue;
        };
        let limit = policy.delivery_limit;
        let judged = slot.partition.judge(now, id.owner, id.offset, *ack, limit);
        if let Acked::Dead(death) = judged {
            dying.insert((id.place, id.offset), death);
        }
    }
    dying
}

pub(super) fn tell_paused(cell: &Cell) {
    tracing::warn!(
        group = %cell.id,
        "a flood of records became dead letters; the group is paused, see `penstock groups describe`"
    );
}

/// What was done under the lock and is to be stored.
#[derive(Default)]
pub(super) struct Done {
    places: BTreeSet<Place>,
    letters: Vec<Vec<u8>>,
    tally: Tally,
    /// Of every record that was finished, whether it died.
    finished: Vec<bool>,
}

impl Done {
    fn take(
        &mut self,
        state: &mut State,
        now: Now,
        id: Option<AckId>,
        ack: Ack,
        policy: &GroupPolicy,
        ready: &Ready,
    ) -> Status {
        let Some(id) = id else {
            return Status::Unknown;
        };
        let Some(slot) = state.slots.get_mut(&id.place) else {
            return Status::Unknown;
        };
        let partition = &mut slot.partition;
        let judged = partition.judge(now, id.owner, id.offset, ack, policy.delivery_limit);
        let letter = ready.get(&(id.place, id.offset));
        if matches!(judged, Acked::Dead(_)) && letter.is_none() {
            // Only a lease that was renewed and released in one call comes here: say no to it.
            return Status::Expired;
        }
        let acked = partition.ack(now, id.owner, id.offset, ack, policy, random());
        self.tally.count(acked);
        match acked {
            Acked::Expired => return Status::Expired,
            Acked::Unknown => return Status::Unknown,
            // A lease is not stored.
            Acked::Renewed => return Status::Ok,
            Acked::Accepted => self.finished.push(false),
            Acked::Dead(_) => {
                self.finished.push(true);
                self.letters.extend(letter.cloned().flatten());
            }
            Acked::Released => {}
        }
        self.places.insert(id.place);
        Status::Ok
    }

    /// A record whose last lease ran out, or was lost, is done.
    pub(super) fn buried(&mut self, place: Place, letter: Option<Vec<u8>>) {
        self.tally.expired += 1;
        self.finished.push(true);
        self.places.insert(place);
        self.letters.extend(letter);
    }

    /// Tells the breaker; whether the group is paused now.
    pub(super) fn tell(&self, state: &mut State, timer_ms: i64) -> bool {
        let mut is_paused = false;
        for is_dead in &self.finished {
            is_paused |= state.breaker.finished(timer_ms, *is_dead);
        }
        is_paused
    }

    /// Submits what was done; `None` where there is nothing to store.
    pub(super) fn submit(
        self,
        shared: &Shared,
        cell: &Arc<Cell>,
        state: &mut State,
        to: Option<&LetterBox>,
        room: tokio::sync::OwnedSemaphorePermit,
    ) -> Option<Answered> {
        if self.places.is_empty() {
            return None;
        }
        if let Some(to) = to {
            to.tell_dropped(self.finished.iter().filter(|is_dead| **is_dead).count());
        }
        let change = Change {
            places: self.places.into_iter().collect(),
            with: to.map(|to| to.append(&self.letters)).unwrap_or_default(),
            tally: self.tally,
            room: Some(room),
            ..Change::default()
        };
        Some(shared.submit(cell, state, change))
    }
}
