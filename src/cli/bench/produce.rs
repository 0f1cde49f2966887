//! Writes records: one batch of one partition a request, several requests under way, every one
//! acknowledged by all replicas.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

use super::super::failure::Failure;
use super::arguments::Shape;
use super::client::{Connection, Receiver, Sender, Sent, refuse};
use super::latencies::Latencies;
use super::payload::Payload;
use super::temporary::Topic;
use crate::cli::progress::Progress;
use crate::kafka::{
    ErrorCode, InitProducerIdRequest, PartitionProduceData, ProduceRequest, ProduceResponse,
    RecordSet, TopicProduceData,
};
use crate::record::BatchBuilder;

/// The broker may take this long to store a batch.
pub(super) const ACK_TIMEOUT_MS: i32 = 30_000;

/// A broker that has just started gives producer ids within this time.
const PRODUCER_ID_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two tries.
const PRODUCER_ID_PAUSE: Duration = Duration::from_millis(100);

/// What was written.
#[derive(Debug)]
pub(super) struct Produced {
    pub(super) records: u64,
    /// Of values, before compression.
    pub(super) bytes: u64,
    /// From the first request to the last acknowledgement.
    pub(super) time: Duration,
    /// From sending a request to its acknowledgement.
    pub(super) latencies: Latencies,
}

/// A request under way.
#[derive(Debug)]
struct UnderWay {
    sent: Sent,
    at: Instant,
    records: u64,
}

/// Writes `records` records to all partitions of `topic` in turn.
pub(super) async fn produce(
    mut broker: Connection,
    topic: &Topic,
    records: u64,
    shape: &Shape,
    label: &str,
) -> Result<Produced, Failure> {
    let builders = builders(&mut broker, topic, shape).await?;
    let address = broker.address().to_owned();
    let (sender, receiver) = broker.split();
    let limit = usize::try_from(shape.in_flight).unwrap_or(1);
    let free = Semaphore::new(limit);
    let (under_way, answers) = mpsc::channel(limit);
    let progress = Progress::new(label, records);
    let mut writer = Writer {
        sender,
        topic,
        builders,
        payload: Payload::new(usize::try_from(shape.size).unwrap_or(1)),
        batch_bytes: usize::try_from(shape.batch_bytes).unwrap_or(1),
    };
    let begin = Instant::now();
    let writing = writer.run(records, &free, under_way);
    let reading = acknowledgements(receiver, &address, answers, &free, &progress);
    let ((), latencies) = tokio::try_join!(writing, reading)?;
    Ok(Produced {
        records,
        bytes: records.saturating_mul(u64::from(shape.size)),
        time: begin.elapsed(),
        latencies,
    })
}

/// A builder of batches for each partition.
async fn builders(
    broker: &mut Connection,
    topic: &Topic,
    shape: &Shape,
) -> Result<Vec<BatchBuilder>, Failure> {
    let producer = if shape.idempotent {
        Some(producer_id(broker).await?)
    } else {
        None
    };
    let builder = |_| {
        let builder = BatchBuilder::new().codec(shape.compression);
        match producer {
            Some((id, epoch)) => builder.producer(id, epoch, 0),
            None => builder,
        }
    };
    Ok((0..topic.partitions).map(builder).collect())
}

/// An id and epoch for an idempotent producer. Apache Kafka asks for patience after its start.
async fn producer_id(broker: &mut Connection) -> Result<(i64, i16), Failure> {
    let begin = Instant::now();
    loop {
        let answer = broker.call(&InitProducerIdRequest::default()).await?;
        let is_starting = matches!(
            answer.error_code,
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS | ErrorCode::COORDINATOR_NOT_AVAILABLE
        );
        if !is_starting || begin.elapsed() > PRODUCER_ID_TIMEOUT {
            refuse(answer.error_code, broker.address(), "get a producer id")?;
            return Ok((answer.producer_id, answer.producer_epoch));
        }
        tokio::time::sleep(PRODUCER_ID_PAUSE).await;
    }
}

/// Builds batches and sends them.
#[derive(Debug)]
struct Writer<'a> {
    sender: Sender,
    topic: &'a Topic,
    builders: Vec<BatchBuilder>,
    payload: Payload,
    batch_bytes: usize,
}

impl Writer<'_> {
    async fn run(
        &mut self,
        records: u64,
        free: &Semaphore,
        under_way: mpsc::Sender<UnderWay>,
    ) -> Result<(), Failure> {
        let mut left = records;
        let mut turn = 0;
        while left > 0 {
            let (batch, count) = self.batch(turn, left)?;
            let request = request(&self.topic.name, turn, batch);
            turn = (turn + 1) % self.topic.partitions;
            left -= count;
            let Ok(permit) = free.acquire().await else {
                break;
            };
            // Given back when the acknowledgement has come.
            permit.forget();
            let at = Instant::now();
            let sent = self.sender.send(&request).await?;
            let records = count;
            // Nobody listens once reading has failed, and then that failure is told.
            let _ = under_way.send(UnderWay { sent, at, records }).await;
        }
        Ok(())
    }

    /// The next batch of partition `turn`, of at most `left` records.
    fn batch(&mut self, turn: i32, left: u64) -> Result<(Bytes, u64), Failure> {
        let at = usize::try_from(turn).unwrap_or(0);
        let Some(builder) = self.builders.get_mut(at) else {
            return Ok((Bytes::new(), left));
        };
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let mut count = 0;
        let mut next_bytes = 0;
        while count < left && (count == 0 || builder.len_bytes() + next_bytes <= self.batch_bytes) {
            let before = builder.len_bytes();
            builder.append(now_ms, None, Some(self.payload.value()), &[])?;
            next_bytes = builder.len_bytes() - before;
            count += 1;
        }
        Ok((builder.finish()?.into(), count))
    }
}

/// A request with one batch for one partition.
pub(super) fn request(topic: &str, partition: i32, batch: Bytes) -> ProduceRequest {
    ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: ACK_TIMEOUT_MS,
        topic_data: vec![TopicProduceData {
            name: topic.to_owned(),
            partition_data: vec![PartitionProduceData {
                index: partition,
                records: Some(RecordSet::from(batch)),
            }],
        }],
    }
}

/// Whether everything in the request was stored.
pub(super) fn check(answer: &ProduceResponse, address: &str) -> Result<(), Failure> {
    for topic in &answer.responses {
        for partition in &topic.partition_responses {
            let what = format!("write to topic \"{}\"", topic.name);
            refuse(partition.error_code, address, &what)?;
        }
    }
    Ok(())
}

async fn acknowledgements(
    mut receiver: Receiver,
    address: &str,
    mut answers: mpsc::Receiver<UnderWay>,
    free: &Semaphore,
    progress: &Progress,
) -> Result<Latencies, Failure> {
    let mut latencies = Latencies::default();
    let mut done = 0;
    while let Some(request) = answers.recv().await {
        let answer = receiver.receive::<ProduceRequest>(request.sent).await?;
        latencies.record(request.at.elapsed());
        free.add_permits(1);
        check(&answer, address)?;
        done += request.records;
        progress.at(done);
    }
    Ok(latencies)
}
