//! The handle to all shared groups: opening, looking, and what operators do.

use std::fmt;
use std::sync::Arc;

use super::super::error::Error;
use super::super::groups::Groups;
use super::super::id::GroupId;
use super::super::lag::{Lag, timestamp_at};
use super::cell::{Cell, Place, Slot};
use super::limits::GROUP_PARTITIONS_MAX;
use super::marks::Marked;
use super::replay;
use super::service::Service;
use super::shared::Shared;
use super::state::Breaker;
use super::write::{Change, Marking, outcome};
use crate::clock::Clock;
use crate::config::topics::{GroupPolicy, Rules};
use crate::log::{Log, Partition};
use crate::topic::{Offset, PartitionId, TopicName};

/// All shared groups. Cheap to clone.
#[derive(Clone)]
pub struct Shares {
    pub(super) shared: Arc<Shared>,
}

/// A shared group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Id of the group.
    pub group: GroupId,
    /// Records that are with members.
    pub in_flight: usize,
    /// Whether a flood of failures paused it.
    pub is_paused: bool,
}

/// A shared group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Id of the group.
    pub group: GroupId,
    /// For how much longer a flood of failures pauses it; `None` while it is not paused.
    pub paused_ms: Option<i64>,
    /// What holds for it.
    pub policy: GroupPolicy,
    /// What it reads, by topic and partition.
    pub positions: Vec<Position>,
}

/// How far a shared group is in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: PartitionId,
    /// The first record that is not done.
    pub start: Offset,
    /// The first record that was never given out.
    pub next: Offset,
    /// Offset behind the last record.
    pub end: Offset,
    /// Records that are with members.
    pub in_flight: usize,
    /// Records that wait for another delivery.
    pub waiting: usize,
}

impl fmt::Debug for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.shared.cells.lock().len();
        f.debug_struct("Shares")
            .field("groups", &groups)
            .finish_non_exhaustive()
    }
}

impl Shares {
    /// Makes `__share_group_state` if it is not there, and reads all of it. The service has to run
    /// for anything to be answered. `groups` learns which ids are shared.
    pub async fn open(
        log: Log,
        clock: Arc<dyn Clock>,
        rules: Rules,
        groups: Groups,
    ) -> Result<(Shares, Service), Error> {
        let partition = replay::state_partition(&log).await?;
        let shared = Arc::new(Shared::new(log, clock, rules, groups, partition));
        replay::replay(&shared).await?;
        let service = Service::new(Arc::clone(&shared));
        Ok((Shares { shared }, service))
    }

    /// Whether there is a shared group of this id.
    #[must_use]
    pub fn is_shared(&self, group: &str) -> bool {
        self.shared.cells.lock().contains_key(group)
    }

    /// All shared groups, by id.
    #[must_use]
    pub fn list(&self) -> Vec<Listing> {
        let now = self.shared.now();
        let listing = |cell: Arc<Cell>| {
            let state = cell.state.lock();
            Listing {
                group: cell.id.clone(),
                in_flight: state.in_flight_count(),
                is_paused: state.breaker.paused_until(now.timer_ms).is_some(),
            }
        };
        self.shared.all().into_iter().map(listing).collect()
    }

    /// One shared group.
    #[must_use]
    pub fn describe(&self, group: &str) -> Option<Description> {
        let shared = &self.shared;
        let cell = shared.cell(group).ok()?;
        let now = shared.now();
        let state = cell.state.lock();
        let paused_until_ms = state.breaker.paused_until(now.timer_ms);
        let positions = state.slots.iter().filter_map(|(place, slot)| {
            let partition = shared.partition_at(*place)?;
            let in_flight = slot.partition.in_flight_count();
            Some(Position {
                topic: slot.topic.clone(),
                partition: place.partition,
                start: Offset(slot.partition.start()),
                next: Offset(slot.partition.next()),
                end: partition.end(),
                in_flight,
                waiting: slot.partition.open_count().saturating_sub(in_flight),
            })
        });
        let mut positions: Vec<Position> = positions.collect();
        positions.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Some(Description {
            group: cell.id.clone(),
            paused_ms: paused_until_ms.map(|until_ms| until_ms.saturating_sub(now.timer_ms)),
            policy: shared.policy(&cell.id),
            positions,
        })
    }

