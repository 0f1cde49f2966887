//! One member of a group.

use bytes::Bytes;

use super::group::Waiter;
use crate::group::limits::MEMBER_BYTES;

/// A member. All byte fields are copies of their own: a slice would keep a whole frame alive.
#[derive(Debug, Clone)]
pub struct Member {
    /// `group.instance.id`; a member that has one is static.
    pub(super) instance: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_ms: i32,
    pub(super) rebalance_ms: i32,
    /// Name and metadata, the preferred one first; never empty.
    pub(super) protocols: Vec<(String, Bytes)>,
    /// Of the current generation; empty until the leader's assignment is stored.
    pub(super) assignment: Bytes,
    /// The JoinGroup that waits for the rebalance to end.
    pub(super) joining: Option<Waiter>,
    /// The SyncGroup that waits for the assignment.
    pub(super) syncing: Option<Waiter>,
    /// When the session ends, unless the member is heard of or waits for an answer.
    pub(super) deadline_ms: i64,
    /// Has not been through a rebalance: its wait is bounded, since nobody else would notice that
    /// it went away.
    pub(super) is_new: bool,
}

impl Member {
    /// The metadata of protocol `name`; empty if the member does not have it.
    pub(super) fn metadata(&self, name: &str) -> Bytes {
        let found = self.protocols.iter().find(|(n, _)| n == name);
        found
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    pub(super) fn supports(&self, name: &str) -> bool {
        self.protocols.iter().any(|(n, _)| n == name)
    }

    /// Whether the session may end now. A member that waits for our answer cannot be heard of.
    pub(super) fn is_watched(&self) -> bool {
        (self.joining.is_none() && self.syncing.is_none()) || self.is_new
    }

    pub(super) fn bytes(&self) -> usize {
        MEMBER_BYTES + protocol_bytes(&self.protocols) + self.assignment.len()
    }
}

pub(super) fn protocol_bytes(protocols: &[(String, Bytes)]) -> usize {
    protocols.iter().map(|(n, m)| n.len() + m.len()).sum()
}
