//! Time passes: leases run out.

use super::Now;
use super::ack::Death;
use super::partition::{Partition, Phase};
use crate::config::topics::GroupPolicy;
use crate::record::dead_letter::Reason;

impl Partition {
    /// Ends the leases that ran out of records that may be delivered once more; how many.
    pub fn expire(
        &mut self,
        now: Now,
        policy: &GroupPolicy,
        mut random: impl FnMut() -> f64,
    ) -> usize {
        let over = self.run_out(now);
        let again: Vec<i64> = over
            .filter(|(_, delivery_count)| *delivery_count < policy.delivery_limit)
            .map(|(offset, _)| offset)
            .collect();
        for offset in &again {
            self.release(now, *offset, policy, random());
        }
        again.len()
    }

    /// Records that may not be delivered again and are with nobody: their last lease ran out, or
    /// was lost in a restart. At most `count`.
    #[must_use]
    pub fn doomed(&self, now: Now, limit: u16, count: usize) -> Vec<i64> {
        let spent = self.available().filter_map(|(_, offset)| {
            let entry = self.get(offset)?;
            Some((offset, entry.delivery_count))
        });
        let all = self.run_out(now).chain(spent);
        let doomed = all.filter(|(_, delivery_count)| *delivery_count >= limit);
        doomed.map(|(offset, _)| offset).take(count).collect()
    }

    /// Takes a doomed record out; `None` where it is not, or no longer, one.
    pub fn bury(&mut self, now: Now, limit: u16, offset: i64) -> Option<Death> {
        let entry = *self.get(offset)?;
        let is_held = matches!(entry.phase, Phase::Acquired { deadline_ms, .. } if deadline_ms > now.timer_ms);
        if is_held || entry.delivery_count < limit {
            return None;
        }
        self.take(offset);
        Some(entry.death(Reason::Exhausted))
    }

    fn run_out(&self, now: Now) -> impl Iterator<Item = (i64, u16)> {
        let over = self
            .leases()
            .take_while(move |(deadline_ms, _)| *deadline_ms <= now.timer_ms);
        over.filter_map(|(_, offset)| Some((offset, self.get(offset)?.delivery_count)))
    }
}
