//! What the handle and the service share: all groups under one lock, their timers, and who waits
//! for an answer.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::error::Error;
use super::groups::Commit;
use super::id::GroupId;
use super::limits::{Config, GROUPS_MAX, STATE_BYTES_MAX, WRITES_IN_FLIGHT_MAX};
use super::replay;
use super::state::{Committed, Group, Joined, Now, Output, Synced, Waiter};
use super::write::Write;
use crate::clock::Clock;
use crate::log::{Log, Partition};
use crate::topic::{PartitionId, TopicName};

pub(super) struct Shared {
    pub(super) log: Log,
    pub(super) config: Config,
    pub(super) clock: Arc<dyn Clock>,
    started: Instant,
    pub(super) partition: Arc<Partition>,
    pub(super) state: Mutex<State>,
    /// A write was queued.
    pub(super) write_queued: Notify,
    /// The earliest timer changed.
    pub(super) timer_changed: Notify,
    /// Room for [`WRITES_IN_FLIGHT_MAX`] commits.
    room: Arc<Semaphore>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) groups: BTreeMap<GroupId, Group>,
    /// Estimated bytes of all groups.
    pub(super) bytes: usize,
    waiters: HashMap<Waiter, Answer>,
    waiters_made: u64,
    /// The serial of the next group.
    groups_made: u64,
    /// Submitted to the log, in this order.
    pub(super) writes: VecDeque<Write>,
    /// When which group has something to do; at most one entry for a group.
    pub(super) timers: BTreeSet<(i64, GroupId)>,
    armed: HashMap<GroupId, i64>,
    /// Ids that are shared groups: none of `groups` has one of them.
    pub(super) shared_ids: BTreeSet<GroupId>,
    /// Nothing is taken any more.
    pub(super) is_closing: bool,
}

pub(super) enum Answer {
    Join(oneshot::Sender<Result<Joined, Error>>),
    Sync(oneshot::Sender<Result<Synced, Error>>),
}

impl Shared {
    /// Takes over `groups` as they were read back.
    pub(super) fn new(
        log: Log,
        clock: Arc<dyn Clock>,
        config: Config,
        partition: Arc<Partition>,
        groups: BTreeMap<GroupId, Group>,
    ) -> Shared {
        let mut state = State {
            groups_made: replay::SERIAL + 1,
            ..State::default()
        };
        for (id, group) in groups {
            state.bytes += group.bytes();
            state.arm(&id, group.deadline_ms());
            state.groups.insert(id, group);
        }
        Shared {
            log,
            config,
            clock,
            started: Instant::now(),
            partition,
            state: Mutex::new(state),
            write_queued: Notify::new(),
            timer_changed: Notify::new(),
            room: Arc::new(Semaphore::new(WRITES_IN_FLIGHT_MAX)),
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
        let since = std::time::Duration::from_millis(timer_ms.max(0).unsigned_abs());
        self.started + since
    }

    pub(super) async fn room(&self) -> Result<OwnedSemaphorePermit, Error> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        room.map_err(|_| Error::Closing)
    }

    pub(super) fn make_group(&self, state: &mut State, id: &GroupId) -> Result<(), Error> {
        if state.groups.len() >= GROUPS_MAX {
            return Err(Error::LimitReached {
                what: "groups",
                limit: GROUPS_MAX,
            });
        }
        let serial = state.groups_made;
        state.groups_made += 1;
        let group = Group::new(id.clone(), serial, self.config, self.now());
        state.groups.insert(id.clone(), group);
        Ok(())
    }

    pub(super) fn offsets(
        &self,
        commits: Vec<Commit>,
    ) -> Vec<(TopicName, PartitionId, Option<Committed>)> {
        let commit_ms = self.clock.now_ms();
        let offsets = commits.into_iter().map(|commit| {
            let topic_id = self.log.topic(commit.topic.as_str()).map(|topic| topic.id);
            let committed = Committed {
                offset: commit.offset,
                leader_epoch: commit.leader_epoch,
                metadata: commit.metadata,
                commit_ms,
                topic_id,
            };
            (commit.topic, commit.partition, Some(committed))
        });
        offsets.collect()
    }

    /// Whether an offset belongs to the topic that has the name now.
    pub(super) fn is_current(&self, topic: &str, committed: &Committed) -> bool {
        let topic = self.log.topic(topic);
        match (topic, committed.topic_id) {
            (Some(topic), Some(id)) => topic.id == id,
            _ => true,
        }
    }

