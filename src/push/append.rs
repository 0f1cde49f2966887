//! The end of a push: its key is claimed, its records and its key are appended as one, and the
//! outcome is settled.

use std::sync::Arc;

use super::error::{Error, Flaw, message};
use super::handle::{Inner, topic};
use super::intake::Ready;
use super::keys::{Claimed, Key, Place, Settled, Stored, StoredKey, find};
use super::name::Name;
use crate::log::{Append, Origin, Partition, PartitionBatch};
use crate::record::dead_letter::{self, Reason};
use crate::record::{BatchBuilder, Header, Records};
use crate::tasks;
use crate::topic::{Offset, PartitionId, TopicName};

/// A push that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Records.
    pub accepted: u32,
    /// Where.
    pub topic: TopicName,
    /// Where.
    pub partition: PartitionId,
    /// Of the first record; `None` only of a repetition whose records are gone.
    pub offset: Option<Offset>,
    /// It was stored before, under the same idempotency key.
    pub replayed: bool,
}

/// Appends a push.
pub(super) async fn append(mut ready: Box<Ready>) -> Result<Accepted, Error> {
    ready.inner.check_open()?;
    let flaws = ready.run.take_flaws();
    if !flaws.is_empty() {
        return Err(Box::pin(refuse(ready, flaws)).await);
    }
    let Some((key, fingerprint)) = ready.key.take() else {
        let (partition, batch) = place(&mut ready).await?;
        return store(ready, partition, vec![batch]).await;
    };
    let now_ms = ready.inner.clock.now_ms();
    match ready.inner.keys.claim(key.hash, fingerprint, now_ms) {
        Claimed::Yours { in_doubt } => {
            let claim = Claim {
                inner: ready.inner.clone(),
                key,
                fingerprint,
                in_doubt,
                is_settled: false,
            };
            // Owned by the tracker, which the service waits for; it ends with its append, also
            // when its caller has gone.
            let appends = ready.inner.appends.clone();
            let work = appends.track_future(append_keyed(ready, claim));
            let outcome = tasks::spawn("push append", work).await;
            outcome.unwrap_or(Err(Error::Unknown(None)))
        }
        Claimed::Stored(stored) => {
            let answer = replayed(&ready.inner, &key, fingerprint, stored);
            Ok(Box::pin(answer).await)
        }
        Claimed::Reused => Err(Error::KeyReused),
        Claimed::InFlight => Err(Error::KeyInFlight),
        Claimed::Full => Err(Error::KeysFull(ready.inner.keys.count())),
    }
}

/// A key that is this append's to settle. Dropped without that, it is settled as one in doubt.
struct Claim {
    inner: Arc<Inner>,
    key: Key,
    fingerprint: u64,
    /// An append before this one has an unknown outcome.
    in_doubt: bool,
    is_settled: bool,
}

impl Claim {
    fn settle(mut self, settled: &Settled) {
        self.is_settled = true;
        self.tell(settled);
    }

    fn tell(&self, settled: &Settled) {
        let now_ms = self.inner.clock.now_ms();
        self.inner.keys.settle(self.key.hash, now_ms, settled);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.is_settled {
            self.tell(&Settled::Unknown);
        }
    }
}

async fn append_keyed(mut ready: Box<Ready>, claim: Claim) -> Result<Accepted, Error> {
    let outcome = async {
        let (partition, batch) = place(&mut ready).await?;
        let stored = StoredKey {
            fingerprint: claim.fingerprint,
            stored_ms: ready.inner.clock.now_ms(),
            count: ready.run.count(),
            topic: partition.topic.clone(),
            partition: partition.id,
            lower_bound: partition.end(),
        };
        let key = stored.batch(claim.key.hash);
        let key = PartitionBatch {
            partition: ready.inner.partition.clone(),
            bytes: key.ok_or(Error::Busy("there is no memory for its key"))?,
        };
        store(ready, partition, vec![batch, key]).await
    }
    .await;
    let in_doubt = claim.in_doubt;
    match outcome {
        Ok(accepted) => {
            let offset = accepted.offset.unwrap_or_default();
            claim.settle(&Settled::Stored(Stored {
                topic: accepted.topic.clone(),
                partition: accepted.partition,
                count: accepted.accepted,
                place: Place::At(offset),
            }));
            Ok(accepted)
        }
        Err(error @ Error::Unknown(_)) => {
            claim.settle(&Settled::Unknown);
            Err(error)
        }
        Err(error) => {
            claim.settle(&Settled::Failed);
            Err(match error {
                // This one is surely not stored, but the one before may be.
                Error::Log(cause) if in_doubt => Error::Unknown(Some(cause)),
                other => other,
            })
        }
    }
}

