//! Giving dead letters back to their group.
//!
//! A redrive changes the group's state and the marks of the letters in one append, so that a
//! letter is marked exactly when its record is available again. Nothing is written to the
//! record's topic: other groups do not see it again.

use std::collections::{BTreeMap, BTreeSet};

use super::super::error::Error;
use super::super::id::GroupId;
use super::cell::{Place, State};
use super::fetch::{self, Budget};
use super::limits::{OPEN_RECORDS_MAX, REDRIVE_MAX};
use super::shared::Shared;
use super::shares::Shares;
use super::write::{Change, Marking, outcome};
use crate::log::PartitionBatch;
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

/// A letter of which everything is found.
struct Wanted {
    index: usize,
    letter: (Place, i64),
    record: (Place, i64),
    redrive_count: u16,
}

impl Shares {
    /// Makes the records of dead letters available again to their group, with a fresh delivery
    /// count and one redrive more, and marks the letters, all in one append; durable when it
    /// returns. What cannot be redriven is refused one by one. A group that is not shared is
    /// `NotFound`. Cancel safe: all or nothing happens.
    pub async fn redrive(&self, group: &GroupId, letters: &[Redrive]) -> Result<Redriven, Error> {
        self.redrive_with(group, letters, false).await
    }

    /// As [`Shares::redrive`], but where one letter is refused none is redriven.
    pub async fn redrive_whole(
        &self,
        group: &GroupId,
        letters: &[Redrive],
    ) -> Result<Redriven, Error> {
        self.redrive_with(group, letters, true).await
    }

    async fn redrive_with(
        &self,
        group: &GroupId,
        letters: &[Redrive],
        is_whole: bool,
    ) -> Result<Redriven, Error> {
        let shared = &self.shared;
        shared.check_open()?;
        if letters.len() > REDRIVE_MAX {
            return Err(Error::LimitReached {
                what: "letters in one redrive",
                limit: REDRIVE_MAX,
            });
        }
        let cell = shared.cell(group.as_str())?;
        let guard = shared.marks.guard().await;
        let mut redriven = Redriven::default();
        let mut wanted = Vec::with_capacity(letters.len());
        let mut seen = BTreeSet::new();
        for (index, letter) in letters.iter().enumerate() {
            match shared.want(index, letter) {
                Ok(one) if seen.insert(one.letter) => wanted.push(one),
                Ok(_) => redriven.refuse(index, Error::NotRedrivable("it is named twice")),
                Err(why) => redriven.refuse(index, why),
            }
        }
        let kept = shared.kept(&wanted).await?;
        let room = shared.room().await?;
        let answered = {
            let mut state = cell.state.lock();
            state.check(&cell.id)?;
            let done = choose(&state, wanted, &kept, &mut redriven);
            if done.is_empty() || (is_whole && !redriven.refused.is_empty()) {
                return Ok(redriven);
            }
            redriven.done = done.len();
            let letters: Vec<(Place, i64)> = done.iter().map(|one| one.letter).collect();
            let marked = shared.marks.with(&shared.log, &letters)?;
            // From here on nothing is refused.
            let mut places = BTreeSet::new();
            for one in done {
                let (place, offset) = one.record;
                if let Some(slot) = state.slots.get_mut(&place) {
                    slot.partition.redrive(offset, one.redrive_count);
                    places.insert(place);
                }
            }
            let change = Change {
                places: places.into_iter().collect(),
                marks: Some(Marking {
                    marked,
                    _guard: guard,
                }),
                room: Some(room),
                ..Change::default()
            };
            shared.submit(&cell, &mut state, change)
        };
        cell.changed.notify_waiters();
        outcome(answered).await.map(|()| redriven)
    }

    /// Marks letters as redriven and appends `with` (the records that take their place), all in
    /// one append; durable when it returns. Refused as a whole where one of them is marked already.
    /// Cancel safe.
    pub async fn mark_redriven(
        &self,
        letters: &[(TopicName, PartitionId, Offset)],
        with: Vec<PartitionBatch>,
    ) -> Result<(), Error> {
        let shared = &self.shared;
        shared.check_open()?;
        if letters.len() > REDRIVE_MAX {
            return Err(Error::LimitReached {
                what: "letters in one redrive",
                limit: REDRIVE_MAX,
            });
        }
        let guard = shared.marks.guard().await;
        let mut marks = BTreeSet::new();
        for (topic, partition, offset) in letters {
            if !marks.insert(shared.unmarked(topic, *partition, *offset)?) {
                return Err(Error::NotRedrivable("a letter is named twice"));
            }
        }
        let marks: Vec<(Place, i64)> = marks.into_iter().collect();
        let marked = shared.marks.with(&shared.log, &marks)?;
        let room = shared.room().await?;
        let marking = Marking {
            marked,
            _guard: guard,
        };
        outcome(shared.submit_marks(marking, with, room)).await
    }

