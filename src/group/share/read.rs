//! Handing records out.
//!
//! One reader of a group looks for records at a time ([`Cell::reader`]): it notes what may be
//! given out, reads it from the log without a lock, and then takes it under the lock. Records that
//! wait for another delivery come first, then new ones; partitions take turns, and each gives its
//! share of what is asked for before the first one gives more. The deliveries are counted durably
//! before they are handed out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::error::Error;
use super::super::id::GroupId;
use super::ack_id::AckId;
use super::cell::{Cell, Place};
use super::gather::{Gathered, Plan};
use super::limits::{
    LEASE_MAX, LEASE_MIN, READ_RECORDS_MAX, READ_TOPICS_MAX, STATE_BYTES_MAX, STUCK_RETRY, WAIT_MAX,
};
use super::shared::{Shared, letter_topic, random_bits};
use super::shares::Shares;
use super::state::{Acquired, Member};
use super::write::{Change, outcome};
use crate::log::{self, Partition};
use crate::record::dead_letter::REDRIVE_COUNT;
use crate::topic::{Offset, PartitionId, TopicName};

/// What a member asks for.
#[derive(Debug, Clone)]
pub struct Read {
    /// The group it is a member of; it is made if there is none.
    pub group: GroupId,
    /// Who asks; a member holds no more than it leaves for the others.
    pub member: Member,
    /// The topics it reads.
    pub topics: Vec<TopicName>,
    /// At most so many records.
    pub max_records: usize,
    /// How long to wait while there is none.
    pub wait: Duration,
    /// How long the records are the member's; `None` for the group's policy.
    pub lease: Option<Duration>,
    /// Ends the wait.
    pub stop: CancellationToken,
}

/// A record handed to a member.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its topic.
    pub topic: TopicName,
    /// Its partition.
    pub partition: PartitionId,
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp, ms since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers in their order; `__dlq.redrive.count` is added where it was redriven.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// How often it was delivered, this time included; from 1.
    pub delivery_count: u16,
    /// How often it was redriven.
    pub redrive_count: u16,
    /// By which it is accepted, released, rejected or renewed.
    pub ack_id: String,
}

/// What a member gets; a bounded number of these is in memory at once.
#[derive(Debug, Default)]
pub struct Deliveries {
    /// The records.
    pub records: Vec<Delivery>,
    _place: Option<OwnedSemaphorePermit>,
}

/// Partitions with the offsets that their ends are to pass.
type Ends = Vec<(Arc<Partition>, Offset)>;

/// A read whose fields were checked.
pub(super) struct Ask {
    pub(super) sources: Vec<(Place, Arc<Partition>)>,
    pub(super) max_records: usize,
    pub(super) member: Member,
    lease_ms: i64,
    limit: u16,
}

impl Shares {
    /// Waits for records and hands them out; durably counted as delivered when it returns. Empty
    /// where none came in time, and while the group is paused. Cancel safe: records that were
    /// taken for a caller that went away come back when their lease ends.
    pub async fn read(&self, read: Read) -> Result<Deliveries, Error> {
        let shared = &self.shared;
        let ask = shared.check(&read)?;
        let deadline = Instant::now() + read.wait.min(WAIT_MAX);
        let cell = shared.begin(&read.group, &ask.sources).await?;
        loop {
            let changed = cell.changed.notified();
            tokio::pin!(changed);
            // From here on nothing is missed.
            changed.as_mut().enable();
            let deliveries = shared.poll(&cell, &ask).await?;
            let is_over = Instant::now() >= deadline || read.stop.is_cancelled();
            if !deliveries.records.is_empty() || is_over {
                return Ok(deliveries);
            }
            let (until, places) = shared.hints(&cell, &ask)?;
            tokio::select! {
                () = tokio::time::sleep_until(until.min(deadline)) => {}
                () = changed => {}
                () = shared.log.wait_for(&places), if !places.is_empty() => {}
                () = read.stop.cancelled() => {}
                () = shared.closing.cancelled() => return Err(Error::Closing),
            }
        }
    }
}

