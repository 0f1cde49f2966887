//! What is counted of pushes.
//!
//! Labels are bounded: the name of an integration that is declared, or whose topic exists; all
//! others count as `other`.

use std::time::Duration;

use super::name::{LIFECYCLE, Name};
use crate::config::topics::Declarations;
use crate::log::Log;
use crate::metrics::names::{
    PUSH_BYTES_TOTAL, PUSH_RECORDS_TOTAL, PUSH_REQUESTS_TOTAL, PUSH_SECONDS,
};

/// The label of names that are not declared and not known.
const OTHER: &str = "other";
/// Statuses a push is answered with; their counters begin at 0.
const CODES: [&str; 14] = [
    "200", "202", "400", "401", "403", "408", "409", "410", "413", "415", "422", "429", "500",
    "503",
];

/// Begins the counters of declared integrations at 0.
pub(super) fn begin(declared: &Declarations) {
    let names = declared.integrations.iter().map(|one| one.name.as_str());
    for name in names.chain([LIFECYCLE, OTHER]) {
        for code in CODES {
            let labels = [("integration", name.to_owned()), ("code", code.to_owned())];
            metrics::counter!(PUSH_REQUESTS_TOTAL, &labels).increment(0);
        }
        metrics::counter!(PUSH_RECORDS_TOTAL, "integration" => name.to_owned()).increment(0);
        metrics::counter!(PUSH_BYTES_TOTAL, "integration" => name.to_owned()).increment(0);
    }
}

/// Counts an answer.
pub(super) fn answered(
    log: &Log,
    declared: &Declarations,
    (name, is_admitted): (&Name, bool),
    status: u16,
) {
    let is_known = name.is_lifecycle()
        || declared.integration(name.as_str()).is_some()
        || (is_admitted && log.topic(name.topic().as_str()).is_some());
    let label = if is_known { name.as_str() } else { OTHER };
    let labels = [
        ("integration", label.to_owned()),
        ("code", status.to_string()),
    ];
    metrics::counter!(PUSH_REQUESTS_TOTAL, &labels).increment(1);
}

/// Counts what was taken.
pub(super) fn taken(name: &Name, records: u32, bytes: u64, after: Duration) {
    let label = name.as_str().to_owned();
    metrics::counter!(PUSH_RECORDS_TOTAL, "integration" => label.clone()).increment(records.into());
    metrics::counter!(PUSH_BYTES_TOTAL, "integration" => label).increment(bytes);
    metrics::histogram!(PUSH_SECONDS).record(after.as_secs_f64());
}
