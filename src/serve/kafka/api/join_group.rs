//! JoinGroup, versions 0-9: becomes a member, or stays one through a rebalance.
//!
//! Answered when the rebalance ends. A new dynamic member is first told its id from version 4 on;
//! instance ids count from version 5 on. Below version 1 the session timeout is the rebalance
//! timeout. Ignored: the reason.

use uuid::Uuid;

use super::super::dispatch::Context;
use super::super::error::of_group;
use crate::group::state::{Join, Joined};
use crate::group::{Error, GroupId};
use crate::kafka::{ErrorCode, JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};

/// Characters of a client id that are kept, here and in a member id.
const CLIENT_ID_CHARS_MAX: usize = 60;

pub(in crate::serve::kafka) async fn handle_join_group(
    context: Context<'_>,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let member = request.member_id.clone();
    match join(context, request).await {
        Ok(joined) => answer(joined),
        Err(error) => JoinGroupResponse {
            error_code: of_group(&error),
            member_id: match error {
                Error::MemberIdRequired(id) => id,
                _ => member,
            },
            ..JoinGroupResponse::default()
        },
    }
}

async fn join(context: Context<'_>, request: JoinGroupRequest) -> Result<Joined, Error> {
    let group = GroupId::parse(&request.group_id)?;
    let version = context.caller.version;
    let client_id: String = context
        .caller
        .client_id
        .chars()
        .take(CLIENT_ID_CHARS_MAX)
        .collect();
    let name = request.group_instance_id.as_deref().unwrap_or(&client_id);
    let fresh_id = format!("{name}-{}", Uuid::new_v4());
    let rebalance_ms = match request.rebalance_timeout_ms {
        -1 => request.session_timeout_ms,
        given => given,
    };
    let protocols = request.protocols.into_iter().map(|p| (p.name, p.metadata));
    let join = Join {
        member: request.member_id,
        instance: request.group_instance_id,
        client_host: format!("/{}", context.caller.peer.ip().to_canonical()),
        session_ms: request.session_timeout_ms,
        rebalance_ms,
        protocol_type: request.protocol_type,
        protocols: protocols.collect(),
        require_known_member: version >= 4,
        can_skip_assignment: version >= 9,
        client_id,
        fresh_id,
    };
    context.broker.groups.join(&group, join).await
}

fn answer(joined: Joined) -> JoinGroupResponse {
    let members = joined
        .members
        .into_iter()
        .map(|member| JoinGroupResponseMember {
            member_id: member.member,
            group_instance_id: member.instance,
            metadata: member.metadata,
        });
    JoinGroupResponse {
        error_code: ErrorCode::NONE,
        generation_id: joined.generation,
        protocol_type: joined.protocol_type,
        protocol_name: joined.protocol,
        leader: joined.leader,
        skip_assignment: joined.skip_assignment,
        member_id: joined.member,
        members: members.collect(),
        ..JoinGroupResponse::default()
    }
}
