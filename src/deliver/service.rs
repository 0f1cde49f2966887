//! Reads all topics of dead letters into the index, as an ordinary reader.
//!
//! Each round reads every topic up to the end it had when the round began. Between rounds it
//! waits for a record, a new topic, a question, or [`TICK`], by which expiry is noticed too.
//! What cannot be read stays uncounted and is tried again with every round; it stops nothing else.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::index::{LETTERS_MAX, TopicIndex};
use super::letter;
use super::letters::Shared;
use super::place::Place;
use super::read::DECOMPRESSED_BYTES_MAX;
use crate::error::chain;
use crate::log::{self, Partition};
use crate::record::dead_letter::Reason;
use crate::record::{self, Records};
use crate::topic::{CLUSTER_METADATA, Offset, PartitionId};

/// Longest time between rounds; expired letters are noticed by then.
const TICK: Duration = Duration::from_secs(1);
/// After a record came, others are let come: a flood must not be a round for each record.
const GATHER: Duration = Duration::from_millis(10);
/// Bytes read from the log at a time.
const READ_BYTES: usize = 1 << 20;

/// The part that runs by itself. There is one; it is spawned as one task.
#[derive(Debug)]
pub struct Service {
    shared: Arc<Shared>,
    /// What cannot be read, so that it is told once.
    troubled: HashSet<(String, PartitionId)>,
    is_full: bool,
}

/// A letter as the index takes it.
struct Read {
    offset: i64,
    /// `None` where it was redriven.
    open: Option<(Reason, i64)>,
}

/// How a partition stands after a read.
enum Piece {
    More,
    End,
    /// It cannot be read further now.
    Stuck,
}

impl Service {
    pub(super) fn new(shared: Arc<Shared>) -> Service {
        Service {
            shared,
            troubled: HashSet::new(),
            is_full: false,
        }
    }

