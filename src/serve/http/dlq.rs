//! `/dlq`: the topics of dead letters with their depth, their letters, redrive and purge.
//!
//! A letter is shown like a record, with why it is one beside it. Letters that were redriven stay
//! until retention or a purge takes them, and say so.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::{self, Parameters, large_json, read_json};
use super::error::Problem;
use super::from::{From, InvalidFrom, cursor};
use super::guard::Shared;
use super::record_json::RecordJson;
use crate::deliver::{Letter, Letters, Place, Places, Redriven, Selection, TopicDepth};
use crate::log::{Partition, Topic};
use crate::record::Record;
use crate::record::dead_letter::Reason;
use crate::topic::{Offset, PartitionId};

/// Letters of an answer unless asked otherwise, and at most.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 10_000;
/// An answer is ended once it has this many bytes; a single letter may be larger.
const ANSWER_BYTES: usize = 4 << 20;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/dlq", get(list))
        .route("/dlq/{topic}", get(show).delete(purge))
        .route("/dlq/{topic}/redrive", post(redrive))
}

/// A topic of dead letters in the list.
#[derive(Serialize)]
struct Entry {
    topic: String,
    origin: &'static str,
    depth: u64,
    oldest_age_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    reasons: std::collections::BTreeMap<&'static str, u64>,
    /// Records that could not be counted; left out where there are none.
    #[serde(skip_serializing_if = "is_zero")]
    uncounted: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Entry {
    fn of(depth: &TopicDepth, now_ms: i64) -> Entry {
        Entry {
            topic: depth.topic.to_string(),
            origin: depth.place.origin(),
            depth: depth.depth,
            oldest_age_seconds: depth.age_ms(now_ms).map(|ms| ms / 1000),
            group: depth.place.group().map(str::to_owned),
            reasons: depth.by_word(),
            uncounted: depth.uncounted,
        }
    }
}

/// Depth and number of topics for `/status`; the depth is null while letters are being counted.
pub(super) fn summary(letters: &Letters) -> Value {
    json!({"depth": letters.depth_now(), "topics": letters.topics_count()})
}

async fn list(State(shared): State<Arc<Shared>>) -> Result<Json<Value>, Problem> {
    let depths = shared.handles.letters.depths().await?;
    let now_ms = shared.handles.clock.now_ms();
    let entries = depths.iter().map(|depth| Entry::of(depth, now_ms));
    Ok(Json(json!({"topics": entries.collect::<Vec<_>>()})))
}

/// Which letters are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    partition: Option<i32>,
    from: Option<String>,
    limit: Option<usize>,
    reason: Option<String>,
    key: Option<String>,
}

/// A letter as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    record: RecordJson<'a>,
    reason: &'static str,
    error: Option<String>,
    /// Where the record stands, as the letter says.
    origin: Origin,
    delivery_count: Option<u32>,
    redrive_count: u32,
    redriven: bool,
}

#[derive(Serialize)]
struct Origin {
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
}

/// The end of an answer; its beginning is the letters.
#[derive(Serialize)]
struct Rest {
    next: String,
    partitions: Vec<Ends>,
}

/// What a partition holds.
#[derive(Serialize)]
struct Ends {
    partition: i32,
    start: i64,
    end: i64,
}

async fn show(
    State(shared): State<Arc<Shared>>,
    Path(topic): Path<String>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Response, Problem> {
    let letters = &shared.handles.letters;
    let (topic, place) = letters.find(&topic)?;
    let reason = asked.reason.as_deref().map(reason).transpose()?;
    let mut places = begin(&shared, &topic, &asked).await?;
    let permit = answer::place(&shared.answers).await?;
    let mut page = Page {
        letters,
        place: &place,
        key: asked.key.as_deref().map(str::as_bytes),
        reason,
        limit: asked.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX),
        json: b"{\"records\":[".to_vec(),
        count: 0,
    };
    let mut each = |partition: &Partition, record: &Record<'_>| page.add(partition, record);
    letters.scan(&mut places, &mut each).await?;
    Ok(large_json(page.finish(&places), permit))
}

fn reason(word: &str) -> Result<Reason, Problem> {
    Reason::parse(word.as_bytes()).ok_or_else(|| {
        let word: String = word.chars().take(40).collect();
        let words = Reason::ALL.map(Reason::as_str).join(", ");
        Problem::invalid(
            format!("read \"{word}\" as a reason"),
            format!("use one of {words}"),
        )
    })
}

