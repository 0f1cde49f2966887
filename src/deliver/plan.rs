//! Decides for letters what a redrive is for each, and why it cannot be. Changes nothing.
//!
//! | letters of | become |
//! |---|---|
//! | a shared group | the record itself, available again to that group |
//! | a shared group, the record is gone, `as_new` | a copy at the end of the record's topic |
//! | an ordered group | a copy in `retry.<group>` |
//! | an integration | a record of `integrations.<name>.data`, if it fits the schemas now |
//! | a connector | nothing: the row is in the database |
//!
//! Copies have the time of the redrive: with that of their record they could be older than the
//! target's retention and be gone before anybody reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::{Error, Obstacle};
use super::letter::{Letter, RecordPlace};
use super::letters::Shared;
use super::place::{Place, retry_topic};
use super::read;
use crate::config::topics::Misfit;
use crate::group::share::Redrive;
use crate::log::{self, Partition};
use crate::record::dead_letter::{self, TOPIC_PREFIX};
use crate::record::{BatchBuilder, Header, Record};
use crate::topic::{Offset, PartitionId, TopicName};

/// What the names of a dead letter's own headers begin with.
const ERRORS_PREFIX: &[u8] = b"__dlq.errors.";

/// Bytes of letters that are planned, and then copied, at once: a third of what an append can
/// hold, so that one letter more of any usual size fits.
const PLANNED_BYTES_MAX: usize = log::APPEND_BYTES_MAX / 3;

/// What a redrive of one letter is.
#[derive(Debug)]
pub(super) enum Step {
    /// The record becomes available again.
    Give(Redrive),
    /// A copy is appended.
    Copy(Copy),
}

/// A record to be appended.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) topic: TopicName,
    /// Where it is to go; by its key without.
    pub(super) partition: Option<PartitionId>,
    pub(super) key: Option<Vec<u8>>,
    /// One batch of one record.
    pub(super) batch: Vec<u8>,
}

/// How letters of a topic are redriven.
#[derive(Debug)]
pub(super) enum Way {
    Shared {
        as_new: bool,
    },
    Ordered {
        target: TopicName,
    },
    Push {
        integration: String,
        target: TopicName,
    },
    Not(Obstacle),
}

/// A letter as far as it was read.
enum Draft {
    Step(Step),
    Not(Obstacle),
    /// Of a shared group; its record is to be looked for.
    Record(Box<Wanted>),
}

/// A record that a letter stands for.
struct Wanted {
    place: RecordPlace,
    timestamp: i64,
    key: Option<Vec<u8>>,
    has_value: bool,
    redrive_count: u32,
    /// Without the headers of dead letters; where `as_new` was asked for.
    copy: Option<Vec<u8>>,
}

impl Draft {
    /// Bytes that it keeps in memory.
    fn bytes(&self) -> usize {
        match self {
            Draft::Step(step) => step.bytes(),
            Draft::Not(_) => 0,
            Draft::Record(wanted) => {
                let key = wanted.key.as_ref().map_or(0, Vec::len);
                key.saturating_add(wanted.copy.as_ref().map_or(0, Vec::len))
            }
        }
    }
}

impl Step {
    fn bytes(&self) -> usize {
        match self {
            Step::Give(_) => 0,
            Step::Copy(copy) => {
                let key = copy.key.as_ref().map_or(0, Vec::len);
                key.saturating_add(copy.batch.len())
            }
        }
    }
}

impl Way {
    /// The way of `place`'s letters.
    pub(super) fn of(shared: &Shared, place: &Place, as_new: bool) -> Way {
        let parts = &shared.parts;
        match place {
            Place::Source(connector) => Way::Not(Obstacle::Row(connector.clone())),
            Place::Push(integration) => {
                let name = match integration.as_str() {
                    "lifecycle" => "integrations.lifecycle".to_owned(),
                    name => format!("integrations.{name}.data"),
                };
                match TopicName::parse(&name) {
                    Ok(target) => Way::Push {
                        integration: integration.clone(),
                        target,
                    },
                    Err(_) => Way::Not(Obstacle::NoTarget(name)),
                }
            }
            Place::Group(group) if parts.shares.is_shared(group) => Way::Shared { as_new },
            Place::Group(group) if parts.groups.describe(group).is_none() => {
                Way::Not(Obstacle::NoGroup(group.clone()))
            }
            Place::Group(group) => match retry_topic(group) {
                Some(target) => Way::Ordered { target },
                None => Way::Not(Obstacle::NoTarget(group.clone())),
            },
        }
    }
}

