//! Reads a topic from its start to the end it had when reading began, checking and decoding every
//! batch as clients do. The next fetch is under way while the last one is decoded.

use std::time::{Duration, Instant};

use super::super::failure::Failure;
use super::client::{Connection, refuse};
use super::temporary::{AT_END, AT_START, Topic};
use crate::cli::progress::Progress;
use crate::error;
use crate::kafka::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use crate::record::{self, Records};

/// Bytes asked for at a time.
const FETCH_BYTES: i32 = 16 << 20;
/// Bytes of one partition; the defaults of stock clients are 1 MiB.
const PARTITION_BYTES: i32 = 1 << 20;
/// How long the broker waits for records. All that is read is there already.
const WAIT_MS: i32 = 500;
/// A batch is decompressed up to this size.
const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;
/// Nothing new for so many answers: the broker's ends and records contradict each other.
const EMPTY_ANSWERS_MAX: u32 = 20;

/// What was read.
#[derive(Debug)]
pub(super) struct Consumed {
    pub(super) records: u64,
    /// Of keys and values, after decompression.
    pub(super) bytes: u64,
    /// From the first request to the last record.
    pub(super) time: Duration,
}

/// Where reading stands in a partition.
#[derive(Debug)]
struct Position {
    partition: i32,
    next: i64,
    end: i64,
}

/// Reads at most `limit` records.
pub(super) async fn consume(
    mut broker: Connection,
    topic: &Topic,
    limit: Option<u64>,
) -> Result<Consumed, Failure> {
    let starts = topic.offsets(&mut broker, AT_START).await?;
    let ends = topic.offsets(&mut broker, AT_END).await?;
    let places = (0..).zip(starts.into_iter().zip(ends));
    let place = |(partition, (next, end))| Position {
        partition,
        next,
        end,
    };
    let mut positions: Vec<Position> = places.map(place).collect();
    positions.retain(|position| position.next < position.end);
    let there: i64 = positions.iter().map(|at| at.end - at.next).sum();
    let there = u64::try_from(there).unwrap_or(0);
    if there == 0 {
        return Err(empty(&topic.name));
    }
    let limit = limit.unwrap_or(u64::MAX);
    let progress = Progress::new("reading", there.min(limit));
    let address = broker.address().to_owned();
    let (mut sender, mut receiver) = broker.split();
    let begin = Instant::now();
    let mut read = Consumed {
        records: 0,
        bytes: 0,
        time: Duration::ZERO,
    };
    let mut empty_answers = 0;
    let mut sent = sender.send(&request(&topic.name, &positions)).await?;
    loop {
        let answer = receiver.receive::<FetchRequest>(sent).await?;
        let has_moved = advance(&mut positions, &answer, &address, &topic.name)?;
        let is_last = positions.is_empty() || read.records >= limit;
        if !is_last {
            sent = sender.send(&request(&topic.name, &positions)).await?;
        }
        decode(&answer, &mut read)?;
        progress.at(read.records);
        if is_last || read.records >= limit {
            break;
        }
        empty_answers = if has_moved { 0 } else { empty_answers + 1 };
        if empty_answers > EMPTY_ANSWERS_MAX {
            return Err(stuck(&topic.name));
        }
    }
    read.time = begin.elapsed();
    Ok(read)
}

fn request(topic: &str, positions: &[Position]) -> FetchRequest {
    let partition = |position: &Position| FetchPartition {
        partition: position.partition,
        fetch_offset: position.next,
        partition_max_bytes: PARTITION_BYTES,
        ..FetchPartition::default()
    };
    fetch(topic, positions.iter().map(partition).collect())
}

/// A fetch of some partitions, without a session.
pub(super) fn fetch(topic: &str, partitions: Vec<FetchPartition>) -> FetchRequest {
    FetchRequest {
        max_wait_ms: WAIT_MS,
        min_bytes: 1,
        max_bytes: FETCH_BYTES,
        topics: vec![FetchTopic {
            topic: topic.to_owned(),
            partitions,
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}

/// Moves the positions behind what has come and takes off those that are done; whether any moved.
/// The rest changes its order, so that each partition is first in its turn.
fn advance(
    positions: &mut Vec<Position>,
    answer: &FetchResponse,
    address: &str,
    topic: &str,
) -> Result<bool, Failure> {
    let what = format!("read topic \"{topic}\"");
    refuse(answer.error_code, address, &what)?;
    let mut has_moved = false;
    for partition in answer.responses.iter().flat_map(|it| &it.partitions) {
        refuse(partition.error_code, address, &what)?;
        let mut ours = positions.iter_mut();
        let ours = ours.find(|position| position.partition == partition.partition_index);
        let (Some(position), Some(records)) = (ours, &partition.records) else {
            continue;
        };
        for chunk in records.chunks() {
            // A last batch that is cut is no error: it comes again.
            for (header, _) in record::batches(chunk).map_while(Result::ok) {
                has_moved |= header.next_offset() > position.next;
                position.next = position.next.max(header.next_offset());
            }
        }
    }
    positions.retain(|position| position.next < position.end);
    if !positions.is_empty() {
        positions.rotate_left(1);
    }
    Ok(has_moved)
}

/// Checks and counts the records of an answer.
fn decode(answer: &FetchResponse, read: &mut Consumed) -> Result<(), Failure> {
    let partitions = answer.responses.iter().flat_map(|it| &it.partitions);
    for records in partitions.filter_map(|it| it.records.as_ref()) {
        for chunk in records.chunks() {
            for (header, batch) in record::batches(chunk).map_while(Result::ok) {
                if header.is_control() {
                    continue;
                }
                record::verify(batch)?;
                for record in &Records::decode(batch, DECOMPRESSED_BYTES_MAX)? {
                    let record = record?;
                    let bytes = [record.key, record.value].map(|it| it.map_or(0, <[u8]>::len));
                    read.records += 1;
                    read.bytes += u64::try_from(bytes.iter().sum::<usize>()).unwrap_or(0);
                }
            }
        }
    }
    Ok(())
}

fn empty(topic: &str) -> Failure {
    Failure::new(
        error::CLI_BENCH,
        format!("failed to read topic \"{topic}\": it holds no records"),
        format!("write some: penstock bench produce --topic {topic}"),
    )
}

fn stuck(topic: &str) -> Failure {
    Failure::new(
        error::CLI_BENCH,
        format!("failed to read topic \"{topic}\" to its end: no more records come"),
        "see the broker's log",
    )
}
