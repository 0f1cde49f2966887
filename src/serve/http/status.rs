//! `/status`: how everything is, as one JSON object. Without a password counts and states only.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

use super::guard::{Shared, Sight};
use super::{dlq, groups};
use crate::connect;
use crate::log;

/// Groups listed; the count is of all.
const GROUPS_MAX: usize = 1000;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/status", get(status))
}

async fn status(
    State(shared): State<Arc<Shared>>,
    Extension(sight): Extension<Sight>,
) -> Json<Value> {
    Json(match sight {
        Sight::All => everything(&shared),
        Sight::Counts => counts(&shared),
    })
}

fn everything(shared: &Shared) -> Value {
    let handles = &shared.handles;
    let now_ms = handles.clock.now_ms();
    let disk = handles.log.disk();
    let topics = handles.log.topics();
    let partitions: usize = topics.iter().map(|topic| topic.partitions().len()).sum();
    let bytes: u64 = topics.iter().map(|topic| topic.bytes()).sum();
    let (state, reason, since_ms) = log_state(&handles.log);
    let mut groups = groups::entries(shared);
    let groups_count = groups.len();
    groups.truncate(GROUPS_MAX);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "cluster_id": handles.log.cluster_id(),
        "state": overall(shared),
        "uptime_seconds": now_ms.saturating_sub(shared.started_ms) / 1000,
        "listeners": handles.listeners,
        "connectors": handles.connectors.list(),
        "log": {
            "state": state,
            "reason": reason,
            "since_ms": since_ms,
            "topics": topics.len(),
            "partitions": partitions,
            "bytes": bytes,
        },
        "disk": {"free_bytes": disk.free, "floor_bytes": disk.floor},
        "groups_count": groups_count,
        "groups": groups,
        "dlq": dlq::summary(&handles.letters),
    })
}

fn counts(shared: &Shared) -> Value {
    let handles = &shared.handles;
    let mut connectors: BTreeMap<&'static str, usize> = BTreeMap::new();
    for connector in handles.connectors.list() {
        *connectors.entry(state_name(connector.state)).or_default() += 1;
    }
    let (state, _, _) = log_state(&handles.log);
    json!({
        "state": overall(shared),
        "connectors": connectors,
        "log": {"state": state, "topics": handles.log.topics().len()},
        "groups_count": handles.groups.list().len(),
        "dlq": dlq::summary(&handles.letters),
    })
}

fn overall(shared: &Shared) -> &'static str {
    match shared.handles.log.state() {
        _ if shared.handles.draining.is_cancelled() => "stopping",
        log::State::Writable => "ready",
        log::State::Refusing { .. } => "refusing",
    }
}

fn log_state(log: &log::Log) -> (&'static str, Option<String>, Option<i64>) {
    match log.state() {
        log::State::Writable => ("writable", None, None),
        log::State::Refusing { reason, since_ms } => ("refusing", Some(reason), Some(since_ms)),
    }
}

fn state_name(state: connect::State) -> &'static str {
    match state {
        connect::State::Snapshot => "SNAPSHOT",
        connect::State::Running => "RUNNING",
        connect::State::Retrying => "RETRYING",
        connect::State::Paused => "PAUSED",
        connect::State::Stopped => "STOPPED",
        connect::State::Failed => "FAILED",
    }
}
