//! The metrics of one connector, registered at 0 when the connector appears.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::event::Op;
use crate::metrics::names;
use crate::postgres::slot::SlotState;

use super::error::Error;

/// Handles of a connector's metrics.
pub(super) struct Gauges {
    connector: String,
    pub(super) connected: Gauge,
    pub(super) lag_seconds: Gauge,
    pub(super) lag_bytes: Gauge,
    pub(super) snapshot_running: Gauge,
    pub(super) snapshot_rows: Counter,
    pub(super) commit_to_log: Histogram,
    pub(super) slot_active: Gauge,
    pub(super) slot_retained: Gauge,
    pub(super) slot_safe: Gauge,
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
    pub(super) fn new(connector: &str) -> Gauges {
        let gauges = Gauges::handles(connector);
        gauges.connected.set(0.0);
        gauges.lag_seconds.set(0.0);
        gauges.lag_bytes.set(0.0);
        gauges.snapshot_running.set(0.0);
        gauges.slot_gone();
        for reason in Error::LABELS {
            gauges.reconnects(reason).increment(0);
        }
        gauges
    }

    /// Handles of the metrics of `connector`, whose values are left as they are.
    pub(super) fn handles(connector: &str) -> Gauges {
        let name = || connector.to_owned();
        let ops = [
            Op::Read,
            Op::Create,
            Op::Update,
            Op::Delete,
            Op::Truncate,
            Op::Message,
        ];
        let events = ops.map(|op| {
            let labels = [("connector", name()), ("op", op.as_str().to_owned())];
            (op, counter!(names::SOURCE_EVENTS_TOTAL, &labels))
        });
        Gauges {
            connected: gauge!(names::SOURCE_CONNECTED, "connector" => name()),
            lag_seconds: gauge!(names::SOURCE_LAG_SECONDS, "connector" => name()),
            lag_bytes: gauge!(names::SOURCE_LAG_BYTES, "connector" => name()),
            snapshot_running: gauge!(names::SNAPSHOT_RUNNING, "connector" => name()),
            snapshot_rows: counter!(names::SNAPSHOT_ROWS_TOTAL, "connector" => name()),
            commit_to_log: histogram!(names::COMMIT_TO_LOG_SECONDS, "connector" => name()),
            slot_active: gauge!(names::SLOT_ACTIVE, "connector" => name()),
            slot_retained: gauge!(names::SLOT_RETAINED_WAL_BYTES, "connector" => name()),
            slot_safe: gauge!(names::SLOT_SAFE_WAL_BYTES, "connector" => name()),
            connector: name(),
            events,
        }
    }

    /// Counts `count` events of a kind.
    pub(super) fn count(&self, op: Op, count: u64) {
        if let Some((_, counter)) = self.events.iter().find(|(known, _)| *known == op) {
            counter.increment(count);
        }
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

    /// What the server says of the slot.
    pub(super) fn slot(&self, state: &SlotState) {
        self.slot_active
            .set(if state.holder.is_some() { 1.0 } else { 0.0 });
        self.slot_retained.set(to_f64(state.retained_bytes));
        if let Some(safe) = state.safe_wal_bytes {
            self.slot_safe
                .set(to_f64(u64::try_from(safe).unwrap_or_default()));
        }
        self.slot_status(state.wal_status.as_str());
    }

    /// There is no slot.
    pub(super) fn slot_gone(&self) {
        self.slot_active.set(0.0);
        self.slot_status("");
    }

    /// Sets the one status of the slot to 1 and the others to 0.
    fn slot_status(&self, status: &str) {
        for known in ["reserved", "extended", "unreserved", "lost"] {
            let labels = [
                ("connector", self.connector.clone()),
                ("status", known.to_owned()),
            ];
            gauge!(names::SLOT_WAL_STATUS, &labels).set(if known == status { 1.0 } else { 0.0 });
        }
    }
}

/// Bytes as a gauge holds them.
#[expect(clippy::cast_precision_loss, reason = "a gauge")]
pub(super) fn to_f64(bytes: u64) -> f64 {
    bytes as f64
}
