//! Counts what became of deliveries: `penstock_deliveries_total{group,outcome}`.

use super::super::id::GroupId;
use super::state::Acked;
use crate::metrics::names::DELIVERIES_TOTAL;
use crate::record::dead_letter::Reason;

/// What became of a number of deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    /// Releases that were the last count too.
    pub(super) released: u64,
    pub(super) rejected: u64,
    pub(super) expired: u64,
}

impl Tally {
    pub(super) fn count(&mut self, acked: Acked) {
        match acked {
            Acked::Accepted => self.accepted += 1,
            Acked::Released => self.released += 1,
            Acked::Dead(death) if death.reason == Reason::Rejected => self.rejected += 1,
            Acked::Dead(_) => self.released += 1,
            Acked::Renewed | Acked::Expired | Acked::Unknown => {}
        }
    }

    /// Adds it to the group's counters.
    pub(super) fn add(self, group: &GroupId) {
        let outcomes = [
            ("accepted", self.accepted),
            ("released", self.released),
            ("rejected", self.rejected),
            ("expired", self.expired),
        ];
        for (outcome, count) in outcomes.into_iter().filter(|(_, count)| *count > 0) {
            increment(group, outcome, count);
        }
    }
}

/// Shows a new group's counters at 0.
pub(super) fn begin(group: &GroupId) {
    for outcome in ["accepted", "released", "rejected", "expired"] {
        increment(group, outcome, 0);
    }
}

fn increment(group: &GroupId, outcome: &'static str, count: u64) {
    metrics::counter!(DELIVERIES_TOTAL, "group" => group.to_string(), "outcome" => outcome)
        .increment(count);
}
