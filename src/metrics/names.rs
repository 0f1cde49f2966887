//! The names of all metrics, with kind, unit, labels and meaning.
//!
//! [`ALL`] is recorded where things happen or sampled; [`PROCESS`] is read when the page is asked
//! for. The names of other programs' pages are in [`super::compatible`].
//!
//! Labels are bounded: `connector`, `integration` and `group` are configured or declared objects
//! (an undeclared integration counts as `other`), `topic` and `partition` exist in the log, and
//! all others are fixed words listed beside the metric.

use metrics::Unit;

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Only up; starts at 0 when its object appears.
    Counter,
    /// Up and down.
    Gauge,
    /// Distribution of seconds.
    Histogram,
    /// Of a foreign page that does not say how it moves.
    Untyped,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub form: Form,
    pub unit: Option<Unit>,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// Makes a constant for every name, and the table of all of them.
macro_rules! metrics_table {
    ($(#[$about:meta])* $table:ident: $($constant:ident = $name:literal, $form:ident, $unit:expr, [$($label:literal),*], $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = $name;)*
        $(#[$about])*
        pub const $table: &[$crate::metrics::names::Metric] = &[$($crate::metrics::names::Metric {
            name: $constant,
            form: $crate::metrics::names::Form::$form,
            unit: $unit,
            labels: &[$($label),*],
            help: $help,
        }),*];
    };
}
pub(super) use metrics_table;

metrics_table! {
    /// Every metric of Penstock's own.
    ALL:
    CONSUMER_LAG_RECORDS = "penstock_consumer_lag_records", Gauge, Some(Unit::Count), ["group", "topic", "partition"], "Records between the group's committed offset and the end.";
    CONSUMER_LAG_SECONDS = "penstock_consumer_lag_seconds", Gauge, Some(Unit::Seconds), ["group", "topic", "partition"], "Age of the first record that the group has not committed.";
    DLQ_DEPTH_RECORDS = "penstock_dlq_depth_records", Gauge, Some(Unit::Count), ["topic", "group", "reason"], "Dead letters neither redriven, purged nor expired; reason is rejected, exhausted, schema, too_large, unconvertible or webhook.";
    DLQ_OLDEST_AGE_SECONDS = "penstock_dlq_oldest_age_seconds", Gauge, Some(Unit::Seconds), ["topic"], "Age of the oldest such dead letter.";
    PUSH_REQUESTS_TOTAL = "penstock_push_requests_total", Counter, Some(Unit::Count), ["integration", "code"], "Pushes by HTTP status.";
    PUSH_RECORDS_TOTAL = "penstock_push_records_total", Counter, Some(Unit::Count), ["integration"], "Records taken from pushes.";
    PUSH_BYTES_TOTAL = "penstock_push_bytes_total", Counter, Some(Unit::Bytes), ["integration"], "Bytes of bodies taken from pushes.";
    DELIVERIES_TOTAL = "penstock_deliveries_total", Counter, Some(Unit::Count), ["group", "outcome"], "Deliveries to shared groups; outcome is accepted, released, rejected or expired.";
    SOURCE_CONNECTED = "penstock_source_connected", Gauge, None, ["connector"], "1 while the replication connection stands.";
    SOURCE_LAG_SECONDS = "penstock_source_lag_seconds", Gauge, Some(Unit::Seconds), ["connector"], "Age of the last commit when its changes were written; 0 when there is nothing to read.";
    SOURCE_LAG_BYTES = "penstock_source_lag_bytes", Gauge, Some(Unit::Bytes), ["connector"], "WAL between the database's end and the stored position.";
    SOURCE_EVENTS_TOTAL = "penstock_source_events_total", Counter, Some(Unit::Count), ["connector", "op"], "Change events written; op is c, u, d, r, t or m.";
    SOURCE_RECONNECTS_TOTAL = "penstock_source_reconnects_total", Counter, Some(Unit::Count), ["connector", "reason"], "Connections to the database begun again; reason is a fixed word.";
    SLOT_ACTIVE = "penstock_slot_active", Gauge, None, ["connector"], "1 while the slot is in use.";
    SLOT_RETAINED_WAL_BYTES = "penstock_slot_retained_wal_bytes", Gauge, Some(Unit::Bytes), ["connector"], "WAL that the database keeps for the slot.";
    SLOT_SAFE_WAL_BYTES = "penstock_slot_safe_wal_bytes", Gauge, Some(Unit::Bytes), ["connector"], "WAL that can still be written before the slot is in danger; absent where there is no limit.";
    SLOT_WAL_STATUS = "penstock_slot_wal_status", Gauge, None, ["connector", "status"], "1 for the slot's wal_status: reserved, extended, unreserved or lost.";
    SNAPSHOT_RUNNING = "penstock_snapshot_running", Gauge, None, ["connector"], "1 while a snapshot is read.";
    SNAPSHOT_ROWS_TOTAL = "penstock_snapshot_rows_total", Counter, Some(Unit::Count), ["connector"], "Rows written by snapshots.";
    COMMIT_TO_LOG_SECONDS = "penstock_commit_to_log_seconds", Histogram, Some(Unit::Seconds), ["connector"], "From a transaction's commit time to its last change being durable here; two clocks.";
    APPEND_SECONDS = "penstock_append_seconds", Histogram, Some(Unit::Seconds), [], "From handing an append to the log to it being durable.";
    FETCH_SECONDS = "penstock_fetch_seconds", Histogram, Some(Unit::Seconds), [], "Work of a Kafka fetch, without the time it waits for records.";
    PUSH_SECONDS = "penstock_push_seconds", Histogram, Some(Unit::Seconds), [], "From a push's last byte to its answer.";
    LOG_BYTES = "penstock_log_bytes", Gauge, Some(Unit::Bytes), ["topic"], "Bytes that the topic takes on disk.";
    LOG_WRITABLE = "penstock_log_writable", Gauge, None, [], "1 while appends are taken, 0 while they are refused.";
    DISK_FREE_BYTES = "penstock_disk_free_bytes", Gauge, Some(Unit::Bytes), [], "Free bytes of the data directory's disk.";
    KAFKA_CONNECTIONS = "penstock_kafka_connections", Gauge, Some(Unit::Count), [], "Open connections of Kafka clients.";
    BUILD_INFO = "penstock_build_info", Gauge, None, ["version", "revision"], "1, with what is running.";
}

metrics_table! {
    /// What Prometheus' client libraries tell of a process, under their names.
    PROCESS:
    PROCESS_CPU_SECONDS_TOTAL = "process_cpu_seconds_total", Counter, Some(Unit::Seconds), [], "CPU time of the process, in user and system mode.";
    PROCESS_RESIDENT_MEMORY_BYTES = "process_resident_memory_bytes", Gauge, Some(Unit::Bytes), [], "Resident memory of the process.";
    PROCESS_VIRTUAL_MEMORY_BYTES = "process_virtual_memory_bytes", Gauge, Some(Unit::Bytes), [], "Virtual memory of the process.";
    PROCESS_OPEN_FDS = "process_open_fds", Gauge, Some(Unit::Count), [], "Open file descriptors.";
    PROCESS_MAX_FDS = "process_max_fds", Gauge, Some(Unit::Count), [], "File descriptors that may be open.";
    PROCESS_THREADS = "process_threads", Gauge, Some(Unit::Count), [], "Threads of the process.";
    PROCESS_START_TIME_SECONDS = "process_start_time_seconds", Gauge, Some(Unit::Seconds), [], "When the process started, seconds since 1970-01-01 UTC.";
}

/// The metric of this name: Penstock's own or one of the process.
#[must_use]
pub fn find(name: &str) -> Option<&'static Metric> {
    ALL.iter().chain(PROCESS).find(|metric| metric.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_say_their_unit() {
        for (at, metric) in ALL.iter().enumerate() {
            assert!(ALL[..at].iter().all(|other| other.name != metric.name));
            assert!(metric.name.starts_with("penstock_"), "{}", metric.name);
            let counter = metric.form == Form::Counter;
            assert_eq!(counter, metric.name.ends_with("_total"), "{}", metric.name);
            let bare = metric.name.trim_end_matches("_total");
            match metric.unit {
                Some(Unit::Seconds) => assert!(bare.ends_with("_seconds"), "{bare}"),
                Some(Unit::Bytes) => assert!(bare.ends_with("_bytes"), "{bare}"),
                _ => {}
            }
        }
    }
}