/// What a redrive of the letters at `offsets`, which ascend, is for each. Ends early, with fewer
/// of them, once they take [`PLANNED_BYTES_MAX`].
pub(super) async fn plan(
    shared: &Shared,
    way: &Way,
    place: &Place,
    partition: &Arc<Partition>,
    offsets: &[Offset],
) -> Result<Vec<(Offset, Result<Step, Obstacle>)>, Error> {
    let parts = &shared.parts;
    let now_ms = parts.clock.now_ms();
    let mut drafts: BTreeMap<Offset, Draft> = BTreeMap::new();
    let mut bytes = 0_usize;
    let mut last = None;
    let mut failed = None;
    read::visit(&parts.log, partition, offsets, &mut |record| {
        let offset = Offset(record.offset);
        let is_redriven = parts
            .shares
            .is_redriven(partition.topic.as_str(), partition.id, offset);
        let draft = match is_redriven {
            true => Ok(Draft::Not(Obstacle::Redriven)),
            false => draft(shared, way, place, record, now_ms),
        };
        match draft {
            Ok(draft) => {
                bytes = bytes.saturating_add(draft.bytes());
                drafts.insert(offset, draft);
            }
            Err(error) => failed = Some(error),
        }
        let is_enough = failed.is_some() || bytes >= PLANNED_BYTES_MAX;
        last = is_enough.then_some(offset);
        !is_enough
    })
    .await?;
    if let Some(error) = failed {
        return Err(error);
    }
    let found = find_records(shared, &drafts).await?;
    let mut steps = Vec::with_capacity(offsets.len());
    for offset in offsets {
        if last.is_some_and(|last| last < *offset) {
            break;
        }
        let step = match drafts.remove(offset) {
            None => Err(Obstacle::NoLetter),
            Some(Draft::Not(obstacle)) => Err(obstacle),
            Some(Draft::Step(step)) => Ok(step),
            Some(Draft::Record(wanted)) if found.contains(offset) => Ok(Step::Give(Redrive {
                letter_topic: partition.topic.clone(),
                letter_partition: partition.id,
                letter_offset: *offset,
                topic: wanted.place.topic,
                partition: wanted.place.partition,
                offset: wanted.place.offset,
                redrive_count: u16::try_from(wanted.redrive_count).unwrap_or(u16::MAX),
            })),
            Some(Draft::Record(wanted)) => copy_of_gone(shared, *wanted),
        };
        steps.push((*offset, fits(shared, step)));
    }
    Ok(steps)
}

fn draft(
    shared: &Shared,
    way: &Way,
    place: &Place,
    record: &Record<'_>,
    now_ms: i64,
) -> Result<Draft, Error> {
    let key = record.key.map(<[u8]>::to_vec);
    let letter = Letter::read(place, record);
    let draft = match way {
        Way::Not(obstacle) => Draft::Not(obstacle.clone()),
        Way::Shared { as_new } => {
            let Some(place) = letter.record_place() else {
                return Ok(Draft::Not(Obstacle::NoRecordPlace));
            };
            let copy = match as_new {
                true => Some(bare_copy(record, now_ms)?),
                false => None,
            };
            Draft::Record(Box::new(Wanted {
                place,
                timestamp: record.timestamp,
                key,
                has_value: record.value.is_some(),
                redrive_count: letter.redrive_count,
                copy,
            }))
        }
        Way::Ordered { target } => Draft::Step(Step::Copy(Copy {
            topic: target.clone(),
            partition: None,
            key,
            batch: counted_copy(record, letter.redrive_count, now_ms)?,
        })),
        Way::Push {
            integration,
            target,
        } => match misfit(shared, integration, target, record.value) {
            Some(obstacle) => Draft::Not(obstacle),
            None => Draft::Step(Step::Copy(Copy {
                topic: target.clone(),
                partition: None,
                key,
                batch: bare_copy(record, now_ms)?,
            })),
        },
    };
    Ok(draft)
}

/// The record with its own headers only.
fn bare_copy(record: &Record<'_>, now_ms: i64) -> Result<Vec<u8>, Error> {
    let is_dropped = |name: &[u8]| {
        name.starts_with(ERRORS_PREFIX) || name == dead_letter::REDRIVE_COUNT.as_bytes()
    };
    let mut batch = BatchBuilder::new();
    batch.append_copy_without(now_ms, record, is_dropped, &[])?;
    Ok(batch.finish()?)
}

/// The letter with one redrive more, and with the headers that say where it comes from.
fn counted_copy(record: &Record<'_>, before: u32, now_ms: i64) -> Result<Vec<u8>, Error> {
    let count = before.saturating_add(1).to_string();
    let header = Header {
        key: dead_letter::REDRIVE_COUNT,
        value: Some(count.as_bytes()),
    };
    let is_dropped = |name: &[u8]| name == dead_letter::REDRIVE_COUNT.as_bytes();
    let mut batch = BatchBuilder::new();
    batch.append_copy_without(now_ms, record, is_dropped, &[header])?;
    Ok(batch.finish()?)
}

