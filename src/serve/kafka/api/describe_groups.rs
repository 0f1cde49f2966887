//! DescribeGroups, versions 0-6: groups with their members and what those read.
//!
//! A group that is not there is in state Dead; from version 6 on it is error 69.
//! A group that is asked for twice is answered once. Ignored: authorized operations, which are not computed.

use std::collections::HashSet;

use super::super::dispatch::Context;
use crate::group::state::Description;
use crate::kafka::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember, ErrorCode,
};

const DEAD: &str = "Dead";

pub(in crate::serve::kafka) fn handle_describe_groups(
    context: Context<'_>,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let mut seen = HashSet::new();
    let groups = request.groups.into_iter();
    let once = groups.filter(|group| seen.insert(group.clone()));
    let described = once.map(|group| match context.broker.groups.describe(&group) {
        Some(description) => describe(description),
        None => missing(group, context.caller.version),
    });
    DescribeGroupsResponse {
        groups: described.collect(),
        ..DescribeGroupsResponse::default()
    }
}

fn describe(description: Description) -> DescribedGroup {
    let members = description
        .members
        .into_iter()
        .map(|member| DescribedGroupMember {
            member_id: member.member,
            group_instance_id: member.instance,
            client_id: member.client_id,
            client_host: member.client_host,
            member_metadata: member.metadata,
            member_assignment: member.assignment,
        });
    DescribedGroup {
        group_id: description.group,
        group_state: description.phase.as_str().to_owned(),
        protocol_type: description.protocol_type,
        protocol_data: description.protocol,
        members: members.collect(),
        ..DescribedGroup::default()
    }
}

fn missing(group_id: String, version: i16) -> DescribedGroup {
    let is_error = version >= 6;
    DescribedGroup {
        error_code: if is_error {
            ErrorCode::GROUP_ID_NOT_FOUND
        } else {
            ErrorCode::NONE
        },
        error_message: is_error.then(|| format!("there is no group \"{group_id}\"")),
        group_id,
        group_state: DEAD.to_owned(),
        ..DescribedGroup::default()
    }
}
