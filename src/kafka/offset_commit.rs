//! `OffsetCommit` (8), versions 2 to 9: stores a group's positions.
//!
//! The retention time of versions 2 to 4 is read; whoever serves the request decides about it.
//! Version 10 (topic ids) is not spoken.

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(OffsetCommitRequest => OffsetCommitResponse, OffsetCommit);

message! {
    /// Positions of a group.
    OffsetCommitRequest {
        group_id: String => ..;
        generation_id_or_member_epoch: i32 => 1.., default -1;
        member_id: String => 1..;
        group_instance_id: Option<String> => 7..;
        retention_time_ms: i64 => 2..=4, default -1;
        topics: Vec<OffsetCommitRequestTopic> => ..;
    }
}

message! {
    /// Positions in one topic.
    OffsetCommitRequestTopic {
        name: String => ..;
        partitions: Vec<OffsetCommitRequestPartition> => ..;
    }
}

message! {
    /// The position in one partition.
    OffsetCommitRequestPartition {
        partition_index: i32 => ..;
        committed_offset: i64 => ..;
        committed_leader_epoch: i32 => 6.., default -1;
        committed_metadata: Option<String> => ..;
    }
}

message! {
    /// What became of the positions.
    OffsetCommitResponse {
        throttle_time_ms: i32 => 3..;
        topics: Vec<OffsetCommitResponseTopic> => ..;
    }
}

message! {
    /// The partitions of one topic.
    OffsetCommitResponseTopic {
        name: String => ..;
        partitions: Vec<OffsetCommitResponsePartition> => ..;
    }
}

message! {
    /// What became of one position.
    OffsetCommitResponsePartition {
        partition_index: i32 => ..;
        error_code: ErrorCode => ..;
    }
}
