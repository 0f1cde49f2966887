//! Fetch, versions 4-17: whole batches from an offset on, as they are stored.
//!
//! Answers at once when there are `min_bytes`, an error, or nothing to wait for; otherwise when
//! records came or `max_wait_ms` (at most [`WAIT_MS_MAX`]) is over. The first partition that has
//! records gives at least one batch, however large. Topics go by id from version 13 on. An offset
//! outside of what the partition holds is error 1 with the partition's bounds; a leader epoch
//! above ours is error 75.
//!
//! Sessions are declined: every answer has session id 0, and a request that claims a session gets
//! an error that makes the client begin anew. Nothing is transactional, so both isolation levels
//! read to the end.
//! Ignored: rack, replica id (followers read like consumers), forgotten topics, `cluster_id`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::super::broker::{Broker, LEADER_EPOCH};
use super::super::budget::{Share, shrink};
use super::super::dispatch::{Answer, Call, Context, Refusal};
use super::super::error::of_log;
use crate::kafka::{
    ErrorCode, FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse,
    PartitionData, RecordSet,
};
use crate::log::{Partition, Topic};
use crate::metrics::names;
use crate::topic::{Offset, PartitionId};

/// No fetch waits longer, whatever it asks for; clients ask for 0.5 to 5 s.
const WAIT_MS_MAX: i32 = 30_000;
/// Bytes of one answer; the largest batch there may be fits.
const BYTES_MAX: usize = 16 << 20;

pub(in crate::serve::kafka) async fn dispatch(call: &Call<'_>) -> Result<Answer, Refusal> {
    let request = call.decode::<FetchRequest>()?;
    let (response, share) = handle_fetch(call.context(), request).await;
    Ok(Answer::Now(call.encode::<FetchRequest>(&response)?, share))
}

pub(in crate::serve::kafka) async fn handle_fetch(
    context: Context<'_>,
    request: FetchRequest,
) -> (FetchResponse, Option<Share>) {
    if let Some(error_code) = check_session(&request, context.caller.version) {
        let refused = FetchResponse {
            error_code,
            ..FetchResponse::default()
        };
        return (refused, None);
    }
    let fetch = Fetch {
        broker: context.broker,
        wants_aborted: request.isolation_level != 0,
        by_id: context.caller.version >= 13,
        bytes_max: usize::try_from(request.max_bytes)
            .unwrap_or(0)
            .min(BYTES_MAX),
        bytes_min: usize::try_from(request.min_bytes)
            .unwrap_or(0)
            .min(BYTES_MAX),
    };
    let wait_ms = request.max_wait_ms.clamp(0, WAIT_MS_MAX).unsigned_abs();
    let deadline = Instant::now() + Duration::from_millis(u64::from(wait_ms));
    let topics = fetch.resolve(request.topics);
    let mut worked = Duration::ZERO;
    loop {
        let began = Instant::now();
        let round = fetch.round(&topics).await;
        worked += began.elapsed();
        let is_over = Instant::now() >= deadline || context.broker.draining.is_cancelled();
        if round.is_complete || is_over || round.waiting.is_empty() {
            metrics::histogram!(names::FETCH_SECONDS).record(worked.as_secs_f64());
            let response = FetchResponse {
                responses: round.responses,
                ..FetchResponse::default()
            };
            return (response, round.share);
        }
        let waiting = round.waiting;
        drop((round.responses, round.share));
        tokio::select! {
            // The outcome is seen by the next round.
            _ = timeout_at(deadline, context.broker.log.wait_for(&waiting)) => {}
            () = context.broker.draining.cancelled() => {}
        }
    }
}

/// Epoch 0 asks for a session and -1 ends one: both are answered without. Any other epoch goes on
/// with a session there never was.
fn check_session(request: &FetchRequest, version: i16) -> Option<ErrorCode> {
    match (request.session_id, request.session_epoch) {
        _ if version < 7 => None,
        (_, -1) | (0, 0) => None,
        (0, _) => Some(ErrorCode::INVALID_FETCH_SESSION_EPOCH),
        (_, _) => Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND),
    }
}

struct Fetch<'a> {
    broker: &'a Broker,
    wants_aborted: bool,
    by_id: bool,
    bytes_max: usize,
    bytes_min: usize,
}

/// A topic asked for, as it is found.
struct Asked {
    request: FetchTopic,
    topic: Result<Arc<Topic>, ErrorCode>,
}

/// What one look at all partitions gave.
struct Round {
    responses: Vec<FetchableTopicResponse>,
    /// There are bytes enough, or an error that the client should not wait for.
    is_complete: bool,
    /// Partitions with the ends that were seen.
    waiting: Vec<(Arc<Partition>, Offset)>,
    share: Option<Share>,
}