    /// Lets a group do a step, and does what it asks for.
    pub(super) fn step<R>(
        &self,
        state: &mut State,
        id: &GroupId,
        step: impl FnOnce(&mut Group, Now, &mut Vec<Output>) -> R,
    ) -> Result<R, Error> {
        let Some(group) = state.groups.get_mut(id) else {
            return Err(Error::NotFound(id.to_string()));
        };
        let mut outputs = Vec::new();
        let before = group.bytes();
        let answer = step(group, self.now(), &mut outputs);
        let after = group.bytes();
        let deadline_ms = group.deadline_ms();
        state.bytes = (state.bytes + after).saturating_sub(before);
        if state.arm(id, deadline_ms) {
            self.timer_changed.notify_one();
        }
        for output in outputs {
            match output {
                Output::Joined(waiter, answer) => state.answer_join(waiter, answer),
                Output::Synced(waiter, answer) => state.answer_sync(waiter, answer),
                Output::Store(generation) => self.write_generation(state, id, generation),
            }
        }
        Ok(answer)
    }
}

impl State {
    pub(super) fn check_open(&self) -> Result<(), Error> {
        if self.is_closing {
            return Err(Error::Closing);
        }
        Ok(())
    }

    /// Checks that an id is not that of a shared group.
    pub(super) fn check_ordered(&self, group: &GroupId) -> Result<(), Error> {
        if self.shared_ids.contains(group) {
            return Err(Error::OtherKind {
                group: group.to_string(),
                is: "a shared group",
                asked: "an ordered one",
            });
        }
        Ok(())
    }

    /// Checks that all groups together may grow by `bytes`.
    pub(super) fn check_room(&self, bytes: usize) -> Result<(), Error> {
        if self.bytes.saturating_add(bytes) > STATE_BYTES_MAX {
            return Err(Error::LimitReached {
                what: "bytes of all groups",
                limit: STATE_BYTES_MAX,
            });
        }
        Ok(())
    }

    pub(super) fn waiter(&mut self, answer: Answer) -> Waiter {
        let waiter = Waiter(self.waiters_made);
        self.waiters_made += 1;
        self.waiters.insert(waiter, answer);
        waiter
    }

    pub(super) fn forget_waiter(&mut self, waiter: Waiter) {
        self.waiters.remove(&waiter);
    }

    // A caller that went away is no reason to stop: the answers' results are not looked at.
    pub(super) fn answer_join(&mut self, waiter: Waiter, answer: Result<Joined, Error>) {
        if let Some(Answer::Join(caller)) = self.waiters.remove(&waiter) {
            caller.send(answer).ok();
        }
    }

    pub(super) fn answer_sync(&mut self, waiter: Waiter, answer: Result<Synced, Error>) {
        if let Some(Answer::Sync(caller)) = self.waiters.remove(&waiter) {
            caller.send(answer).ok();
        }
    }

    /// Sets a group's timer; whether it is the first to fire now.
    pub(super) fn arm(&mut self, id: &GroupId, deadline_ms: i64) -> bool {
        if self.armed.get(id) == Some(&deadline_ms) {
            return false;
        }
        self.disarm(id);
        if deadline_ms == i64::MAX {
            return false;
        }
        self.armed.insert(id.clone(), deadline_ms);
        self.timers.insert((deadline_ms, id.clone()));
        self.timers.first().is_some_and(|(_, first)| first == id)
    }

    pub(super) fn disarm(&mut self, id: &GroupId) {
        if let Some(old) = self.armed.remove(id) {
            self.timers.remove(&(old, id.clone()));
        }
    }

    /// Takes a group out of memory.
    pub(super) fn remove(&mut self, id: &GroupId) -> Option<Group> {
        self.disarm(id);
        let group = self.groups.remove(id)?;
        self.bytes = self.bytes.saturating_sub(group.bytes());
        Some(group)
    }

    /// The group that a write was for, unless it was deleted since.
    pub(super) fn same_group(&mut self, id: &GroupId, serial: u64) -> Option<&mut Group> {
        self.groups
            .get_mut(id)
            .filter(|group| group.serial() == serial)
    }

    /// Forgets a group that a refused request made: it was never stored.
    pub(super) fn forget_if_unused(&mut self, id: &GroupId) {
        let is_new = |g: &Group| g.is_unused() && g.generation() == 0;
        if self.groups.get(id).is_some_and(is_new) {
            self.remove(id);
        }
    }

    /// Forgets all callers that wait; they learn that groups are closing.
    pub(super) fn drop_waiters(&mut self) {
        self.waiters.clear();
    }
}
