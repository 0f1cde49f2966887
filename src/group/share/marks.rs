//! Which dead letters were redriven.
//!
//! A record of marks holds all of a partition, so marks are made one change after the other: the
//! guard of [`Marks::writer`] goes with the append until its outcome is known. What an append
//! that failed would have marked is not marked.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, watch};

use super::super::error::Error;
use super::cell::Place;
use super::limits::MARK_RANGES_MAX;
use super::stored::{Key, Ranges, encode_marks};
use crate::log::Log;

/// All marks.
#[derive(Debug)]
pub(super) struct Marks {
    durable: Mutex<BTreeMap<Place, Ranges>>,
    writer: Arc<tokio::sync::Mutex<()>>,
    pub(super) version: watch::Sender<u64>,
}

impl Default for Marks {
    fn default() -> Marks {
        Marks {
            durable: Mutex::default(),
            writer: Arc::default(),
            version: watch::Sender::new(0),
        }
    }
}

/// All marks of one partition as they are to be.
#[derive(Debug)]
pub(super) struct Marked {
    place: Place,
    /// Empty where none is left: its record is a tombstone.
    ranges: Ranges,
}

impl Marked {
    pub(super) fn record(&self) -> (Key, Option<Bytes>) {
        let key = Key::Marks {
            topic: self.place.topic,
            partition: self.place.partition,
        };
        let value = (!self.ranges.is_empty()).then(|| Bytes::from(encode_marks(&self.ranges)));
        (key, value)
    }
}

impl Marks {
    /// Waits until nobody else makes marks.
    pub(super) async fn guard(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.writer).lock_owned().await
    }

    pub(super) fn contains(&self, place: Place, offset: i64) -> bool {
        let durable = self.durable.lock();
        durable
            .get(&place)
            .is_some_and(|ranges| ranges.contains(offset))
    }

    /// What is stored of one partition, as it is read back.
    pub(super) fn restore(&self, place: Place, ranges: Option<Ranges>) {
        let mut durable = self.durable.lock();
        match ranges {
            Some(ranges) => durable.insert(place, ranges),
            None => durable.remove(&place),
        };
    }

    /// The marks with more of them; letters that retention has taken are left out. To be called
    /// with the guard.
    pub(super) fn with(&self, log: &Log, more: &[(Place, i64)]) -> Result<Vec<Marked>, Error> {
        let mut by_place: BTreeMap<Place, Ranges> = BTreeMap::new();
        let durable = self.durable.lock();
        for (place, offset) in more {
            let ranges = by_place
                .entry(*place)
                .or_insert_with(|| durable.get(place).cloned().unwrap_or_default());
            ranges.insert(*offset);
        }
        drop(durable);
        let mut all = Vec::with_capacity(by_place.len());
        for (place, mut ranges) in by_place {
            let topic = log.topic_by_id(place.topic);
            if let Some(partition) = topic.as_ref().and_then(|t| t.partition(place.partition)) {
                ranges.keep_from(partition.start().0);
            }
            if ranges.count() > MARK_RANGES_MAX {
                return Err(Error::LimitReached {
                    what: "ranges of redriven letters in one partition (purge the letters)",
                    limit: MARK_RANGES_MAX,
                });
            }
            all.push(Marked { place, ranges });
        }
        Ok(all)
    }

    /// Partitions with marks whose topic is gone.
    pub(super) fn orphans(&self, log: &Log) -> Vec<Marked> {
        let durable = self.durable.lock();
        let gone = durable
            .keys()
            .filter(|place| log.topic_by_id(place.topic).is_none());
        gone.map(|place| Marked {
            place: *place,
            ranges: Ranges::default(),
        })
        .collect()
    }

    /// The marks are durable.
    pub(super) fn settle(&self, marked: Vec<Marked>) {
        let mut durable = self.durable.lock();
        for Marked { place, ranges } in marked {
            match ranges.is_empty() {
                true => durable.remove(&place),
                false => durable.insert(place, ranges),
            };
        }
        drop(durable);
        self.version.send_modify(|version| *version += 1);
    }
}