    /// Counts until `shutdown`. The log may be closed after this.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = self.round() => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// One pass over all topics, and the wait behind it. Dropping it loses nothing but time.
    async fn round(&mut self) {
        let metadata = self.metadata();
        let partitions = self.follow_topics();
        let mut places = Vec::with_capacity(partitions.len());
        for (partition, place) in partitions {
            let goal = partition.end();
            loop {
                match self.piece(&partition, &place, goal).await {
                    Piece::More => {}
                    Piece::End => {
                        places.push((partition, goal));
                        break;
                    }
                    Piece::Stuck => break,
                }
            }
        }
        self.shared.progress.send_modify(|progress| {
            progress.rounds += 1;
            progress.is_ready = true;
        });
        self.shared.date_oldest().await;
        places.extend(metadata);
        let log = &self.shared.parts.log;
        tokio::select! {
            () = log.wait_for(&places), if !places.is_empty() => tokio::time::sleep(GATHER).await,
            () = self.shared.asked.notified() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }

    /// Where topics are made, with its end.
    fn metadata(&self) -> Option<(Arc<Partition>, Offset)> {
        let topic = self.shared.parts.log.topic(CLUSTER_METADATA)?;
        let partition = topic.partition(PartitionId(0))?;
        Some((Arc::clone(partition), partition.end()))
    }

    /// Takes new topics in and forgets those that are gone; all partitions that are followed.
    fn follow_topics(&mut self) -> Vec<(Arc<Partition>, Place)> {
        let topics = self.shared.topics();
        let mut index = self.shared.index.lock();
        index.topics.retain(|name, indexed| {
            let same = |(topic, _): &(Arc<log::Topic>, Place)| {
                topic.name == *name && topic.id == indexed.id
            };
            topics.iter().any(same)
        });
        let mut partitions = Vec::new();
        for (topic, place) in topics {
            let starts = topic.partitions().iter().map(|partition| partition.start());
            let new = || TopicIndex::new(topic.id, place.clone(), starts);
            let indexed = index.topics.entry(topic.name.clone()).or_insert_with(new);
            for (partition, indexed) in topic.partitions().iter().zip(&mut indexed.partitions) {
                indexed.expire(partition.start());
                partitions.push((Arc::clone(partition), place.clone()));
            }
        }
        partitions
    }

    /// Reads one piece of a partition, up to `goal`.
    async fn piece(&mut self, partition: &Arc<Partition>, place: &Place, goal: Offset) -> Piece {
        let topic = partition.topic.as_str();
        let (letters, next) = {
            let index = self.shared.index.lock();
            let indexed = index.partition(topic, partition.id);
            (index.letters(), indexed.map(|indexed| indexed.next()))
        };
        let Some(next) = next.filter(|next| *next < goal) else {
            return Piece::End;
        };
        if letters >= LETTERS_MAX {
            self.tell_full(letters);
            return Piece::Stuck;
        }
        self.is_full = false;
        let read = self
            .shared
            .parts
            .log
            .read(partition, next, READ_BYTES)
            .await;
        match read {
            Ok(read) => {
                if !self.take(partition, place, next, &read) {
                    return Piece::Stuck;
                }
                self.troubled.remove(&(topic.to_owned(), partition.id));
                Piece::More
            }
            Err(log::Error::OffsetOutOfRange { start, .. }) if start > next => {
                self.change(partition, |indexed| {
                    indexed.expire(start);
                });
                Piece::More
            }
            Err(error) => self.trouble(partition, &error),
        }
    }

    /// Takes what was read from `next` on; whether that led any further.
    fn take(&self, partition: &Partition, place: &Place, next: Offset, read: &log::Read) -> bool {
        let mut letters = Vec::new();
        // Where nothing is left up to the end, compaction took it.
        let mut behind = if read.chunks.is_empty() {
            read.end
        } else {
            next
        };
        for chunk in &read.chunks {
            behind = behind.max(self.letters_of(partition, place, chunk, &mut letters));
        }
        let count = behind.0.saturating_sub(next.0).max(0).unsigned_abs();
        {
            let mut index = self.shared.index.lock();
            if let Some(topic) = index.topics.get_mut(&partition.topic) {
                for letter in &letters {
                    match letter.open {
                        Some((reason, ms)) => topic.open(partition.id, letter.offset, reason, ms),
                        None => topic.skip_to(partition.id, Offset(letter.offset + 1)),
                    }
                }
                topic.skip_to(partition.id, behind);
            }
        }
        self.shared.progress.send_if_modified(|progress| {
            progress.read = progress.read.saturating_add(count);
            false
        });
        count > 0
    }

    /// Reads the letters of a chunk; the offset behind them.
    fn letters_of(
        &self,
        partition: &Partition,
        place: &Place,
        chunk: &[u8],
        letters: &mut Vec<Read>,
    ) -> Offset {
        let mut behind = Offset(0);
        for batch in record::batches(chunk) {
            let Ok((header, bytes)) = batch else { break };
            behind = Offset(header.next_offset());
            if header.is_control() {
                continue;
            }
            let outcome = Records::decode(bytes, DECOMPRESSED_BYTES_MAX).and_then(|records| {
                for record in &records {
                    let record = record?;
                    let offset = Offset(record.offset);
                    let shares = &self.shared.parts.shares;
                    let topic = partition.topic.as_str();
                    let is_redriven = shares.is_redriven(topic, partition.id, offset);
                    let open = (letter::reason(place, &record), record.timestamp);
                    letters.push(Read {
                        offset: record.offset,
                        open: (!is_redriven).then_some(open),
                    });
                }
                Ok(())
            });
            if let Err(error) = outcome {
                tracing::error!(
                    error = %chain(&error),
                    topic = %partition.topic,
                    partition = %partition.id,
                    offset = header.base_offset,
                    "dead letters that cannot be read are not counted",
                );
            }
        }
        behind
    }

    fn change(
        &self,
        partition: &Partition,
        change: impl FnOnce(&mut super::index::PartitionIndex),
    ) {
        let mut index = self.shared.index.lock();
        if let Some(indexed) = index.partition_mut(partition.topic.as_str(), partition.id) {
            change(indexed);
        }
    }

    fn tell_full(&mut self, letters: usize) {
        if !self.is_full {
            tracing::warn!(
                letters,
                "as many dead letters are counted as there may be; the rest is told as uncounted",
            );
        }
        self.is_full = true;
    }

    /// Goes on behind what cannot be read, where anything is behind it.
    fn trouble(&mut self, partition: &Partition, error: &log::Error) -> Piece {
        let place = (partition.topic.to_string(), partition.id);
        if self.troubled.insert(place) {
            tracing::warn!(
                error = %chain(error),
                topic = %partition.topic,
                partition = %partition.id,
                "dead letters cannot be counted",
            );
        }
        let log::Error::Damaged {
            resume: Some(resume),
            ..
        } = error
        else {
            return Piece::Stuck;
        };
        self.change(partition, |indexed| indexed.skip_to(*resume));
        Piece::More
    }
}
