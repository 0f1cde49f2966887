//! Refuses by name what the contract knows and this version does not have, so that nobody takes a
//! missing feature for a wrong address. None of it is advertised anywhere.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::routing::{any, post};

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

/// Pushing has its own tokens and is refused before anybody is asked for one.
pub(super) fn push_routes() -> Router<Arc<Shared>> {
    Router::new().route("/push/{name}", post(push))
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

async fn push(Path(name): Path<String>, uri: Uri) -> Problem {
    if !is_integration_name(&name) {
        return no_such_path(uri).await;
    }
    Problem::new(
        error::HTTP_UNAVAILABLE,
        format!("push to \"{name}\": pushing is not configured"),
        "pushing needs PENSTOCK_LOGTO_ENDPOINT and PENSTOCK_LOGTO_RESOURCE and is not built in this version",
    )
}

/// `[a-z0-9][a-z0-9-]{0,62}`.
fn is_integration_name(name: &str) -> bool {
    name.len() <= 63
        && !name.starts_with('-')
        && !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integration_names_are_lowercase_and_short() {
        assert!(is_integration_name("crm-2"));
        assert!(is_integration_name(&"x".repeat(63)));
        for name in ["", "-a", "A", "a_b", "a.b", "..", "\u{e9}", &"x".repeat(64)] {
            assert!(!is_integration_name(name), "{name:?}");
        }
    }
}
