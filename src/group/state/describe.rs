//! What a group tells of itself.

use bytes::Bytes;

use super::group::{Group, Phase};

/// A group as DescribeGroups shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Id of the group.
    pub group: String,
    /// Where it stands.
    pub phase: Phase,
    /// Its protocol type; empty for a group that only holds offsets.
    pub protocol_type: String,
    /// The protocol in use; empty while there is none.
    pub protocol: String,
    /// Its generation.
    pub generation: i32,
    /// Its members.
    pub members: Vec<MemberDescription>,
}

/// A member as DescribeGroups shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// Id of the member.
    pub member: String,
    /// Its instance id.
    pub instance: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// From where it is connected.
    pub client_host: String,
    /// Metadata of the protocol in use; empty unless the group is stable.
    pub metadata: Bytes,
    /// What the member reads; empty unless the group is stable.
    pub assignment: Bytes,
}

impl Group {
    /// What the group is now.
    #[must_use]
    pub fn describe(&self) -> Description {
        let protocol = self
            .protocol
            .as_deref()
            .filter(|_| self.phase == Phase::Stable);
        let members = self.members.iter().map(|(id, member)| MemberDescription {
            member: id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: protocol.map(|p| member.metadata(p)).unwrap_or_default(),
            assignment: match protocol {
                Some(_) => member.assignment.clone(),
                None => Bytes::new(),
            },
        });
        Description {
            group: self.id.as_str().to_owned(),
            phase: self.phase,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: protocol.unwrap_or_default().to_owned(),
            generation: self.generation,
            members: members.collect(),
        }
    }
}
