//! SyncGroup, versions 0-5: the leader hands in the assignment, every member gets its part.
//!
//! Answered once the assignment is synced to the disk.

use super::super::dispatch::Context;
use super::super::error::of_group;
use crate::group::state::{Sync, Synced};
use crate::group::{Error, GroupId};
use crate::kafka::{SyncGroupRequest, SyncGroupResponse};

pub(in crate::serve::kafka) async fn handle_sync_group(
    context: Context<'_>,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    match sync(context, request).await {
        Ok(synced) => SyncGroupResponse {
            protocol_type: synced.protocol_type,
            protocol_name: synced.protocol,
            assignment: synced.assignment,
            ..SyncGroupResponse::default()
        },
        Err(error) => SyncGroupResponse {
            error_code: of_group(&error),
            ..SyncGroupResponse::default()
        },
    }
}

async fn sync(context: Context<'_>, request: SyncGroupRequest) -> Result<Synced, Error> {
    let group = GroupId::parse(&request.group_id)?;
    let assignments = request
        .assignments
        .into_iter()
        .map(|a| (a.member_id, a.assignment));
    let sync = Sync {
        member: request.member_id,
        generation: request.generation_id,
        instance: request.group_instance_id,
        protocol_type: request.protocol_type,
        protocol: request.protocol_name,
        assignments: assignments.collect(),
    };
    context.broker.groups.sync(&group, sync).await
}
