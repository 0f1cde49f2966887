//! A group as it is stored, and back.
//!
//! What is stored is a generation with its assignment. Members that were joining when the process
//! ended are not: they join again. Restored members get a whole session to be heard of.

use bytes::Bytes;

use super::group::{Group, Now, Phase};
use super::member::Member;

/// What is stored of a group beside its offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Protocol type of the group; empty for none.
    pub protocol_type: String,
    /// Its generation.
    pub generation: i32,
    /// The protocol in use; `None` without members.
    pub protocol: Option<String>,
    /// Id of the leader; `None` without members.
    pub leader: Option<String>,
    /// When the group came to its phase, ms since 1970-01-01 UTC.
    pub phase_since_ms: i64,
    /// Its members.
    pub members: Vec<RestoredMember>,
}

/// What is stored of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredMember {
    /// Id of the member.
    pub member: String,
    /// Its instance id.
    pub instance: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// From where it was connected.
    pub client_host: String,
    /// Its rebalance timeout.
    pub rebalance_ms: i32,
    /// Its session timeout.
    pub session_ms: i32,
    /// Metadata of the protocol in use.
    pub subscription: Bytes,
    /// What the member reads.
    pub assignment: Bytes,
}

impl Group {
    /// The group to store: with the assignment on its way, if there is one.
    #[must_use]
    pub fn to_stored(&self) -> Restored {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let proposed = self.proposed.as_ref();
        let members = self.members.iter().map(|(id, member)| RestoredMember {
            member: id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_ms: member.rebalance_ms,
            session_ms: member.session_ms,
            subscription: member.metadata(protocol),
            assignment: match proposed {
                Some(p) => p.assignments.get(id).cloned().unwrap_or_default(),
                None => member.assignment.clone(),
            },
        });
        Restored {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            phase_since_ms: self.phase_since_ms,
            members: members.collect(),
        }
    }

    /// Takes over what was stored.
    pub fn restore(&mut self, now: Now, stored: Restored) {
        self.protocol_type = Some(stored.protocol_type).filter(|t| !t.is_empty());
        self.generation = stored.generation.max(0);
        self.protocol = stored.protocol;
        self.phase_since_ms = stored.phase_since_ms;
        self.members.clear();
        self.instances.clear();
        let protocol = self.protocol.clone().unwrap_or_default();
        for member in stored.members {
            if let Some(instance) = &member.instance {
                self.instances
                    .insert(instance.clone(), member.member.clone());
            }
            let deadline_ms = now
                .timer_ms
                .saturating_add(i64::from(member.session_ms.max(0)));
            let restored = Member {
                instance: member.instance,
                client_id: member.client_id,
                client_host: member.client_host,
                session_ms: member.session_ms,
                rebalance_ms: member.rebalance_ms,
                protocols: vec![(protocol.clone(), member.subscription)],
                assignment: member.assignment,
                joining: None,
                syncing: None,
                deadline_ms,
                is_new: false,
            };
            self.members.insert(member.member, restored);
        }
        let leader = stored.leader.filter(|l| self.members.contains_key(l));
        self.leader = leader.or_else(|| self.members.keys().next().cloned());
        self.phase = if self.members.is_empty() {
            Phase::Empty
        } else {
            Phase::Stable
        };
    }
}
