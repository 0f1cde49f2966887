//! `DeleteTopics` (20), versions 1 to 6: by name, from version 6 on by name or id.

use uuid::Uuid;

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(DeleteTopicsRequest => DeleteTopicsResponse, DeleteTopics);

message! {
    /// Topics to be deleted.
    DeleteTopicsRequest {
        topics: Vec<DeleteTopicState> => 6..;
        topic_names: Vec<String> => ..=5;
        timeout_ms: i32 => ..;
    }
}

message! {
    /// A topic by name, or by id where the name is null.
    DeleteTopicState {
        name: Option<String> => 6..;
        topic_id: Uuid => 6..;
    }
}

message! {
    /// What became of the topics.
    DeleteTopicsResponse {
        throttle_time_ms: i32 => 1..;
        responses: Vec<DeletableTopicResult> => ..;
    }
}

message! {
    /// What became of one topic.
    DeletableTopicResult {
        name: Option<String> => .., null 6..;
        topic_id: Uuid => 6..;
        error_code: ErrorCode => ..;
        error_message: Option<String> => 5..;
    }
}
