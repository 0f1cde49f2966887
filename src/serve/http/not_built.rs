//! Refuses by name what the contract knows and this version does not have, so that nobody takes a
//! missing feature for a wrong address. None of it is advertised anywhere.

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::routing::any;

use super::error::Problem;
use super::guard::Shared;
use crate::error;

/// Areas that answer 501.
const AREAS: [&str; 10] = [
    "/subjects",
    "/subjects/{*rest}",
    "/schemas",
    "/schemas/{*rest}",
    "/config",
    "/config/{*rest}",
    "/mode",
    "/connector-plugins",
    "/connector-plugins/{*rest}",
    "/topics/{topic}/ws",
];

/// Routes that only administrators learn about.
pub(super) fn routes() -> Router<Arc<Shared>> {
    AREAS.iter().fold(Router::new(), |router, area| {
        router.route(area, any(refuse))
    })
}

pub(super) async fn refuse(uri: Uri) -> Problem {
    Problem::new(
        error::HTTP_NOT_BUILT,
        format!("answer \"{}\", which is not built", uri.path()),
        "see the list of what is built in README.md",
    )
}

/// The answer to any other path.
pub(super) async fn no_such_path(uri: Uri) -> Problem {
    Problem::not_found(
        format!("find \"{}\"", uri.path()),
        "use /healthz, /readyz, /status, /topics, /groups, /dlq or /connectors",
    )
}
