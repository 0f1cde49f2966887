//! `DeleteGroups` (42), versions 0 to 2.

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(DeleteGroupsRequest => DeleteGroupsResponse, DeleteGroups);

message! {
    /// Groups to be deleted.
    DeleteGroupsRequest {
        groups_names: Vec<String> => ..;
    }
}

message! {
    /// What became of the groups.
    DeleteGroupsResponse {
        throttle_time_ms: i32 => ..;
        results: Vec<DeletableGroupResult> => ..;
    }
}

message! {
    /// What became of one group.
    DeletableGroupResult {
        group_id: String => ..;
        error_code: ErrorCode => ..;
    }
}
