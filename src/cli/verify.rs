//! `penstock log verify`: reads every batch of a data directory that no server uses, and checks
//! checksums, headers and the order of offsets.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::failure::Failure;
use super::output::{self, Table};
use crate::clock::SystemClock;
use crate::config::{self, Environment};
use crate::error::{self, Explain, chain};
use crate::log::{self, Log, Partition, RealDisk};
use crate::record::{self, Records};
use crate::topic::Offset;

/// Bytes read at a time.
const READ_BYTES: usize = 4 << 20;
/// A batch is decompressed up to this size.
const DECOMPRESSED_BYTES_MAX: usize = 256 << 20;
/// Problems told of one partition; more are only counted.
const PROBLEMS_MAX: usize = 100;

/// What was found in one partition.
#[derive(Debug, Default)]
struct Found {
    batches: u64,
    records: u64,
    bytes: u64,
    problems: Vec<String>,
    problems_count: u64,
}

/// Opens the log, which recovers it as a start does, reads all of it, and closes it.
pub(super) async fn run(data_dir: Option<PathBuf>, json: bool) -> Result<(), Failure> {
    let log = open(data_dir)?;
    let mut table = Table::new(&[
        "TOPIC",
        "PARTITION",
        "START",
        "END",
        "BATCHES",
        "RECORDS",
        "BYTES",
        "PROBLEMS",
    ]);
    let mut answers = Vec::new();
    let mut problems_count = 0;
    for topic in log.topics() {
        for partition in topic.partitions() {
            let found = verify(&log, partition).await?;
            let place = format!("{}-{}", partition.topic, partition.id);
            for problem in &found.problems {
                eprintln!("{place}: {problem}");
            }
            problems_count += found.problems_count;
            answers.push(json!({
                "topic": partition.topic.as_str(),
                "partition": partition.id.0,
                "start": partition.start().0,
                "end": partition.end().0,
                "batches": found.batches,
                "records": found.records,
                "bytes": found.bytes,
                "problems_count": found.problems_count,
                "problems": found.problems,
            }));
            table.row([
                partition.topic.to_string(),
                partition.id.to_string(),
                partition.start().to_string(),
                partition.end().to_string(),
                found.batches.to_string(),
                found.records.to_string(),
                found.bytes.to_string(),
                found.problems_count.to_string(),
            ]);
        }
    }
    log.close().await?;
    if json {
        output::json(&json!({"ok": problems_count == 0, "partitions": answers}))?;
    } else {
        table.print()?;
    }
    if problems_count == 0 {
        return Ok(());
    }
    Err(Failure::new(
        error::LOG_DAMAGED,
        format!("found {problems_count} problems"),
        "keep a copy of the data directory; what is not named stays readable",
    ))
}

fn open(data_dir: Option<PathBuf>) -> Result<Log, Failure> {
    let dir = match data_dir {
        Some(dir) => dir,
        None => {
            let environment = Environment::of_process();
            let sources = config::Sources {
                flags: &[],
                environment: &environment,
                file: None,
            };
            config::load(&sources)?.data_dir
        }
    };
    if !dir.is_dir() {
        let what = format!("failed to find the data directory \"{}\"", dir.display());
        return Err(Failure::new(
            error::CLI_INVALID,
            what,
            "name it: --data-dir DIR",
        ));
    }
    Ok(Log::open(
        log::Config::at(dir),
        Arc::new(RealDisk),
        Arc::new(SystemClock),
    )?)
}

