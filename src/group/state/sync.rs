//! SyncGroup: the leader hands in who reads what, every member takes its part away.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::group::{Group, Now, Output, Phase, Proposed, Waiter};
use crate::group::error::Error;
use crate::group::limits::{ASSIGNMENT_BYTES_MAX, MEMBERS_BYTES_MAX};

/// A SyncGroup request.
#[derive(Debug, Clone, Default)]
pub struct Sync {
    /// Id of the member.
    pub member: String,
    /// Its generation.
    pub generation: i32,
    /// Its instance id.
    pub instance: Option<String>,
    /// What the member takes the protocol type to be (since version 5).
    pub protocol_type: Option<String>,
    /// What the member takes the protocol to be (since version 5).
    pub protocol: Option<String>,
    /// Member id and assignment; only the leader's count.
    pub assignments: Vec<(String, Bytes)>,
}

/// The answer to a SyncGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// Protocol type of the group.
    pub protocol_type: Option<String>,
    /// Protocol of the generation.
    pub protocol: Option<String>,
    /// What the member reads.
    pub assignment: Bytes,
}

impl Group {
    /// Takes a SyncGroup; it is answered through `out`, at once or when the assignment is stored.
    pub fn sync(&mut self, now: Now, sync: Sync, waiter: Waiter, out: &mut Vec<Output>) {
        if let Err(error) = self.try_sync(now, sync, waiter, out) {
            out.push(Output::Synced(waiter, Err(error)));
        }
    }

    fn try_sync(
        &mut self,
        now: Now,
        sync: Sync,
        waiter: Waiter,
        out: &mut Vec<Output>,
    ) -> Result<(), Error> {
        self.check_member(&sync.member, sync.instance.as_deref())?;
        self.check_generation(sync.generation)?;
        let differs = |theirs: &Option<String>, ours: &Option<String>| {
            theirs.is_some() && theirs.as_deref() != ours.as_deref()
        };
        if differs(&sync.protocol_type, &self.protocol_type)
            || differs(&sync.protocol, &self.protocol)
        {
            return Err(Error::InconsistentProtocol);
        }
        match self.phase {
            Phase::Empty => Err(Error::UnknownMember),
            Phase::PreparingRebalance => Err(Error::RebalanceInProgress),
            Phase::CompletingRebalance => self.sync_while_completing(sync, waiter, out),
            Phase::Stable => {
                self.unsynced.remove(&sync.member);
                self.touch(&sync.member, now);
                let synced = self.synced(&sync.member);
                out.push(Output::Synced(waiter, Ok(synced)));
                Ok(())
            }
        }
    }

    fn sync_while_completing(
        &mut self,
        sync: Sync,
        waiter: Waiter,
        out: &mut Vec<Output>,
    ) -> Result<(), Error> {
        let is_leader = self.leader.as_ref() == Some(&sync.member);
        let proposal = if is_leader && self.proposed.is_none() {
            Some(self.proposal(sync.assignments)?)
        } else {
            None
        };
        self.unsynced.remove(&sync.member);
        if let Some(member) = self.members.get_mut(&sync.member)
            && let Some(older) = member.syncing.replace(waiter)
        {
            out.push(Output::Synced(older, Err(Error::RebalanceInProgress)));
        }
        if let Some(proposal) = proposal {
            self.proposed = Some(proposal);
            out.push(Output::Store(self.generation));
        }
        Ok(())
    }

    /// Copies the leader's assignments, those of members only.
    fn proposal(&self, assignments: Vec<(String, Bytes)>) -> Result<Proposed, Error> {
        let mut copies = BTreeMap::new();
        let mut bytes = 0;
        for (member, assignment) in assignments {
            if assignment.len() > ASSIGNMENT_BYTES_MAX {
                return Err(Error::LimitReached {
                    what: "bytes of one member's assignment",
                    limit: ASSIGNMENT_BYTES_MAX,
                });
            }
            if self.members.contains_key(&member) {
                bytes += assignment.len();
                copies.insert(member, Bytes::copy_from_slice(&assignment));
            }
        }
        let members: usize = self
            .members
            .values()
            .map(|m| m.bytes() - m.assignment.len())
            .sum();
        if members + bytes > MEMBERS_BYTES_MAX {
            return Err(Error::LimitReached {
                what: "bytes of a group's members",
                limit: MEMBERS_BYTES_MAX,
            });
        }
        Ok(Proposed {
            assignments: copies,
        })
    }

    /// Takes the outcome of an [`Output::Store`]. The assignment of a generation that is over is
    /// dropped with it.
    pub fn stored(
        &mut self,
        now: Now,
        generation: i32,
        outcome: Result<(), Error>,
        out: &mut Vec<Output>,
    ) {
        if self.phase != Phase::CompletingRebalance || generation != self.generation {
            return;
        }
        let Some(proposed) = self.proposed.take() else {
            return;
        };
        if let Err(error) = outcome {
            self.fail_syncing(now, &error, out);
            self.prepare_rebalance(now, out);
            return;
        }
        let mut assignments = proposed.assignments;
        for (id, member) in &mut self.members {
            member.assignment = assignments.remove(id).unwrap_or_default();
        }
        self.set_phase(Phase::Stable, now);
        let waiting: Vec<(String, Waiter)> = self
            .members
            .iter_mut()
            .filter_map(|(id, member)| Some((id.clone(), member.syncing.take()?)))
            .collect();
        for (id, waiter) in waiting {
            self.touch(&id, now);
            out.push(Output::Synced(waiter, Ok(self.synced(&id))));
        }
    }

    /// Answers everybody who waits for the assignment of this generation with `error`. Their
    /// sessions begin anew: who waits for an answer is not heard of.
    pub(super) fn fail_syncing(&mut self, now: Now, error: &Error, out: &mut Vec<Output>) {
        for member in self.members.values_mut() {
            if let Some(waiter) = member.syncing.take() {
                member.deadline_ms = now.timer_ms.saturating_add(i64::from(member.session_ms));
                out.push(Output::Synced(waiter, Err(error.clone())));
            }
        }
    }

    fn synced(&self, member: &str) -> Synced {
        let assignment = self.members.get(member).map(|m| m.assignment.clone());
        Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: assignment.unwrap_or_default(),
        }
    }
}
