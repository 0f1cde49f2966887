//! ListGroups, versions 0-5: all groups, filtered by state (version 4) and type (version 5).
//!
//! Every group is of type `classic`. Filters do not mind case, as in Kafka.

use super::super::dispatch::Context;
use crate::kafka::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

const TYPE: &str = "classic";

pub(in crate::serve::kafka) fn handle_list_groups(
    context: Context<'_>,
    request: &ListGroupsRequest,
) -> ListGroupsResponse {
    let passes = |filter: &[String], value: &str| {
        filter.is_empty()
            || filter
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let listed = context.broker.groups.list().into_iter();
    let listed = listed.filter(|group| {
        passes(&request.states_filter, group.phase.as_str()) && passes(&request.types_filter, TYPE)
    });
    let groups = listed.map(|group| ListedGroup {
        group_id: group.group.to_string(),
        protocol_type: group.protocol_type,
        group_state: group.phase.as_str().to_owned(),
        group_type: TYPE.to_owned(),
    });
    ListGroupsResponse {
        groups: groups.collect(),
        ..ListGroupsResponse::default()
    }
}
