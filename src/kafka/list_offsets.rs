//! `ListOffsets` (2), versions 1 to 9: offsets by time.
//!
//! Special timestamps: -1 the end, -2 the start, -3 (version 7) the record with the largest
//! timestamp, -4 (version 8) the local start, -5 (version 9) the end of what is tiered.

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(ListOffsetsRequest => ListOffsetsResponse, ListOffsets);

message! {
    /// Asks for an offset per partition.
    ListOffsetsRequest {
        replica_id: i32 => .., default -1;
        isolation_level: i8 => 2..;
        topics: Vec<ListOffsetsTopic> => ..;
    }
}

message! {
    /// A topic.
    ListOffsetsTopic {
        name: String => ..;
        partitions: Vec<ListOffsetsPartition> => ..;
    }
}

message! {
    /// A partition and the time asked for.
    ListOffsetsPartition {
        partition_index: i32 => ..;
        current_leader_epoch: i32 => 4.., default -1;
        timestamp: i64 => ..;
    }
}

message! {
    /// The offsets.
    ListOffsetsResponse {
        throttle_time_ms: i32 => 2..;
        topics: Vec<ListOffsetsTopicResponse> => ..;
    }
}

message! {
    /// A topic.
    ListOffsetsTopicResponse {
        name: String => ..;
        partitions: Vec<ListOffsetsPartitionResponse> => ..;
    }
}

message! {
    /// A partition and its offset; -1 where there is none.
    ListOffsetsPartitionResponse {
        partition_index: i32 => ..;
        error_code: ErrorCode => ..;
        timestamp: i64 => 1.., default -1;
        offset: i64 => 1.., default -1;
        leader_epoch: i32 => 4.., default -1;
    }
}
