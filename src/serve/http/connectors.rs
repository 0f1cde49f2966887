//! `/connectors`: list, status, restart, in the shapes of Kafka Connect's REST interface where
//! they say the same, with our own state and reason beside them.
//!
//! Not here: creating, changing, pausing and deleting connectors over REST.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::Parameters;
use super::error::Problem;
use super::guard::Shared;
use crate::connect;

/// Connect's worker id; there is one worker.
const WORKER: &str = "penstock";

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/connectors", get(list))
        .route("/connectors/{name}/status", get(status))
        .route("/connectors/{name}/restart", post(restart))
}

/// Parameters of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expand {
    expand: Option<String>,
}

/// Parameters of a restart, of which there is one kind: Connect's choices change nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Restart {
    #[serde(rename = "includeTasks")]
    _include_tasks: Option<bool>,
    #[serde(rename = "onlyFailed")]
    _only_failed: Option<bool>,
}

/// Names; with `expand=status` the status of each.
async fn list(
    State(shared): State<Arc<Shared>>,
    Parameters(Expand { expand }): Parameters<Expand>,
) -> Result<Json<Value>, Problem> {
    let all = shared.handles.connectors.list();
    match expand.as_deref() {
        None => Ok(Json(all.iter().map(|one| one.name.clone()).collect())),
        Some("status") => {
            let one = |one: &connect::Status| (one.name.clone(), json!({"status": shape(one)}));
            Ok(Json(Value::Object(all.iter().map(one).collect())))
        }
        Some(_) => Err(Problem::invalid(
            "expand anything but the status",
            "use expand=status",
        )),
    }
}

async fn status(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    match shared.handles.connectors.status(&name) {
        Some(status) => Ok(Json(shape(&status))),
        None => Err(unknown(&name)),
    }
}

async fn restart(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Parameters(_): Parameters<Restart>,
) -> Result<StatusCode, Problem> {
    if shared.handles.connectors.status(&name).is_none() {
        return Err(unknown(&name));
    }
    shared.handles.connectors.restart(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn unknown(name: &str) -> Problem {
    let name: String = name.chars().take(80).collect();
    Problem::not_found(
        format!("find connector \"{name}\""),
        "list the connectors: penstock connectors list",
    )
}

/// Connect's shape: our state translated, and all we know under `penstock`.
fn shape(status: &connect::Status) -> Value {
    let state = connect_state(status.state);
    let mut task = Map::new();
    task.insert("id".to_owned(), 0.into());
    task.insert("state".to_owned(), state.into());
    task.insert("worker_id".to_owned(), WORKER.into());
    if let ("FAILED", Some(reason)) = (state, &status.reason) {
        task.insert("trace".to_owned(), reason.as_str().into());
    }
    json!({
        "name": status.name,
        "connector": {"state": state, "worker_id": WORKER},
        "tasks": [task],
        "type": "source",
        "penstock": status,
    })
}

/// Connect knows no snapshot and no retry: both run.
fn connect_state(state: connect::State) -> &'static str {
    match state {
        connect::State::Snapshot | connect::State::Running | connect::State::Retrying => "RUNNING",
        connect::State::Paused => "PAUSED",
        connect::State::Stopped => "STOPPED",
        connect::State::Failed => "FAILED",
    }
}
