//! A member says what became of a record.

use std::time::Duration;

use super::Now;
use super::partition::{Entry, Partition, Phase};
use crate::backoff::Backoff;
use crate::config::topics::GroupPolicy;
use crate::record::dead_letter::Reason;

/// What a member says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// It is worked off.
    Accept,
    /// It is to be tried again.
    Release,
    /// It can never be worked off.
    Reject,
    /// It takes longer: the lease begins again.
    Renew,
}

/// A record that becomes a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// Why.
    pub reason: Reason,
    /// How often it was delivered.
    pub delivery_count: u16,
    /// How often it was redriven.
    pub redrive_count: u16,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acked {
    /// The record is done.
    Accepted,
    /// The record waits for another delivery.
    Released,
    /// The record is done and has to be put among the dead letters.
    Dead(Death),
    /// The lease goes on.
    Renewed,
    /// Nothing changed: the record is open, but not, or no longer, in a lease of this owner.
    Expired,
    /// Nothing changed: no such record is open; it is done, or was never delivered.
    Unknown,
}

impl Partition {
    /// What [`Partition::ack`] would answer.
    #[must_use]
    pub fn judge(&self, now: Now, owner: u64, offset: i64, ack: Ack, limit: u16) -> Acked {
        let Some(entry) = self.get(offset) else {
            return Acked::Unknown;
        };
        let is_running = matches!(
            entry.phase,
            Phase::Acquired { owner: holder, deadline_ms, .. } if holder == owner && deadline_ms > now.timer_ms
        );
        match ack {
            _ if !is_running => Acked::Expired,
            Ack::Accept => Acked::Accepted,
            Ack::Renew => Acked::Renewed,
            Ack::Release if entry.delivery_count >= limit => {
                Acked::Dead(entry.death(Reason::Exhausted))
            }
            Ack::Release => Acked::Released,
            Ack::Reject => Acked::Dead(entry.death(Reason::Rejected)),
        }
    }

    /// Takes what `owner` says of a record. `random` lies in 0..1 and varies the back-off.
    pub fn ack(
        &mut self,
        now: Now,
        owner: u64,
        offset: i64,
        ack: Ack,
        policy: &GroupPolicy,
        random: f64,
    ) -> Acked {
        let acked = self.judge(now, owner, offset, ack, policy.delivery_limit);
        match acked {
            Acked::Accepted | Acked::Dead(_) => {
                self.take(offset);
            }
            Acked::Released => self.release(now, offset, policy, random),
            Acked::Renewed => self.renew(now, offset),
            Acked::Expired | Acked::Unknown => {}
        }
        acked
    }

    fn renew(&mut self, now: Now, offset: i64) {
        let Some(entry) = self.get(offset).copied() else {
            return;
        };
        if let Phase::Acquired {
            owner, lease_ms, ..
        } = entry.phase
        {
            let phase = Phase::Acquired {
                owner,
                deadline_ms: now.timer_ms.saturating_add(lease_ms),
                lease_ms,
            };
            self.put(offset, Entry { phase, ..entry });
        }
    }

    /// Ends a lease; the record comes back after its back-off.
    pub(super) fn release(&mut self, now: Now, offset: i64, policy: &GroupPolicy, random: f64) {
        let Some(entry) = self.get(offset).copied() else {
            return;
        };
        let wait_ms = backoff_ms(policy, entry.delivery_count, random);
        let not_before_ms = now.wall_ms.saturating_add(wait_ms);
        let phase = Phase::Available { not_before_ms };
        self.put(offset, Entry { phase, ..entry });
    }
}

impl Entry {
    pub(super) fn death(&self, reason: Reason) -> Death {
        Death {
            reason,
            delivery_count: self.delivery_count,
            redrive_count: self.redrive_count,
        }
    }
}

/// The wait after the `delivery_count`th delivery.
fn backoff_ms(policy: &GroupPolicy, delivery_count: u16, random: f64) -> i64 {
    let first = Duration::from_millis(policy.backoff_ms.into());
    let max = Duration::from_millis(policy.backoff_ms_max.into());
    let mut backoff = Backoff::new(first, max);
    // Beyond 32 doublings every series is at its end.
    for _ in 1..delivery_count.min(32) {
        backoff.next(0.5);
    }
    i64::try_from(backoff.next(random).as_millis()).unwrap_or(i64::MAX)
}
