//! Groups over the wire: joining, committing, and what a restart keeps.

use bytes::Bytes;

use super::support::{Client, Node, batch};
use crate::group::GroupId;
use crate::kafka::{
    DeleteGroupsRequest, DescribeGroupsRequest, ErrorCode, HeartbeatRequest, JoinGroupRequest,
    JoinGroupRequestProtocol, JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest,
    MemberIdentity, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, SyncGroupRequest,
    SyncGroupRequestAssignment,
};
use crate::serve::kafka::Config;
use crate::topic::{Offset, PartitionId, TopicName};

fn joining(member: &str, instance: Option<&str>) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: "g".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member.to_owned(),
        group_instance_id: instance.map(str::to_owned),
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned(),
            metadata: Bytes::from_static(b"topics"),
        }],
        ..JoinGroupRequest::default()
    }
}

/// Joins with the two steps of version 4 and later.
async fn join(client: &mut Client) -> JoinGroupResponse {
    let told = client.call(9, &joining("", None)).await;
    assert_eq!(told.error_code, ErrorCode::MEMBER_ID_REQUIRED);
    client.call(9, &joining(&told.member_id, None)).await
}

async fn sync(client: &mut Client, joined: &JoinGroupResponse, assignment: &[u8]) -> Bytes {
    let request = SyncGroupRequest {
        group_id: "g".to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: joined.member_id.clone(),
            assignment: Bytes::copy_from_slice(assignment),
        }],
        ..SyncGroupRequest::default()
    };
    let response = client.call(5, &request).await;
    assert_eq!(response.error_code, ErrorCode::NONE);
    response.assignment
}

fn committing(member: &str, generation: i32, offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: "g".to_owned(),
        generation_id_or_member_epoch: generation,
        member_id: member.to_owned(),
        topics: vec![OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: 0,
                committed_offset: offset,
                committed_metadata: Some("note".to_owned()),
                ..OffsetCommitRequestPartition::default()
            }],
        }],
        ..OffsetCommitRequest::default()
    }
}

async fn commit(client: &mut Client, request: &OffsetCommitRequest) -> ErrorCode {
    client.call(9, request).await.topics[0].partitions[0].error_code
}

async fn committed(client: &mut Client) -> i64 {
    let request = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: "g".to_owned(),
            topics: Some(vec![OffsetFetchRequestTopic {
                name: "t".to_owned(),
                partition_indexes: vec![0],
            }]),
            ..OffsetFetchRequestGroup::default()
        }],
        ..OffsetFetchRequest::default()
    };
    client.call(9, &request).await.groups[0].topics[0].partitions[0].committed_offset
}

#[tokio::test]
async fn a_member_joins_syncs_commits_and_leaves() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let joined = join(&mut client).await;
    assert_eq!(
        (joined.error_code, joined.generation_id),
        (ErrorCode::NONE, 1)
    );
    assert_eq!(
        (joined.leader.clone(), joined.members.len()),
        (joined.member_id.clone(), 1)
    );
    assert_eq!(sync(&mut client, &joined, b"all").await, "all");
    let beat = HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id: 1,
        member_id: joined.member_id.clone(),
        ..HeartbeatRequest::default()
    };
    assert_eq!(client.call(4, &beat).await.error_code, ErrorCode::NONE);
    let request = committing(&joined.member_id, 1, 7);
    assert_eq!(commit(&mut client, &request).await, ErrorCode::NONE);
    assert_eq!(committed(&mut client).await, 7);
    for (member, generation, wanted) in [
        (joined.member_id.as_str(), 0, ErrorCode::ILLEGAL_GENERATION),
        ("forged", 1, ErrorCode::UNKNOWN_MEMBER_ID),
        ("", -1, ErrorCode::UNKNOWN_MEMBER_ID),
    ] {
        let request = committing(member, generation, 99);
        assert_eq!(commit(&mut client, &request).await, wanted);
    }
    let leave = LeaveGroupRequest {
        group_id: "g".to_owned(),
        members: vec![MemberIdentity {
            member_id: joined.member_id.clone(),
            ..MemberIdentity::default()
        }],
        ..LeaveGroupRequest::default()
    };
    let left = client.call(5, &leave).await;
    assert_eq!(left.members[0].error_code, ErrorCode::NONE);
    assert_eq!(
        client.call(4, &beat).await.error_code,
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    assert_eq!(committed(&mut client).await, 7, "offsets stay");
    node.stop().await;
}

