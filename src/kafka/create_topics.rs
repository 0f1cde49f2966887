//! `CreateTopics` (19), versions 2 to 7.
//!
//! Partition count and replication factor may be -1 (the broker's defaults) from version 4 on.

use uuid::Uuid;

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(CreateTopicsRequest => CreateTopicsResponse, CreateTopics);

message! {
    /// Topics to be created.
    CreateTopicsRequest {
        topics: Vec<CreatableTopic> => ..;
        timeout_ms: i32 => .., default 60_000;
        /// Check only.
        validate_only: bool => 1..;
    }
}

message! {
    /// A topic to be created.
    CreatableTopic {
        name: String => ..;
        num_partitions: i32 => .., default -1;
        replication_factor: i16 => .., default -1;
        assignments: Vec<CreatableReplicaAssignment> => ..;
        configs: Vec<CreatableTopicConfig> => ..;
    }
}

message! {
    /// Where the replicas of a partition are to be.
    CreatableReplicaAssignment {
        partition_index: i32 => ..;
        broker_ids: Vec<i32> => ..;
    }
}

message! {
    /// A setting.
    CreatableTopicConfig {
        name: String => ..;
        value: Option<String> => ..;
    }
}

message! {
    /// What became of the topics.
    CreateTopicsResponse {
        throttle_time_ms: i32 => 2..;
        topics: Vec<CreatableTopicResult> => ..;
    }
}

message! {
    /// What became of one topic.
    CreatableTopicResult {
        name: String => ..;
        topic_id: Uuid => 7..;
        error_code: ErrorCode => ..;
        error_message: Option<String> => 1..;
        topic_config_error_code: ErrorCode => 5.., tag 0;
        num_partitions: i32 => 5.., default -1;
        replication_factor: i16 => 5.., default -1;
        configs: Option<Vec<CreatableTopicConfigs>> => 5..;
    }
}

message! {
    /// A setting as it is in force.
    CreatableTopicConfigs {
        name: String => 5..;
        value: Option<String> => 5..;
        read_only: bool => 5..;
        config_source: i8 => 5.., default -1;
        is_sensitive: bool => 5..;
    }
}