async fn verify(log: &Log, partition: &Arc<Partition>) -> Result<Found, Failure> {
    let mut found = Found::default();
    let mut offset = partition.start();
    while offset < partition.end() {
        let read = match log.read(partition, offset, READ_BYTES).await {
            Ok(read) => read,
            Err(error) if error.code() == error::LOG_DAMAGED => {
                let next = readable_behind(log, partition, offset).await;
                found.problem(format!("offsets {offset} up to {next}: {}", chain(&error)));
                offset = next;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let from = offset;
        for chunk in &read.chunks {
            found.take(chunk, &mut offset);
        }
        if offset == from {
            // Compaction may have left nothing up to the end.
            break;
        }
    }
    Ok(found)
}

/// The first offset behind `damaged` that can be read, or the end. Damage is one range of offsets,
/// so the steps double until one is readable, and halve again.
async fn readable_behind(log: &Log, partition: &Arc<Partition>, damaged: Offset) -> Offset {
    let end = partition.end().0;
    let (mut bad, mut good) = (damaged.0, end);
    let mut step = 1;
    while bad < good {
        let next = bad.saturating_add(step);
        if next >= good {
            break;
        }
        if log.read(partition, Offset(next), 1).await.is_ok() {
            good = next;
            break;
        }
        bad = next;
        step = step.saturating_mul(2);
    }
    while bad + 1 < good {
        let middle = bad + (good - bad) / 2;
        if log.read(partition, Offset(middle), 1).await.is_ok() {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Offset(good)
}

impl Found {
    fn problem(&mut self, text: String) {
        self.problems_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(text);
        }
    }

    /// Checks the batches of `chunk` from `offset` on.
    fn take(&mut self, chunk: &[u8], offset: &mut Offset) {
        for batch in record::batches(chunk) {
            let (header, bytes) = match batch {
                Ok(batch) => batch,
                Err(error) => return self.problem(format!("offset {offset}: {}", chain(&error))),
            };
            if header.next_offset() <= offset.0 {
                continue;
            }
            self.batches += 1;
            self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let base = header.base_offset;
            if base < offset.0 {
                self.problem(format!("offset {offset}: a batch begins before, at {base}"));
            }
            match check(bytes) {
                Ok(records) => self.records += records,
                Err(error) => self.problem(format!("offset {base}: {}", chain(&error))),
            }
            *offset = Offset(header.next_offset());
        }
    }
}

/// Checks one batch; the number of its records.
fn check(batch: &[u8]) -> Result<u64, record::Error> {
    record::verify(batch)?;
    let records = Records::decode(batch, DECOMPRESSED_BYTES_MAX)?;
    let mut count = 0;
    for record in &records {
        record?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::log::{Append, Origin, PartitionBatch};
    use crate::record::BatchBuilder;
    use crate::topic::{PartitionId, TopicName};

    fn open(dir: &Path) -> Log {
        let mut config = log::Config::at(dir);
        config.journal_files = 2;
        config.floors.outside = Some(0);
        Log::open(config, Arc::new(RealDisk), Arc::new(SystemClock)).unwrap()
    }

    #[tokio::test]
    async fn a_damaged_batch_is_told_and_the_rest_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path());
        let name = TopicName::parse("t").unwrap();
        let config = log.default_topic_config(&name);
        let topic = log.create_topic(&name, 1, config).await.unwrap();
        let partition = topic.partition(PartitionId(0)).unwrap().clone();
        for _ in 0..3 {
            let mut batch = BatchBuilder::new();
            for _ in 0..10 {
                batch.append(0, None, Some(b"value"), &[]).unwrap();
            }
            let bytes = batch.finish().unwrap();
            let batches = vec![PartitionBatch {
                partition: partition.clone(),
                bytes,
            }];
            log.append(Append {
                origin: Origin::Outside,
                batches,
            })
            .await
            .unwrap();
        }
        let whole = verify(&log, &partition).await.unwrap();
        assert_eq!(
            (whole.batches, whole.records, whole.problems_count),
            (3, 30, 0)
        );
        log.close().await.unwrap();
        // The last handle holds the lock of the data directory.
        drop(log);

        let path = folder.path().join("topics/t-0/00000000000000000000.log");
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).unwrap();

        let log = open(folder.path());
        let partition = log
            .topic("t")
            .unwrap()
            .partition(PartitionId(0))
            .unwrap()
            .clone();
        let found = verify(&log, &partition).await.unwrap();
        assert_eq!((found.batches, found.records), (2, 20), "{found:?}");
        assert_eq!(found.problems_count, 1, "{found:?}");
        assert!(
            found.problems[0].starts_with("offsets 10 up to 20: "),
            "{found:?}"
        );
        log.close().await.unwrap();
    }
}