#[tokio::test]
async fn two_members_share_through_a_rebalance() {
    let node = Node::start().await;
    let (mut one, mut two) = (node.client().await, node.client().await);
    let first = join(&mut one).await;
    sync(&mut one, &first, b"all").await;
    let told = two.call(9, &joining("", None)).await;
    two.send(9, &joining(&told.member_id, None)).await;
    let again = loop {
        let beat = HeartbeatRequest {
            group_id: "g".to_owned(),
            generation_id: first.generation_id,
            member_id: first.member_id.clone(),
            ..HeartbeatRequest::default()
        };
        if one.call(4, &beat).await.error_code == ErrorCode::REBALANCE_IN_PROGRESS {
            break one.call(9, &joining(&first.member_id, None)).await;
        }
    };
    let (_, second) = two.receive::<JoinGroupRequest>(9).await;
    assert_eq!((again.generation_id, second.generation_id), (2, 2));
    assert_eq!((again.members.len(), second.members.len()), (2, 0));
    let follower = SyncGroupRequest {
        group_id: "g".to_owned(),
        generation_id: 2,
        member_id: second.member_id.clone(),
        ..SyncGroupRequest::default()
    };
    two.send(5, &follower).await;
    let leader = SyncGroupRequest {
        assignments: [(&again.member_id, "0"), (&second.member_id, "1")]
            .into_iter()
            .map(|(member, assignment)| SyncGroupRequestAssignment {
                member_id: member.clone(),
                assignment: Bytes::from_static(assignment.as_bytes()),
            })
            .collect(),
        member_id: again.member_id.clone(),
        ..follower.clone()
    };
    assert_eq!(one.call(5, &leader).await.assignment, "0");
    let (_, synced) = two.receive::<SyncGroupRequest>(5).await;
    assert_eq!(synced.assignment, "1");
    node.stop().await;
}

#[tokio::test]
async fn offsets_and_members_survive_a_restart() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    let joined = join(&mut client).await;
    sync(&mut client, &joined, b"all").await;
    for offset in 1..=50 {
        let request = committing(&joined.member_id, joined.generation_id, offset);
        assert_eq!(commit(&mut client, &request).await, ErrorCode::NONE);
    }
    let node = node.restart().await;
    let mut client = node.client().await;
    assert_eq!(committed(&mut client).await, 50);
    let beat = HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..HeartbeatRequest::default()
    };
    assert_eq!(client.call(4, &beat).await.error_code, ErrorCode::NONE);
    assert_eq!(sync(&mut client, &joined, b"").await, "all");
    let request = DescribeGroupsRequest {
        groups: vec!["g".to_owned(), "missing".to_owned()],
        ..DescribeGroupsRequest::default()
    };
    let response = client.call(6, &request).await;
    assert_eq!(response.groups[0].group_state, "Stable");
    assert_eq!(response.groups[0].members[0].client_host, "/127.0.0.1");
    assert_eq!(response.groups[1].error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    let response = client.call(5, &request).await;
    assert_eq!(response.groups[1].group_state, "Dead");
    node.stop().await;
}

#[tokio::test]
async fn offsets_of_all_topics_are_fetched_in_every_version() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    assert_eq!(
        commit(&mut client, &committing("", -1, 3)).await,
        ErrorCode::NONE
    );
    for version in 2..=9 {
        let request = OffsetFetchRequest {
            group_id: "g".to_owned(),
            topics: None,
            groups: vec![OffsetFetchRequestGroup {
                group_id: "g".to_owned(),
                topics: None,
                ..OffsetFetchRequestGroup::default()
            }],
            require_stable: false,
        };
        let response = client.call(version, &request).await;
        let topics = match response.groups.first() {
            Some(group) => &group.topics,
            None => &response.topics,
        };
        let partition = &topics[0].partitions[0];
        assert_eq!(partition.committed_offset, 3, "version {version}");
        assert_eq!(partition.metadata.as_deref(), Some("note"));
    }
    node.stop().await;
}

#[tokio::test]
async fn commits_that_cannot_be_are_refused_one_by_one() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 2, &[]).await;
    let mut request = committing("", -1, 5);
    let one = request.topics[0].partitions[0].clone();
    let more = [
        (1, -1, String::new()),
        (1, 1, "x".repeat(5_000)),
        (2, 1, String::new()),
        (-1, 1, String::new()),
    ];
    for (partition_index, committed_offset, metadata) in more {
        request.topics[0]
            .partitions
            .push(OffsetCommitRequestPartition {
                partition_index,
                committed_offset,
                committed_metadata: Some(metadata),
                ..one.clone()
            });
    }
    let response = client.call(9, &request).await;
    let codes: Vec<ErrorCode> = response.topics[0]
        .partitions
        .iter()
        .map(|partition| partition.error_code)
        .collect();
    assert_eq!(
        codes,
        [
            ErrorCode::NONE,
            ErrorCode::INVALID_REQUEST,
            ErrorCode::OFFSET_METADATA_TOO_LARGE,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ]
    );
    assert_eq!(committed(&mut client).await, 5);
    for group_id in ["", "push.x", "source.x", &"x".repeat(5_000)] {
        let request = OffsetCommitRequest {
            group_id: group_id.to_owned(),
            ..committing("", -1, 1)
        };
        assert_eq!(
            commit(&mut client, &request).await,
            ErrorCode::INVALID_GROUP_ID
        );
    }
    node.stop().await;
}

