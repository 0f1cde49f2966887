//! `SyncGroup` (14), versions 0 to 5: the leader hands out assignments, each member gets its own.

use bytes::Bytes;

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(SyncGroupRequest => SyncGroupResponse, SyncGroup);

message! {
    /// A member; the leader with everybody's assignment.
    SyncGroupRequest {
        group_id: String => ..;
        generation_id: i32 => ..;
        member_id: String => ..;
        group_instance_id: Option<String> => 3..;
        protocol_type: Option<String> => 5..;
        protocol_name: Option<String> => 5..;
        assignments: Vec<SyncGroupRequestAssignment> => ..;
    }
}

message! {
    /// The assignment of one member.
    SyncGroupRequestAssignment {
        member_id: String => ..;
        assignment: Bytes => ..;
    }
}

message! {
    /// The member's own assignment.
    SyncGroupResponse {
        throttle_time_ms: i32 => 1..;
        error_code: ErrorCode => ..;
        protocol_type: Option<String> => 5..;
        protocol_name: Option<String> => 5..;
        assignment: Bytes => ..;
    }
}