/// Why `value` does not fit what is declared for the integration now.
fn misfit(
    shared: &Shared,
    integration: &str,
    target: &TopicName,
    value: Option<&[u8]>,
) -> Option<Obstacle> {
    let rules = shared.parts.rules.now();
    let of_topic = rules
        .topic(target.as_str())
        .and_then(|rule| rule.schema.as_ref());
    let of_integration = rules
        .integration(integration)
        .and_then(|declared| declared.schema.as_ref());
    let mut schemas = of_topic.into_iter().chain(of_integration).peekable();
    schemas.peek()?;
    let refuse = |what: String| {
        Some(Obstacle::Misfit {
            topic: target.to_string(),
            what,
        })
    };
    let Ok(json) = serde_json::from_slice(value.unwrap_or_default()) else {
        return refuse("it is no JSON".to_owned());
    };
    let misfits: Vec<String> = schemas
        .flat_map(|schema| schema.misfits(&json))
        .map(|Misfit { pointer, what }| format!("at \"{pointer}\": {what}"))
        .collect();
    match misfits.is_empty() {
        true => None,
        false => refuse(misfits.join("; ")),
    }
}

/// Records of each partition, with their offsets and those of their letters.
type ByPlace<'a> = BTreeMap<(&'a TopicName, PartitionId), Vec<(Offset, Offset, &'a Wanted)>>;

/// The letters whose records are there as they were.
async fn find_records(
    shared: &Shared,
    drafts: &BTreeMap<Offset, Draft>,
) -> Result<BTreeSet<Offset>, Error> {
    let mut wanted: ByPlace<'_> = BTreeMap::new();
    for (letter, draft) in drafts {
        if let Draft::Record(record) = draft {
            let place = (&record.place.topic, record.place.partition);
            let entry = (record.place.offset, *letter, &**record);
            wanted.entry(place).or_default().push(entry);
        }
    }
    let mut found = BTreeSet::new();
    for ((topic, partition), mut records) in wanted {
        let topic = shared.parts.log.topic(topic.as_str());
        let Some(partition) = topic.as_ref().and_then(|topic| topic.partition(partition)) else {
            continue;
        };
        records.sort_by_key(|(offset, _, _)| *offset);
        let mut offsets: Vec<Offset> = records.iter().map(|(offset, _, _)| *offset).collect();
        offsets.dedup();
        read::visit(&shared.parts.log, partition, &offsets, &mut |record| {
            // A topic that was made again has other records at these offsets.
            // A letter that would have been too large has neither value nor a large key.
            let is_same = |wanted: &Wanted| {
                let same_key = record.key == wanted.key.as_deref();
                let left_out = wanted.key.is_none() && !wanted.has_value;
                record.timestamp == wanted.timestamp && (same_key || left_out)
            };
            for (offset, letter, wanted) in &records {
                if offset.0 == record.offset && is_same(wanted) {
                    found.insert(*letter);
                }
            }
            true
        })
        .await?;
    }
    Ok(found)
}

/// What to do for a letter whose record is gone.
fn copy_of_gone(shared: &Shared, wanted: Wanted) -> Result<Step, Obstacle> {
    let RecordPlace {
        topic,
        partition,
        offset,
    } = wanted.place;
    let existing = shared.parts.log.topic(topic.as_str());
    let owner = copy_owner(shared, &topic);
    match (wanted.copy, owner, existing) {
        (None, owner, existing) => Err(Obstacle::RecordGone {
            may_copy: wanted.has_value && owner.is_none() && existing.is_some(),
            topic: topic.to_string(),
            partition,
            offset,
        }),
        (Some(_), Some(owner), _) => Err(Obstacle::Owned {
            topic: topic.to_string(),
            owner,
        }),
        (Some(_), None, None) => Err(Obstacle::NoTarget(topic.to_string())),
        (Some(_), None, Some(_)) if !wanted.has_value => Err(Obstacle::NoValue {
            topic: topic.to_string(),
        }),
        (Some(batch), None, Some(existing)) => Ok(Step::Copy(Copy {
            partition: existing.partition(partition).map(|found| found.id),
            topic,
            key: wanted.key,
            batch,
        })),
    }
}

/// Who alone writes `topic`, so that no copy may be appended to it.
fn copy_owner(shared: &Shared, topic: &TopicName) -> Option<String> {
    if topic.is_internal() || topic.as_str().starts_with(TOPIC_PREFIX) {
        return Some("Penstock".to_owned());
    }
    (shared.parts.owner_of)(topic.as_str())
}

/// Refuses a copy that its topic does not take.
fn fits(shared: &Shared, step: Result<Step, Obstacle>) -> Result<Step, Obstacle> {
    let Ok(Step::Copy(copy)) = &step else {
        return step;
    };
    let log = &shared.parts.log;
    let config = match log.topic(copy.topic.as_str()) {
        Some(topic) => topic.config(),
        None => log.default_topic_config(&copy.topic),
    };
    let max = config.max_message_bytes;
    if u64::try_from(copy.batch.len()).is_ok_and(|bytes| bytes <= max.into()) {
        return step;
    }
    Err(Obstacle::TooLarge {
        topic: copy.topic.to_string(),
        bytes: copy.batch.len(),
        max,
    })
}
