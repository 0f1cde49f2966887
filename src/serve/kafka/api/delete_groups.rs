//! DeleteGroups, versions 0-2: groups without members, with their offsets; administrators only.

use super::super::dispatch::Context;
use super::super::error::of_group;
use crate::group::GroupId;
use crate::kafka::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse, ErrorCode};

pub(in crate::serve::kafka) async fn handle_delete_groups(
    context: Context<'_>,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        let deleted = delete(context, &group_id).await;
        results.push(DeletableGroupResult {
            group_id,
            error_code: deleted.err().unwrap_or(ErrorCode::NONE),
        });
    }
    DeleteGroupsResponse {
        results,
        ..DeleteGroupsResponse::default()
    }
}

async fn delete(context: Context<'_>, group: &str) -> Result<(), ErrorCode> {
    context.broker.access.delete_group()?;
    let group = GroupId::parse(group).map_err(|error| of_group(&error))?;
    let deleted = context.broker.groups.delete(&group).await;
    deleted.map_err(|error| of_group(&error))
}
