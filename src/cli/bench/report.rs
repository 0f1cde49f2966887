//! What a measurement against a broker found, for people and as JSON.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::failure::Failure;
use super::super::output;
use super::numbers::{float, per_million, per_second, rounded};
use super::process;

/// A broker's process around a measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched {
    pid: u32,
    before: Duration,
}

impl Watched {
    /// Begins to watch the process that was named, if any was.
    pub(super) fn begin(pid: Option<u32>) -> Result<Option<Watched>, Failure> {
        let Some(pid) = pid else {
            return Ok(None);
        };
        let before = process::usage_of(pid)?.cpu;
        Ok(Some(Watched { pid, before }))
    }
}

/// A line and an object that say the same.
#[derive(Debug)]
pub(super) struct Report {
    line: String,
    json: Map<String, Value>,
}

impl Report {
    /// Begins with how much there was of what in which time.
    pub(super) fn new(bench: &str, records: u64, bytes: u64, time: Duration) -> Report {
        let rate = per_second(records, time);
        let megabytes = per_second(bytes, time) / 1e6;
        let seconds = time.as_secs_f64();
        let mut report = Report {
            line: format!(
                "{bench}: {records} records in {seconds:.3} s, {rate:.0} records/s, {megabytes:.1} MB/s"
            ),
            json: Map::new(),
        };
        report.value("bench", json!(bench));
        report.value("records", json!(records));
        report.value("bytes", json!(bytes));
        report.value("seconds", json!(rounded(seconds, 6)));
        report.value("records_per_second", json!(rounded(rate, 1)));
        report.value("megabytes_per_second", json!(rounded(megabytes, 3)));
        report
    }

    /// Adds to the object.
    pub(super) fn value(&mut self, name: &str, value: Value) {
        self.json.insert(name.to_owned(), value);
    }

    /// Adds to the line.
    pub(super) fn words(&mut self, words: &str) {
        self.line.push_str("; ");
        self.line.push_str(words);
    }

    /// Adds what the broker's process has used since `watched` began.
    pub(super) fn usage(&mut self, watched: Option<Watched>, records: u64) -> Result<(), Failure> {
        let Some(Watched { pid, before }) = watched else {
            return Ok(());
        };
        let cpu = process::usage_of(pid)?.cpu.saturating_sub(before);
        let each = per_million(cpu.as_secs_f64(), records);
        let peak = process::peak_memory_mb(pid);
        let memory = peak.map_or_else(|| "unknown".to_owned(), |mb| format!("{mb} MB"));
        self.words(&format!(
            "server: {each:.2} CPU s per million records, VmHWM {memory}"
        ));
        self.value("server_cpu_seconds", json!(rounded(cpu.as_secs_f64(), 3)));
        self.value("server_cpu_seconds_per_million", json!(rounded(each, 3)));
        self.value("server_vm_hwm_megabytes", json!(peak.map(float)));
        Ok(())
    }

    /// Tells people, and programs where they asked.
    pub(super) fn tell(self, as_json: bool) -> Result<(), Failure> {
        eprintln!("{}", self.line);
        if as_json {
            output::json(&Value::Object(self.json))?;
        }
        Ok(())
    }
}
