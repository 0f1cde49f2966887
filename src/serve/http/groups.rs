//! `/groups`: list, describe, lag, seek, delete, of ordered and shared groups.
//!
//! A shared group has no members: its state is `Paused` while a flood of failures pauses it,
//! `Active` while records are with somebody, else `Empty`.
//!
//! Not here: reading as a member of a shared group (`share`).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::read_json;
use super::error::Problem;
use super::from::{From, InvalidFrom};
use super::guard::Shared;
use super::topics;
use crate::group::{GroupId, share};
use crate::topic::{Offset, PartitionId, TopicName};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/groups", get(list))
        .route("/groups/{group}", get(describe).delete(delete))
        .route("/groups/{group}/lag", get(lag))
        .route("/groups/{group}/seek", post(seek))
}

/// A group in the list.
#[derive(Serialize)]
pub(super) struct Entry {
    group: String,
    state: &'static str,
    kind: &'static str,
    members: usize,
}

/// How far a group is in one partition.
#[derive(Serialize)]
struct Position {
    topic: String,
    partition: i32,
    committed: i64,
    end: i64,
    lag: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<i64>,
}

/// Where a group is to go on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seek {
    to: String,
    topic: Option<String>,
    partition: Option<i32>,
}

/// All groups, by name.
pub(super) fn entries(shared: &Shared) -> Vec<Entry> {
    let groups = &shared.handles.groups;
    let entry = |listing: crate::group::Listing| Entry {
        members: groups
            .describe(listing.group.as_str())
            .map_or(0, |description| description.members.len()),
        group: listing.group.to_string(),
        state: listing.phase.as_str(),
        kind: "ordered",
    };
    let shared_entry = |listing: share::Listing| Entry {
        state: shared_state(listing.in_flight, listing.is_paused),
        group: listing.group.to_string(),
        kind: "shared",
        members: 0,
    };
    let ordered = groups.list().into_iter().map(entry);
    let all = shared.handles.shares.list().into_iter().map(shared_entry);
    let mut all: Vec<Entry> = all.chain(ordered).collect();
    all.sort_by(|a, b| a.group.cmp(&b.group));
    all
}

fn shared_state(in_flight: usize, is_paused: bool) -> &'static str {
    match (is_paused, in_flight) {
        (true, _) => "Paused",
        (false, 0) => "Empty",
        (false, _) => "Active",
    }
}

/// A shared group.
async fn describe_shared(shared: &Shared, description: share::Description) -> Value {
    let group = description.group.as_str();
    let in_flight: usize = description.positions.iter().map(|p| p.in_flight).sum();
    let waiting: usize = description.positions.iter().map(|p| p.waiting).sum();
    let open = |position: &share::Position| {
        json!({
            "topic": position.topic.as_str(),
            "partition": position.partition.0,
            "start": position.start.0,
            "next": position.next.0,
            "end": position.end.0,
            "in_flight": position.in_flight,
            "waiting": position.waiting,
        })
    };
    let policy = description.policy;
    json!({
        "group": group,
        "state": shared_state(in_flight, description.paused_ms.is_some()),
        "kind": "shared",
        "members": [],
        "in_flight": in_flight,
        "waiting": waiting,
        "paused_ms": description.paused_ms,
        "policy": {
            "delivery_limit": policy.delivery_limit,
            "lease_ms": policy.lease_ms,
            "backoff_ms": policy.backoff_ms,
            "backoff_ms_max": policy.backoff_ms_max,
            "from_start": policy.from_start,
            "dead_letters": policy.dead_letters,
        },
        "open": description.positions.iter().map(open).collect::<Vec<_>>(),
        "positions": positions(shared, group).await,
    })
}

async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({"groups": entries(&shared)}))
}

async fn describe(
    State(shared): State<Arc<Shared>>,
    Path(group): Path<String>,
) -> Result<Json<Value>, Problem> {
    if let Some(description) = shared.handles.shares.describe(&group) {
        return Ok(Json(describe_shared(&shared, description).await));
    }
    let description = shared
        .handles
        .groups
        .describe(&group)
        .ok_or_else(|| unknown(&group))?;
    let member = |member: &crate::group::state::MemberDescription| {
        json!({
            "member": member.member,
            "instance": member.instance,
            "client_id": member.client_id,
            "client_host": member.client_host,
        })
    };
    Ok(Json(json!({
        "group": description.group,
        "state": description.phase.as_str(),
        "kind": "ordered",
        "protocol": description.protocol,
        "generation": description.generation,
        "members": description.members.iter().map(member).collect::<Vec<_>>(),
        "positions": positions(&shared, &group).await,
    })))
}