/// The partition of a push, its topic made where it is not there, and its batch.
async fn place(ready: &mut Ready) -> Result<(Arc<Partition>, PartitionBatch), Error> {
    let name = ready.admitted.name().topic();
    let topic = match ready.topic.take().filter(|topic| !topic.is_deleted()) {
        Some(topic) => topic,
        None => Box::pin(topic(&ready.inner.log, name)).await?,
    };
    let id = PartitionId(ready.run.partition());
    // Fewer partitions than when the push began: the topic was deleted and made again.
    let partition = topic.partition(id).or_else(|| topic.partitions().first());
    let partition = partition.cloned();
    let partition = partition.ok_or_else(|| crate::log::Error::UnknownTopic(name.to_string()))?;
    let bytes = ready.run.finish()?;
    let batch = PartitionBatch {
        partition: partition.clone(),
        bytes,
    };
    Ok((partition, batch))
}

async fn store(
    ready: Box<Ready>,
    partition: Arc<Partition>,
    batches: Vec<PartitionBatch>,
) -> Result<Accepted, Error> {
    let append = Append {
        origin: Origin::Outside,
        batches,
    };
    let appended = ready.inner.log.append(append).await?;
    let written = appended.batches.first().copied();
    let written = written.ok_or(Error::Unknown(None))?;
    let count = ready.run.count();
    let bytes = u64::try_from(ready.received_bytes).unwrap_or(u64::MAX);
    let (name, after) = (ready.admitted.name(), ready.since.elapsed());
    ready.inner.seen.taken(name, count, bytes, after);
    Ok(Accepted {
        accepted: count,
        topic: partition.topic.clone(),
        partition: partition.id,
        offset: Some(written.base_offset),
        replayed: false,
    })
}

/// The answer to a repetition.
async fn replayed(inner: &Inner, key: &Key, fingerprint: u64, stored: Stored) -> Accepted {
    let place = match stored.place {
        Place::From(bound) => {
            let found = find(&inner.log, &stored, bound, &key.text).await;
            if let Some(place) = found {
                inner.keys.found(key.hash, fingerprint, place);
            }
            found.unwrap_or(Place::Gone)
        }
        known => known,
    };
    Accepted {
        accepted: stored.count,
        topic: stored.topic,
        partition: stored.partition,
        offset: match place {
            Place::At(offset) => Some(offset),
            Place::From(_) | Place::Gone => None,
        },
        replayed: true,
    }
}

/// The refusal of values that do not fit, after they were kept where that is asked for. A push
/// that could not be kept is refused all the same, and the answer says that it was not.
async fn refuse(ready: Box<Ready>, flaws: Vec<Flaw>) -> Error {
    let is_kept = ready
        .admitted
        .integration()
        .is_some_and(|one| one.keep_refused);
    let kept = match is_kept {
        false => false,
        true => match keep(ready, &flaws).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(error = message(&error), "could not keep a refused push");
                false
            }
        },
    };
    Error::Schema { flaws, kept }
}

async fn keep(mut ready: Box<Ready>, flaws: &[Flaw]) -> Result<(), Error> {
    let inner = ready.inner.clone();
    let name = ready.admitted.name().clone();
    let batch = ready.run.finish()?;
    let bytes = dead_letters(&name, &batch, flaws)?;
    let mut share = inner.budget.share();
    share.grow_to(bytes.len())?;
    let topic = topic(&inner.log, &name.dead_letters()).await?;
    let partition = topic.partition(PartitionId(0)).cloned();
    let partition =
        partition.ok_or_else(|| crate::log::Error::UnknownTopic(topic.name.to_string()))?;
    let append = Append {
        origin: Origin::Outside,
        batches: vec![PartitionBatch { partition, bytes }],
    };
    inner.log.append(append).await?;
    Ok(())
}

/// Copies of all records of a refused push, with what is wrong with each.
fn dead_letters(name: &Name, batch: &[u8], flaws: &[Flaw]) -> Result<Vec<u8>, Error> {
    let unreadable = |_| Error::Busy("its records cannot be copied");
    let mut letters = BatchBuilder::with_capacity(batch.len());
    let records = Records::decode(batch, batch.len()).map_err(unreadable)?;
    let topic = name.topic();
    let group = format!("push.{name}");
    for (index, record) in (0_u32..).zip(&records) {
        let record = record.map_err(unreadable)?;
        let own = flaws.iter().filter(|flaw| flaw.index == index);
        let mut what: Vec<String> = own
            .map(|flaw| match flaw.pointer.as_str() {
                "" => flaw.what.clone(),
                pointer => format!("{pointer}: {}", flaw.what),
            })
            .collect();
        if what.is_empty() {
            what.push("another value of the same push does not fit its schema".to_owned());
        }
        let what = what.join("; ");
        let header = |key: &'static str, value| Header {
            key,
            value: Some(value),
        };
        let more = [
            header(dead_letter::TOPIC, topic.as_str().as_bytes()),
            header(dead_letter::GROUP, group.as_bytes()),
            header(dead_letter::REASON, Reason::Schema.as_str().as_bytes()),
            header(dead_letter::MESSAGE, what.as_bytes()),
        ];
        letters.append_copy(&record, &more).map_err(unreadable)?;
    }
    letters.finish().map_err(unreadable)
}

#[cfg(test)]
mod tests;
