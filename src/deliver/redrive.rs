//! Redrives letters: plans a bounded number of them, and does it in one append with their marks.
//!
//! A list is taken as a whole: where one of its letters cannot be redriven, none is. Of all open
//! letters those that cannot be are left and told. One redrive runs at a time, as a task that
//! outlives a caller who goes away, so that no letter is looked at while its redrive is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::error::{Error, Obstacle};
use super::letters::Shared;
use super::place::Place;
use super::plan::{self, Copy, Step, Way};
use crate::error::{Code, Explain, chain};
use crate::group::GroupId;
use crate::group::share::Redrive;
use crate::log::{self, Partition, PartitionBatch, Topic};
use crate::record::partition_for_key;
use crate::tasks;
use crate::topic::{Offset, PartitionId, TopicName};

/// Letters of one append, and of a request that names them.
const LETTERS_MAX: usize = 1000;
/// Letters that an answer names as refused; it counts the others.
pub const REFUSED_MAX: usize = 100;
/// A redrive of all letters ends after this time and says how many are left; well below the time
/// after which a request is given up, since one redrive may wait for another.
const TIME_MAX: Duration = Duration::from_secs(20);

/// Which letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All that are open.
    All,
    /// These, all or none.
    Letters {
        /// Their partition.
        partition: PartitionId,
        /// Their offsets; what is named twice counts once.
        offsets: Vec<Offset>,
    },
}

/// What became of them.
#[derive(Debug, Default)]
pub struct Redriven {
    /// Letters whose records were given back.
    pub redriven: u64,
    /// Letters that were not, at most [`REFUSED_MAX`].
    pub refused: Vec<Refused>,
    /// How many were not.
    pub refused_count: u64,
    /// Open letters that were not looked at, since the time was over.
    pub left: u64,
}

/// A letter that was not redriven.
#[derive(Debug)]
pub struct Refused {
    /// Its partition.
    pub partition: PartitionId,
    /// Its offset.
    pub offset: Offset,
    /// Why, as a stable code.
    pub code: Code,
    /// Why, for people.
    pub detail: String,
    /// What to do about it.
    pub mend: Option<String>,
}

/// A redrive of letters of one topic.
struct Run {
    shared: Arc<Shared>,
    topic: Arc<Topic>,
    place: Place,
    way: Way,
    outcome: Redriven,
}

/// Redrives letters of `topic`.
pub(super) async fn run(
    shared: &Arc<Shared>,
    topic: Arc<Topic>,
    place: Place,
    selection: Selection,
    as_new: bool,
) -> Result<Redriven, Error> {
    let changing = Arc::clone(&shared.changing).lock_owned().await;
    let mut run = Run {
        way: Way::of(shared, &place, as_new),
        shared: Arc::clone(shared),
        topic,
        place,
        outcome: Redriven::default(),
    };
    // Owned by this call; a call that is dropped leaves it to end by itself, within TIME_MAX.
    let task = tasks::spawn("redrive", async move {
        let outcome = match selection {
            Selection::All => run.all().await,
            Selection::Letters { partition, offsets } => run.these(partition, offsets).await,
        };
        drop(changing);
        outcome.map(|()| run.outcome)
    });
    let outcome = task.await.map_err(|_| Error::BrokenOff)?;
    if let Ok(outcome) = &outcome {
        tracing::info!(
            redriven = outcome.redriven,
            refused = outcome.refused_count,
            "redrove dead letters"
        );
    }
    outcome
}

impl Run {
    /// Redrives the letters that were named, or refuses all of them.
    async fn these(&mut self, id: PartitionId, mut offsets: Vec<Offset>) -> Result<(), Error> {
        let partition = self.topic.partition(id).cloned();
        let partition = partition.ok_or_else(|| Error::UnknownPartition {
            topic: self.topic.name.to_string(),
            partition: id,
            count: self.topic.partitions().len(),
        })?;
        offsets.sort_unstable();
        offsets.dedup();
        if offsets.len() > LETTERS_MAX {
            return Err(Error::TooMany {
                asked: offsets.len(),
                max: LETTERS_MAX,
            });
        }
        let steps = self.plan(&partition, &offsets).await?;
        if steps.len() < offsets.len() {
            return Err(Error::TooMany {
                asked: offsets.len(),
                max: steps.len(),
            });
        }
        let mut accepted = Vec::with_capacity(steps.len());
        for (offset, step) in steps {
            let step = step.map_err(|why| Error::Refused {
                topic: self.topic.name.to_string(),
                partition: id,
                offset,
                why,
            })?;
            accepted.push((offset, step));
        }
        self.apply(&partition, accepted, true).await
    }