impl Shared {
    fn check(&self, read: &Read) -> Result<Ask, Error> {
        self.check_open()?;
        let letters = letter_topic(&read.group)?;
        let policy = self.policy(&read.group);
        let lease = read
            .lease
            .unwrap_or(Duration::from_millis(policy.lease_ms.into()));
        if read.lease.is_some() && !(LEASE_MIN..=LEASE_MAX).contains(&lease) {
            return Err(Error::Invalid("a lease is 1 s to 1 hour"));
        }
        if read.topics.is_empty() || read.topics.len() > READ_TOPICS_MAX {
            return Err(Error::Invalid("a read names 1 to 100 topics"));
        }
        if read.max_records == 0 || read.max_records > READ_RECORDS_MAX {
            return Err(Error::Invalid("a read asks for 1 to 2,000 records"));
        }
        if self.bytes() >= STATE_BYTES_MAX {
            return Err(Error::LimitReached {
                what: "bytes of all shared groups",
                limit: STATE_BYTES_MAX,
            });
        }
        let mut sources: Vec<(Place, Arc<Partition>)> = Vec::new();
        for name in &read.topics {
            if *name == letters {
                return Err(Error::Invalid("a group does not read its own dead letters"));
            }
            let topic = self
                .log
                .topic(name.as_str())
                .filter(|_| !name.is_internal());
            let topic = topic.ok_or_else(|| log::Error::UnknownTopic(name.to_string()))?;
            for partition in topic.partitions() {
                let place = Place {
                    topic: topic.id,
                    partition: partition.id,
                };
                if sources.iter().all(|(known, _)| *known != place) {
                    sources.push((place, Arc::clone(partition)));
                }
            }
        }
        Ok(Ask {
            sources,
            max_records: read.max_records,
            member: read.member,
            lease_ms: i64::try_from(lease.as_millis()).unwrap_or(i64::MAX),
            limit: policy.delivery_limit,
        })
    }

    /// One look for records.
    async fn poll(&self, cell: &Arc<Cell>, ask: &Ask) -> Result<Deliveries, Error> {
        let place = self.reading().await?;
        let mut turn = cell.reader.lock().await;
        *turn = turn.wrapping_add(1);
        let Some((plan, reloads)) = self.plan(cell, ask, *turn)? else {
            return Ok(Deliveries::default());
        };
        let gathered = self.gather(&plan, ask.max_records).await?;
        if gathered.is_empty() {
            return Ok(Deliveries::default());
        }
        let letters = self.unreadable_letters(cell, &gathered).await?;
        let room = self.room().await?;
        let (records, answered) = {
            let mut state = cell.state.lock();
            state.check(&cell.id)?;
            if state.reloads != reloads {
                return Ok(Deliveries::default());
            }
            let (records, places) = take(&mut state, self.now(), ask, gathered);
            let change = Change {
                places,
                with: letters,
                room: Some(room),
                ..Change::default()
            };
            (records, self.submit(cell, &mut state, change))
        };
        drop(turn);
        outcome(answered).await?;
        Ok(Deliveries {
            records,
            _place: Some(place),
        })
    }

