//! `OffsetFetch` (9), versions 1 to 9: reads groups' positions.
//!
//! One group up to version 7, several from 8 on. Null topics (version 2 and later) are all topics
//! that the group has positions in. Version 10 (topic ids) is not spoken.

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(OffsetFetchRequest => OffsetFetchResponse, OffsetFetch);

message! {
    /// Asks for positions.
    OffsetFetchRequest {
        group_id: String => ..=7;
        topics: Option<Vec<OffsetFetchRequestTopic>> => ..=7, null 2..;
        groups: Vec<OffsetFetchRequestGroup> => 8..;
        require_stable: bool => 7..;
    }
}

message! {
    /// Partitions of one topic.
    OffsetFetchRequestTopic {
        name: String => ..;
        partition_indexes: Vec<i32> => ..;
    }
}

message! {
    /// One group.
    OffsetFetchRequestGroup {
        group_id: String => 8..;
        member_id: Option<String> => 9..;
        member_epoch: i32 => 9.., default -1;
        topics: Option<Vec<OffsetFetchRequestTopic>> => 8..;
    }
}

message! {
    /// The positions.
    OffsetFetchResponse {
        throttle_time_ms: i32 => 3..;
        topics: Vec<OffsetFetchResponseTopic> => ..=7;
        error_code: ErrorCode => 2..=7;
        groups: Vec<OffsetFetchResponseGroup> => 8..;
    }
}

message! {
    /// Positions in one topic.
    OffsetFetchResponseTopic {
        name: String => ..;
        partitions: Vec<OffsetFetchResponsePartition> => ..;
    }
}

message! {
    /// The position in one partition; -1 where there is none.
    OffsetFetchResponsePartition {
        partition_index: i32 => ..;
        committed_offset: i64 => .., default -1;
        committed_leader_epoch: i32 => 5.., default -1;
        metadata: Option<String> => ..;
        error_code: ErrorCode => ..;
    }
}

message! {
    /// Positions of one group.
    OffsetFetchResponseGroup {
        group_id: String => 8..;
        topics: Vec<OffsetFetchResponseTopic> => 8..;
        error_code: ErrorCode => 8..;
    }
}
