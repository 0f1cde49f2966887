//! The handle: how many letters are open, purge, and redrive.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::error::Error;
use super::index::{Index, TopicDepth};
use super::place::Place;
use super::read;
use super::redrive::{self, Redriven, Selection};
use super::service::Service;
use crate::clock::Clock;
use crate::config::topics::Rules;
use crate::group::Groups;
use crate::group::share::Shares;
use crate::log::{Log, Topic};
use crate::topic::{Offset, PartitionId, TopicName};

/// An answer waits so long for what was written before the question to be counted.
const COUNTED_WAIT: Duration = Duration::from_secs(2);

/// The connector that owns a topic, as a person would name it.
pub type OwnerOf = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What dead letters are read from and redriven with.
#[derive(Clone)]
pub struct Parts {
    /// The durable log.
    pub log: Log,
    /// Shared groups, which keep the marks of all redriven letters.
    pub shares: Shares,
    /// Ordered groups.
    pub groups: Groups,
    /// Schemas that hold now.
    pub rules: Rules,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Which topics a connector writes: no copy is ever appended to one.
    pub owner_of: OwnerOf,
    /// Partitions of topics that a redrive makes, unless they are declared.
    pub partitions: u32,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

/// All dead letters. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Letters {
    pub(super) shared: Arc<Shared>,
}

/// What the handle and the service share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) parts: Parts,
    pub(super) index: Mutex<Index>,
    /// Somebody waits for the next round of the service.
    pub(super) asked: Notify,
    pub(super) progress: watch::Sender<Progress>,
    /// Held from looking at letters to the end of the append that redrives or trims them, also
    /// when the caller goes away: so no letter is redriven twice.
    pub(super) changing: Arc<tokio::sync::Mutex<()>>,
}

/// How far the service is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// Everything that was there at the start is counted.
    pub(super) is_ready: bool,
    /// Passes over all topics.
    pub(super) rounds: u64,
    /// Offsets read.
    pub(super) read: u64,
}

impl Letters {
    /// The handle, and the service that has to run for anything to be counted.
    #[must_use]
    pub fn new(parts: Parts) -> (Letters, Service) {
        let shared = Arc::new(Shared {
            parts,
            index: Mutex::default(),
            asked: Notify::new(),
            progress: watch::Sender::new(Progress::default()),
            changing: Arc::default(),
        });
        let letters = Letters {
            shared: Arc::clone(&shared),
        };
        (letters, Service::new(shared))
    }

    /// The depth of every topic of dead letters, by name, with what was written before the call.
    /// Cancel safe.
    pub async fn depths(&self) -> Result<Vec<TopicDepth>, Error> {
        self.shared.counted().await?;
        self.shared.date_oldest().await;
        Ok(self.shared.depths())
    }

    /// All open letters as far as they are counted now; `None` while those that were there at the
    /// start are not.
    #[must_use]
    pub fn depth_now(&self) -> Option<u64> {
        let depths = self.depths_now()?;
        Some(depths.iter().map(|topic| topic.depth).sum())
    }

    /// The depth of every topic as far as it is counted now; `None` while what was there at the
    /// start is not.
    #[must_use]
    pub fn depths_now(&self) -> Option<Vec<TopicDepth>> {
        let is_ready = self.shared.progress.borrow().is_ready;
        is_ready.then(|| self.shared.depths())
    }

    /// Topics of dead letters that there are.
    #[must_use]
    pub fn topics_count(&self) -> usize {
        self.shared.topics().len()
    }

    /// The topic of this name and whose letters it holds.
    pub fn find(&self, topic: &str) -> Result<(Arc<Topic>, Place), Error> {
        let unknown = || Error::UnknownTopic(topic.chars().take(80).collect());
        let place = Place::of(topic).ok_or_else(unknown)?;
        let topic = self.shared.parts.log.topic(topic).ok_or_else(unknown)?;
        Ok((topic, place))
    }

    /// Whether the letter at this offset was redriven.
    #[must_use]
    pub fn is_redriven(&self, topic: &str, partition: PartitionId, offset: Offset) -> bool {
        let shares = &self.shared.parts.shares;
        shares.is_redriven(topic, partition, offset)
    }

    /// Gives the records of letters back to where they failed. With `as_new` those that retention
    /// has removed are appended to their topic once more. A call that is dropped goes on by
    /// itself until the append that it began is settled.
    pub async fn redrive(
        &self,
        topic: &str,
        selection: Selection,
        as_new: bool,
    ) -> Result<Redriven, Error> {
        let (topic, place) = self.find(topic)?;
        self.shared.counted().await?;
        redrive::run(&self.shared, topic, place, selection, as_new).await
    }

    /// Removes all letters of a topic, those included that are redriven; the number of open ones
    /// among them. Durable when it returns.
    pub async fn purge(&self, topic: &str) -> Result<u64, Error> {
        let (topic, _) = self.find(topic)?;
        self.shared.counted().await?;
        let _changing = self.shared.changing.lock().await;
        let mut purged = 0_u64;
        for partition in topic.partitions() {
            let start = self
                .shared
                .parts
                .log
                .trim(partition, partition.end())
                .await?;
            let mut index = self.shared.index.lock();
            let indexed = index.partition_mut(topic.name.as_str(), partition.id);
            purged = purged.saturating_add(indexed.map_or(0, |indexed| indexed.expire(start)));
        }
        tracing::info!(topic = %topic.name, purged, "purged dead letters");
        Ok(purged)
    }
}