    /// How far every shared group is behind on every partition it reads: records that are kept and
    /// not done, those with members among them.
    #[must_use]
    pub fn lag(&self) -> Vec<Lag> {
        let mut all = Vec::new();
        for cell in self.shared.all() {
            let state = cell.state.lock();
            for (place, slot) in &state.slots {
                let Some(partition) = self.shared.partition_at(*place) else {
                    continue;
                };
                all.push(lag(&cell.id, slot, &partition));
            }
        }
        all
    }

    /// When the first record that is not done was written, ms since 1970-01-01 UTC; `None` where
    /// there is none, or it cannot be read. Reads one batch.
    pub async fn waiting_since_ms(&self, lag: &Lag) -> Option<i64> {
        let log = &self.shared.log;
        let topic = log.topic(lag.topic.as_str())?;
        let partition = topic.partition(lag.partition)?;
        let from = lag.committed.max(partition.start());
        if from >= partition.end() {
            return None;
        }
        timestamp_at(log, partition, from).await
    }

    /// Lets a group begin again at these offsets: everything from there on is given out again, as
    /// if for the first time, and everything before is done. Leases in these partitions end, and
    /// so does a pause. Durable when it returns; cancel safe.
    pub async fn seek(
        &self,
        group: &GroupId,
        offsets: Vec<(TopicName, PartitionId, Offset)>,
    ) -> Result<(), Error> {
        let shared = &self.shared;
        let cell = shared.cell(group.as_str())?;
        let mut targets = Vec::with_capacity(offsets.len());
        for (name, partition, offset) in offsets {
            let place = shared.log.topic(name.as_str()).and_then(|topic| {
                topic.partition(partition)?;
                Some(Place {
                    topic: topic.id,
                    partition,
                })
            });
            let unknown = || crate::log::Error::UnknownTopic(name.to_string());
            let place = place.ok_or_else(unknown)?;
            targets.push((place, name, offset));
        }
        let room = shared.room().await?;
        let answered = {
            let mut state = cell.state.lock();
            state.check(&cell.id)?;
            let mut places = Vec::with_capacity(targets.len());
            for (place, name, offset) in targets {
                let now_ms = shared.clock.now_ms();
                let new = || Slot::new(name, offset.0, now_ms);
                let slot = state.slots.entry(place).or_insert_with(new);
                slot.partition.seek(offset.0);
                places.push(place);
            }
            state.breaker = Breaker::default();
            let room = Some(room);
            shared.submit(
                &cell,
                &mut state,
                Change {
                    places,
                    room,
                    ..Change::default()
                },
            )
        };
        cell.changed.notify_waiters();
        outcome(answered).await
    }

    /// Deletes a group; its dead letters stay. Refused while records are with members. Durable
    /// when it returns; cancel safe.
    pub async fn delete(&self, group: &GroupId) -> Result<(), Error> {
        let shared = &self.shared;
        let room = shared.room().await?;
        let cell = shared.cell(group.as_str())?;
        let answered = {
            let mut state = cell.state.lock();
            state.check(&cell.id)?;
            if state.in_flight_count() > 0 {
                return Err(Error::NotEmpty(group.to_string()));
            }
            // Gone from memory once the tombstones are durable, and back if they are not.
            state.is_gone = true;
            let slots = std::mem::take(&mut state.slots);
            let places = slots.keys().copied().collect();
            let change = Change {
                places,
                is_deletion: true,
                room: Some(room),
                ..Change::default()
            };
            let answered = shared.submit(&cell, &mut state, change);
            state.slots = slots;
            answered
        };
        cell.changed.notify_waiters();
        outcome(answered).await
    }

    /// Forgets what any group has open of a topic that is gone, and marks of its letters. Should
    /// this be cut short, the next start does it.
    pub async fn topic_deleted(&self, topic: &TopicName) -> Result<(), Error> {
        for cell in self.shared.all() {
            let of_topic = |(_, slot): &(&Place, &Slot)| slot.topic == *topic;
            let places: Vec<Place> = {
                let state = cell.state.lock();
                state
                    .slots
                    .iter()
                    .filter(of_topic)
                    .map(|(place, _)| *place)
                    .collect()
            };
            let gone = places
                .into_iter()
                .filter(|place| self.shared.partition_at(*place).is_none());
            self.shared.forget_places(&cell, gone.collect()).await?;
        }
        self.shared.forget_marks().await
    }
}