    /// Whether the dead letter at this offset was redriven.
    #[must_use]
    pub fn is_redriven(&self, topic: &str, partition: PartitionId, offset: Offset) -> bool {
        let Some(topic) = self.shared.log.topic(topic) else {
            return false;
        };
        let place = Place {
            topic: topic.id,
            partition,
        };
        self.shared.marks.contains(place, offset.0)
    }

    /// A number that grows whenever letters were marked.
    #[must_use]
    pub fn redriven_version(&self) -> u64 {
        *self.shared.marks.version.borrow()
    }

    /// Resolves with the new number once letters were marked after `version`. Cancel safe.
    pub async fn redriven_since(&self, version: u64) -> u64 {
        let mut changes = self.shared.marks.version.subscribe();
        let changed = changes.wait_for(|now| *now > version).await;
        changed.map_or(version, |now| *now)
    }
}

/// Those that can be redriven now; the others are refused. Changes nothing.
fn choose(
    state: &State,
    wanted: Vec<Wanted>,
    kept: &BTreeSet<(Place, i64)>,
    redriven: &mut Redriven,
) -> Vec<Wanted> {
    let mut done = Vec::new();
    let mut more: BTreeMap<Place, usize> = BTreeMap::new();
    for one in wanted {
        let (place, offset) = one.record;
        let Some(slot) = state.slots.get(&place) else {
            let why = Error::NotRedrivable("its group does not read the record's topic");
            redriven.refuse(one.index, why);
            continue;
        };
        if !kept.contains(&one.record) {
            let why = Error::RecordGone {
                topic: slot.topic.to_string(),
                partition: place.partition.0,
                offset,
            };
            redriven.refuse(one.index, why);
            continue;
        }
        let more = more.entry(place).or_default();
        *more += 1;
        if slot.partition.open_count().saturating_add(*more) > OPEN_RECORDS_MAX {
            let why = Error::LimitReached {
                what: "open records of one partition (redrive the rest once some are done)",
                limit: OPEN_RECORDS_MAX,
            };
            redriven.refuse(one.index, why);
        } else {
            done.push(one);
        }
    }
    done
}

impl Redriven {
    fn refuse(&mut self, index: usize, why: Error) {
        self.refused.push(NotRedriven { index, why });
    }
}

impl Shared {
    fn want(&self, index: usize, letter: &Redrive) -> Result<Wanted, Error> {
        let at = self.unmarked(
            &letter.letter_topic,
            letter.letter_partition,
            letter.letter_offset,
        )?;
        let gone = || Error::RecordGone {
            topic: letter.topic.to_string(),
            partition: letter.partition.0,
            offset: letter.offset.0,
        };
        let topic = self.log.topic(letter.topic.as_str()).ok_or_else(gone)?;
        topic.partition(letter.partition).ok_or_else(gone)?;
        let place = Place {
            topic: topic.id,
            partition: letter.partition,
        };
        Ok(Wanted {
            index,
            letter: at,
            record: (place, letter.offset.0),
            redrive_count: letter.redrive_count,
        })
    }

    /// The place of a letter that is there and was not redriven.
    fn unmarked(
        &self,
        topic: &TopicName,
        id: PartitionId,
        offset: Offset,
    ) -> Result<(Place, i64), Error> {
        let topic = self.log.topic(topic.as_str());
        let partition = topic.as_ref().and_then(|topic| topic.partition(id));
        let (Some(topic), Some(partition)) = (&topic, partition) else {
            return Err(Error::NotRedrivable(
                "its topic or partition does not exist",
            ));
        };
        if offset < partition.start() || offset >= partition.end() {
            return Err(Error::NotRedrivable("there is no letter at this offset"));
        }
        let place = Place {
            topic: topic.id,
            partition: id,
        };
        if self.marks.contains(place, offset.0) {
            return Err(Error::NotRedrivable("it was redriven before"));
        }
        Ok((place, offset.0))
    }

    /// Which of the records are still there.
    async fn kept(&self, wanted: &[Wanted]) -> Result<BTreeSet<(Place, i64)>, Error> {
        let mut by_place: BTreeMap<Place, BTreeSet<i64>> = BTreeMap::new();
        for one in wanted {
            by_place
                .entry(one.record.0)
                .or_default()
                .insert(one.record.1);
        }
        let mut kept = BTreeSet::new();
        for (place, offsets) in by_place {
            let Some(partition) = self.partition_at(place) else {
                continue;
            };
            let offsets: Vec<i64> = offsets.into_iter().collect();
            // Nothing is kept of what is read.
            let mut budget = Budget {
                records: usize::MAX,
                bytes: usize::MAX,
            };
            let found = fetch::at(&self.log, &partition, &offsets, &mut budget, |_| ()).await?;
            let there = found.into_iter().filter(|(_, record)| record.is_some());
            kept.extend(there.map(|(offset, _)| (place, offset)));
        }
        Ok(kept)
    }
}