impl Shared {
    /// Topics of dead letters that exist now.
    pub(super) fn topics(&self) -> Vec<(Arc<Topic>, Place)> {
        let topics = self.parts.log.topics().into_iter();
        let placed = topics.map(|topic| {
            let place = Place::of(topic.name.as_str());
            (topic, place)
        });
        placed
            .filter_map(|(topic, place)| Some((topic, place?)))
            .collect()
    }

    /// Waits until what was written before the call is counted, for a moment at most: the rest is
    /// told as uncounted. Cancel safe.
    async fn counted(&self) -> Result<(), Error> {
        let mut progress = self.progress.subscribe();
        let topics = self.topics();
        let end_of = |topic: &Arc<Topic>| -> Vec<Offset> {
            topic.partitions().iter().map(|one| one.end()).collect()
        };
        let ends: Vec<(Arc<Topic>, Vec<Offset>)> = topics
            .into_iter()
            .map(|(topic, _)| (Arc::clone(&topic), end_of(&topic)))
            .collect();
        let deadline = Instant::now() + COUNTED_WAIT;
        loop {
            let seen = *progress.borrow_and_update();
            if seen.is_ready && self.has_counted(&ends) {
                return Ok(());
            }
            self.asked.notify_one();
            let changed = timeout_at(deadline, progress.changed()).await;
            match changed {
                Ok(Ok(())) => {}
                // The time is over, or the service has ended.
                Err(_) | Ok(Err(_)) if seen.is_ready => return Ok(()),
                Err(_) | Ok(Err(_)) => return Err(Error::NotReady { read: seen.read }),
            }
        }
    }

    fn has_counted(&self, ends: &[(Arc<Topic>, Vec<Offset>)]) -> bool {
        let index = self.index.lock();
        let is_counted = |(topic, ends): &(Arc<Topic>, Vec<Offset>)| {
            // A topic that was made again is counted anew.
            let indexed = index.topics.get(&topic.name);
            let indexed = indexed.filter(|indexed| indexed.id == topic.id);
            indexed.is_some_and(|indexed| {
                let mut pairs = indexed.partitions.iter().zip(ends);
                pairs.all(|(partition, end)| partition.next() >= *end)
            })
        };
        ends.iter().all(is_counted)
    }

    /// Looks up the timestamps of first open letters where they are not known.
    pub(super) async fn date_oldest(&self) {
        for (topic, _) in self.topics() {
            for partition in topic.partitions() {
                let name = topic.name.as_str();
                let undated = self
                    .index
                    .lock()
                    .partition(name, partition.id)
                    .and_then(|indexed| indexed.undated());
                let Some(offset) = undated else { continue };
                let mut timestamp = None;
                let visited = read::visit(&self.parts.log, partition, &[offset], &mut |record| {
                    timestamp = Some(record.timestamp);
                    false
                })
                .await;
                if let Err(error) = visited {
                    tracing::warn!(%error, topic = name, offset = offset.0, "cannot read a dead letter");
                }
                if let Some(timestamp) = timestamp
                    && let Some(indexed) = self.index.lock().partition_mut(name, partition.id)
                {
                    indexed.date(offset, timestamp);
                }
            }
        }
    }

    /// What is counted now, without what has expired since.
    pub(super) fn depths(&self) -> Vec<TopicDepth> {
        let topics = self.topics();
        let mut index = self.index.lock();
        let mut depths = Vec::with_capacity(topics.len());
        for (topic, _) in topics {
            let indexed = index.topics.get_mut(&topic.name);
            let Some(indexed) = indexed.filter(|indexed| indexed.id == topic.id) else {
                continue;
            };
            let mut uncounted = 0_u64;
            let mut oldest_ms = None;
            for (partition, indexed) in topic.partitions().iter().zip(&mut indexed.partitions) {
                indexed.expire(partition.start());
                let behind = partition.end().0.saturating_sub(indexed.next().0).max(0);
                uncounted = uncounted.saturating_add(behind.unsigned_abs());
                oldest_ms = earlier(oldest_ms, indexed.oldest_ms());
            }
            let reasons = indexed.reasons();
            depths.push(TopicDepth {
                topic: topic.name.clone(),
                place: indexed.place.clone(),
                depth: reasons.values().sum(),
                reasons,
                oldest_ms,
                uncounted,
            });
        }
        depths
    }

    /// Settles those of `letters` that are marked as redriven by now.
    pub(super) fn settle_marked(
        &self,
        topic: &TopicName,
        letters: &BTreeSet<(PartitionId, Offset)>,
    ) {
        let mut index = self.index.lock();
        for (partition, offset) in letters {
            let shares = &self.parts.shares;
            if shares.is_redriven(topic.as_str(), *partition, *offset)
                && let Some(indexed) = index.partition_mut(topic.as_str(), *partition)
            {
                indexed.settle(*offset);
            }
        }
    }
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
