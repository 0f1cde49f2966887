//! OffsetFetch, versions 1-9: what groups committed.
//!
//! -1 for a partition without an offset; all partitions that have one where no topics are named
//! (version 2 and later). Several groups from version 8 on. What is
//! asked for twice is answered once. Ignored: `require_stable` (nothing is
//! transactional), member id and epoch (of the newer group protocol).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::super::dispatch::Context;
use super::super::error::of_group;
use crate::group::GroupId;
use crate::group::state::Committed;
use crate::kafka::{
    ErrorCode, OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
};
use crate::topic::PartitionId;

pub(in crate::serve::kafka) fn handle_offset_fetch(
    context: Context<'_>,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    if context.caller.version >= 8 {
        let mut seen = HashSet::new();
        let once = |group: &OffsetFetchRequestGroup| seen.insert(group.group_id.clone());
        let groups = request.groups.into_iter().filter(once);
        return OffsetFetchResponse {
            groups: groups
                .map(|group| fetch(context, group.group_id, group.topics))
                .collect(),
            ..OffsetFetchResponse::default()
        };
    }
    let fetched = fetch(context, request.group_id, request.topics);
    OffsetFetchResponse {
        topics: fetched.topics,
        error_code: fetched.error_code,
        ..OffsetFetchResponse::default()
    }
}

fn fetch(
    context: Context<'_>,
    group: String,
    topics: Option<Vec<OffsetFetchRequestTopic>>,
) -> OffsetFetchResponseGroup {
    if let Err(error) = GroupId::parse(&group) {
        let code = of_group(&error);
        return OffsetFetchResponseGroup {
            topics: failed(topics.unwrap_or_default(), code),
            error_code: code,
            group_id: group,
        };
    }
    let topics = match topics {
        Some(topics) => named(context, &group, topics),
        None => all(context, &group),
    };
    OffsetFetchResponseGroup {
        group_id: group,
        topics,
        error_code: ErrorCode::NONE,
    }
}

fn named(
    context: Context<'_>,
    group: &str,
    topics: Vec<OffsetFetchRequestTopic>,
) -> Vec<OffsetFetchResponseTopic> {
    let groups = &context.broker.groups;
    let mut wanted = BTreeMap::<String, BTreeSet<i32>>::new();
    for asked in topics {
        wanted
            .entry(asked.name)
            .or_default()
            .extend(asked.partition_indexes);
    }
    let answered = wanted.into_iter().map(|(name, indexes)| {
        let partitions = indexes.into_iter().map(|index| {
            let committed = groups.fetch(group, &name, PartitionId(index));
            respond(index, committed)
        });
        OffsetFetchResponseTopic {
            partitions: partitions.collect(),
            name,
        }
    });
    answered.collect()
}

fn all(context: Context<'_>, group: &str) -> Vec<OffsetFetchResponseTopic> {
    let mut topics = BTreeMap::<String, Vec<OffsetFetchResponsePartition>>::new();
    for fetched in context.broker.groups.fetch_all(group) {
        let partition = respond(fetched.partition.0, Some(fetched.committed));
        topics
            .entry(fetched.topic.to_string())
            .or_default()
            .push(partition);
    }
    let topics = topics.into_iter();
    topics
        .map(|(name, partitions)| OffsetFetchResponseTopic { name, partitions })
        .collect()
}

fn respond(partition_index: i32, committed: Option<Committed>) -> OffsetFetchResponsePartition {
    match committed {
        Some(committed) => OffsetFetchResponsePartition {
            partition_index,
            committed_offset: committed.offset.0,
            committed_leader_epoch: committed.leader_epoch,
            metadata: Some(committed.metadata),
            error_code: ErrorCode::NONE,
        },
        None => OffsetFetchResponsePartition {
            partition_index,
            metadata: Some(String::new()),
            ..OffsetFetchResponsePartition::default()
        },
    }
}

/// Version 1 has room for an error only beside partitions.
fn failed(
    topics: Vec<OffsetFetchRequestTopic>,
    error_code: ErrorCode,
) -> Vec<OffsetFetchResponseTopic> {
    let failed = topics.into_iter().map(|asked| {
        let partitions = asked
            .partition_indexes
            .iter()
            .map(|index| OffsetFetchResponsePartition {
                error_code,
                ..respond(*index, None)
            });
        OffsetFetchResponseTopic {
            partitions: partitions.collect(),
            name: asked.name,
        }
    });
    failed.collect()
}
