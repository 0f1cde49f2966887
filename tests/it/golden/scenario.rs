//! A recording's files.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::compare::{Event, Topics};
use super::json::Node;
use super::mask::{Known, uuids};

/// Keys of the recorder, not of the connector.
const ENGINE_KEYS: [&str; 6] = [
    "golden.",
    "offset.",
    "poll.interval.ms",
    "record.processing.",
    "errors.retry.delay.",
    "internal.task.",
];

/// A folder of recordings.
#[derive(Debug)]
pub(super) struct Scenario {
    name: String,
    folder: PathBuf,
    /// What differs from the recorder's base settings, with the recorder's own keys.
    config: Map<String, Value>,
}

impl Scenario {
    pub(super) fn load(name: &str) -> Scenario {
        let folder = recordings().join(name);
        let config = std::fs::read_to_string(folder.join("config.json"))
            .map(|text| serde_json::from_str(&text).unwrap())
            .unwrap_or_default();
        Scenario {
            name: name.to_owned(),
            folder,
            config,
        }
    }

    fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }

    /// SQL that runs before the connector starts.
    pub(super) fn setup(&self) -> String {
        self.text("setup.sql")
    }

    /// SQL and directives that run while it streams.
    pub(super) fn script(&self) -> String {
        self.text("run.sql")
    }

    /// The recorded connector failed.
    pub(super) fn has_failed(&self) -> bool {
        self.folder.join("error.txt").exists()
    }

    /// The connector's settings; the port and the folder for signals are the run's.
    pub(super) fn connector(&self, port: u16, folder: &str) -> Map<String, Value> {
        let full: Map<String, Value> =
            serde_json::from_str(&self.text("config.full.json")).unwrap();
        let mut connector: Map<String, Value> = full
            .into_iter()
            .filter(|(key, _)| !ENGINE_KEYS.iter().any(|engine| key.starts_with(engine)))
            .filter(|(key, _)| key != "name" && key != "bootstrap.servers")
            .collect();
        let json = "org.apache.kafka.connect.json.JsonConverter";
        connector.insert("database.port".to_owned(), port.to_string().into());
        connector.insert("key.converter".to_owned(), json.into());
        connector.insert("value.converter".to_owned(), json.into());
        for value in connector.values_mut() {
            if let Value::String(text) = value {
                *text = text.replace("@DIR@", folder);
            }
        }
        connector
    }

    /// How long the connector may take to stream.
    pub(super) fn start_limit(&self) -> Duration {
        self.seconds("golden.start.timeout.s", 1.0)
            .unwrap_or(Duration::from_secs(15))
    }

    /// How long to wait at least for records at the end.
    pub(super) fn least_wait(&self) -> Duration {
        self.seconds("golden.min.ms", 0.001)
            .unwrap_or(Duration::from_secs(1))
    }

    fn seconds(&self, key: &str, unit: f64) -> Option<Duration> {
        let value = self.config.get(key)?;
        let number = match value {
            Value::String(text) => text.parse().unwrap(),
            other => other.as_f64().unwrap(),
        };
        Some(Duration::from_secs_f64(number * unit))
    }

    /// Debezium's records, in order.
    pub(super) fn recorded(&self) -> Topics {
        let mut topics = Topics::new();
        let text = self.text("events.jsonl");
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let record = Node::parse(line);
            if record.get("converterError").is_some() {
                continue;
            }
            let field = |name: &str| record.get(name).cloned().unwrap_or(Node::Null);
            let topic = field("topic").as_text().unwrap().to_owned();
            topics.entry(topic).or_default().push(Event {
                key: field("key"),
                value: field("value"),
                headers: recorded_headers(&field("headers")),
                partition: field("partition").as_int(),
                timestamp: field("timestamp").as_int(),
            });
        }
        topics
    }

    /// What masking has to know of this recording.
    pub(super) fn known(&self) -> Known {
        let text = self.setup() + &self.script() + &self.text("config.json");
        let mut known: Known = uuids(&text).collect();
        if text.contains("table.field.event.timestamp") {
            known.insert("event.timestamp".to_owned());
        }
        known.extend(
            self.deviations()
                .iter()
                .map(|field| format!("field:{field}")),
        );
        known
    }

    /// Whether Debezium is so wrong here that nothing is compared.
    pub(super) fn is_left_out(&self) -> bool {
        self.deviations().iter().any(|field| field == "*")
    }

    /// Fields that are not compared: `deviations.json`, where there is one, lists where Penstock is
    /// meant to be right and Debezium is not.
    fn deviations(&self) -> Vec<String> {
        let text = std::fs::read_to_string(recordings().join("deviations.json"));
        let text = text.unwrap_or_else(|_| "[]".to_owned());
        let rows: Vec<(String, Vec<String>, String)> = serde_json::from_str(&text).unwrap();
        rows.into_iter()
            .filter(|(pattern, _, _)| matches_pattern(pattern, &self.name))
            .flat_map(|(_, fields, _)| fields)
            .collect()
    }
}

/// Where the recordings are: the fixtures of the project, or another folder of the same form.
fn recordings() -> PathBuf {
    std::env::var_os("PENSTOCK_TEST_GOLDEN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden"),
        PathBuf::from,
    )
}

fn recorded_headers(headers: &Node) -> Vec<(String, Option<String>)> {
    let Node::List(headers) = headers else {
        return Vec::new();
    };
    headers
        .iter()
        .map(|header| {
            let text = |name: &str| header.get(name).and_then(Node::as_text).map(str::to_owned);
            (text("key").unwrap(), text("simple"))
        })
        .collect()
}

/// Shell patterns with `*` only.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let escaped = regex::escape(pattern).replace("\\*", ".*");
    regex::Regex::new(&format!("^{escaped}$"))
        .unwrap()
        .is_match(name)
}
