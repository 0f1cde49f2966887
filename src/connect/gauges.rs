//! The recorded metrics of one connector, there at 0 when the connector appears. What the server
//! says of the slot is sampled from [`Figures`] instead, so that it is not told when it is unknown.

use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::event::Op;
use crate::metrics::names;

use super::error::Error;
use super::figures::{Figures, OPS};

/// Handles of a connector's metrics.
pub(super) struct Gauges {
    connector: String,
    pub(super) connected: Gauge,
    pub(super) lag_seconds: Gauge,
    pub(super) lag_bytes: Gauge,
    pub(super) snapshot_running: Gauge,
    pub(super) snapshot_rows: Counter,
    pub(super) commit_to_log: Histogram,
    pub(super) figures: Arc<Figures>,
    events: [(Op, Counter); 6],
}

impl std::fmt::Debug for Gauges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gauges")
            .field("connector", &self.connector)
            .finish_non_exhaustive()
    }
}

impl Gauges {
    /// Registers everything of `connector`, the gauges at 0.
    pub(super) fn new(connector: &str, figures: Arc<Figures>) -> Gauges {
        let name = || connector.to_owned();
        let events = OPS.map(|op| {
            let labels = [("connector", name()), ("op", op.as_str().to_owned())];
            (op, counter!(names::SOURCE_EVENTS_TOTAL, &labels))
        });
        let gauges = Gauges {
            connected: gauge!(names::SOURCE_CONNECTED, "connector" => name()),
            lag_seconds: gauge!(names::SOURCE_LAG_SECONDS, "connector" => name()),
            lag_bytes: gauge!(names::SOURCE_LAG_BYTES, "connector" => name()),
            snapshot_running: gauge!(names::SNAPSHOT_RUNNING, "connector" => name()),
            snapshot_rows: counter!(names::SNAPSHOT_ROWS_TOTAL, "connector" => name()),
            commit_to_log: histogram!(names::COMMIT_TO_LOG_SECONDS, "connector" => name()),
            connector: name(),
            figures,
            events,
        };
        gauges.connected.set(0.0);
        gauges.lag_seconds.set(0.0);
        gauges.lag_bytes.set(0.0);
        gauges.snapshot_running.set(0.0);
        for reason in Error::LABELS {
            gauges.reconnects(reason).increment(0);
        }
        gauges
    }

    /// Counts `count` events of a kind.
    pub(super) fn count(&self, op: Op, count: u64) {
        if let Some((_, counter)) = self.events.iter().find(|(known, _)| *known == op) {
            counter.increment(count);
        }
        self.figures.count(op, count);
    }

    /// Counts a reconnect; `reason` is one of [`Error::LABELS`].
    pub(super) fn reconnected(&self, reason: &'static str) {
        self.reconnects(reason).increment(1);
    }

    fn reconnects(&self, reason: &'static str) -> Counter {
        let labels = [
            ("connector", self.connector.clone()),
            ("reason", reason.to_owned()),
        ];
        counter!(names::SOURCE_RECONNECTS_TOTAL, &labels)
    }
}

/// Bytes as a gauge holds them.
#[expect(clippy::cast_precision_loss, reason = "a gauge")]
pub(super) fn to_f64(bytes: u64) -> f64 {
    bytes as f64
}
