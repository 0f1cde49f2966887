//! LeaveGroup, versions 0-5: members go; from version 3 on several at once, also by instance id
//! alone. Ignored: reasons.

use super::super::dispatch::Context;
use super::super::error::of_group;
use crate::group::GroupId;
use crate::group::state::Leaving;
use crate::kafka::{
    ErrorCode, LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse,
};

pub(in crate::serve::kafka) fn handle_leave_group(
    context: Context<'_>,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let is_single = context.caller.version < 3;
    let identities = if is_single {
        vec![MemberIdentity {
            member_id: request.member_id,
            ..MemberIdentity::default()
        }]
    } else {
        request.members
    };
    let leaving: Vec<Leaving> = identities
        .iter()
        .map(|identity| Leaving {
            member: identity.member_id.clone(),
            instance: identity.group_instance_id.clone(),
        })
        .collect();
    let left = GroupId::parse(&request.group_id)
        .and_then(|group| context.broker.groups.leave(&group, &leaving));
    let outcomes = match left {
        Ok(outcomes) => outcomes,
        Err(error) => {
            return LeaveGroupResponse {
                error_code: of_group(&error),
                ..LeaveGroupResponse::default()
            };
        }
    };
    let codes = outcomes.into_iter().map(|outcome| match outcome {
        Ok(()) => ErrorCode::NONE,
        Err(error) => of_group(&error),
    });
    if is_single {
        return LeaveGroupResponse {
            error_code: codes.into_iter().next().unwrap_or_default(),
            ..LeaveGroupResponse::default()
        };
    }
    let members = identities
        .into_iter()
        .zip(codes)
        .map(|(identity, error_code)| MemberResponse {
            member_id: identity.member_id,
            group_instance_id: identity.group_instance_id,
            error_code,
        });
    LeaveGroupResponse {
        members: members.collect(),
        ..LeaveGroupResponse::default()
    }
}
