//! Produce, versions 3-11 (advertised from 0; the codec's table says why).
//!
//! Each record set is one batch of format 2, in any codec. It is checked down to its records and
//! stored as it came, but for its base offset; the answer comes after the sync whatever `acks`
//! asks for (1 and -1 alike), and not at all for 0: an error then closes the connection, as in
//! Kafka. Each partition is an append of its own, so that one that is refused refuses no other.
//!
//! Idempotent producers are checked by the log; a batch that was stored before is answered with
//! its offset of then. Transactions are refused, as are timestamps more than an hour ahead (Kafka
//! 4's default), since retention would never reach them.
//! Ignored: `timeout_ms`; an append is answered when its outcome is known.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use super::super::broker::Broker;
use super::super::budget::UNPACKED_BYTES_MAX;
use super::super::dispatch::{Answer, Call, Refusal, encode};
use super::super::error::{of_log, of_record};
use crate::error::chain;
use crate::kafka::{
    ErrorCode, PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    RecordSet, TopicProduceResponse,
};
use crate::log::{self, Append, Origin, Partition, PartitionBatch, Ticket, Topic, Written};
use crate::record::{BatchHeader, Codec, Limits, set_max_timestamp, verify_produced};
use crate::topic::PartitionId;

/// Kafka 4's `log.message.timestamp.after.max.ms`.
const AHEAD_MS_MAX: i64 = 3_600_000;
/// Kafka takes one batch for a partition in these versions.
const BATCHES_MAX: usize = 1;

/// What becomes of one partition's record set.
enum Outcome {
    Refused(ErrorCode, String),
    Submitted(Ticket),
}

struct Submitted {
    name: String,
    partitions: Vec<(i32, Outcome)>,
}

pub(in crate::serve::kafka) async fn dispatch(call: &Call<'_>) -> Result<Answer, Refusal> {
    let request = call.decode::<ProduceRequest>()?;
    let (version, correlation_id) = (call.version(), call.correlation_id());
    let wants_answer = request.acks != 0;
    let submitted = submit(call.broker, request).await;
    Ok(Answer::Later(Box::pin(async move {
        let (response, is_stored) = settle(submitted).await;
        if wants_answer {
            return encode::<ProduceRequest>(version, correlation_id, &response).map(Some);
        }
        if is_stored {
            Ok(None)
        } else {
            Err(Refusal::Unacknowledged)
        }
    })))
}

/// Checks all record sets and hands the good ones to the log, in their order.
async fn submit(broker: &Arc<Broker>, request: ProduceRequest) -> Vec<Submitted> {
    let refusal = match request.acks {
        _ if request.transactional_id.is_some() => Some((
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "transactions are not supported",
        )),
        -1..=1 => None,
        _ => Some((ErrorCode::INVALID_REQUIRED_ACKS, "acks must be 0, 1 or -1")),
    };
    let mut seen = HashSet::new();
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for data in request.topic_data {
        let topic = match refusal {
            Some((code, why)) => Err((code, why.to_owned())),
            None => writable(broker, &data.name),
        };
        let mut partitions = Vec::with_capacity(data.partition_data.len());
        for part in data.partition_data {
            let index = part.index;
            let outcome = match &topic {
                Err((code, why)) => Err((*code, why.clone())),
                Ok(topic) if !seen.insert((topic.id, index)) => {
                    let why = "the request has this partition twice".to_owned();
                    Err((ErrorCode::INVALID_REQUEST, why))
                }
                Ok(topic) => submit_partition(broker, topic, part).await,
            };
            let outcome = match outcome {
                Ok(ticket) => Outcome::Submitted(ticket),
                Err((code, why)) => Outcome::Refused(code, why),
            };
            partitions.push((index, outcome));
        }
        topics.push(Submitted {
            name: data.name,
            partitions,
        });
    }
    topics
}

fn writable(broker: &Broker, name: &str) -> Result<Arc<Topic>, (ErrorCode, String)> {
    let allowed = broker.access.write(name, &*broker.ownership);
    allowed.map_err(|denied| (ErrorCode::TOPIC_AUTHORIZATION_FAILED, denied.0))?;
    let topic = broker.log.topic(name);
    topic.ok_or_else(|| {
        let why = "there is no such topic".to_owned();
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, why)
    })
}

