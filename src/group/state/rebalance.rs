//! From one generation to the next: who takes part, which protocol they use, who leads.

use super::group::{Group, InitialDelay, Now, Output, Phase, Rebalance};
use crate::group::error::Error;

impl Group {
    /// After a member came or changed: begins a rebalance, or goes on with the one that runs.
    pub(super) fn prepare_or_complete(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.phase == Phase::PreparingRebalance {
            self.maybe_complete_join(now, out);
        } else {
            self.prepare_rebalance(now, out);
        }
    }

    /// Asks all members to join again. They learn of it from their heartbeats.
    pub(super) fn prepare_rebalance(&mut self, now: Now, out: &mut Vec<Output>) {
        self.fail_syncing(now, &Error::RebalanceInProgress, out);
        self.proposed = None;
        self.unsynced.clear();
        self.sync_deadline_ms = i64::MAX;
        let longest_ms = now.timer_ms.saturating_add(self.rebalance_ms());
        let delay_ms = self.config.initial_rebalance_delay_ms;
        let is_first = self.phase == Phase::Empty && delay_ms > 0;
        self.rebalance = Some(if is_first {
            Rebalance {
                deadline_ms: now.timer_ms.saturating_add(delay_ms).min(longest_ms),
                initial: Some(InitialDelay {
                    until_ms: longest_ms,
                    member_came: false,
                }),
            }
        } else {
            Rebalance {
                deadline_ms: longest_ms,
                initial: None,
            }
        });
        self.set_phase(Phase::PreparingRebalance, now);
        self.maybe_complete_join(now, out);
    }

    /// Ends the joining once everybody who is known has joined.
    pub(super) fn maybe_complete_join(&mut self, now: Now, out: &mut Vec<Output>) {
        let is_waiting = self.rebalance.is_some_and(|r| r.initial.is_none());
        let all_joined = self.members.values().all(|m| m.joining.is_some());
        if self.phase == Phase::PreparingRebalance
            && (is_waiting || self.members.is_empty())
            && self.pending.is_empty()
            && all_joined
        {
            self.complete_join(now, out);
        }
    }

    /// Ends the joining with those who have joined; the others are no members any more, unless
    /// they are static and within their session.
    pub(super) fn complete_join(&mut self, now: Now, out: &mut Vec<Output>) {
        let late = |m: &super::Member| m.joining.is_none() && m.instance.is_none();
        let gone: Vec<String> = self
            .members
            .iter()
            .filter(|(_, m)| late(m))
            .map(|(id, _)| id.clone())
            .collect();
        for id in &gone {
            self.remove_member(id, out);
        }
        if !self.members.is_empty() && !self.elect_joined_leader() {
            // Only static members that have not come back: their sessions decide.
            let deadline_ms = now.timer_ms.saturating_add(self.rebalance_ms().max(1));
            self.rebalance = Some(Rebalance {
                deadline_ms,
                initial: None,
            });
            return;
        }
        self.rebalance = None;
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.protocol = None;
            self.set_phase(Phase::Empty, now);
            out.push(Output::Store(self.generation));
            return;
        }
        self.protocol = self.select_protocol();
        self.set_phase(Phase::CompletingRebalance, now);
        self.sync_deadline_ms = now.timer_ms.saturating_add(self.rebalance_ms());
        self.unsynced = self.members.keys().cloned().collect();
        for id in self.members.keys().cloned().collect::<Vec<_>>() {
            let joined = self.joined(&id);
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            member.is_new = false;
            if let Some(waiter) = member.joining.take() {
                out.push(Output::Joined(waiter, Ok(joined)));
            }
            self.touch(&id, now);
        }
    }

    /// Makes sure that the leader has joined. False when nobody has.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |id: &String| self.members.get(id).is_some_and(|m| m.joining.is_some());
        if self.leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        let joined = self.members.iter().find(|(_, m)| m.joining.is_some());
        let Some(id) = joined.map(|(id, _)| id.clone()) else {
            return false;
        };
        self.leader = Some(id);
        true
    }

    /// The protocol that most members prefer among those that all have; of equals the first by
    /// name.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let mut votes = std::collections::BTreeMap::<&str, usize>::new();
        for member in self.members.values() {
            let common = |name: &str| self.members.values().all(|m| m.supports(name));
            let first = member.protocols.iter().find(|(name, _)| common(name));
            if let Some((name, _)) = first {
                *votes.entry(name).or_default() += 1;
            }
        }
        let mut best: Option<(&str, usize)> = None;
        for (name, count) in votes {
            if best.is_none_or(|(_, most)| count > most) {
                best = Some((name, count));
            }
        }
        best.map(|(name, _)| name.to_owned())
    }

    /// Takes a member out; whoever waits for it is told that it is no member.
    pub(super) fn remove_member(&mut self, id: &str, out: &mut Vec<Output>) {
        let Some(member) = self.members.remove(id) else {
            return;
        };
        if let Some(waiter) = member.joining {
            out.push(Output::Joined(waiter, Err(Error::UnknownMember)));
        }
        if let Some(waiter) = member.syncing {
            out.push(Output::Synced(waiter, Err(Error::UnknownMember)));
        }
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        self.unsynced.remove(id);
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// After members were taken out.
    pub(super) fn members_left(&mut self, now: Now, out: &mut Vec<Output>) {
        match self.phase {
            Phase::Empty => {}
            Phase::PreparingRebalance => self.maybe_complete_join(now, out),
            Phase::CompletingRebalance | Phase::Stable => self.prepare_rebalance(now, out),
        }
    }
}
