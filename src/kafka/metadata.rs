//! `Metadata` (3), versions 0 to 12: brokers, topics and their partitions.
//!
//! No topics asked for means all: null from version 1 on, an empty array in version 0
//! ([`MetadataRequest::wants_all_topics`]). From version 10 topics have ids, from 12 they may be
//! asked for by id alone. Authorized operations are not computed.

use uuid::Uuid;

use super::error_code::ErrorCode;
use super::table::{message, request};

/// What stands for "not computed" in a field of authorized operations.
pub const AUTHORIZED_OPERATIONS_OMITTED: i32 = i32::MIN;

request!(MetadataRequest => MetadataResponse, Metadata);

message! {
    /// Asks for topics.
    MetadataRequest {
        /// The topics; null is all.
        topics: Option<Vec<MetadataRequestTopic>> => .., null 1..;
        /// Whether a topic that is not there is to be created.
        allow_auto_topic_creation: bool => 4.., default true;
        include_cluster_authorized_operations: bool => 8..=10;
        include_topic_authorized_operations: bool => 8..;
    }
}

impl MetadataRequest {
    /// Whether all topics are asked for, by the rule of the request's version.
    #[must_use]
    pub fn wants_all_topics(&self, version: i16) -> bool {
        match &self.topics {
            None => true,
            Some(topics) => version == 0 && topics.is_empty(),
        }
    }
}

message! {
    /// A topic asked for, by name or by id.
    MetadataRequestTopic {
        topic_id: Uuid => 10..;
        name: Option<String> => .., null 10..;
    }
}

message! {
    /// The cluster as clients are to see it.
    MetadataResponse {
        throttle_time_ms: i32 => 3..;
        brokers: Vec<MetadataResponseBroker> => ..;
        cluster_id: Option<String> => 2..;
        controller_id: i32 => 1.., default -1;
        topics: Vec<MetadataResponseTopic> => ..;
        cluster_authorized_operations: i32 => 8..=10, default AUTHORIZED_OPERATIONS_OMITTED;
    }
}

message! {
    /// A broker and where it listens.
    MetadataResponseBroker {
        node_id: i32 => ..;
        host: String => ..;
        port: i32 => ..;
        rack: Option<String> => 1..;
    }
}

message! {
    /// A topic.
    MetadataResponseTopic {
        error_code: ErrorCode => ..;
        name: Option<String> => .., null 12..;
        topic_id: Uuid => 10..;
        is_internal: bool => 1..;
        partitions: Vec<MetadataResponsePartition> => ..;
        topic_authorized_operations: i32 => 8.., default AUTHORIZED_OPERATIONS_OMITTED;
    }
}

message! {
    /// A partition and who leads it.
    MetadataResponsePartition {
        error_code: ErrorCode => ..;
        partition_index: i32 => ..;
        leader_id: i32 => ..;
        leader_epoch: i32 => 7.., default -1;
        replica_nodes: Vec<i32> => ..;
        isr_nodes: Vec<i32> => ..;
        offline_replicas: Vec<i32> => 5..;
    }
}
