//! `Fetch` (1), versions 4 to 17: reads record sets.
//!
//! Topics go by name up to version 12 and by id from 13. Sessions (version 7 and later) may be
//! declined by answering with session id 0. Version 18 is not spoken.

use uuid::Uuid;

use super::error_code::ErrorCode;
use super::leader::{LeaderIdAndEpoch, NodeEndpoint};
use super::record_set::RecordSet;
use super::table::{message, request};

request!(FetchRequest => FetchResponse, Fetch);

message! {
    /// Asks for records from an offset on, of any number of partitions.
    FetchRequest {
        cluster_id: Option<String> => 12.., tag 0;
        /// -1 for consumers.
        replica_id: i32 => ..=14, default -1;
        replica_state: ReplicaState => 15.., tag 1;
        /// How long to wait for `min_bytes`.
        max_wait_ms: i32 => ..;
        min_bytes: i32 => ..;
        max_bytes: i32 => 3.., default i32::MAX;
        /// 0: read uncommitted, 1: read committed.
        isolation_level: i8 => 4..;
        session_id: i32 => 7..;
        session_epoch: i32 => 7.., default -1;
        topics: Vec<FetchTopic> => ..;
        forgotten_topics_data: Vec<ForgottenTopic> => 7..;
        rack_id: String => 11..;
    }
}

message! {
    /// Which replica asks; none for consumers.
    ReplicaState {
        replica_id: i32 => 15.., default -1;
        replica_epoch: i64 => 15.., default -1;
    }
}

message! {
    /// A topic to be read.
    FetchTopic {
        topic: String => ..=12;
        topic_id: Uuid => 13..;
        partitions: Vec<FetchPartition> => ..;
    }
}

message! {
    /// A partition to be read.
    FetchPartition {
        partition: i32 => ..;
        current_leader_epoch: i32 => 9.., default -1;
        fetch_offset: i64 => ..;
        last_fetched_epoch: i32 => 12.., default -1;
        log_start_offset: i64 => 5.., default -1;
        partition_max_bytes: i32 => ..;
        replica_directory_id: Uuid => 17.., tag 0;
    }
}

message! {
    /// A topic that leaves the session.
    ForgottenTopic {
        topic: String => 7..=12;
        topic_id: Uuid => 13..;
        partitions: Vec<i32> => 7..;
    }
}

message! {
    /// What was read.
    FetchResponse {
        throttle_time_ms: i32 => 1..;
        error_code: ErrorCode => 7..;
        session_id: i32 => 7..;
        responses: Vec<FetchableTopicResponse> => ..;
        node_endpoints: Vec<NodeEndpoint> => 16.., tag 0;
    }
}

message! {
    /// What was read of one topic.
    FetchableTopicResponse {
        topic: String => ..=12;
        topic_id: Uuid => 13..;
        partitions: Vec<PartitionData> => ..;
    }
}

message! {
    /// What was read of one partition.
    PartitionData {
        partition_index: i32 => ..;
        error_code: ErrorCode => ..;
        high_watermark: i64 => ..;
        last_stable_offset: i64 => 4.., default -1;
        log_start_offset: i64 => 5.., default -1;
        diverging_epoch: EpochEndOffset => 12.., tag 0;
        current_leader: LeaderIdAndEpoch => 12.., tag 1;
        snapshot_id: SnapshotId => 12.., tag 2;
        aborted_transactions: Option<Vec<AbortedTransaction>> => 4..;
        preferred_read_replica: i32 => 11.., default -1;
        /// Whole batches, of which the first may begin before the offset asked for. Its chunks
        /// are sent as they are.
        records: Option<RecordSet> => ..;
    }
}

message! {
    /// Where a follower's log parts from the leader's.
    EpochEndOffset {
        epoch: i32 => 12.., default -1;
        end_offset: i64 => 12.., default -1;
    }
}

message! {
    /// A snapshot to be fetched first.
    SnapshotId {
        end_offset: i64 => .., default -1;
        epoch: i32 => .., default -1;
    }
}

message! {
    /// A transaction whose records a committed reader skips.
    AbortedTransaction {
        producer_id: i64 => 4..;
        first_offset: i64 => 4..;
    }
}
