//! `LeaveGroup` (13), versions 0 to 5: members leave, one up to version 2, several from 3 on.

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(LeaveGroupRequest => LeaveGroupResponse, LeaveGroup);

message! {
    /// Who leaves.
    LeaveGroupRequest {
        group_id: String => ..;
        member_id: String => ..=2;
        members: Vec<MemberIdentity> => 3..;
    }
}

message! {
    /// A member that leaves.
    MemberIdentity {
        member_id: String => 3..;
        group_instance_id: Option<String> => 3..;
        reason: Option<String> => 5..;
    }
}

message! {
    /// What became of it.
    LeaveGroupResponse {
        throttle_time_ms: i32 => 1..;
        error_code: ErrorCode => ..;
        members: Vec<MemberResponse> => 3..;
    }
}

message! {
    /// What became of one member.
    MemberResponse {
        member_id: String => 3..;
        group_instance_id: Option<String> => 3..;
        error_code: ErrorCode => 3..;
    }
}