#[tokio::test]
async fn a_topic_made_again_is_read_from_its_beginning() {
    let admin = Config {
        anonymous_admin: true,
        ..Config::default()
    };
    let node = Node::with(admin).await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    assert_eq!(
        commit(&mut client, &committing("", -1, 9)).await,
        ErrorCode::NONE
    );
    let name = TopicName::parse("t").unwrap();
    node.log.delete_topic(&name).await.unwrap();
    client.create("t", 1, &[]).await;
    assert_eq!(
        committed(&mut client).await,
        -1,
        "by the topic's id, without its tombstones"
    );
    assert!(node.groups.lag().is_empty());
    node.groups.topic_deleted(&name).await.unwrap();
    assert!(node.groups.fetch_all("g").is_empty());
    node.stop().await;
}

#[tokio::test]
async fn groups_are_listed_filtered_and_deleted() {
    let admin = Config {
        anonymous_admin: true,
        ..Config::default()
    };
    let node = Node::with(admin).await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    assert_eq!(
        commit(&mut client, &committing("", -1, 9)).await,
        ErrorCode::NONE
    );
    let listing = |state: &str, kind: &str| {
        let filter = |text: &str| match text {
            "" => Vec::new(),
            text => vec![text.to_owned()],
        };
        ListGroupsRequest {
            states_filter: filter(state),
            types_filter: filter(kind),
        }
    };
    for (state, kind, count) in [
        ("", "", 1),
        ("empty", "", 1),
        ("Stable", "", 0),
        ("", "Classic", 1),
        ("", "share", 0),
    ] {
        let response = client.call(5, &listing(state, kind)).await;
        assert_eq!(response.groups.len(), count, "{state} {kind}");
    }
    let joined = join(&mut client).await;
    sync(&mut client, &joined, b"").await;
    let deleting = |group: &str| DeleteGroupsRequest {
        groups_names: vec![group.to_owned()],
    };
    let response = client.call(2, &deleting("g")).await;
    assert_eq!(response.results[0].error_code, ErrorCode::NON_EMPTY_GROUP);
    let response = client.call(2, &deleting("missing")).await;
    assert_eq!(
        response.results[0].error_code,
        ErrorCode::GROUP_ID_NOT_FOUND
    );
    let leave = LeaveGroupRequest {
        group_id: "g".to_owned(),
        member_id: joined.member_id,
        ..LeaveGroupRequest::default()
    };
    client.call(1, &leave).await;
    let response = client.call(2, &deleting("g")).await;
    assert_eq!(response.results[0].error_code, ErrorCode::NONE);
    assert_eq!(committed(&mut client).await, -1);
    let node = node.restart().await;
    assert!(node.groups.list().is_empty(), "{:?}", node.groups.list());
    node.stop().await;
}

#[tokio::test]
async fn anybody_uses_groups_but_only_administrators_delete_them() {
    let node = Node::start().await;
    let mut client = node.client().await;
    let request = DeleteGroupsRequest {
        groups_names: vec!["g".to_owned()],
    };
    let response = client.call(2, &request).await;
    let code = response.results[0].error_code;
    assert_eq!(code, ErrorCode::GROUP_AUTHORIZATION_FAILED);
    node.stop().await;
}

#[tokio::test]
async fn lag_counts_the_records_behind_the_committed_offset() {
    let node = Node::start().await;
    let mut client = node.client().await;
    client.create("t", 1, &[]).await;
    client
        .produce("t", 0, batch(&["a", "b", "c", "d", "e"]))
        .await;
    commit(&mut client, &committing("", -1, 2)).await;
    let lag = node.groups.lag();
    assert_eq!((lag.len(), lag[0].records, lag[0].end), (1, 3, Offset(5)));
    assert_eq!(node.groups.waiting_since_ms(&lag[0]).await, Some(1_000));
    let group = GroupId::parse("g").unwrap();
    let topic = TopicName::parse("t").unwrap();
    let to = |offset| vec![(topic.clone(), PartitionId(0), Offset(offset))];
    node.groups.seek(&group, to(5)).await.unwrap();
    let lag = node.groups.lag();
    assert_eq!(lag[0].records, 0);
    assert_eq!(node.groups.waiting_since_ms(&lag[0]).await, None);
    node.groups.seek(&group, to(i64::MAX)).await.unwrap();
    assert_eq!(node.groups.lag()[0].records, 0);
    let joined = join(&mut client).await;
    sync(&mut client, &joined, b"").await;
    assert!(
        node.groups.seek(&group, to(0)).await.is_err(),
        "it has a member"
    );
    node.stop().await;
}
