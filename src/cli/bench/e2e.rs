//! Sends single records at a steady rate, each in a request of its own, and measures from sending
//! to the moment in which a fetch on another connection has brought it.
//!
//! A record that could not be sent when it was due counts from when it was due, so that a broker
//! that stands still is not flattered by the records that were not sent meanwhile.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::super::failure::Failure;
use super::arguments::E2e;
use super::client::{Connection, Receiver, Sender, Sent, refuse};
use super::consume::fetch;
use super::latencies::Latencies;
use super::payload::Payload;
use super::produce::{check, request};
use super::temporary::{AT_END, Topic};
use crate::cli::progress::Progress;
use crate::error;
use crate::kafka::{FetchPartition, FetchResponse, ProduceRequest, RecordSet};
use crate::record::{self, BatchBuilder, Records};

/// Our timers ring up to so much late; a record is only overdue beyond that.
const TIMER_SLACK: Duration = Duration::from_millis(2);
/// Requests without an answer; more than the broker takes at once.
const UNDER_WAY_MAX: usize = 64;
/// Bytes of a fetch of the one partition.
const PARTITION_BYTES: i32 = 1 << 20;
/// After the last record was due, the rest has to come within this time.
const LAST_TIMEOUT: Duration = Duration::from_secs(30);
/// Others may write to the topic; their batches are decompressed up to this size.
const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;
/// A record of ours begins with the run's id; its time follows in 8 bytes.
const ID_BYTES: usize = 16;

/// What was measured.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) time: Duration,
    /// From sending to fetched.
    pub(super) latencies: Latencies,
    /// From sending to acknowledged.
    pub(super) acknowledged: Latencies,
}

/// One run: its id, its start, its number of records.
#[derive(Debug)]
struct Run<'a> {
    id: [u8; ID_BYTES],
    begin: Instant,
    total: u64,
    topic: &'a str,
    flags: &'a E2e,
}

/// Measures with partition 0 of `topic`.
pub(super) async fn measure(
    mut writer: Connection,
    reader: Connection,
    topic: &Topic,
    flags: &E2e,
) -> Result<Measured, Failure> {
    let end = topic.offsets(&mut writer, AT_END).await?;
    let from = end.first().copied().unwrap_or(0);
    let address = writer.address().to_owned();
    let (sender, receiver) = writer.split();
    let run = Run {
        id: uuid::Uuid::new_v4().into_bytes(),
        begin: Instant::now(),
        total: u64::from(flags.rate).saturating_mul(u64::from(flags.seconds)),
        topic: &topic.name,
        flags,
    };
    let (under_way, answers) = mpsc::channel(UNDER_WAY_MAX);
    let (_, acknowledged, latencies) = tokio::try_join!(
        run.send(sender, under_way),
        acknowledgements(receiver, answers, &address),
        run.read(reader, from),
    )?;
    Ok(Measured {
        records: run.total,
        bytes: run.total.saturating_mul(u64::from(flags.size)),
        time: run.begin.elapsed(),
        latencies,
        acknowledged,
    })
}

impl Run<'_> {
    async fn send(
        &self,
        mut sender: Sender,
        under_way: mpsc::Sender<(Sent, Instant)>,
    ) -> Result<(), Failure> {
        let bytes = usize::try_from(self.flags.size).unwrap_or(ID_BYTES);
        let mut payload = Payload::new(bytes);
        let mut builder = BatchBuilder::new();
        let mut value = Vec::with_capacity(bytes);
        for number in 0..self.total {
            let due = self.begin + self.due(number);
            tokio::time::sleep_until(due.into()).await;
            let now = Instant::now();
            let is_overdue = now > due + TIMER_SLACK;
            let from = if is_overdue { due } else { now };
            value.clear();
            value.extend_from_slice(payload.value());
            let ns = u64::try_from((from - self.begin).as_nanos()).unwrap_or(u64::MAX);
            let stamp = self.id.into_iter().chain(ns.to_be_bytes());
            for (target, byte) in value.iter_mut().zip(stamp) {
                *target = byte;
            }
            let now_ms = jiff::Timestamp::now().as_millisecond();
            builder.append(now_ms, None, Some(&value), &[])?;
            let request = request(self.topic, 0, builder.finish()?.into());
            let sent = sender.send(&request).await?;
            // Nobody listens once reading answers has failed, and then that failure is told.
            let _ = under_way.send((sent, from)).await;
        }
        Ok(())
    }

    /// When the record of this number is due, from the start on.
    fn due(&self, number: u64) -> Duration {
        let ns = u128::from(number) * 1_000_000_000 / u128::from(self.flags.rate.max(1));
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    async fn read(&self, mut broker: Connection, from: i64) -> Result<Latencies, Failure> {
        let mut latencies = Latencies::default();
        let mut next = from;
        let deadline = self.due(self.total) + LAST_TIMEOUT;
        let progress = Progress::new("end to end", self.total);
        while latencies.count() < self.total {
            let partition = FetchPartition {
                fetch_offset: next,
                partition_max_bytes: PARTITION_BYTES,
                ..FetchPartition::default()
            };
            let answer = broker.call(&fetch(self.topic, vec![partition])).await?;
            let fetched = self.begin.elapsed();
            refuse(answer.error_code, broker.address(), "read records")?;
            next = self.take(&answer, next, fetched, broker.address(), &mut latencies)?;
            progress.at(latencies.count());
            if fetched > deadline {
                let lost = self.total - latencies.count();
                return Err(Failure::new(
                    error::CLI_BENCH,
                    format!("failed to read {lost} of {} records", self.total),
                    "lower the --rate; see the broker's log",
                ));
            }
        }
        Ok(latencies)
    }

    /// Records the times of our records in `answer`; the offset behind the last of all.
    fn take(
        &self,
        answer: &FetchResponse,
        mut next: i64,
        fetched: Duration,
        address: &str,
        latencies: &mut Latencies,
    ) -> Result<i64, Failure> {
        for partition in answer.responses.iter().flat_map(|it| &it.partitions) {
            refuse(partition.error_code, address, "read records")?;
            let chunks = partition.records.iter().flat_map(RecordSet::chunks);
            for (header, batch) in chunks.flat_map(|it| record::batches(it).map_while(Result::ok)) {
                if header.is_control() || header.next_offset() <= next {
                    continue;
                }
                for record in &Records::decode(batch, DECOMPRESSED_BYTES_MAX)? {
                    let record = record?;
                    let sent = record.value.and_then(|value| self.sent_at(value));
                    if let Some(sent) = sent.filter(|_| record.offset >= next) {
                        latencies.record(fetched.saturating_sub(sent));
                    }
                }
                next = header.next_offset();
            }
        }
        Ok(next)
    }

    /// When the record was sent, where it is one of this run.
    fn sent_at(&self, value: &[u8]) -> Option<Duration> {
        let stamp = value.strip_prefix(&self.id)?.first_chunk::<8>()?;
        Some(Duration::from_nanos(u64::from_be_bytes(*stamp)))
    }
}

async fn acknowledgements(
    mut receiver: Receiver,
    mut answers: mpsc::Receiver<(Sent, Instant)>,
    address: &str,
) -> Result<Latencies, Failure> {
    let mut latencies = Latencies::default();
    while let Some((sent, from)) = answers.recv().await {
        let answer = receiver.receive::<ProduceRequest>(sent).await?;
        latencies.record(from.elapsed());
        check(&answer, address)?;
    }
    Ok(latencies)
}
