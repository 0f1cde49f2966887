//! What was measured of connectors and integrations, for `/status`.
//!
//! The recorder's page is read at most once in [`AGE_MS_MAX`], however many ask: rendering it
//! costs with the number of groups and topics.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use crate::metrics::{Handle, Reading, names};

/// Measurements are shown up to this age; half of what the console asks at.
const AGE_MS_MAX: i64 = 1_000;

/// What is read.
const NAMES: [&str; 13] = [
    names::SOURCE_CONNECTED,
    names::SOURCE_LAG_SECONDS,
    names::SOURCE_LAG_BYTES,
    names::SOURCE_EVENTS_TOTAL,
    names::SOURCE_RECONNECTS_TOTAL,
    names::SLOT_ACTIVE,
    names::SLOT_RETAINED_WAL_BYTES,
    names::SLOT_SAFE_WAL_BYTES,
    names::SLOT_WAL_STATUS,
    names::PUSH_REQUESTS_TOTAL,
    names::PUSH_RECORDS_TOTAL,
    names::PUSH_BYTES_TOTAL,
    names::KAFKA_CONNECTIONS,
];

/// The last look at the measurements.
#[derive(Debug)]
pub(super) struct Readings {
    recorder: Option<Handle>,
    last: Mutex<Option<(i64, Arc<Measured>)>>,
}

/// All that is shown of a look.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) connectors: BTreeMap<String, Source>,
    pub(super) integrations: BTreeMap<String, Integration>,
    pub(super) kafka_connections: u64,
}

/// A connector as it was measured. The slot's part is that of the last look at it, every 5 s.
#[derive(Debug, Default, Serialize)]
pub(super) struct Source {
    connected: bool,
    lag_seconds: f64,
    lag_bytes: f64,
    slot_active: bool,
    slot_status: Option<String>,
    slot_retained_bytes: f64,
    slot_safe_bytes: f64,
    reconnects: u64,
    /// Events since the start by their `op`.
    events: BTreeMap<String, u64>,
}

/// An integration's pushes since the start.
#[derive(Debug, Default, Clone, Serialize)]
pub(super) struct Integration {
    /// By HTTP status.
    requests: BTreeMap<String, u64>,
    records: u64,
    bytes: u64,
}

impl Readings {
    pub(super) fn new(recorder: Option<Handle>) -> Readings {
        Readings {
            recorder,
            last: Mutex::new(None),
        }
    }

    /// The measurements, at most [`AGE_MS_MAX`] old.
    pub(super) fn measured(&self, now_ms: i64) -> Arc<Measured> {
        let Some(recorder) = &self.recorder else {
            return Arc::default();
        };
        // Held while the page is read: who asks meanwhile waits for the same page.
        let mut last = self.last.lock();
        if let Some((at_ms, measured)) = &*last
            && (0..AGE_MS_MAX).contains(&now_ms.saturating_sub(*at_ms))
        {
            return measured.clone();
        }
        let mut measured = Measured::default();
        for reading in recorder.readings(&NAMES) {
            measured.add(&reading);
        }
        let measured = Arc::new(measured);
        *last = Some((now_ms, measured.clone()));
        measured
    }
}

impl Measured {
    fn add(&mut self, reading: &Reading) {
        match reading.name.as_str() {
            names::KAFKA_CONNECTIONS => self.kafka_connections = count(reading.value),
            name if name.starts_with("penstock_push_") => {
                let integration = reading.label("integration").to_owned();
                self.integrations
                    .entry(integration)
                    .or_default()
                    .add(reading);
            }
            _ => {
                let connector = reading.label("connector").to_owned();
                self.connectors.entry(connector).or_default().add(reading);
            }
        }
    }
}

impl Source {
    fn add(&mut self, reading: &Reading) {
        let value = reading.value;
        match reading.name.as_str() {
            names::SOURCE_CONNECTED => self.connected = value > 0.0,
            names::SOURCE_LAG_SECONDS => self.lag_seconds = value,
            names::SOURCE_LAG_BYTES => self.lag_bytes = value,
            names::SLOT_ACTIVE => self.slot_active = value > 0.0,
            names::SLOT_RETAINED_WAL_BYTES => self.slot_retained_bytes = value,
            names::SLOT_SAFE_WAL_BYTES => self.slot_safe_bytes = value,
            names::SLOT_WAL_STATUS if value > 0.0 => {
                self.slot_status = Some(reading.label("status").to_owned());
            }
            names::SOURCE_RECONNECTS_TOTAL => self.reconnects += count(value),
            names::SOURCE_EVENTS_TOTAL => {
                self.events
                    .insert(reading.label("op").to_owned(), count(value));
            }
            _ => {}
        }
    }
}

impl Integration {
    fn add(&mut self, reading: &Reading) {
        match reading.name.as_str() {
            names::PUSH_RECORDS_TOTAL => self.records = count(reading.value),
            names::PUSH_BYTES_TOTAL => self.bytes = count(reading.value),
            _ => {
                let code = reading.label("code").to_owned();
                self.requests.insert(code, count(reading.value));
            }
        }
    }
}

/// A counter's value; what is no number counts as nothing.
fn count(value: f64) -> u64 {
    // Saturates, and takes NaN for 0.
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &str, labels: &[(&str, &str)], value: f64) -> Reading {
        let owned = |(label, value): &(&str, &str)| ((*label).to_owned(), (*value).to_owned());
        Reading {
            name: name.to_owned(),
            labels: labels.iter().map(owned).collect(),
            value,
        }
    }

    #[test]
    fn measurements_are_sorted_by_connector_and_integration() {
        let mut measured = Measured::default();
        let app = ("connector", "app");
        for one in [
            reading(names::SOURCE_CONNECTED, &[app], 1.0),
            reading(names::SOURCE_EVENTS_TOTAL, &[app, ("op", "c")], 7.0),
            reading(names::SLOT_WAL_STATUS, &[app, ("status", "lost")], 0.0),
            reading(names::SLOT_WAL_STATUS, &[app, ("status", "reserved")], 1.0),
            reading(names::PUSH_RECORDS_TOTAL, &[("integration", "crm")], 3.0),
            reading(
                names::PUSH_REQUESTS_TOTAL,
                &[("integration", "crm"), ("code", "202")],
                2.0,
            ),
        ] {
            measured.add(&one);
        }
        let source = serde_json::to_value(&measured.connectors["app"]).unwrap();
        assert_eq!(source["connected"], true);
        assert_eq!(source["events"]["c"], 7);
        assert_eq!(source["slot_status"], "reserved");
        let pushes = serde_json::to_value(&measured.integrations["crm"]).unwrap();
        assert_eq!(pushes["requests"]["202"], 2);
        assert_eq!(
            (&pushes["records"], &pushes["bytes"]),
            (&3.into(), &0.into())
        );
    }
}
