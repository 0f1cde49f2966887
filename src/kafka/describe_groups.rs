//! `DescribeGroups` (15), versions 0 to 6: groups of the classic protocol with their members.
//!
//! A group that is not there is a group in state Dead without error up to version 5, and error 69
//! with a message from 6 on. Authorized operations are not computed.

use bytes::Bytes;

use super::error_code::ErrorCode;
use super::metadata::AUTHORIZED_OPERATIONS_OMITTED;
use super::table::{message, request};

request!(DescribeGroupsRequest => DescribeGroupsResponse, DescribeGroups);

message! {
    /// Asks for groups.
    DescribeGroupsRequest {
        groups: Vec<String> => ..;
        include_authorized_operations: bool => 3..;
    }
}

message! {
    /// The groups.
    DescribeGroupsResponse {
        throttle_time_ms: i32 => 1..;
        groups: Vec<DescribedGroup> => ..;
    }
}

message! {
    /// A group.
    DescribedGroup {
        error_code: ErrorCode => ..;
        error_message: Option<String> => 6..;
        group_id: String => ..;
        group_state: String => ..;
        protocol_type: String => ..;
        protocol_data: String => ..;
        members: Vec<DescribedGroupMember> => ..;
        authorized_operations: i32 => 3.., default AUTHORIZED_OPERATIONS_OMITTED;
    }
}

message! {
    /// A member.
    DescribedGroupMember {
        member_id: String => ..;
        group_instance_id: Option<String> => 4..;
        client_id: String => ..;
        client_host: String => ..;
        member_metadata: Bytes => ..;
        member_assignment: Bytes => ..;
    }
}
