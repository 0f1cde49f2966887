//! kcat: the stock client that every test reads topics with.

use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::command::{Finished, run_with_input};

/// Long enough for kcat's own connection retries against a server that is being restarted.
const LIMIT: Duration = Duration::from_secs(60);

/// A record as `kcat -J` prints it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Record {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    #[serde(rename = "ts")]
    pub(crate) timestamp: Option<i64>,
    /// Names and values in turn.
    #[serde(default)]
    pub(crate) headers: Vec<Option<String>>,
    pub(crate) key: Option<String>,
    #[serde(rename = "payload")]
    pub(crate) value: Option<String>,
}

impl Record {
    /// Header names and values, in order.
    pub(crate) fn header_pairs(&self) -> Vec<(String, Option<String>)> {
        self.headers
            .chunks(2)
            .map(|pair| (pair[0].clone().unwrap_or_default(), pair[1].clone()))
            .collect()
    }
}

/// A broker to run kcat against.
#[derive(Debug, Clone)]
pub(crate) struct Kcat {
    broker: String,
}

impl Kcat {
    pub(crate) fn new(broker: &str) -> Kcat {
        Kcat {
            broker: broker.to_owned(),
        }
    }

    /// Runs kcat with `words` and `input`, whatever comes of it.
    pub(crate) fn attempt(&self, words: &[&str], input: &str) -> Finished {
        let mut kcat = Command::new("kcat");
        kcat.args(["-q", "-b", &self.broker]).args(words);
        run_with_input(&mut kcat, input, LIMIT)
    }

    #[track_caller]
    pub(crate) fn run(&self, words: &[&str], input: &str) -> String {
        self.attempt(words, input)
            .ok(&format!("kcat {}", words.join(" ")))
    }

    /// Writes lines `key:value`, acknowledged by all, with kcat's further `words`.
    #[track_caller]
    pub(crate) fn produce(&self, topic: &str, words: &[&str], lines: &str) {
        let mut all = vec!["-P", "-t", topic, "-K", ":", "-X", "acks=all"];
        all.extend(words);
        self.run(&all, lines);
    }

    /// All records of a topic, partition by partition, in offset order.
    #[track_caller]
    pub(crate) fn records(&self, topic: &str) -> Vec<Record> {
        let text = self.run(&["-C", "-t", topic, "-o", "beginning", "-e", "-J"], "");
        let mut records = parse(&text);
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// As [`Kcat::records`]; none where there is no such topic.
    pub(crate) fn records_if_any(&self, topic: &str) -> Vec<Record> {
        if self.end_if_any(topic) == 0 {
            return Vec::new();
        }
        self.records(topic)
    }

    /// The offset behind the last record of partition 0; 0 where there is no such topic.
    pub(crate) fn end_if_any(&self, topic: &str) -> i64 {
        if self.topics().iter().any(|(name, _)| name == topic) {
            self.end(topic, 0)
        } else {
            0
        }
    }

    /// The topics a stock client sees and how many partitions they have.
    #[track_caller]
    pub(crate) fn topics(&self) -> Vec<(String, usize)> {
        let listing: serde_json::Value =
            serde_json::from_str(&self.run(&["-L", "-J"], "")).unwrap();
        let topics = listing["topics"].as_array().cloned().unwrap_or_default();
        topics
            .iter()
            .map(|topic| {
                let partitions = topic["partitions"].as_array().map_or(0, Vec::len);
                (topic["topic"].as_str().unwrap().to_owned(), partitions)
            })
            .collect()
    }

    /// The offset behind the last record of a partition.
    #[track_caller]
    pub(crate) fn end(&self, topic: &str, partition: usize) -> i64 {
        let text = self.run(&["-Q", "-t", &format!("{topic}:{partition}:-1")], "");
        let last = text.split_whitespace().last().unwrap_or("");
        last.parse()
            .unwrap_or_else(|_| panic!("no offset in kcat -Q's {text:?}"))
    }
}

/// Parses the lines of `kcat -J`.
pub(crate) fn parse(text: &str) -> Vec<Record> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")))
        .collect()
}