    /// Redrives all open letters that can be, as far as the time reaches.
    async fn all(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + TIME_MAX;
        for partition in self.topic.partitions().to_vec() {
            let mut from = Offset(0);
            while Instant::now() < deadline {
                let offsets = self.open(partition.id, from, LETTERS_MAX);
                let Some(first) = offsets.first().copied() else {
                    break;
                };
                match self.chunk(&partition, &offsets).await {
                    Ok(count) => {
                        let last = offsets.get(..count).and_then(|done| done.last());
                        let last = last.map_or(first, |last| *last);
                        from = Offset(last.0.saturating_add(1));
                    }
                    Err(error) if self.outcome.redriven == 0 => return Err(error),
                    Err(error) => {
                        // What was done is told; the next call will find the same trouble.
                        let detail = format!("failed to {}", chain(&error));
                        self.refuse(partition.id, first, error.code(), detail, error.mend());
                        self.outcome.left = self.left(&partition, first);
                        return Ok(());
                    }
                }
            }
            let left = self.open(partition.id, from, usize::MAX).len();
            let left = u64::try_from(left).unwrap_or(u64::MAX);
            self.outcome.left = self.outcome.left.saturating_add(left);
        }
        Ok(())
    }

    fn open(&self, partition: PartitionId, from: Offset, max: usize) -> Vec<Offset> {
        let index = self.shared.index.lock();
        let indexed = index.partition(self.topic.name.as_str(), partition);
        indexed.map_or_else(Vec::new, |indexed| indexed.open_from(from, max))
    }

    /// Open letters from `offset` of `partition` on, and of the partitions behind it.
    fn left(&self, partition: &Partition, offset: Offset) -> u64 {
        let behind = self.topic.partitions().iter();
        let behind = behind.filter(|one| one.id >= partition.id).map(|one| {
            let from = if one.id == partition.id {
                offset
            } else {
                Offset(0)
            };
            self.open(one.id, from, usize::MAX).len()
        });
        u64::try_from(behind.sum::<usize>()).unwrap_or(u64::MAX)
    }

    /// Redrives those of some letters that can be; how many of them it looked at.
    async fn chunk(
        &mut self,
        partition: &Arc<Partition>,
        offsets: &[Offset],
    ) -> Result<usize, Error> {
        let steps = self.plan(partition, offsets).await?;
        let count = steps.len();
        let mut accepted = Vec::with_capacity(count);
        for (offset, step) in steps {
            match step {
                Ok(step) => accepted.push((offset, step)),
                Err(why) => self.refuse_for(partition.id, offset, &why),
            }
        }
        self.apply(partition, accepted, false).await?;
        Ok(count)
    }

    async fn plan(
        &self,
        partition: &Arc<Partition>,
        offsets: &[Offset],
    ) -> Result<Vec<(Offset, Result<Step, Obstacle>)>, Error> {
        plan::plan(&self.shared, &self.way, &self.place, partition, offsets).await
    }

    /// Does it: what becomes available again in one append, what is copied in another. Where
    /// `is_whole`, one that is refused by its group leaves all as they are.
    async fn apply(
        &mut self,
        partition: &Arc<Partition>,
        steps: Vec<(Offset, Step)>,
        is_whole: bool,
    ) -> Result<(), Error> {
        let letters: BTreeSet<(PartitionId, Offset)> = steps
            .iter()
            .map(|(offset, _)| (partition.id, *offset))
            .collect();
        let mut gives = Vec::new();
        let mut copies = Vec::new();
        for (offset, step) in steps {
            match step {
                Step::Give(redrive) => gives.push(redrive),
                Step::Copy(copy) => copies.push((offset, copy)),
            }
        }
        let copied: Vec<Offset> = copies.iter().map(|(offset, _)| *offset).collect();
        let outcome = match self.give(gives, is_whole).await {
            Ok(()) => self.copy(partition.id, copies).await,
            Err(error) => Err(error),
        };
        let outcome = match outcome {
            // Some became available again before the copies failed: told, not taken back.
            Err(error) if is_whole && self.outcome.redriven > 0 => {
                for offset in copied {
                    let detail = format!("failed to {}", chain(&error));
                    self.refuse(partition.id, offset, error.code(), detail, error.mend());
                }
                Ok(())
            }
            outcome => outcome,
        };
        // Also where the outcome is not known: the marks say what happened.
        self.shared.settle_marked(&self.topic.name, &letters);
        outcome
    }

