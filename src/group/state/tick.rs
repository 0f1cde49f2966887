//! Time passes: sessions, rebalances and member ids that were never used run out.

use super::group::{Group, InitialDelay, Now, Output, Phase, Rebalance};

impl Group {
    /// When [`Group::tick`] has something to do next, on the timer; `i64::MAX` for never.
    #[must_use]
    pub fn deadline_ms(&self) -> i64 {
        let members = self.members.values().filter(|m| m.is_watched());
        let sessions = members.map(|m| m.deadline_ms).min();
        let pending = self.pending.values().copied().min();
        let rebalance = self.rebalance.map(|r| r.deadline_ms);
        let all = [sessions, pending, rebalance, Some(self.sync_deadline_ms)];
        all.into_iter().flatten().min().unwrap_or(i64::MAX)
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Now, out: &mut Vec<Output>) {
        self.expire_pending(now, out);
        self.expire_sessions(now, out);
        self.expire_unsynced(now, out);
        self.expire_rebalance(now, out);
    }

    fn expire_pending(&mut self, now: Now, out: &mut Vec<Output>) {
        let before = self.pending.len();
        self.pending.retain(|_, until| now.timer_ms < *until);
        if self.pending.len() < before {
            self.maybe_complete_join(now, out);
        }
    }

    fn expire_sessions(&mut self, now: Now, out: &mut Vec<Output>) {
        let over: Vec<String> = self
            .members
            .iter()
            .filter(|(_, m)| m.is_watched() && now.timer_ms >= m.deadline_ms)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &over {
            self.remove_member(id, out);
        }
        if !over.is_empty() {
            self.members_left(now, out);
        }
    }

    fn expire_unsynced(&mut self, now: Now, out: &mut Vec<Output>) {
        if now.timer_ms < self.sync_deadline_ms {
            return;
        }
        self.sync_deadline_ms = i64::MAX;
        let late = std::mem::take(&mut self.unsynced);
        for id in &late {
            self.remove_member(id, out);
        }
        let is_assigned = matches!(self.phase, Phase::CompletingRebalance | Phase::Stable);
        if is_assigned && !late.is_empty() {
            self.prepare_rebalance(now, out);
        }
    }

    fn expire_rebalance(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some(rebalance) = self.rebalance else {
            return;
        };
        if now.timer_ms < rebalance.deadline_ms {
            return;
        }
        let delay_ms = self.config.initial_rebalance_delay_ms;
        match rebalance.initial {
            Some(initial) if initial.member_came && now.timer_ms < initial.until_ms => {
                let next_ms = now.timer_ms.saturating_add(delay_ms);
                self.rebalance = Some(Rebalance {
                    deadline_ms: next_ms.min(initial.until_ms),
                    initial: Some(InitialDelay {
                        member_came: false,
                        ..initial
                    }),
                });
            }
            _ => self.complete_join(now, out),
        }
    }
}
