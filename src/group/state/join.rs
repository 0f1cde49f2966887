//! JoinGroup: a member comes, comes again, or takes the place of its former self.

use bytes::Bytes;

use super::group::{Group, Now, Output, Phase, Waiter};
use super::member::{Member, protocol_bytes};
use crate::group::error::Error;
use crate::group::limits::{
    MEMBER_BYTES, MEMBER_ID_BYTES_MAX, MEMBERS_BYTES_MAX, MEMBERS_MAX, NEW_MEMBER_JOIN_MS_MAX,
    PROTOCOL_BYTES_MAX, PROTOCOLS_MAX, REBALANCE_TIMEOUT_MS_MAX, SESSION_TIMEOUT_MS_MAX,
    SESSION_TIMEOUT_MS_MIN,
};

/// A JoinGroup request.
#[derive(Debug, Clone, Default)]
pub struct Join {
    /// Empty for a new member.
    pub member: String,
    /// `group.instance.id` of a static member.
    pub instance: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// From where it connects.
    pub client_host: String,
    /// `session.timeout.ms`.
    pub session_ms: i32,
    /// How long the group waits for the member in a rebalance.
    pub rebalance_ms: i32,
    /// `consumer`, `connect`.
    pub protocol_type: String,
    /// Name and metadata, the preferred one first.
    pub protocols: Vec<(String, Bytes)>,
    /// Version 4 and above: a new member is first told its id.
    pub require_known_member: bool,
    /// Version 9 and above: a leader can be told not to assign.
    pub can_skip_assignment: bool,
    /// An id that was never used before, for a new member.
    pub fresh_id: String,
}

/// The answer to a JoinGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The generation the member is in.
    pub generation: i32,
    /// Protocol type of the group.
    pub protocol_type: Option<String>,
    /// The protocol all members use.
    pub protocol: Option<String>,
    /// Id of the leader.
    pub leader: String,
    /// The leader keeps the assignment as it is.
    pub skip_assignment: bool,
    /// Id of the member.
    pub member: String,
    /// All members; only the leader gets them.
    pub members: Vec<JoinedMember>,
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Id of the member.
    pub member: String,
    /// Its instance id.
    pub instance: Option<String>,
    /// Its metadata of the chosen protocol.
    pub metadata: Bytes,
}

impl Group {
    /// Takes a JoinGroup; it is answered through `out`, at once or when the rebalance ends.
    pub fn join(&mut self, now: Now, join: Join, waiter: Waiter, out: &mut Vec<Output>) {
        if let Err(error) = self.try_join(now, join, waiter, out) {
            out.push(Output::Joined(waiter, Err(error)));
        }
    }

    fn try_join(
        &mut self,
        now: Now,
        mut join: Join,
        waiter: Waiter,
        out: &mut Vec<Output>,
    ) -> Result<(), Error> {
        check_join(&join)?;
        self.check_room(&join)?;
        self.check_protocols(&join)?;
        join.rebalance_ms = join.rebalance_ms.clamp(0, REBALANCE_TIMEOUT_MS_MAX);
        for (_, metadata) in &mut join.protocols {
            *metadata = Bytes::copy_from_slice(metadata);
        }
        if !join.member.is_empty() {
            if join.instance.is_none() && self.pending.remove(&join.member).is_some() {
                let id = join.member.clone();
                self.add_member(now, id, join, waiter, out);
                return Ok(());
            }
            return self.join_again(now, join, waiter, out);
        }
        let known = join.instance.as_ref().and_then(|i| self.instances.get(i));
        if let Some(old) = known.cloned() {
            self.replace_member(now, &old, join, waiter, out);
            return Ok(());
        }
        let id = std::mem::take(&mut join.fresh_id);
        if join.instance.is_none() && join.require_known_member {
            let until = now.timer_ms.saturating_add(i64::from(join.session_ms));
            self.pending.insert(id.clone(), until);
            return Err(Error::MemberIdRequired(id));
        }
        self.add_member(now, id, join, waiter, out);
        Ok(())
    }

