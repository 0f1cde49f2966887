//! OffsetCommit, versions 2-9: how far a group has read; answered after the sync.
//!
//! Members commit in their generation; anybody may with generation -1 while the group has no
//! members. A partition that is not there, an offset below 0 and metadata above 4,096 bytes are
//! refused one by one; the others are committed together.
//! Ignored: `retention_time_ms` (versions 2-4); offsets are kept 7 days after the group is empty.

use super::super::dispatch::Context;
use super::super::error::of_group;
use crate::group::limits::OFFSET_METADATA_BYTES_MAX;
use crate::group::state::Committer;
use crate::group::{Commit, Error, GroupId};
use crate::kafka::{
    ErrorCode, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::topic::{Offset, PartitionId, TopicName};

pub(in crate::serve::kafka) async fn handle_offset_commit(
    context: Context<'_>,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let mut commits = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for wanted in asked.partitions {
            let partition_index = wanted.partition_index;
            let error_code = match commit(context, &asked.name, wanted) {
                Ok(commit) => {
                    commits.push(commit);
                    ErrorCode::NONE
                }
                Err(code) => code,
            };
            partitions.push(OffsetCommitResponsePartition {
                partition_index,
                error_code,
            });
        }
        topics.push(OffsetCommitResponseTopic {
            name: asked.name,
            partitions,
        });
    }
    let by = Committer {
        member: &request.member_id,
        generation: request.generation_id_or_member_epoch,
        instance: request.group_instance_id.as_deref(),
    };
    let outcome = match GroupId::parse(&request.group_id) {
        Ok(group) => context.broker.groups.commit(&group, by, commits).await,
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        let code = match &error {
            Error::LimitReached { .. } => ErrorCode::INVALID_COMMIT_OFFSET_SIZE,
            // What Kafka answers to a commit for a share group.
            Error::OtherKind { .. } => ErrorCode::GROUP_ID_NOT_FOUND,
            other => of_group(other),
        };
        for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            if !partition.error_code.is_error() {
                partition.error_code = code;
            }
        }
    }
    OffsetCommitResponse {
        topics,
        ..OffsetCommitResponse::default()
    }
}

fn commit(
    context: Context<'_>,
    topic: &str,
    wanted: OffsetCommitRequestPartition,
) -> Result<Commit, ErrorCode> {
    context.broker.access.read(topic)?;
    let partition = PartitionId(wanted.partition_index);
    let found = context.broker.log.topic(topic);
    let is_there = found.is_some_and(|topic| topic.partition(partition).is_some());
    let name = TopicName::parse(topic).ok().filter(|_| is_there);
    let topic = name.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if wanted.committed_offset < 0 {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let metadata = wanted.committed_metadata.unwrap_or_default();
    if metadata.len() > OFFSET_METADATA_BYTES_MAX {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    Ok(Commit {
        topic,
        partition,
        offset: Offset(wanted.committed_offset),
        leader_epoch: wanted.committed_leader_epoch,
        metadata,
    })
}
