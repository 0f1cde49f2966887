//! FindCoordinator, versions 0-6: this broker coordinates every group.
//!
//! Keys of transactions and share groups are refused: neither is served. One key up to version 3,
//! several from 4 on.

use super::super::broker::NODE_ID;
use super::super::dispatch::Context;
use super::super::error::of_group;
use crate::group::GroupId;
use crate::kafka::{Coordinator, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(in crate::serve::kafka) fn handle_find_coordinator(
    context: Context<'_>,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let kind = request.key_type;
    if context.caller.version >= 4 {
        let keys = request.coordinator_keys.into_iter();
        return FindCoordinatorResponse {
            coordinators: keys.map(|key| find(context, kind, key)).collect(),
            ..FindCoordinatorResponse::default()
        };
    }
    let found = find(context, kind, request.key);
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: found.error_message,
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..FindCoordinatorResponse::default()
    }
}

fn find(context: Context<'_>, kind: i8, key: String) -> Coordinator {
    let refusal = match kind {
        GROUP => match GroupId::parse(&key) {
            Ok(_) => None,
            Err(error) => Some((of_group(&error), error.to_string())),
        },
        TRANSACTION => Some((
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "transactions are not supported".to_owned(),
        )),
        _ => Some((
            ErrorCode::INVALID_REQUEST,
            format!("coordinators of type {kind} are not supported"),
        )),
    };
    if let Some((error_code, why)) = refusal {
        return Coordinator {
            key,
            node_id: -1,
            port: -1,
            error_code,
            error_message: Some(why),
            ..Coordinator::default()
        };
    }
    let (host, port) = context.broker.endpoint(&context.caller);
    Coordinator {
        key,
        node_id: NODE_ID,
        host,
        port,
        ..Coordinator::default()
    }
}
