//! InitProducerId, versions 0-5: an id for an idempotent producer, never handed out before.
//!
//! Transactions are refused with error 53, which every client takes as final. A producer that
//! wants a new epoch of the id it has (version 3) gets a new id, as from Kafka.
//! Ignored: the transaction timeout.

use super::super::dispatch::Context;
use crate::error::chain;
use crate::kafka::{ErrorCode, InitProducerIdRequest, InitProducerIdResponse};

pub(in crate::serve::kafka) async fn handle_init_producer_id(
    context: Context<'_>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let refused = |error_code| InitProducerIdResponse {
        error_code,
        ..InitProducerIdResponse::default()
    };
    if request.transactional_id.is_some() {
        return refused(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    match context.broker.log.allocate_producer_id().await {
        Ok(producer_id) => InitProducerIdResponse {
            producer_id,
            producer_epoch: 0,
            ..InitProducerIdResponse::default()
        },
        Err(error) => {
            tracing::warn!(error = %chain(&error), "could not allocate a producer id");
            // Clients try again.
            refused(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)
        }
    }
}
