//! `/healthz` and `/readyz`, open to everybody.
//!
//! `/healthz` is 200 while the process lives and reads work; a source that is down is none of its
//! business, because restarting Penstock would not mend it. `/readyz` is 503 while appends are
//! refused and on the way down.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::error::Problem;
use super::guard::Shared;
use crate::error;
use crate::log;
use crate::topic::{CLUSTER_METADATA, PartitionId};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
}

/// Reads a record of the topic that every log has.
async fn healthy(State(shared): State<Arc<Shared>>) -> Result<&'static str, Problem> {
    let log = &shared.handles.log;
    let topic = log.topic(CLUSTER_METADATA);
    if let Some(partition) = topic
        .as_ref()
        .and_then(|topic| topic.partition(PartitionId(0)))
    {
        log.read(partition, partition.start(), 1).await?;
    }
    Ok("ok\n")
}

async fn ready(State(shared): State<Arc<Shared>>) -> Result<&'static str, Problem> {
    if shared.handles.draining.is_cancelled() {
        return Err(Problem::new(
            error::HTTP_UNAVAILABLE,
            "take new work while stopping",
            "wait for the next start",
        ));
    }
    match shared.handles.log.state() {
        log::State::Writable => Ok("ready\n"),
        log::State::Refusing { reason, .. } => Err(Problem::new(
            error::HTTP_UNAVAILABLE,
            format!("append: {reason}"),
            "free disk space or mend the disk; reads go on, and appends too once they succeed",
        )),
    }
}
