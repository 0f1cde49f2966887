//! `/status`: how everything is, as one JSON object. Without a password counts and states only.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::Serialize;
use serde_json::{Value, json};

use super::guard::{Shared, Sight};
use super::readings::{Integration, Measured, Source};
use super::{dlq, groups};
use crate::connect;
use crate::log;

/// Groups listed; the count is of all.
const GROUPS_MAX: usize = 1000;
/// Integrations listed.
const INTEGRATIONS_MAX: usize = 1000;

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
    let measured = shared.readings.measured(now_ms);
    let connectors = handles.connectors.list();
    let connectors: Vec<Connector<'_>> = connectors
        .iter()
        .map(|status| Connector::of(status, &measured))
        .collect();
    let (groups_count, groups) = groups_with_lag(shared);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "now_ms": now_ms,
        "cluster_id": handles.log.cluster_id(),
        "state": overall(shared),
        "uptime_seconds": now_ms.saturating_sub(shared.started_ms) / 1000,
        "listeners": handles.listeners,
        "connectors": connectors,
        "declarations": handles.declaring.as_ref().map(|declaring| declaring.standing()),
        "integrations": integrations(&measured),
        "kafka_connections": measured.kafka_connections,
        "log": {
            "state": state,
            "reason": reason,
            "since_ms": since_ms,
            "topics": topics.len(),
            "partitions": partitions,
            "bytes": bytes,
            "appended": appended(&topics),
        },
        "disk": {"free_bytes": disk.free, "floor_bytes": disk.floor},
        "groups_count": groups_count,
        "groups": groups,
        "dlq": dlq::summary(&handles.letters),
    })
}

/// A connector's state with what was measured of it.
#[derive(Serialize)]
struct Connector<'a> {
    #[serde(flatten)]
    status: &'a connect::Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<&'a Source>,
}

impl<'a> Connector<'a> {
    fn of(status: &'a connect::Status, measured: &'a Measured) -> Connector<'a> {
        Connector {
            status,
            measured: measured.connectors.get(&status.name),
        }
    }
}

/// Who pushed, by name, since the start.
fn integrations(measured: &Measured) -> Vec<Value> {
    let one = |(name, pushes): (&String, &Integration)| json!({"name": name, "pushes": pushes});
    let all = measured.integrations.iter();
    all.take(INTEGRATIONS_MAX).map(one).collect()
}

/// Records ever taken by the topics there are, Penstock's own aside: what throughput is told from.
fn appended(topics: &[Arc<log::Topic>]) -> i64 {
    let outside = topics.iter().filter(|topic| !topic.name.is_internal());
    let ends = |topic: &Arc<log::Topic>| -> i64 {
        let partitions = topic.partitions().iter();
        partitions.map(|partition| partition.end().0).sum()
    };
    outside.map(ends).sum()
}

/// How many groups there are, and the first of them with their lag over all partitions.
fn groups_with_lag(shared: &Shared) -> (usize, Vec<Value>) {
    let mut lags: BTreeMap<String, i64> = BTreeMap::new();
    for lag in shared.handles.groups.lag() {
        *lags.entry(lag.group.to_string()).or_default() += lag.records;
    }
    let entries = groups::entries(shared);
    let count = entries.len();
    let entry = |entry: groups::Entry| {
        let mut shown = serde_json::to_value(entry).unwrap_or_default();
        let lag = shown["group"].as_str().and_then(|group| lags.get(group));
        if let (Some(lag), Some(fields)) = (lag, shown.as_object_mut()) {
            // A kind of group that tells its lag itself knows better.
            fields.entry("lag").or_insert((*lag).into());
        }
        shown
    };
    (
        count,
        entries.into_iter().take(GROUPS_MAX).map(entry).collect(),
    )
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
