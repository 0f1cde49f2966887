//! What the handle and the service share: all shared groups, the marks, and the appends under way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::error::Error;
use super::super::groups::Groups;
use super::super::id::GroupId;
use super::super::state::Now;
use super::cell::Cell;
use super::limits::{GROUPS_MAX, READINGS_MAX, WRITES_IN_FLIGHT_MAX};
use super::marks::Marks;
use super::tally;
use super::write::Write;
use crate::clock::Clock;
use crate::config::topics::{GroupPolicy, Rules};
use crate::log::{Log, Partition};
use crate::record::dead_letter;
use crate::topic::TopicName;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) log: Log,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rules: Rules,
    /// Knows which ids are shared, and has the groups that are not.
    pub(super) ordered: Groups,
    started: Instant,
    /// Partition 0 of `__share_group_state`.
    pub(super) partition: Arc<Partition>,
    pub(super) cells: Mutex<BTreeMap<GroupId, Arc<Cell>>>,
    pub(super) marks: Marks,
    /// Submitted to the log; those of one group in their order.
    pub(super) writes: Mutex<VecDeque<Write>>,
    pub(super) write_queued: Notify,
    pub(super) is_closing: AtomicBool,
    /// Cancelled with `is_closing`, for those who wait.
    pub(super) closing: CancellationToken,
    room: Arc<Semaphore>,
    readings: Arc<Semaphore>,
    pub(super) bytes: AtomicUsize,
}

impl Shared {
    pub(super) fn new(
        log: Log,
        clock: Arc<dyn Clock>,
        rules: Rules,
        ordered: Groups,
        partition: Arc<Partition>,
    ) -> Shared {
        Shared {
            log,
            clock,
            rules,
            ordered,
            started: Instant::now(),
            partition,
            cells: Mutex::default(),
            marks: Marks::default(),
            writes: Mutex::default(),
            write_queued: Notify::new(),
            is_closing: AtomicBool::new(false),
            closing: CancellationToken::new(),
            room: Arc::new(Semaphore::new(WRITES_IN_FLIGHT_MAX)),
            readings: Arc::new(Semaphore::new(READINGS_MAX)),
            bytes: AtomicUsize::new(0),
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            timer_ms: i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX),
            wall_ms: self.clock.now_ms(),
        }
    }

    /// The moment of `timer_ms`.
    pub(super) fn instant(&self, timer_ms: i64) -> Instant {
        self.started + Duration::from_millis(timer_ms.max(0).unsigned_abs())
    }

    pub(super) fn policy(&self, group: &GroupId) -> GroupPolicy {
        self.rules.now().group(group.as_str())
    }

    pub(super) fn check_open(&self) -> Result<(), Error> {
        match self.is_closing.load(Ordering::Acquire) {
            true => Err(Error::Closing),
            false => Ok(()),
        }
    }

    /// A place among the appends that are waited for.
    pub(super) async fn room(&self) -> Result<OwnedSemaphorePermit, Error> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        self.check_open()?;
        room.map_err(|_| Error::Closing)
    }

    /// A group that there is.
    pub(super) fn cell(&self, group: &str) -> Result<Arc<Cell>, Error> {
        let cells = self.cells.lock();
        let cell = cells.get(group).cloned();
        cell.ok_or_else(|| Error::NotFound(group.chars().take(80).collect()))
    }

    pub(super) fn all(&self) -> Vec<Arc<Cell>> {
        self.cells.lock().values().cloned().collect()
    }

    /// The group, made if there is none. What is made is stored with its first partition.
    pub(super) fn cell_or_new(&self, group: &GroupId) -> Result<Arc<Cell>, Error> {
        let mut cells = self.cells.lock();
        if let Some(cell) = cells.get(group) {
            return Ok(Arc::clone(cell));
        }
        if cells.len() >= GROUPS_MAX {
            return Err(Error::LimitReached {
                what: "shared groups",
                limit: GROUPS_MAX,
            });
        }
        letter_topic(group)?;
        self.ordered.claim_shared(group)?;
        tally::begin(group);
        let cell = Arc::new(Cell::new(group.clone()));
        cells.insert(group.clone(), Arc::clone(&cell));
        Ok(cell)
    }

    /// Takes a group out of memory if nothing of it is stored or about to be.
    pub(super) fn forget_if_empty(&self, cell: &Arc<Cell>) {
        let cells = self.cells.lock();
        let mut state = cell.state.lock();
        if !state.slots.is_empty() || state.pending > 0 || state.is_gone {
            return;
        }
        state.is_gone = true;
        drop(state);
        drop(cells);
        self.remove(cell);
    }

    /// Takes a deleted group out.
    pub(super) fn remove(&self, cell: &Arc<Cell>) {
        let mut cells = self.cells.lock();
        if cells
            .get(&cell.id)
            .is_some_and(|known| Arc::ptr_eq(known, cell))
        {
            cells.remove(&cell.id);
            self.ordered.release_shared(&cell.id);
        }
    }

    /// Estimated bytes of the state of all groups, as they were at the last tick.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A place among the answers that are in memory.
    pub(super) async fn reading(&self) -> Result<OwnedSemaphorePermit, Error> {
        let place = Arc::clone(&self.readings).acquire_owned().await;
        self.check_open()?;
        place.map_err(|_| Error::Closing)
    }
}

/// Where the dead letters of a group go. An id that cannot be part of a topic's name is no id for
/// a shared group.
pub(super) fn letter_topic(group: &GroupId) -> Result<TopicName, Error> {
    let name = format!("{}{group}", dead_letter::TOPIC_PREFIX);
    TopicName::parse(&name).map_err(|_| Error::InvalidGroup {
        group: group.as_str().chars().take(64).collect(),
        what: "a shared group's id is part of the topic dlq.<group>: use a-z A-Z 0-9 . _ - and at \
               most 245 of them",
    })
}

/// A number in 0..1.
pub(super) fn random() -> f64 {
    let bits = Uuid::new_v4().as_u64_pair().1 & 0xffff_ffff;
    // 32 bits, which an f64 holds exactly.
    f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(u32::MAX)
}

/// A number that tells one read from others.
pub(super) fn random_bits() -> u64 {
    let (high, low) = Uuid::new_v4().as_u64_pair();
    high.rotate_left(32) ^ low
}
