//! `penstock produce`: lines become records.
//!
//! Lines that have arrived go into one request, which is appended as a whole; where each went is
//! printed once it is durable. The first refusal ends the command, and it says how many records
//! were durable by then. Empty lines are left out.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use reqwest::Method;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::arguments::Produce;
use super::client::{Client, encode};
use super::failure::Failure;
use super::topics::{items, text};
use crate::error;

/// Records that go into one request, which is appended as a whole.
const RECORDS_MAX: usize = 500;
/// A request is sent once it has this many bytes; the server takes 1 MiB, so a record of half of
/// that still fits behind what is there.
const BYTES_MAX: usize = 512 << 10;
/// A longer line is refused before it is read to its end.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Bytes of input that are looked at together: what has arrived goes into one request.
const INPUT_BYTES: usize = 256 << 10;

/// Lines with their numbers.
struct Lines {
    input: BufReader<Box<dyn Read>>,
    /// Of the last line that was read.
    number: usize,
}

pub(super) async fn run(flags: Produce) -> Result<(), Failure> {
    let client = Client::of_process()?;
    let input: Box<dyn Read> = match &flags.file {
        None => Box::new(std::io::stdin().lock()),
        Some(path) => Box::new(std::fs::File::open(path).map_err(|cause| {
            let what = format!("failed to open \"{}\": {cause}", path.display());
            Failure::new(error::CLI_INVALID, what, "name a file you may read")
        })?),
    };
    let mut lines = Lines {
        input: BufReader::with_capacity(INPUT_BYTES, input),
        number: 0,
    };
    let mut count = 0_usize;
    loop {
        let first = lines.number + 1;
        let sent = match lines.records(&flags) {
            Ok(records) if records.is_empty() => break,
            Ok(records) => send(&client, &flags.topic, &records).await,
            Err(failure) => Err(failure),
        };
        match sent {
            Ok(sent) => count += sent,
            Err(failure) => {
                if count > 0 {
                    eprintln!(
                        "{count} records are durable in \"{}\": those before line {first}",
                        flags.topic
                    );
                }
                return Err(failure);
            }
        }
    }
    eprintln!("{count} records are durable in \"{}\"", flags.topic);
    Ok(())
}

/// Appends `records`, JSON each, and prints where they are.
async fn send(client: &Client, topic: &str, records: &[String]) -> Result<usize, Failure> {
    let path = format!("/topics/{}/records", encode(topic));
    // Put together as text: numbers stay as they were written.
    let body = format!("{{\"records\":[{}]}}", records.join(","));
    let headers = [("content-type", "application/json".to_owned())];
    let answer = client
        .send_bytes(Method::POST, &path, &headers, body.into_bytes())
        .await?;
    let answer: Value = serde_json::from_slice(&answer)
        .map_err(|_| client.no_penstock("an answer in another form"))?;
    for place in items(&answer, "offsets") {
        let (partition, offset) = (text(place, "partition"), text(place, "offset"));
        super::output::line(format!("{partition}:{offset}").as_bytes())?;
    }
    Ok(records.len())
}

impl Lines {
    /// What goes into one request: records that are there, and at least one; none at the end.
    fn records(&mut self, flags: &Produce) -> Result<Vec<String>, Failure> {
        let mut records = Vec::new();
        let mut bytes = 0;
        while let Some(line) = self.next()? {
            if let Some(record) = record(flags, &line, self.number)? {
                bytes += record.len();
                records.push(record);
            }
            // Whoever types or follows a log is not kept waiting for more.
            let is_waiting = !self.input.buffer().contains(&b'\n');
            let is_full = records.len() >= RECORDS_MAX || bytes >= BYTES_MAX;
            if is_full || (is_waiting && !records.is_empty()) {
                break;
            }
        }
        Ok(records)
    }

    /// The next line without its end; `None` behind the last.
    fn next(&mut self) -> Result<Option<String>, Failure> {
        let number = self.number + 1;
        let failed = |what: String| {
            let what = format!("failed to read line {number}: {what}");
            Failure::new(error::CLI_INVALID, what, "send lines of UTF-8 text")
        };
        let mut line = Vec::new();
        let mut input = (&mut self.input).take(LINE_BYTES_MAX);
        let read = input.read_until(b'\n', &mut line);
        let read = read.map_err(|cause| failed(cause.to_string()))?;
        if read == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        } else if u64::try_from(read) == Ok(LINE_BYTES_MAX) {
            return Err(failed(format!("it is longer than {LINE_BYTES_MAX} bytes")));
        }
        self.number = number;
        let line = String::from_utf8(line).map_err(|_| failed("it is not UTF-8".to_owned()))?;
        Ok(Some(line))
    }
}

/// What is sent for a line; `None` for an empty one.
fn record(flags: &Produce, line: &str, number: usize) -> Result<Option<String>, Failure> {
    if flags.json {
        let line = line.trim();
        if line.is_empty() {
            return Ok(None);
        }
        // Only looked at, so that what is sent is what was written.
        let object = serde_json::from_str::<BTreeMap<&str, &RawValue>>(line);
        object.map_err(|cause| {
            let what = format!("failed to read line {number} as a JSON object: {cause}");
            let mend = "write an object with value, and key, headers, partition where wanted";
            Failure::new(error::CLI_INVALID, what, mend)
        })?;
        return Ok(Some(line.to_owned()));
    }
    if line.is_empty() {
        return Ok(None);
    }
    let headers = flags
        .headers
        .iter()
        .map(|(key, value)| json!({"key": key, "value": value}));
    let record = json!({
        "key": flags.key,
        // A line is the value byte for byte, also where it is JSON.
        "value": line,
        "headers": headers.collect::<Vec<Value>>(),
        "partition": flags.partition,
    });
    Ok(Some(record.to_string()))
}