    /// Checks that the group may grow by this member.
    fn check_room(&self, join: &Join) -> Result<(), Error> {
        let id = match &join.instance {
            Some(instance) => self.instances.get(instance),
            None => Some(&join.member),
        };
        let known = id.and_then(|id| self.members.get(id));
        let is_pending = self.pending.contains_key(&join.member);
        let count = self.members.len() + self.pending.len();
        if known.is_none() && !is_pending && count >= MEMBERS_MAX {
            return Err(Error::LimitReached {
                what: "members of a group",
                limit: MEMBERS_MAX,
            });
        }
        let grown = MEMBER_BYTES + protocol_bytes(&join.protocols);
        let others = self.members_bytes() - known.map_or(0, Member::bytes);
        if others + grown > MEMBERS_BYTES_MAX {
            return Err(Error::LimitReached {
                what: "bytes of a group's members",
                limit: MEMBERS_BYTES_MAX,
            });
        }
        Ok(())
    }

    /// Checks that the member has a protocol in common with the others.
    fn check_protocols(&self, join: &Join) -> Result<(), Error> {
        if self.members.is_empty() {
            return Ok(());
        }
        let own = match &join.instance {
            Some(instance) => self.instances.get(instance).unwrap_or(&join.member),
            None => &join.member,
        };
        let same_type = self.protocol_type.as_deref() == Some(&*join.protocol_type);
        let common = join.protocols.iter().any(|(name, _)| {
            let mut others = self.members.iter().filter(|(id, _)| *id != own);
            others.all(|(_, member)| member.supports(name))
        });
        if same_type && common {
            Ok(())
        } else {
            Err(Error::InconsistentProtocol)
        }
    }

    /// A current member joins again.
    fn join_again(
        &mut self,
        now: Now,
        join: Join,
        waiter: Waiter,
        out: &mut Vec<Output>,
    ) -> Result<(), Error> {
        self.check_member(&join.member, join.instance.as_deref())?;
        let id = join.member.clone();
        let changed = self
            .members
            .get(&id)
            .is_none_or(|m| m.protocols != join.protocols);
        let is_leader = self.leader.as_ref() == Some(&id);
        let rebalance = match self.phase {
            Phase::Empty => return Err(Error::UnknownMember),
            Phase::PreparingRebalance => true,
            // A lost answer: the member asks again for what it should know.
            Phase::CompletingRebalance => changed,
            // The leader joins again when what it watches (partitions, say) changed.
            Phase::Stable => changed || is_leader,
        };
        if rebalance {
            self.update_member(now, &id, join, waiter, out);
            self.prepare_or_complete(now, out);
        } else {
            self.touch(&id, now);
            out.push(Output::Joined(waiter, Ok(self.joined(&id))));
        }
        Ok(())
    }

