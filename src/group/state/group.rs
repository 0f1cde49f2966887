//! The group itself: its phase, members and offsets, and what both sides of a step are made of.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::join::Joined;
use super::member::Member;
use super::offsets::Offsets;
use super::sync::Synced;
use crate::group::error::Error;
use crate::group::id::GroupId;
use crate::group::limits::{Config, MEMBER_BYTES};

/// The time of a step. Timeouts run on the first, which never jumps; what is stored carries the
/// second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a clock that only goes forward, from any origin.
    pub timer_ms: i64,
    /// Milliseconds since 1970-01-01 UTC.
    pub wall_ms: i64,
}

/// A request that is answered later. The caller makes the numbers and keeps what they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Waiter(pub u64);

/// What a step wants done.
#[derive(Debug)]
pub enum Output {
    /// Answer a JoinGroup.
    Joined(Waiter, Result<Joined, Error>),
    /// Answer a SyncGroup.
    Synced(Waiter, Result<Synced, Error>),
    /// Store the group's metadata as it is now and report to [`Group::stored`] with this
    /// generation. A step asks for it at most once.
    Store(i32),
}

/// Where a group stands; the names are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No members; offsets may be there.
    Empty,
    /// Members are joining.
    PreparingRebalance,
    /// Members know each other and wait for the leader's assignment.
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
}

impl Phase {
    /// The name as DescribeGroups and ListGroups spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Empty => "Empty",
            Phase::PreparingRebalance => "PreparingRebalance",
            Phase::CompletingRebalance => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }
}

/// When a running rebalance ends at the latest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rebalance {
    pub(super) deadline_ms: i64,
    /// `Some` only in the first rebalance of an empty group.
    pub(super) initial: Option<InitialDelay>,
}

/// The first rebalance of an empty group waits for more members, again after each one that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct InitialDelay {
    /// No wait goes beyond this.
    pub(super) until_ms: i64,
    pub(super) member_came: bool,
}

/// An assignment on its way to the log.
#[derive(Debug)]
pub(super) struct Proposed {
    pub(super) assignments: BTreeMap<String, Bytes>,
}

/// One consumer group.
#[derive(Debug)]
pub struct Group {
    pub(super) id: GroupId,
    /// Tells this group from an earlier one of the same id.
    pub(super) serial: u64,
    pub(super) config: Config,
    pub(super) phase: Phase,
    /// Wall time at which the phase began.
    pub(super) phase_since_ms: i64,
    pub(super) generation: i32,
    /// `None` while only offsets were ever committed.
    pub(super) protocol_type: Option<String>,
    /// The protocol of the current generation; `Some` in `CompletingRebalance` and `Stable`.
    pub(super) protocol: Option<String>,
    /// A key of `members`; `Some` whenever there are members.
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member>,
    /// Instance id to member id; every value is a key of `members`.
    pub(super) instances: BTreeMap<String, String>,
    /// Member ids handed out by MEMBER_ID_REQUIRED, with the time until which they are kept.
    pub(super) pending: BTreeMap<String, i64>,
    /// `Some` only in `PreparingRebalance`.
    pub(super) rebalance: Option<Rebalance>,
    /// Members that have not asked for their assignment of this generation.
    pub(super) unsynced: BTreeSet<String>,
    /// When members of `unsynced` are given up.
    pub(super) sync_deadline_ms: i64,
    /// `Some` only in `CompletingRebalance`, after the leader's SyncGroup.
    pub(super) proposed: Option<Proposed>,
    pub(super) offsets: Offsets,
}

impl Group {
    /// A group without members and offsets.
    #[must_use]
    pub fn new(id: GroupId, serial: u64, config: Config, now: Now) -> Group {
        Group {
            id,
            serial,
            config,
            phase: Phase::Empty,
            phase_since_ms: now.wall_ms,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending: BTreeMap::new(),
            rebalance: None,
            unsynced: BTreeSet::new(),
            sync_deadline_ms: i64::MAX,
            proposed: None,
            offsets: Offsets::default(),
        }
    }

    /// The group's id.
    #[must_use]
    pub fn id(&self) -> &GroupId {
        &self.id
    }

    /// The number that no other group of this process has.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Where the group stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Number of the current generation.
    #[must_use]
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// What the members call their protocol: `consumer`, `connect`; `None` for a group that only
    /// holds offsets.
    #[must_use]
    pub fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    /// Whether nothing would be lost by forgetting the group.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty() && self.offsets.is_empty()
    }

    /// The committed offsets.
    #[must_use]
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// The committed offsets, to put stored ones in.
    pub fn offsets_mut(&mut self) -> &mut Offsets {
        &mut self.offsets
    }

    /// Estimated memory of members and offsets.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.members_bytes() + self.offsets.bytes() + self.pending.len() * MEMBER_BYTES
    }

    pub(super) fn members_bytes(&self) -> usize {
        self.members.values().map(Member::bytes).sum()
    }

    pub(super) fn set_phase(&mut self, phase: Phase, now: Now) {
        self.phase = phase;
        self.phase_since_ms = now.wall_ms;
    }

    /// Checks that a request comes from a current member, and from the newest of its instance.
    pub(super) fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), Error> {
        if let Some(instance) = instance {
            return match self.instances.get(instance) {
                Some(current) if current == member => Ok(()),
                Some(_) => Err(Error::FencedInstance),
                None => Err(Error::UnknownMember),
            };
        }
        if self.members.contains_key(member) {
            Ok(())
        } else {
            Err(Error::UnknownMember)
        }
    }

    pub(super) fn check_generation(&self, got: i32) -> Result<(), Error> {
        if got == self.generation {
            Ok(())
        } else {
            Err(Error::IllegalGeneration {
                current: self.generation,
                got,
            })
        }
    }

    /// Puts off the end of a member's session.
    pub(super) fn touch(&mut self, member: &str, now: Now) {
        if let Some(member) = self.members.get_mut(member) {
            member.deadline_ms = now.timer_ms.saturating_add(i64::from(member.session_ms));
        }
    }

    /// How long a rebalance waits: the longest that a member asked for.
    pub(super) fn rebalance_ms(&self) -> i64 {
        let longest = self.members.values().map(|m| m.rebalance_ms).max();
        i64::from(longest.unwrap_or(0))
    }
}
