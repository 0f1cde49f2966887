//! `/metrics` and its two compatibility pages on a listener of their own, without authentication:
//! no proxy routes it.
//!
//! Invariant: the pages in memory at once are bounded, however many peers ask and however slowly
//! they read. A page costs about a hundred bytes for each series.

mod debezium;
mod kafka;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::response::Response;
use axum::routing::get;
use tokio::sync::Semaphore;

use super::answer::{large, place};
use super::error::Problem;
use super::not_built::no_such_path;
use crate::clock::Clock;
use crate::connect::Connectors;
use crate::group::Groups;
use crate::log::Log;
use crate::metrics;

/// Pages in memory at once; more wait for their turn. One scraper with three jobs, and one more.
const PAGES_MAX: usize = 6;

/// Prometheus' text format.
const TEXT_FORMAT: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The broker as kafka_exporter names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// Host and port that clients are told.
    pub address: String,
}

/// What the pages are made of.
#[derive(Debug, Clone)]
pub struct MetricsPages {
    /// Renders `/metrics`.
    pub own: metrics::Handle,
    /// Topics and their offsets.
    pub log: Log,
    /// Consumer groups.
    pub groups: Groups,
    /// Connectors.
    pub connectors: Connectors,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The one broker.
    pub broker: Broker,
}

#[derive(Debug, Clone)]
struct Shared {
    pages: Arc<MetricsPages>,
    places: Arc<Semaphore>,
}

pub(super) fn router(pages: MetricsPages) -> Router {
    let shared = Shared {
        pages: Arc::new(pages),
        places: Arc::new(Semaphore::new(PAGES_MAX)),
    };
    Router::new()
        .route("/metrics", get(own))
        .route("/metrics/kafka", get(of_kafka))
        .route("/metrics/debezium", get(of_debezium))
        .fallback(no_such_path)
        .with_state(shared)
}

async fn own(State(shared): State<Shared>) -> Result<Response, Problem> {
    shared.answer(|pages| pages.own.render()).await
}

async fn of_kafka(State(shared): State<Shared>) -> Result<Response, Problem> {
    shared.answer(kafka::render).await
}

async fn of_debezium(State(shared): State<Shared>) -> Result<Response, Problem> {
    shared.answer(debezium::render).await
}

impl Shared {
    async fn answer(
        &self,
        render: impl FnOnce(&MetricsPages) -> String,
    ) -> Result<Response, Problem> {
        let permit = place(&self.places).await?;
        let page = render(&self.pages);
        Ok(large(page.into_bytes(), TEXT_FORMAT, permit))
    }
}
