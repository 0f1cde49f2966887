//! `/metrics/debezium`: connectors under the names that the JMX exporter gives Debezium's
//! attributes, with the labels `plugin`, `name` (the topic prefix) and `context`.
//!
//! Counts begin with the process, as Debezium's do. Attributes that are not known here, such as
//! those of a queue that does not exist, are left out ([`crate::metrics::compatible`] lists them).

use std::collections::BTreeSet;

use super::MetricsPages;
use crate::connect::{Observed, State};
use crate::event::Op;
use crate::metrics::Samples;
use crate::metrics::compatible::{self as names, DEBEZIUM};

/// What Debezium says for a time that is not known yet.
const NEVER: f64 = -1.0;

pub(super) fn render(pages: &MetricsPages) -> String {
    let mut samples = Samples::default();
    let now_ms = pages.clock.now_ms();
    // Two connectors of one prefix would be one series twice, which a scraper refuses as a whole.
    let mut told = BTreeSet::new();
    for observed in pages.connectors.observe() {
        if told.insert(observed.status.topic_prefix.clone()) {
            add_streaming(&mut samples, &observed, now_ms);
            add_snapshot(&mut samples, &observed, now_ms);
        }
    }
    samples.render()
}

/// Sets attributes of one context.
fn set(
    samples: &mut Samples,
    observed: &Observed,
    context: &str,
    attributes: &[(&'static str, f64)],
) {
    let labels = [
        ("context", context),
        ("name", observed.status.topic_prefix.as_str()),
        ("plugin", "postgres"),
    ];
    for (attribute, value) in attributes {
        samples.set(DEBEZIUM, attribute, &labels, *value);
    }
}

fn add_streaming(samples: &mut Samples, observed: &Observed, now_ms: i64) {
    let is_connected = matches!(observed.status.state, State::Running | State::Snapshot);
    let since_ms = observed
        .last_change_ms
        .map(|last_ms| now_ms.saturating_sub(last_ms).max(0));
    let milliseconds = |ms: Option<i64>| ms.map_or(NEVER, |ms| ms as f64);
    let seen: u64 = observed
        .events
        .iter()
        .filter(|(op, _)| *op != Op::Read)
        .map(|(_, count)| count)
        .sum();
    let attributes = [
        (names::CONNECTED, flag(is_connected)),
        (
            names::MILLISECONDS_BEHIND_SOURCE,
            milliseconds(observed.behind_ms),
        ),
        (names::MILLISECONDS_SINCE_LAST_EVENT, milliseconds(since_ms)),
        (names::TOTAL_NUMBER_OF_EVENTS_SEEN, seen as f64),
        (
            names::TOTAL_NUMBER_OF_CREATE_EVENTS_SEEN,
            count(observed, Op::Create),
        ),
        (
            names::TOTAL_NUMBER_OF_UPDATE_EVENTS_SEEN,
            count(observed, Op::Update),
        ),
        (
            names::TOTAL_NUMBER_OF_DELETE_EVENTS_SEEN,
            count(observed, Op::Delete),
        ),
    ];
    set(samples, observed, "streaming", &attributes);
}

fn add_snapshot(samples: &mut Samples, observed: &Observed, now_ms: i64) {
    let run = observed.snapshot;
    let is_running = run.is_some_and(|run| run.ended_ms.is_none());
    let is_completed = run.is_some_and(|run| run.completed);
    let is_aborted = run.is_some_and(|run| run.ended_ms.is_some() && !run.completed);
    let took_ms = run.map_or(0, |run| {
        run.ended_ms.unwrap_or(now_ms).saturating_sub(run.began_ms)
    });
    let tables = observed.status.snapshot.as_ref();
    let total = tables.map_or(0, |progress| progress.tables);
    let done = tables.map_or(0, |progress| progress.tables_done);
    let attributes = [
        (names::SNAPSHOT_RUNNING, flag(is_running)),
        (names::SNAPSHOT_COMPLETED, flag(is_completed)),
        (names::SNAPSHOT_ABORTED, flag(is_aborted)),
        // Whole seconds, as Debezium tells them.
        (
            names::SNAPSHOT_DURATION_IN_SECONDS,
            took_ms.max(0).div_euclid(1_000) as f64,
        ),
        (names::TOTAL_TABLE_COUNT, total as f64),
        (
            names::REMAINING_TABLE_COUNT,
            total.saturating_sub(done) as f64,
        ),
        (
            names::TOTAL_NUMBER_OF_EVENTS_SEEN,
            count(observed, Op::Read),
        ),
    ];
    set(samples, observed, "snapshot", &attributes);
}

fn count(observed: &Observed, wanted: Op) -> f64 {
    let found = observed.events.iter().find(|(op, _)| *op == wanted);
    found.map_or(0.0, |(_, count)| *count as f64)
}

fn flag(is_set: bool) -> f64 {
    f64::from(u8::from(is_set))
}
