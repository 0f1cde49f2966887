//! `Produce` (0), versions 3 to 11: appends record sets.
//!
//! Advertised from version 0 (`api.rs` says why). `acks` 0 gets no response at all. Versions 12
//! (transactions, second protocol) and 13 (topic ids) are not spoken.

use super::error_code::ErrorCode;
use super::leader::{LeaderIdAndEpoch, NodeEndpoint};
use super::record_set::RecordSet;
use super::table::{message, request};

request!(ProduceRequest => ProduceResponse, Produce);

message! {
    /// Record sets for any number of partitions.
    ProduceRequest {
        transactional_id: Option<String> => 3..;
        /// 0: do not answer, 1 and -1: answer when stored.
        acks: i16 => ..;
        timeout_ms: i32 => ..;
        topic_data: Vec<TopicProduceData> => ..;
    }
}

message! {
    /// The record sets of one topic.
    TopicProduceData {
        name: String => ..;
        partition_data: Vec<PartitionProduceData> => ..;
    }
}

message! {
    /// The record set of one partition: a slice of the frame.
    PartitionProduceData {
        index: i32 => ..;
        records: Option<RecordSet> => ..;
    }
}

message! {
    /// What became of the record sets.
    ProduceResponse {
        responses: Vec<TopicProduceResponse> => ..;
        throttle_time_ms: i32 => 1..;
        node_endpoints: Vec<NodeEndpoint> => 10.., tag 0;
    }
}

message! {
    /// The partitions of one topic.
    TopicProduceResponse {
        name: String => ..;
        partition_responses: Vec<PartitionProduceResponse> => ..;
    }
}

message! {
    /// What became of one record set.
    PartitionProduceResponse {
        index: i32 => ..;
        error_code: ErrorCode => ..;
        /// Offset of the first record.
        base_offset: i64 => ..;
        /// -1 unless the topic's timestamps are those of the append.
        log_append_time_ms: i64 => 2.., default -1;
        log_start_offset: i64 => 5.., default -1;
        record_errors: Vec<BatchIndexAndErrorMessage> => 8..;
        error_message: Option<String> => 8..;
        current_leader: LeaderIdAndEpoch => 10.., tag 0;
    }
}

message! {
    /// A record for which its batch was refused.
    BatchIndexAndErrorMessage {
        batch_index: i32 => 8..;
        batch_index_error_message: Option<String> => 8..;
    }
}
