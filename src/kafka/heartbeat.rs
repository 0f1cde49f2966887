//! `Heartbeat` (12), versions 0 to 4: a member says that it lives, and hears of rebalances.

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(HeartbeatRequest => HeartbeatResponse, Heartbeat);

message! {
    /// A member that lives.
    HeartbeatRequest {
        group_id: String => ..;
        generation_id: i32 => ..;
        member_id: String => ..;
        group_instance_id: Option<String> => 3..;
    }
}

message! {
    /// Whether all is well.
    HeartbeatResponse {
        throttle_time_ms: i32 => 1..;
        error_code: ErrorCode => ..;
    }
}
