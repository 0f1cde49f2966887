//! `/metrics` on its own listener, without authentication: no proxy routes it.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, header};
use axum::routing::get;

use super::not_built::{no_such_path, refuse};

/// What renders the page.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn router(render: Render) -> Router {
    let page = async move || -> ([(HeaderName, &'static str); 1], String) {
        ([(header::CONTENT_TYPE, TEXT_FORMAT)], render())
    };
    Router::new()
        .route("/metrics", get(page))
        .route("/metrics/kafka", get(refuse))
        .route("/metrics/debezium", get(refuse))
        .fallback(no_such_path)
}