/// What a round has taken so far.
struct Taken {
    bytes: usize,
    has_error: bool,
    waiting: Vec<(Arc<Partition>, Offset)>,
    share: Option<Share>,
}

impl Fetch<'_> {
    fn resolve(&self, topics: Vec<FetchTopic>) -> Vec<Asked> {
        let asked = topics.into_iter().map(|request| Asked {
            topic: self.find(&request),
            request,
        });
        asked.collect()
    }

    fn find(&self, asked: &FetchTopic) -> Result<Arc<Topic>, ErrorCode> {
        let log = &self.broker.log;
        let found = if self.by_id {
            let topic = log.topic_by_id(asked.topic_id);
            topic.ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
        } else {
            self.broker.access.read(&asked.topic)?;
            let topic = log.topic(&asked.topic);
            topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        };
        let topic = found?;
        self.broker.access.read(topic.name.as_str())?;
        Ok(topic)
    }

    async fn round(&self, topics: &[Asked]) -> Round {
        let mut taken = Taken {
            bytes: 0,
            has_error: false,
            waiting: Vec::new(),
            share: None,
        };
        let mut responses = Vec::with_capacity(topics.len());
        for asked in topics {
            let mut partitions = Vec::with_capacity(asked.request.partitions.len());
            for wanted in &asked.request.partitions {
                let data = match &asked.topic {
                    Ok(topic) => self.partition(topic, wanted, &mut taken).await,
                    Err(code) => Err(refused(wanted, *code)),
                };
                let data = data.unwrap_or_else(|refused| {
                    taken.has_error = true;
                    refused
                });
                partitions.push(data);
            }
            responses.push(FetchableTopicResponse {
                topic: asked.request.topic.clone(),
                topic_id: asked.request.topic_id,
                partitions,
            });
        }
        if let Some(share) = &mut taken.share {
            shrink(share, taken.bytes);
        }
        Round {
            responses,
            is_complete: taken.has_error || taken.bytes >= self.bytes_min.max(1),
            waiting: taken.waiting,
            share: taken.share,
        }
    }

    /// Reads one partition; `Err` is an answer too, with an error code.
    async fn partition(
        &self,
        topic: &Topic,
        wanted: &FetchPartition,
        taken: &mut Taken,
    ) -> Result<PartitionData, PartitionData> {
        let Some(partition) = topic.partition(PartitionId(wanted.partition)) else {
            return Err(refused(wanted, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        };
        if wanted.current_leader_epoch > LEADER_EPOCH {
            return Err(refused(wanted, ErrorCode::UNKNOWN_LEADER_EPOCH));
        }
        let offset = Offset(wanted.fetch_offset);
        let (start, end) = (partition.start(), partition.end());
        let mut data = self.data(wanted, start, end);
        if offset < start || offset > end {
            data.error_code = ErrorCode::OFFSET_OUT_OF_RANGE;
            return Err(data);
        }
        let own_max = usize::try_from(wanted.partition_max_bytes).unwrap_or(0);
        let room = own_max.min(self.bytes_max.saturating_sub(taken.bytes));
        // At least one batch of the first partition that has any.
        if offset < end && (room > 0 || taken.bytes == 0) {
            if taken.share.is_none() {
                taken.share = Some(self.broker.budget.records(BYTES_MAX).await);
            }
            let read = self.broker.log.read(partition, offset, room.max(1)).await;
            let read = read.map_err(|error| PartitionData {
                error_code: of_log(&error),
                ..data.clone()
            })?;
            let records = RecordSet::from(read.chunks);
            let bytes = records.len_bytes();
            data = self.data(wanted, read.log_start, read.end);
            if taken.bytes == 0 || bytes <= room {
                taken.bytes += bytes;
                data.records = Some(records);
            }
        }
        taken
            .waiting
            .push((Arc::clone(partition), Offset(data.high_watermark)));
        Ok(data)
    }

    fn data(&self, wanted: &FetchPartition, start: Offset, end: Offset) -> PartitionData {
        PartitionData {
            partition_index: wanted.partition,
            high_watermark: end.0,
            last_stable_offset: end.0,
            log_start_offset: start.0,
            aborted_transactions: self.wants_aborted.then(Vec::new),
            records: Some(RecordSet::default()),
            ..PartitionData::default()
        }
    }
}

fn refused(wanted: &FetchPartition, error_code: ErrorCode) -> PartitionData {
    PartitionData {
        partition_index: wanted.partition,
        error_code,
        high_watermark: -1,
        records: Some(RecordSet::default()),
        ..PartitionData::default()
    }
}
