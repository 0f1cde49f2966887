//! ListOffsets, versions 1-9: the offset that belongs to a time.
//!
//! -1 is the end, -2 the start, -3 (version 7) the record with the largest timestamp, -4 (version
//! 8) the local start, which is the start here, -5 (version 9) the end of what is tiered, which is
//! nothing. Any other time gives the first record at or after it, with its timestamp, or -1.
//! Ignored: isolation level (nothing is transactional) and replica id.

use std::sync::Arc;

use super::super::broker::LEADER_EPOCH;
use super::super::dispatch::Context;
use super::super::error::of_log;
use crate::kafka::{
    ErrorCode, ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest,
    ListOffsetsResponse, ListOffsetsTopicResponse,
};
use crate::log::{self, Log, Partition, Topic};
use crate::topic::PartitionId;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

pub(in crate::serve::kafka) async fn handle_list_offsets(
    context: Context<'_>,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let broker = context.broker;
        let topic = match broker.access.read(&asked.name) {
            Ok(()) => broker
                .log
                .topic(&asked.name)
                .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            Err(code) => Err(code),
        };
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for wanted in &asked.partitions {
            let found = match &topic {
                Ok(topic) => find(context, topic, wanted).await,
                Err(code) => Err(*code),
            };
            partitions.push(respond(wanted.partition_index, found));
        }
        topics.push(ListOffsetsTopicResponse {
            name: asked.name,
            partitions,
        });
    }
    ListOffsetsResponse {
        topics,
        ..ListOffsetsResponse::default()
    }
}

/// Offset and timestamp; both -1 where there is none.
async fn find(
    context: Context<'_>,
    topic: &Topic,
    wanted: &ListOffsetsPartition,
) -> Result<(i64, i64), ErrorCode> {
    let partition = topic.partition(PartitionId(wanted.partition_index));
    let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if wanted.current_leader_epoch > LEADER_EPOCH {
        return Err(ErrorCode::UNKNOWN_LEADER_EPOCH);
    }
    let log = &context.broker.log;
    let version = context.caller.version;
    let found = match wanted.timestamp {
        LATEST => return Ok((partition.end().0, -1)),
        EARLIEST => return Ok((partition.start().0, -1)),
        EARLIEST_LOCAL if version >= 8 => return Ok((partition.start().0, -1)),
        LATEST_TIERED if version >= 9 => return Ok((-1, -1)),
        MAX_TIMESTAMP if version >= 7 => latest_by_time(log, partition).await,
        negative if negative < 0 => return Err(ErrorCode::UNSUPPORTED_VERSION),
        timestamp_ms => first_at(log, partition, timestamp_ms).await,
    };
    found.map_err(|error| of_log(&error))
}

async fn first_at(
    log: &Log,
    partition: &Arc<Partition>,
    timestamp_ms: i64,
) -> Result<(i64, i64), log::Error> {
    let found = log.offset_for_time(partition, timestamp_ms).await?;
    Ok(found.map_or((-1, -1), |(offset, timestamp)| (offset.0, timestamp)))
}

/// The record with the largest timestamp: the largest time that still finds one. Whether a record
/// at or after a time exists only changes once, so halving the range finds it in 63 steps.
async fn latest_by_time(log: &Log, partition: &Arc<Partition>) -> Result<(i64, i64), log::Error> {
    let mut best = first_at(log, partition, 0).await?;
    let mut above = i64::MAX;
    while best.0 >= 0 && best.1.saturating_add(1) < above {
        let low = best.1 + 1;
        let middle = low + (above - low) / 2;
        match first_at(log, partition, middle).await? {
            (-1, _) => above = middle,
            found => best = found,
        }
    }
    Ok(best)
}

fn respond(
    partition_index: i32,
    found: Result<(i64, i64), ErrorCode>,
) -> ListOffsetsPartitionResponse {
    match found {
        Ok((offset, timestamp)) => ListOffsetsPartitionResponse {
            partition_index,
            offset,
            timestamp,
            leader_epoch: if offset < 0 { -1 } else { LEADER_EPOCH },
            ..ListOffsetsPartitionResponse::default()
        },
        Err(error_code) => ListOffsetsPartitionResponse {
            partition_index,
            error_code,
            ..ListOffsetsPartitionResponse::default()
        },
    }
}
