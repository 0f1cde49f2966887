//! `ListGroups` (16), versions 0 to 5; filtered by state from version 4, by type from 5.

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(ListGroupsRequest => ListGroupsResponse, ListGroups);

message! {
    /// Asks for groups; an empty filter lets all through.
    ListGroupsRequest {
        states_filter: Vec<String> => 4..;
        types_filter: Vec<String> => 5..;
    }
}

message! {
    /// The groups.
    ListGroupsResponse {
        throttle_time_ms: i32 => 1..;
        error_code: ErrorCode => ..;
        groups: Vec<ListedGroup> => ..;
    }
}

message! {
    /// A group.
    ListedGroup {
        group_id: String => ..;
        protocol_type: String => ..;
        group_state: String => 4..;
        group_type: String => 5..;
    }
}
