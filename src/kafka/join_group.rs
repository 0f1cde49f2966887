//! `JoinGroup` (11), versions 0 to 9: joins a consumer group of the classic protocol.
//!
//! Members get an id first and join again with it from version 4 on; static members from 5.

use bytes::Bytes;

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(JoinGroupRequest => JoinGroupResponse, JoinGroup);

message! {
    /// A member with the protocols it can do.
    JoinGroupRequest {
        group_id: String => ..;
        session_timeout_ms: i32 => ..;
        /// -1 where the version has none: the session timeout then.
        rebalance_timeout_ms: i32 => 1.., default -1;
        member_id: String => ..;
        group_instance_id: Option<String> => 5..;
        protocol_type: String => ..;
        protocols: Vec<JoinGroupRequestProtocol> => ..;
        reason: Option<String> => 8..;
    }
}

message! {
    /// A protocol (an assignor) and what the member says in it.
    JoinGroupRequestProtocol {
        name: String => ..;
        metadata: Bytes => ..;
    }
}

message! {
    /// The generation that was formed; only the leader gets the members.
    JoinGroupResponse {
        throttle_time_ms: i32 => 2..;
        error_code: ErrorCode => ..;
        generation_id: i32 => .., default -1;
        protocol_type: Option<String> => 7..;
        protocol_name: Option<String> => .., null 7..;
        leader: String => ..;
        skip_assignment: bool => 9..;
        member_id: String => ..;
        members: Vec<JoinGroupResponseMember> => ..;
    }
}

message! {
    /// A member and what it said.
    JoinGroupResponseMember {
        member_id: String => ..;
        group_instance_id: Option<String> => 5..;
        metadata: Bytes => ..;
    }
}
