//! `penstock produce`: lines become records.

use std::io::{BufRead, BufReader, Read};

use reqwest::Method;
use serde_json::{Value, json};

use super::arguments::Produce;
use super::client::{Client, encode};
use super::failure::Failure;
use super::topics::{items, text};
use crate::error;

/// Lines that go into one request, which is appended as a whole.
const LINES_MAX: usize = 500;
/// Bytes of lines that go into one request; the server takes a body of 1 MiB.
const BYTES_MAX: usize = 512 << 10;
/// A longer line is refused before it is read to its end.
const LINE_BYTES_MAX: u64 = 1 << 20;

pub(super) async fn run(flags: Produce) -> Result<(), Failure> {
    let client = Client::of_process()?;
    let mut lines: Box<dyn BufRead> = match &flags.file {
        None => Box::new(std::io::stdin().lock()),
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|cause| {
                let what = format!("failed to open \"{}\": {cause}", path.display());
                Failure::new(error::CLI_INVALID, what, "name a file you may read")
            })?;
            Box::new(BufReader::new(file))
        }
    };
    let path = format!("/topics/{}/records", encode(&flags.topic));
    let (mut count, mut number) = (0_usize, 0_usize);
    loop {
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < LINES_MAX && bytes < BYTES_MAX {
            let Some(line) = next_line(&mut lines, number + 1)? else {
                break;
            };
            number += 1;
            bytes += line.len();
            if !line.trim().is_empty() {
                records.push(record(&flags, &line, number)?);
            }
        }
        if records.is_empty() && bytes == 0 {
            break;
        }
        if records.is_empty() {
            continue;
        }
        count += records.len();
        let body = json!({"records": records});
        let answer = client.send_json(Method::POST, &path, &body).await?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        for place in items(&answer, "offsets") {
            let (partition, offset) = (text(place, "partition"), text(place, "offset"));
            super::output::line(format!("{partition}:{offset}").as_bytes())?;
        }
    }
    eprintln!("{count} records are durable in \"{}\"", flags.topic);
    Ok(())
}

/// The next line without its end; `None` behind the last.
fn next_line(lines: &mut dyn BufRead, number: usize) -> Result<Option<String>, Failure> {
    let failed = |what: String| {
        let what = format!("failed to read line {number}: {what}");
        Failure::new(error::CLI_INVALID, what, "send lines of UTF-8 text")
    };
    let mut line = Vec::new();
    let read = lines.take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
    let read = read.map_err(|cause| failed(cause.to_string()))?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') && u64::try_from(read) == Ok(LINE_BYTES_MAX) {
        return Err(failed(format!("it is longer than {LINE_BYTES_MAX} bytes")));
    }
    let line = String::from_utf8(line).map_err(|_| failed("it is not UTF-8".to_owned()))?;
    Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
}

/// What is sent for a line.
fn record(flags: &Produce, line: &str, number: usize) -> Result<Value, Failure> {
    if flags.json {
        return serde_json::from_str(line).map_err(|cause| {
            let what = format!("failed to read line {number} as JSON: {cause}");
            let mend = "write an object with value, and key, headers, partition where wanted";
            Failure::new(error::CLI_INVALID, what, mend)
        });
    }
    let headers = flags
        .headers
        .iter()
        .map(|(key, value)| json!({"key": key, "value": value}));
    Ok(json!({
        "key": flags.key,
        // A line is the value byte for byte, also where it is JSON.
        "value": line,
        "headers": headers.collect::<Vec<Value>>(),
        "partition": flags.partition,
    }))
}