    /// When to look again, and for which partitions' ends to wait.
    fn hints(&self, cell: &Cell, ask: &Ask) -> Result<(Instant, Ends), Error> {
        let now = self.now();
        let far = Instant::now() + WAIT_MAX;
        let state = cell.state.lock();
        state.check(&cell.id)?;
        if let Some(paused_ms) = state.breaker.paused_until(now.timer_ms) {
            return Ok((self.instant(paused_ms).min(far), Vec::new()));
        }
        let mut until = far;
        let mut places = Vec::new();
        for (place, partition) in &ask.sources {
            let Some(slot) = state.slots.get(place) else {
                continue;
            };
            if !slot.partition.due(now, ask.limit, 1).is_empty() {
                // It came due, or a pause ended, since the look for records.
                until = until.min(Instant::now() + Duration::from_millis(1));
            }
            if let Some(due_ms) = slot.partition.due_next_ms(now) {
                let wait_ms = due_ms.saturating_sub(now.wall_ms).max(1).unsigned_abs();
                until = until.min(Instant::now() + Duration::from_millis(wait_ms));
            }
            let next = Offset(slot.partition.next());
            // One that holds its share waits until some of it is done or over.
            let allowance = slot.partition.allowance(ask.member);
            if allowance.min(slot.partition.room_for(ask.member)) == 0 {
                continue;
            }
            if partition.end() > next {
                // It came just now, or nothing there can be read.
                until = until.min(Instant::now() + stuck_wait(partition, next));
            } else {
                places.push((Arc::clone(partition), next));
            }
        }
        Ok((until, places))
    }
}

/// How long to leave a partition alone that has something at `next` and gave nothing.
fn stuck_wait(partition: &Partition, next: Offset) -> Duration {
    let is_damaged = partition.damage().iter().any(|(offset, _)| *offset <= next);
    if is_damaged {
        STUCK_RETRY
    } else {
        Duration::from_millis(1)
    }
}

/// Takes what was gathered; what was given or lost meanwhile is left out. Returns the deliveries
/// and the partitions that changed.
fn take(
    state: &mut super::cell::State,
    now: super::state::Now,
    ask: &Ask,
    gathered: Gathered,
) -> (Vec<Delivery>, Vec<Place>) {
    let owner = ask.member.owner(random_bits());
    let mut records = Vec::new();
    let mut places = Vec::new();
    for found in gathered.found {
        let Some(slot) = state.slots.get_mut(&found.place) else {
            continue;
        };
        let before = records.len();
        let delivery = |copied: super::fetch::Copied, acquired: Acquired| {
            let topic = slot.topic.clone();
            deliver(topic, found.place, copied, acquired, owner)
        };
        let mut is_changed = false;
        for (offset, copied) in found.due {
            let Some(copied) = copied else {
                is_changed |= slot.partition.forget(offset);
                continue;
            };
            let acquired = slot
                .partition
                .acquire(now, owner, offset, ask.lease_ms, ask.limit);
            records.extend(acquired.map(|acquired| delivery(copied, acquired)));
        }
        if let Some(new) = found.new {
            // A seek that came in between makes what was read old.
            if slot.partition.next() == new.from {
                let offsets: Vec<i64> = new.records.iter().map(|r| r.offset).collect();
                let acquired =
                    slot.partition
                        .acquire_new(now, owner, &offsets, new.upto, ask.lease_ms);
                let given = new.records.into_iter().zip(acquired);
                records.extend(given.map(|(copied, (_, acquired))| delivery(copied, acquired)));
                is_changed |= new.upto > new.from;
            }
        }
        if is_changed || records.len() > before {
            places.push(found.place);
        }
    }
    (records, places)
}

fn deliver(
    topic: TopicName,
    place: Place,
    copied: super::fetch::Copied,
    acquired: Acquired,
    owner: u64,
) -> Delivery {
    let id = AckId {
        place,
        offset: copied.offset,
        owner,
    };
    let mut headers = copied.headers;
    if acquired.redrive_count > 0 {
        let count = Bytes::from(acquired.redrive_count.to_string());
        headers.push((Bytes::from_static(REDRIVE_COUNT.as_bytes()), Some(count)));
    }
    Delivery {
        topic,
        partition: place.partition,
        offset: Offset(copied.offset),
        timestamp_ms: copied.timestamp_ms,
        key: copied.key,
        value: copied.value,
        headers,
        delivery_count: acquired.delivery_count,
        redrive_count: acquired.redrive_count,
        ack_id: id.encode(),
    }
}

impl Plan {
    /// Whether there is nothing to read.
    pub(super) fn is_empty(&self) -> bool {
        self.parts
            .iter()
            .all(|part| part.due.is_empty() && !part.has_new())
    }
}
