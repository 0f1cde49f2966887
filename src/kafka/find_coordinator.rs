//! `FindCoordinator` (10), versions 0 to 6: who keeps a group or a transaction.
//!
//! One key up to version 3, several from version 4 on. Key types: 0 group, 1 transaction, 2 share
//! group (version 6).

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(FindCoordinatorRequest => FindCoordinatorResponse, FindCoordinator);

message! {
    /// Asks for coordinators.
    FindCoordinatorRequest {
        key: String => ..=3;
        key_type: i8 => 1..;
        coordinator_keys: Vec<String> => 4..;
    }
}

message! {
    /// The coordinators; one of them in the fields of old up to version 3.
    FindCoordinatorResponse {
        throttle_time_ms: i32 => 1..;
        error_code: ErrorCode => ..=3;
        error_message: Option<String> => 1..=3;
        node_id: i32 => ..=3;
        host: String => ..=3;
        port: i32 => ..=3;
        coordinators: Vec<Coordinator> => 4..;
    }
}

message! {
    /// The coordinator of one key.
    Coordinator {
        key: String => 4..;
        node_id: i32 => 4..;
        host: String => 4..;
        port: i32 => 4..;
        error_code: ErrorCode => 4..;
        error_message: Option<String> => 4..;
    }
}