async fn lag(
    State(shared): State<Arc<Shared>>,
    Path(group): Path<String>,
) -> Result<Json<Value>, Problem> {
    let is_shared = shared.handles.shares.is_shared(&group);
    if !is_shared && shared.handles.groups.describe(&group).is_none() {
        return Err(unknown(&group));
    }
    let positions = positions(&shared, &group).await;
    let total: i64 = positions.iter().map(|position| position.lag).sum();
    Ok(Json(
        json!({"group": group, "lag": total, "positions": positions}),
    ))
}

async fn positions(shared: &Shared, group: &str) -> Vec<Position> {
    let groups = &shared.handles.groups;
    let now_ms = shared.handles.clock.now_ms();
    let mut positions = Vec::new();
    let all = match shared.handles.shares.is_shared(group) {
        true => shared.handles.shares.lag(),
        false => groups.lag(),
    };
    for lag in all.into_iter().filter(|lag| lag.group.as_str() == group) {
        let since_ms = match lag.records {
            0 => Some(now_ms),
            _ => groups.waiting_since_ms(&lag).await,
        };
        positions.push(Position {
            topic: lag.topic.to_string(),
            partition: lag.partition.0,
            committed: lag.committed.0,
            end: lag.end.0,
            lag: lag.records,
            lag_seconds: since_ms.map(|since_ms| now_ms.saturating_sub(since_ms).max(0) / 1000),
        });
    }
    positions
}

async fn seek(
    State(shared): State<Arc<Shared>>,
    Path(group): Path<String>,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let asked: Seek = read_json(body).await?;
    let group = GroupId::parse(&group)?;
    let to: From = asked.to.parse().map_err(|invalid: InvalidFrom| {
        Problem::invalid(format!("failed to {invalid}"), InvalidFrom::FORMS)
    })?;
    let offsets = targets(&shared, &group, &asked, &to).await?;
    let shown = |(topic, partition, offset): &(TopicName, PartitionId, Offset)| json!({"topic": topic.as_str(), "partition": partition.0, "offset": offset.0});
    let answer = json!({
        "group": group.as_str(),
        "offsets": offsets.iter().map(shown).collect::<Vec<_>>(),
    });
    match shared.handles.shares.is_shared(group.as_str()) {
        true => shared.handles.shares.seek(&group, offsets).await?,
        false => shared.handles.groups.seek(&group, offsets).await?,
    }
    Ok(Json(answer))
}

/// The offsets that a seek sets: of the topic that is named, or of all the group has read.
async fn targets(
    shared: &Shared,
    group: &GroupId,
    asked: &Seek,
    to: &From,
) -> Result<Vec<(TopicName, PartitionId, Offset)>, Problem> {
    let partitions = match (&asked.topic, asked.partition) {
        (None, Some(_)) => {
            return Err(Problem::invalid(
                "seek a partition of no topic",
                "name the topic too",
            ));
        }
        (Some(topic), chosen) => {
            let topic = topics::find(shared, topic)?;
            let all = topic.partitions().iter();
            let wanted = all.filter(|one| chosen.is_none_or(|id| one.id.0 == id));
            wanted.cloned().collect()
        }
        (None, None) => read_partitions(shared, group),
    };
    if partitions.is_empty() {
        return Err(Problem::not_found(
            format!("find a partition to seek group \"{group}\" in"),
            "name a topic, and a partition that it has",
        ));
    }
    let now_ms = shared.handles.clock.now_ms();
    let mut offsets = Vec::with_capacity(partitions.len());
    for partition in &partitions {
        let offset = to.resolve(&shared.handles.log, partition, now_ms).await?;
        let offset = offset.clamp(partition.start(), partition.end());
        offsets.push((partition.topic.clone(), partition.id, offset));
    }
    Ok(offsets)
}

/// The partitions that a group has offsets of and that still exist.
fn read_partitions(shared: &Shared, group: &GroupId) -> Vec<Arc<crate::log::Partition>> {
    if let Some(description) = shared.handles.shares.describe(group.as_str()) {
        let find = |position: share::Position| {
            let topic = shared.handles.log.topic(position.topic.as_str())?;
            topic.partition(position.partition).cloned()
        };
        return description.positions.into_iter().filter_map(find).collect();
    }
    let fetched = shared.handles.groups.fetch_all(group.as_str()).into_iter();
    let find = |one: crate::group::Fetched| {
        let topic = shared.handles.log.topic(one.topic.as_str())?;
        topic.partition(one.partition).cloned()
    };
    fetched.filter_map(find).collect()
}

async fn delete(
    State(shared): State<Arc<Shared>>,
    Path(group): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = GroupId::parse(&group)?;
    match shared.handles.shares.is_shared(id.as_str()) {
        true => shared.handles.shares.delete(&id).await?,
        false => shared.handles.groups.delete(&id).await?,
    }
    Ok(StatusCode::NO_CONTENT)
}

fn unknown(group: &str) -> Problem {
    let group: String = group.chars().take(80).collect();
    Problem::not_found(
        format!("find group \"{group}\""),
        "list the groups: penstock groups list",
    )
}