    fn add_member(
        &mut self,
        now: Now,
        id: String,
        join: Join,
        waiter: Waiter,
        out: &mut Vec<Output>,
    ) {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type);
            self.leader = Some(id.clone());
        }
        if let Some(instance) = &join.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        let member = Member {
            instance: join.instance,
            client_id: join.client_id,
            client_host: join.client_host,
            session_ms: join.session_ms,
            rebalance_ms: join.rebalance_ms,
            protocols: join.protocols,
            assignment: Bytes::new(),
            joining: Some(waiter),
            syncing: None,
            deadline_ms: now.timer_ms.saturating_add(NEW_MEMBER_JOIN_MS_MAX),
            is_new: true,
        };
        self.members.insert(id, member);
        if let Some(initial) = self.rebalance.as_mut().and_then(|r| r.initial.as_mut()) {
            initial.member_came = true;
        }
        self.prepare_or_complete(now, out);
    }

    fn update_member(
        &mut self,
        now: Now,
        id: &str,
        join: Join,
        waiter: Waiter,
        out: &mut Vec<Output>,
    ) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        member.client_id = join.client_id;
        member.client_host = join.client_host;
        member.session_ms = join.session_ms;
        member.rebalance_ms = join.rebalance_ms;
        member.protocols = join.protocols;
        if !member.is_new {
            member.deadline_ms = now.timer_ms.saturating_add(i64::from(join.session_ms));
        }
        if let Some(older) = member.joining.replace(waiter) {
            out.push(Output::Joined(older, Err(Error::RebalanceInProgress)));
        }
    }

    /// A static member comes back under a new member id: its place and assignment stay, the old
    /// id is fenced. Where the group is stable and would choose the same protocol, nothing is
    /// rebalanced.
    fn replace_member(
        &mut self,
        now: Now,
        old: &str,
        join: Join,
        waiter: Waiter,
        out: &mut Vec<Output>,
    ) {
        let Some(mut member) = self.members.remove(old) else {
            return;
        };
        if let Some(waiting) = member.joining.take() {
            out.push(Output::Joined(waiting, Err(Error::FencedInstance)));
        }
        if let Some(waiting) = member.syncing.take() {
            out.push(Output::Synced(waiting, Err(Error::FencedInstance)));
        }
        let leader_before = self.leader.clone().unwrap_or_default();
        let id = join.fresh_id.clone();
        if let Some(instance) = &join.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        if self.unsynced.remove(old) {
            self.unsynced.insert(id.clone());
        }
        if self.leader.as_deref() == Some(old) {
            self.leader = Some(id.clone());
        }
        self.members.insert(id.clone(), member);
        let can_skip_assignment = join.can_skip_assignment;
        self.update_member(now, &id, join, waiter, out);
        if self.phase != Phase::Stable || self.protocol != self.select_protocol() {
            self.prepare_or_complete(now, out);
            return;
        }
        self.touch(&id, now);
        if let Some(member) = self.members.get_mut(&id) {
            member.joining = None;
        }
        let mut joined = self.joined(&id);
        if can_skip_assignment {
            joined.skip_assignment = joined.leader == id;
        } else {
            // Told that it leads, an older client would assign anew. It follows a leader that is
            // not there any more instead, and takes its old assignment.
            joined.leader = leader_before;
            joined.members.clear();
        }
        out.push(Output::Store(self.generation));
        out.push(Output::Joined(waiter, Ok(joined)));
    }

    /// What `member` is told of the current generation.
    pub(super) fn joined(&self, member: &str) -> Joined {
        let leader = self.leader.clone().unwrap_or_default();
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let members = if leader == member {
            let described = self.members.iter().map(|(id, m)| JoinedMember {
                member: id.clone(),
                instance: m.instance.clone(),
                metadata: m.metadata(protocol),
            });
            described.collect()
        } else {
            Vec::new()
        };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader,
            skip_assignment: false,
            member: member.to_owned(),
            members,
        }
    }
}

/// Checks what does not depend on the group.
fn check_join(join: &Join) -> Result<(), Error> {
    if !(SESSION_TIMEOUT_MS_MIN..=SESSION_TIMEOUT_MS_MAX).contains(&join.session_ms) {
        return Err(Error::InvalidSessionTimeout(join.session_ms));
    }
    if join.protocol_type.is_empty() || join.protocols.is_empty() {
        return Err(Error::InconsistentProtocol);
    }
    let longest = join.member.len().max(join.fresh_id.len());
    let instance = join.instance.as_ref().map_or(0, String::len);
    if longest.max(instance).max(join.protocol_type.len()) > MEMBER_ID_BYTES_MAX {
        return Err(Error::Invalid("an id or type is longer than 512 bytes"));
    }
    if join.protocols.len() > PROTOCOLS_MAX {
        return Err(Error::LimitReached {
            what: "protocols of a member",
            limit: PROTOCOLS_MAX,
        });
    }
    if protocol_bytes(&join.protocols) > PROTOCOL_BYTES_MAX {
        return Err(Error::LimitReached {
            what: "bytes of a member's protocols",
            limit: PROTOCOL_BYTES_MAX,
        });
    }
    Ok(())
}
