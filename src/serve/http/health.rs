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

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
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
