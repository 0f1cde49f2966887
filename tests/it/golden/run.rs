//! Runs a recording's script against a Penstock of its own and a leased PostgreSQL.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::compare::{Event, Extent, Topics, differences, is_heartbeat};
use super::json::Node;
use super::scenario::Scenario;
use crate::support::{Penstock, Postgres, Setup, pause, wait_until};

/// The database that the recordings were made in: it is in every event.
const DATABASE: &str = "golden";

/// A wait for quiet ends after this long, quiet or not.
const IDLE_MAX: Duration = Duration::from_secs(30);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What differs from the recording. A connector that failed there must be FAILED with a reason
/// here, after the recorded events.
pub(super) fn judge(scenario: &Scenario) -> Vec<String> {
    let mut run = Run::new(scenario);
    let got = run.go();
    let failed = scenario.has_failed();
    let extent = if failed {
        Extent::Beginning
    } else {
        Extent::All
    };
    let mut problems = differences(&scenario.recorded(), &got, &scenario.known(), extent);
    let (state, reason) = run.penstock.connector(DATABASE);
    if state.is_empty() {
        problems.push("/status does not list the connector".to_owned());
    } else if failed && (state != "FAILED" || reason.is_empty()) {
        problems.push(format!(
            "state {state}, reason {reason:?}: FAILED with a reason wanted"
        ));
    } else if !failed && state == "FAILED" {
        problems.push(format!("connector FAILED: {reason}"));
    }
    if !problems.is_empty() {
        eprintln!("--- penstock stderr\n{}", run.penstock.stderr());
    }
    problems
}

struct Run<'a> {
    scenario: &'a Scenario,
    // Before the server it reads from, so that it is ended first.
    penstock: Penstock,
    postgres: Postgres,
    connector: Map<String, Value>,
}

impl<'a> Run<'a> {
    fn new(scenario: &'a Scenario) -> Run<'a> {
        let postgres = Postgres::lease();
        drop(postgres.database(DATABASE));
        let setup = scenario.setup();
        if !setup.trim().is_empty() {
            postgres.psql(DATABASE, &setup);
        }
        let mut penstock = Setup::new().build();
        let folder = penstock.path("");
        let connector = scenario.connector(postgres.port(), folder.to_str().unwrap());
        std::fs::write(penstock.path("signals.txt"), "").unwrap();
        write_connector(&mut penstock, &connector);
        Run {
            scenario,
            penstock,
            postgres,
            connector,
        }
    }

    /// Runs the script; the records at its end.
    fn go(&mut self) -> Topics {
        self.start();
        self.idle(ms(400), ms(500));
        let mut sql = String::new();
        for line in (self.scenario.script() + "\n-- @end").lines() {
            let Some(directive) = line.strip_prefix("-- @") else {
                sql += line;
                sql.push('\n');
                continue;
            };
            if !sql.trim().is_empty() {
                self.postgres.psql(DATABASE, &sql);
            }
            sql.clear();
            let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
            self.directive(word, rest.trim());
        }
        if !self.penstock.is_running() {
            self.start();
        }
        self.idle(ms(700), self.scenario.least_wait());
        self.read()
    }

    fn directive(&mut self, word: &str, rest: &str) {
        match word {
            "wait" => self.idle(ms(500), ms(rest.parse().unwrap_or(700))),
            "stop" => {
                self.idle(ms(500), ms(700));
                self.penstock.terminate();
            }
            "stopnow" => {
                self.penstock.terminate();
            }
            "start" => {
                self.change_settings(rest);
                self.start();
                self.idle(ms(400), ms(500));
            }
            "signal" => {
                let path = self.penstock.path("signals.txt");
                let before = std::fs::read_to_string(&path).unwrap();
                std::fs::write(&path, format!("{before}{rest}\n")).unwrap();
            }
            "resetoffsets" => std::fs::remove_dir_all(self.penstock.data()).unwrap(),
            "end" => {}
            other => panic!("directive {other:?}"),
        }
    }

    fn change_settings(&mut self, json: &str) {
        if json.is_empty() {
            return;
        }
        let changes: Map<String, Value> = serde_json::from_str(json).unwrap();
        for (key, value) in changes {
            if value.is_null() {
                self.connector.remove(&key);
            } else {
                self.connector.insert(key, value);
            }
        }
        write_connector(&mut self.penstock, &self.connector);
    }

    /// Starts the server and waits until the connector streams, where it ever does.
    fn start(&mut self) {
        self.penstock.start();
        let slot = self.connector.get("slot.name").and_then(Value::as_str);
        let slot = slot.unwrap_or("debezium");
        let sql = self.postgres.connect("postgres");
        let limit = self.scenario.start_limit();
        let begin = Instant::now();
        while begin.elapsed() < limit {
            let streams = sql.one(&format!(
                "select 1 from pg_stat_replication r join pg_replication_slots s \
                 on s.active_pid = r.pid where s.slot_name = '{slot}' and r.state = 'streaming'"
            ));
            if streams == "1" || self.penstock.connector(DATABASE).0 == "FAILED" {
                break;
            }
            pause(ms(50));
        }
    }

    /// Waits until no record has come for `quiet`, and at least for `least`.
    fn idle(&self, quiet: Duration, least: Duration) {
        let begin = Instant::now();
        let mut changed = begin;
        let mut seen = -1;
        wait_until("the topics to be quiet", IDLE_MAX, || {
            let now = self.ends();
            if now != seen {
                (seen, changed) = (now, Instant::now());
            }
            if changed.elapsed() >= quiet && begin.elapsed() >= least {
                Ok(())
            } else {
                Err(format!("{now} records"))
            }
        });
    }

    fn topics(&self) -> Vec<(String, usize)> {
        let mut topics = self.penstock.kcat().topics();
        topics.retain(|(name, _)| {
            name != "_schemas" && (!name.starts_with("__") || name.starts_with("__debezium"))
        });
        topics
    }

    fn ends(&self) -> i64 {
        let kcat = self.penstock.kcat();
        let topics = self.topics();
        let counted = topics.iter().filter(|(topic, _)| !is_heartbeat(topic));
        counted
            .flat_map(|(topic, partitions)| (0..*partitions).map(move |p| (topic, p)))
            .map(|(topic, partition)| kcat.end(topic, partition))
            .sum()
    }

    fn read(&self) -> Topics {
        let kcat = self.penstock.kcat();
        let mut read = Topics::new();
        for (topic, _) in self.topics() {
            let records: Vec<Event> = kcat
                .records(&topic)
                .into_iter()
                .map(|record| Event {
                    headers: record.header_pairs(),
                    key: Node::parse_optional(record.key.as_deref()),
                    value: Node::parse_optional(record.value.as_deref()),
                    partition: Some(record.partition.into()),
                    timestamp: record.timestamp.map(Into::into),
                })
                .collect();
            if !records.is_empty() {
                read.insert(topic, records);
            }
        }
        read
    }
}

fn write_connector(penstock: &mut Penstock, connector: &Map<String, Value>) {
    let file = json!({"name": DATABASE, "config": connector});
    penstock.write_connector(DATABASE, &file.to_string());
}