async fn submit_partition(
    broker: &Arc<Broker>,
    topic: &Topic,
    data: PartitionProduceData,
) -> Result<Ticket, (ErrorCode, String)> {
    let Some(partition) = topic.partition(PartitionId(data.index)) else {
        let why = format!("the topic has {} partitions", topic.partitions().len());
        return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, why));
    };
    let records = data.records.map(RecordSet::into_bytes).unwrap_or_default();
    let limits = Limits {
        batches_max: BATCHES_MAX,
        batch_bytes_max: usize::try_from(topic.config().max_message_bytes).unwrap_or(usize::MAX),
        decompressed_bytes_max: UNPACKED_BYTES_MAX,
    };
    // Back-pressure: the client waits in its socket while the disk is behind.
    broker.log.room().await;
    let bytes = check(broker, records, limits).await?;
    Ok(broker.log.submit(Append {
        origin: Origin::Outside,
        batches: vec![PartitionBatch {
            partition: Arc::<Partition>::clone(partition),
            bytes,
        }],
    }))
}

/// Checks a record set and copies it for the log, which writes its offsets into it. Compressed
/// ones are unpacked on a thread that may be kept busy.
async fn check(
    broker: &Broker,
    records: Bytes,
    limits: Limits,
) -> Result<Vec<u8>, (ErrorCode, String)> {
    let now_ms = broker.clock.now_ms();
    let first = BatchHeader::parse(&records);
    let is_packed = first.is_ok_and(|header| header.codec().is_ok_and(|c| c != Codec::None));
    if !is_packed {
        return check_now(&records, &limits, now_ms);
    }
    let turn = broker.budget.unpacking().await;
    let checked = tokio::task::spawn_blocking(move || {
        let checked = check_now(&records, &limits, now_ms);
        drop(turn);
        checked
    });
    checked.await.unwrap_or_else(|_| {
        let why = "the check of the records broke off".to_owned();
        Err((ErrorCode::UNKNOWN_SERVER_ERROR, why))
    })
}

fn check_now(records: &[u8], limits: &Limits, now_ms: i64) -> Result<Vec<u8>, (ErrorCode, String)> {
    let verified = verify_produced(records, limits);
    let headers = verified.map_err(|error| (of_record(&error), chain(&error)))?;
    let mut bytes = records.to_vec();
    for header in &headers {
        if header.max_timestamp > now_ms.saturating_add(AHEAD_MS_MAX) {
            let why = format!("a timestamp ({} ms) is too far ahead", header.max_timestamp);
            return Err((ErrorCode::INVALID_TIMESTAMP, why));
        }
    }
    if let [header] = headers.as_slice() {
        let sent = BatchHeader::parse(&bytes);
        if sent.is_ok_and(|sent| sent.max_timestamp != header.max_timestamp) {
            // Some producers leave the field to the broker.
            set_max_timestamp(&mut bytes, header.max_timestamp);
        }
    }
    Ok(bytes)
}

/// Waits for the log's answers; whether all is stored.
async fn settle(topics: Vec<Submitted>) -> (ProduceResponse, bool) {
    let mut is_stored = true;
    let mut responses = Vec::with_capacity(topics.len());
    for topic in topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for (index, outcome) in topic.partitions {
            let outcome = match outcome {
                Outcome::Refused(code, why) => Err((code, why)),
                Outcome::Submitted(ticket) => written(ticket.await, &topic.name, index),
            };
            is_stored &= outcome.is_ok();
            partitions.push(respond(index, outcome));
        }
        responses.push(TopicProduceResponse {
            name: topic.name,
            partition_responses: partitions,
        });
    }
    let response = ProduceResponse {
        responses,
        ..ProduceResponse::default()
    };
    (response, is_stored)
}

fn written(
    outcome: Result<log::Appended, log::Error>,
    topic: &str,
    partition: i32,
) -> Result<Written, (ErrorCode, String)> {
    let appended = outcome.map_err(|error| {
        let (code, why) = (of_log(&error), chain(&error));
        tracing::debug!(topic, partition, why, "did not store produced records");
        (code, why)
    })?;
    appended.batches.first().copied().ok_or_else(|| {
        let why = "the log gave no answer".to_owned();
        (ErrorCode::UNKNOWN_SERVER_ERROR, why)
    })
}

fn respond(index: i32, outcome: Result<Written, (ErrorCode, String)>) -> PartitionProduceResponse {
    match outcome {
        Ok(written) => PartitionProduceResponse {
            index,
            base_offset: written.base_offset.0,
            log_start_offset: written.log_start.0,
            ..PartitionProduceResponse::default()
        },
        Err((error_code, why)) => PartitionProduceResponse {
            index,
            error_code,
            base_offset: -1,
            error_message: Some(why),
            ..PartitionProduceResponse::default()
        },
    }
}
