//! `InitProducerId` (22), versions 0 to 5: an id for an idempotent producer.
//!
//! The second phase of transactions (version 6) is not spoken.

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(InitProducerIdRequest => InitProducerIdResponse, InitProducerId);

message! {
    /// Asks for an id, or for a new epoch of one.
    InitProducerIdRequest {
        /// Null for a producer that is idempotent only.
        transactional_id: Option<String> => ..;
        transaction_timeout_ms: i32 => ..;
        producer_id: i64 => 3.., default -1;
        producer_epoch: i16 => 3.., default -1;
    }
}

message! {
    /// The id and epoch.
    InitProducerIdResponse {
        throttle_time_ms: i32 => ..;
        error_code: ErrorCode => ..;
        producer_id: i64 => .., default -1;
        producer_epoch: i16 => .., default -1;
    }
}