    async fn give(&mut self, gives: Vec<Redrive>, is_whole: bool) -> Result<(), Error> {
        let Some(group) = self.place.group().filter(|_| !gives.is_empty()) else {
            return Ok(());
        };
        let group = GroupId::parse(group)?;
        let shares = &self.shared.parts.shares;
        let done = match is_whole {
            true => shares.redrive_whole(&group, &gives).await?,
            false => shares.redrive(&group, &gives).await?,
        };
        let count = u64::try_from(done.done).unwrap_or(u64::MAX);
        self.outcome.redriven = self.outcome.redriven.saturating_add(count);
        for refused in done.refused {
            let Some(letter) = gives.get(refused.index) else {
                continue;
            };
            let why = Obstacle::of_group(&refused.why);
            if is_whole {
                return Err(Error::Refused {
                    topic: letter.letter_topic.to_string(),
                    partition: letter.letter_partition,
                    offset: letter.letter_offset,
                    why,
                });
            }
            self.refuse_for(letter.letter_partition, letter.letter_offset, &why);
        }
        Ok(())
    }

    async fn copy(
        &mut self,
        letters_of: PartitionId,
        copies: Vec<(Offset, Copy)>,
    ) -> Result<(), Error> {
        if copies.is_empty() {
            return Ok(());
        }
        let mut letters = Vec::with_capacity(copies.len());
        let mut batches: BTreeMap<(TopicName, PartitionId), PartitionBatch> = BTreeMap::new();
        for (offset, copy) in copies {
            let target = self.target(&copy.topic).await?;
            let count = u32::try_from(target.partitions().len()).unwrap_or(u32::MAX);
            let by_key = || PartitionId(partition_for_key(copy.key.as_deref(), count));
            let id = copy.partition.unwrap_or_else(by_key);
            let missing = || log::Error::UnknownTopic(copy.topic.to_string());
            let partition = target.partition(id).ok_or_else(missing)?;
            let batch = batches
                .entry((copy.topic, id))
                .or_insert_with(|| PartitionBatch {
                    partition: Arc::clone(partition),
                    bytes: Vec::new(),
                });
            batch.bytes.extend_from_slice(&copy.batch);
            letters.push((self.topic.name.clone(), letters_of, offset));
        }
        let with = batches.into_values().collect();
        self.shared
            .parts
            .shares
            .mark_redriven(&letters, with)
            .await?;
        let count = u64::try_from(letters.len()).unwrap_or(u64::MAX);
        self.outcome.redriven = self.outcome.redriven.saturating_add(count);
        Ok(())
    }

    /// The topic that copies go to; made where it is not there.
    async fn target(&self, name: &TopicName) -> Result<Arc<Topic>, Error> {
        let log = &self.shared.parts.log;
        if let Some(topic) = log.topic(name.as_str()) {
            return Ok(topic);
        }
        let partitions = log.default_partitions(name, self.shared.parts.partitions);
        let config = log.default_topic_config(name);
        match log.create_topic(name, partitions, config).await {
            // Somebody else was quicker.
            Err(log::Error::TopicExists(name)) => {
                let unknown = || log::Error::UnknownTopic(name.to_string());
                Ok(log.topic(name.as_str()).ok_or_else(unknown)?)
            }
            made => Ok(made?),
        }
    }

    fn refuse_for(&mut self, partition: PartitionId, offset: Offset, why: &Obstacle) {
        self.refuse(
            partition,
            offset,
            why.code(),
            why.to_string(),
            Some(why.mend()),
        );
    }

    fn refuse(
        &mut self,
        partition: PartitionId,
        offset: Offset,
        code: Code,
        detail: String,
        mend: Option<String>,
    ) {
        self.outcome.refused_count = self.outcome.refused_count.saturating_add(1);
        if self.outcome.refused.len() < REFUSED_MAX {
            self.outcome.refused.push(Refused {
                partition,
                offset,
                code,
                detail,
                mend,
            });
        }
    }
}