fn lag(group: &GroupId, slot: &Slot, partition: &Partition) -> Lag {
    let (start, end) = (partition.start().0, partition.end().0);
    let unseen = end.saturating_sub(slot.partition.next().max(start)).max(0);
    let open = slot.partition.open().filter(|(offset, _)| *offset >= start);
    let open = i64::try_from(open.count()).unwrap_or(i64::MAX);
    Lag {
        group: group.clone(),
        topic: slot.topic.clone(),
        partition: partition.id,
        committed: Offset(slot.partition.start()),
        end: partition.end(),
        records: unseen.saturating_add(open),
    }
}

impl Shared {
    pub(super) fn partition_at(&self, place: Place) -> Option<Arc<Partition>> {
        let topic = self.log.topic_by_id(place.topic)?;
        topic.partition(place.partition).cloned()
    }

    /// The group, reading these partitions: what it does not read yet begins where its policy
    /// says, durably. A partition of a topic that it reads already begins at its start.
    pub(super) async fn begin(
        &self,
        group: &GroupId,
        sources: &[(Place, Arc<Partition>)],
    ) -> Result<Arc<Cell>, Error> {
        loop {
            let cell = self.cell_or_new(group)?;
            let room = self.room().await?;
            let answered = {
                let mut state = cell.state.lock();
                if state.is_gone {
                    drop(state);
                    // It is on its way out; the next look makes a new one.
                    tokio::task::yield_now().await;
                    continue;
                }
                state.check(&cell.id)?;
                let from_start = self.policy(group).from_start;
                let mut places = Vec::new();
                for (place, partition) in sources {
                    if state.slots.contains_key(place) {
                        continue;
                    }
                    if state.slots.len() >= GROUP_PARTITIONS_MAX {
                        return Err(Error::LimitReached {
                            what: "partitions of one group",
                            limit: GROUP_PARTITIONS_MAX,
                        });
                    }
                    let is_known =
                        |known: &Place| known.topic == place.topic && !places.contains(known);
                    let next = match from_start || state.slots.keys().any(is_known) {
                        true => partition.start(),
                        false => partition.end(),
                    };
                    let slot = Slot::new(partition.topic.clone(), next.0, self.clock.now_ms());
                    state.slots.insert(*place, slot);
                    places.push(*place);
                }
                if places.is_empty() {
                    return Ok(Arc::clone(&cell));
                }
                let room = Some(room);
                self.submit(
                    &cell,
                    &mut state,
                    Change {
                        places,
                        room,
                        ..Change::default()
                    },
                )
            };
            return outcome(answered).await.map(|()| cell);
        }
    }

    /// Deletes what a group has open of these partitions.
    pub(super) async fn forget_places(
        &self,
        cell: &Arc<Cell>,
        places: Vec<Place>,
    ) -> Result<(), Error> {
        if places.is_empty() {
            return Ok(());
        }
        let room = self.room().await?;
        let answered = {
            let mut state = cell.state.lock();
            match state.check(&cell.id) {
                Err(Error::NotFound(_)) => return Ok(()),
                checked => checked?,
            }
            for place in &places {
                state.slots.remove(place);
            }
            let room = Some(room);
            self.submit(
                cell,
                &mut state,
                Change {
                    places,
                    room,
                    ..Change::default()
                },
            )
        };
        outcome(answered).await
    }

    /// Deletes marks of letters whose topic is gone.
    pub(super) async fn forget_marks(&self) -> Result<(), Error> {
        let guard = self.marks.guard().await;
        let marked: Vec<Marked> = self.marks.orphans(&self.log);
        if marked.is_empty() {
            return Ok(());
        }
        let room = self.room().await?;
        let marking = Marking {
            marked,
            _guard: guard,
        };
        outcome(self.submit_marks(marking, Vec::new(), room)).await
    }
}
