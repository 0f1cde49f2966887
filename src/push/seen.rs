//! What is counted of pushes.
//!
//! Labels are bounded: the name of an integration that is declared, or whose topic exists; all
//! others count as `other`. The counters of a label are looked up once and kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use metrics::{Counter, Histogram};

use super::name::{LIFECYCLE, Name};
use crate::config::topics::{Declarations, Rules};
use crate::log::Log;
use crate::metrics::names::{
    PUSH_BYTES_TOTAL, PUSH_RECORDS_TOTAL, PUSH_REQUESTS_TOTAL, PUSH_SECONDS,
};

/// The label of names that are not declared and not known.
const OTHER: &str = "other";
/// Statuses a push is answered with; their counters begin at 0.
const CODES: [u16; 14] = [
    200, 202, 400, 401, 403, 408, 409, 410, 413, 415, 422, 429, 500, 503,
];

/// The counters of all labels. Read with every push, changed with every new label.
pub(super) struct Seen {
    labels: ArcSwap<HashMap<Name, Arc<Counters>>>,
    seconds: Histogram,
}

/// The counters of one label.
struct Counters {
    records: Counter,
    bytes: Counter,
    /// In the order of [`CODES`].
    requests: [Counter; CODES.len()],
}

impl Counters {
    /// Counters that are there from now on, at 0 if they are new.
    fn begin(label: &Name) -> Counters {
        let name = || label.to_string();
        let requests = CODES.map(|code| {
            let labels = [("integration", name()), ("code", code.to_string())];
            metrics::counter!(PUSH_REQUESTS_TOTAL, &labels)
        });
        let counters = Counters {
            records: metrics::counter!(PUSH_RECORDS_TOTAL, "integration" => name()),
            bytes: metrics::counter!(PUSH_BYTES_TOTAL, "integration" => name()),
            requests,
        };
        let all = counters.requests.iter();
        for counter in all.chain([&counters.records, &counters.bytes]) {
            counter.increment(0);
        }
        counters
    }
}

impl Seen {
    pub(super) fn new() -> Seen {
        Seen {
            labels: ArcSwap::default(),
            seconds: metrics::histogram!(PUSH_SECONDS),
        }
    }

    /// Begins the counters of declared integrations at 0.
    pub(super) fn begin(&self, declared: &Declarations) {
        let names = declared.integrations.iter().map(|one| one.name.as_str());
        for name in names.chain([LIFECYCLE, OTHER]).filter_map(Name::parse) {
            self.count(&name, |_| {});
        }
    }

    /// A name that has been counted, which is cheaper than to read it again.
    pub(super) fn name(&self, text: &str) -> Option<Name> {
        let labels = self.labels.load();
        labels.get_key_value(text).map(|(name, _)| name.clone())
    }

    /// Counts under `label`.
    fn count(&self, label: &Name, count: impl FnOnce(&Counters)) {
        if let Some(known) = self.labels.load().get(label) {
            return count(known);
        }
        let new = Arc::new(Counters::begin(label));
        self.labels.rcu(|labels| {
            let mut labels = HashMap::clone(labels);
            labels.entry(label.clone()).or_insert_with(|| new.clone());
            labels
        });
        // Whoever was first, they count the same.
        count(&new);
    }

    /// Counts an answer; `is_admitted` where the caller may push under the name.
    pub(super) fn answered(
        &self,
        log: &Log,
        rules: &Rules,
        (name, is_admitted): (&Name, bool),
        status: u16,
    ) {
        let is_known = (is_admitted && self.labels.load().contains_key(name))
            || name.is_lifecycle()
            || rules.now().integration(name.as_str()).is_some()
            || (is_admitted && log.topic(name.topic().as_str()).is_some());
        let other = || Name::parse(OTHER).expect("it is a legal name");
        let other = (!is_known).then(other);
        let label = other.as_ref().unwrap_or(name);
        let at = CODES.iter().position(|code| *code == status);
        self.count(label, |counters| {
            if let Some(counter) = at.and_then(|at| counters.requests.get(at)) {
                return counter.increment(1);
            }
            let labels = [
                ("integration", label.to_string()),
                ("code", status.to_string()),
            ];
            metrics::counter!(PUSH_REQUESTS_TOTAL, &labels).increment(1);
        });
    }

    /// Counts what was taken.
    pub(super) fn taken(&self, name: &Name, records: u32, bytes: u64, after: Duration) {
        self.count(name, |counters| {
            counters.records.increment(records.into());
            counters.bytes.increment(bytes);
        });
        self.seconds.record(after.as_secs_f64());
    }
}
