//! Heartbeat, versions 0-4: a member lives, and hears of a rebalance by error 27.

use super::super::dispatch::Context;
use super::super::error::of_group;
use crate::group::GroupId;
use crate::group::state::Heartbeat;
use crate::kafka::{ErrorCode, HeartbeatRequest, HeartbeatResponse};

pub(in crate::serve::kafka) fn handle_heartbeat(
    context: Context<'_>,
    request: &HeartbeatRequest,
) -> HeartbeatResponse {
    let beat = Heartbeat {
        member: &request.member_id,
        generation: request.generation_id,
        instance: request.group_instance_id.as_deref(),
    };
    let heard = GroupId::parse(&request.group_id)
        .and_then(|group| context.broker.groups.heartbeat(&group, beat));
    HeartbeatResponse {
        error_code: heard.map_or_else(|error| of_group(&error), |()| ErrorCode::NONE),
        ..HeartbeatResponse::default()
    }
}