/// Turns `from` into offsets.
async fn begin(shared: &Shared, topic: &Topic, asked: &Asked) -> Result<Places, Problem> {
    let from = asked.from.as_deref().unwrap_or("start").parse::<From>();
    let from = from.map_err(|invalid: InvalidFrom| {
        Problem::invalid(format!("failed to {invalid}"), InvalidFrom::FORMS)
    })?;
    let now_ms = shared.handles.clock.now_ms();
    let mut places = Places::new();
    if let From::Cursor(at) = &from {
        for (id, offset) in at {
            let partition = partition(topic, *id)?;
            let offset = (*offset).min(partition.end());
            places.push((partition, offset));
        }
        return Ok(places);
    }
    let chosen = match asked.partition {
        None => topic.partitions().to_vec(),
        Some(id) => vec![partition(topic, PartitionId(id))?],
    };
    for partition in chosen {
        let offset = from
            .resolve(&shared.handles.log, &partition, now_ms)
            .await?;
        let offset = offset.min(partition.end());
        places.push((partition, offset));
    }
    Ok(places)
}

fn partition(topic: &Topic, id: PartitionId) -> Result<Arc<Partition>, Problem> {
    topic.partition(id).cloned().ok_or_else(|| {
        let count = topic.partitions().len();
        Problem::from(crate::deliver::Error::UnknownPartition {
            topic: topic.name.to_string(),
            partition: id,
            count,
        })
    })
}

/// An answer being made.
struct Page<'a> {
    letters: &'a Letters,
    place: &'a Place,
    key: Option<&'a [u8]>,
    reason: Option<Reason>,
    limit: usize,
    json: Vec<u8>,
    count: usize,
}

impl Page<'_> {
    /// Adds a letter where it is wanted; whether there is room for more.
    fn add(&mut self, partition: &Partition, record: &Record<'_>) -> bool {
        let letter = Letter::read(self.place, record);
        let is_wanted = (self.key.is_none() || self.key == record.key)
            && self.reason.is_none_or(|reason| reason == letter.reason);
        if !is_wanted {
            return true;
        }
        let topic = partition.topic.as_str();
        let offset = Offset(record.offset);
        let shown = Shown {
            record: RecordJson::of(topic, partition.id, record),
            reason: letter.reason.as_str(),
            error: letter.error,
            origin: Origin {
                topic: letter.topic,
                partition: letter.partition,
                offset: letter.offset,
            },
            delivery_count: letter.delivery_count,
            redrive_count: letter.redrive_count,
            redriven: self.letters.is_redriven(topic, partition.id, offset),
        };
        if self.count > 0 {
            self.json.push(b',');
        }
        // Writing to memory fails only where a map key is no text; ours are.
        let _ = serde_json::to_writer(&mut self.json, &shown);
        self.count += 1;
        self.count < self.limit && self.json.len() < ANSWER_BYTES
    }

    fn finish(mut self, places: &Places) -> Vec<u8> {
        let ends = places.iter().map(|(partition, _)| Ends {
            partition: partition.id.0,
            start: partition.start().0,
            end: partition.end().0,
        });
        let rest = Rest {
            next: cursor(places.iter().map(|(partition, at)| (partition.id, *at))),
            partitions: ends.collect(),
        };
        self.json.extend_from_slice(b"],");
        let rest = serde_json::to_vec(&rest).unwrap_or_default();
        self.json.extend_from_slice(rest.get(1..).unwrap_or(b"}"));
        self.json
    }
}

/// Which letters are to be redriven; none named are all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redrive {
    offsets: Option<Vec<i64>>,
    partition: Option<i32>,
    #[serde(default)]
    as_new: bool,
}

async fn redrive(
    State(shared): State<Arc<Shared>>,
    Path(topic): Path<String>,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let asked: Redrive = read_json(body).await?;
    let selection = match (asked.offsets, asked.partition) {
        (None, None) => Selection::All,
        (Some(offsets), partition) if !offsets.is_empty() => Selection::Letters {
            partition: PartitionId(partition.unwrap_or(0)),
            offsets: offsets.into_iter().map(Offset).collect(),
        },
        (Some(_), _) | (None, Some(_)) => {
            return Err(Problem::invalid(
                "redrive letters that are not named",
                "name them: {\"partition\": 0, \"offsets\": [12, 17]}; {} redrives all that are open",
            ));
        }
    };
    let letters = &shared.handles.letters;
    let redriven = letters.redrive(&topic, selection, asked.as_new).await?;
    Ok(Json(outcome(&redriven)))
}

fn outcome(redriven: &Redriven) -> Value {
    let refused = redriven.refused.iter().map(|refused| {
        json!({
            "partition": refused.partition.0,
            "offset": refused.offset.0,
            "code": refused.code.as_str(),
            "detail": refused.detail,
            "mend": refused.mend,
        })
    });
    json!({
        "redriven": redriven.redriven,
        "refused": refused.collect::<Vec<_>>(),
        "refused_count": redriven.refused_count,
        "left": redriven.left,
    })
}

async fn purge(
    State(shared): State<Arc<Shared>>,
    Path(topic): Path<String>,
) -> Result<Json<Value>, Problem> {
    let purged = shared.handles.letters.purge(&topic).await?;
    Ok(Json(json!({"purged": purged})))
}
