//! `/topics`: list, describe, create, change settings, delete.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::read_json;
use super::error::Problem;
use super::guard::Shared;
use super::topic_settings;
use crate::error;
use crate::log::Topic;
use crate::topic::TopicName;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/topics", get(list).post(create))
        .route("/topics/{topic}", get(describe).patch(alter).delete(delete))
}

/// A topic in the list.
#[derive(Serialize)]
struct Entry {
    name: String,
    partitions: usize,
    /// Offsets between start and end; compaction leaves fewer records.
    records: i64,
    bytes: u64,
    internal: bool,
    /// The connector that writes it.
    connector: Option<String>,
}

/// A topic by itself.
#[derive(Serialize)]
struct Description {
    #[serde(flatten)]
    entry: Entry,
    id: String,
    config: BTreeMap<&'static str, Value>,
    partition_offsets: Vec<PartitionEntry>,
}

/// A partition of a topic.
#[derive(Serialize)]
struct PartitionEntry {
    partition: i32,
    start: i64,
    end: i64,
}

/// What a new topic is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTopic {
    name: String,
    /// Without it: as declared for the name, else 1.
    partitions: Option<u32>,
    #[serde(default)]
    config: BTreeMap<String, Value>,
}

/// Settings to change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    config: BTreeMap<String, Value>,
}

fn entry(shared: &Shared, topic: &Topic) -> Entry {
    let kept = |partition: &Arc<crate::log::Partition>| partition.end().0 - partition.start().0;
    Entry {
        name: topic.name.to_string(),
        partitions: topic.partitions().len(),
        records: topic.partitions().iter().map(kept).sum(),
        bytes: topic.bytes(),
        internal: topic.name.is_internal(),
        connector: shared.handles.connectors.owner_of(topic.name.as_str()),
    }
}

fn description(shared: &Shared, topic: &Topic) -> Description {
    let partitions = topic.partitions().iter().map(|partition| PartitionEntry {
        partition: partition.id.0,
        start: partition.start().0,
        end: partition.end().0,
    });
    Description {
        entry: entry(shared, topic),
        id: topic.id.to_string(),
        config: topic_settings::to_json(&topic.config()),
        partition_offsets: partitions.collect(),
    }
}

async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let topics = shared.handles.log.topics();
    let entries: Vec<Entry> = topics.iter().map(|topic| entry(&shared, topic)).collect();
    Json(serde_json::json!({ "topics": entries }))
}

async fn describe(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<Description>, Problem> {
    let topic = find(&shared, &name)?;
    Ok(Json(description(&shared, &topic)))
}

async fn create(State(shared): State<Arc<Shared>>, body: Body) -> Result<Response, Problem> {
    let asked: NewTopic = read_json(body).await?;
    let name = writable_name(&asked.name)?;
    let mut config = shared.handles.log.default_topic_config(&name);
    topic_settings::apply(&mut config, &asked.config)?;
    let log = &shared.handles.log;
    let partitions = asked.partitions;
    let partitions = partitions.unwrap_or_else(|| log.default_partitions(&name, 1));
    let topic = log.create_topic(&name, partitions, config).await?;
    let mut response = (StatusCode::CREATED, Json(description(&shared, &topic))).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("/topics/{name}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn alter(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<Description>, Problem> {
    let change: Change = read_json(body).await?;
    let topic = find(&shared, &name)?;
    let name = writable_name(&name)?;
    let mut config = topic.config();
    topic_settings::apply(&mut config, &change.config)?;
    shared.handles.log.alter_topic(&name, config).await?;
    let topic = find(&shared, name.as_str())?;
    Ok(Json(description(&shared, &topic)))
}

async fn delete(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let name = writable_name(&name)?;
    shared.handles.log.delete_topic(&name).await?;
    shared.handles.groups.topic_deleted(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The topic of that name.
pub(super) fn find(shared: &Shared, name: &str) -> Result<Arc<Topic>, Problem> {
    shared.handles.log.topic(name).ok_or_else(|| {
        let name: String = name.chars().take(80).collect();
        Problem::not_found(
            format!("find topic \"{name}\""),
            "list the topics: penstock topics list",
        )
    })
}

/// A legal name of a topic that is not Penstock's own.
pub(super) fn writable_name(text: &str) -> Result<TopicName, Problem> {
    let name = TopicName::parse(text).map_err(|invalid| {
        Problem::invalid(
            invalid.to_string(),
            "use 1 to 249 of the characters a-z A-Z 0-9 . _ -",
        )
    })?;
    if name.is_internal() {
        return Err(Problem::new(
            error::HTTP_FORBIDDEN,
            format!("change topic \"{name}\", in which Penstock keeps its own state"),
            "use another topic",
        ));
    }
    Ok(name)
}
