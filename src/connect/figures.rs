//! Figures of a connector since the process started that no counter gives back: how many events of
//! each kind, how long ago, how the snapshot went, and what the server last said of the slot.
//!
//! They outlive a run: a connector that is retrying or has failed still has them, and its slot is
//! still watched.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::status::Status;
use crate::event::Op;
use crate::postgres::slot::SlotState;

/// Kinds of events, in the order of the counts.
pub(super) const OPS: [Op; 6] = [
    Op::Read,
    Op::Create,
    Op::Update,
    Op::Delete,
    Op::Truncate,
    Op::Message,
];

/// In place of a time that is not known yet.
const NEVER: i64 = -1;

/// What the server said of the slot when it was last asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Slot {
    /// Not asked yet, or the server does not answer.
    #[default]
    Unknown,
    /// There is no slot of this name.
    Absent,
    /// As it is.
    There(Box<SlotState>),
}

/// How a snapshot of this process went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotRun {
    /// When it began, ms since 1970.
    pub began_ms: i64,
    /// When it ended; `None` while it is read.
    pub ended_ms: Option<i64>,
    /// Whether it was read to its end.
    pub completed: bool,
}

/// A connector with its figures.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Its status.
    pub status: Status,
    /// Events of each kind.
    pub events: [(Op, u64); 6],
    /// When a change last became durable, ms since 1970.
    pub last_change_ms: Option<i64>,
    /// Time between commit and log of that change.
    pub behind_ms: Option<i64>,
    /// The last snapshot.
    pub snapshot: Option<SnapshotRun>,
    /// The slot.
    pub slot: Slot,
}

/// The figures as they are counted. Shared by the connector's tasks and who looks.
#[derive(Debug)]
pub(super) struct Figures {
    events: [AtomicU64; 6],
    last_change_ms: AtomicI64,
    behind_ms: AtomicI64,
    snapshot: Mutex<Option<SnapshotRun>>,
    slot: Mutex<Slot>,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures {
            events: Default::default(),
            last_change_ms: AtomicI64::new(NEVER),
            behind_ms: AtomicI64::new(NEVER),
            snapshot: Mutex::default(),
            slot: Mutex::default(),
        }
    }
}

impl Figures {
    /// Counts `count` events of a kind.
    pub(super) fn count(&self, op: Op, count: u64) {
        let events = OPS
            .iter()
            .zip(&self.events)
            .find(|(known, _)| **known == op);
        if let Some((_, events)) = events {
            events.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Notes that a change committed `behind_ms` ago is durable now.
    pub(super) fn changed(&self, now_ms: i64, behind_ms: i64) {
        self.last_change_ms.store(now_ms, Ordering::Relaxed);
        self.behind_ms.store(behind_ms, Ordering::Relaxed);
    }

    pub(super) fn snapshot_began(&self, began_ms: i64) {
        *self.snapshot.lock() = Some(SnapshotRun {
            began_ms,
            ..SnapshotRun::default()
        });
    }

    /// Notes the end of the snapshot that is being read, if one is.
    pub(super) fn snapshot_ended(&self, now_ms: i64, completed: bool) {
        if let Some(run) = self
            .snapshot
            .lock()
            .as_mut()
            .filter(|run| run.ended_ms.is_none())
        {
            run.ended_ms = Some(now_ms);
            run.completed = completed;
        }
    }

    pub(super) fn set_slot(&self, slot: Slot) {
        *self.slot.lock() = slot;
    }

    pub(super) fn observe(&self, status: Status) -> Observed {
        let known = |cell: &AtomicI64| {
            let value = cell.load(Ordering::Relaxed);
            (value != NEVER).then_some(value)
        };
        Observed {
            status,
            events: std::array::from_fn(|at| (OPS[at], self.events[at].load(Ordering::Relaxed))),
            last_change_ms: known(&self.last_change_ms),
            behind_ms: known(&self.behind_ms),
            snapshot: *self.snapshot.lock(),
            slot: self.slot.lock().clone(),
        }
    }
}
