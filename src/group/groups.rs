//! The handle to all groups: takes requests, asks the state machine, stores what has to be stored.
//!
//! # How a change becomes durable
//! A step of the state machine happens under one lock, and so does the submission of the record it
//! asks for; the log keeps the order of submissions. [`super::Service`] waits for the syncs in that
//! order and then lets the change be seen and the caller be answered. So what a fetch says is what
//! a replay of the topic would say, and a caller that goes away half-way changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::error::Error;
use super::id::GroupId;
use super::limits::{
    Config, GROUPS_MAX, OFFSET_BYTES, OFFSET_METADATA_BYTES_MAX, STATE_BYTES_MAX,
    WRITES_IN_FLIGHT_MAX,
};
use super::replay;
use super::service::Service;
use super::state::{
    Committed, Committer, Description, Group, Heartbeat, Join, Joined, Leaving, Now, Output, Phase,
    Sync, Synced, Waiter,
};
use super::stored::{Key, encode_group, encode_offset};
use crate::clock::Clock;
use crate::log::{Append, Log, Origin, Partition, PartitionBatch, Ticket};
use crate::record::BatchBuilder;
use crate::topic::{CONSUMER_OFFSETS, Offset, PartitionId, TopicName};

/// All consumer groups. Cheap to clone.
#[derive(Clone)]
pub struct Groups {
    pub(super) shared: Arc<Shared>,
}

/// An offset to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Of which topic.
    pub topic: TopicName,
    /// Of which partition.
    pub partition: PartitionId,
    /// The next record the group wants; not negative.
    pub offset: Offset,
    /// Leader epoch of the last record read; -1 if not known.
    pub leader_epoch: i32,
    /// What the client wants stored beside it; at most `limits::OFFSET_METADATA_BYTES_MAX`.
    pub metadata: String,
}

/// An offset that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Of which topic.
    pub topic: TopicName,
    /// Of which partition.
    pub partition: PartitionId,
    /// How far.
    pub committed: Committed,
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Id of the group.
    pub group: GroupId,
    /// Its protocol type; empty for a group that only holds offsets.
    pub protocol_type: String,
    /// Where it stands.
    pub phase: Phase,
}

pub(super) struct Shared {
    pub(super) log: Log,
    pub(super) config: Config,
    clock: Arc<dyn Clock>,
    started: Instant,
    partition: Arc<Partition>,
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
    /// Nothing is taken any more.
    pub(super) is_closing: bool,
}

enum Answer {
    Join(oneshot::Sender<Result<Joined, Error>>),
    Sync(oneshot::Sender<Result<Synced, Error>>),
}

/// A change on its way to the disk.
pub(super) struct Write {
    pub(super) ticket: Result<Ticket, Error>,
    pub(super) effect: Effect,
    /// `None` for what the state machine asks for: at most one of a group is under way.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

/// What a change does once it is durable.
pub(super) enum Effect {
    /// Offsets are set, or deleted where there is none.
    Offsets {
        group: GroupId,
        serial: u64,
        offsets: Vec<(TopicName, PartitionId, Option<Committed>)>,
        answer: oneshot::Sender<Result<(), Error>>,
    },
    /// The state machine learns that its generation is stored.
    Generation {
        group: GroupId,
        serial: u64,
        generation: i32,
    },
    /// The group is gone for good; it comes back if the write failed.
    Deletion {
        group: Box<Group>,
        answer: oneshot::Sender<Result<(), Error>>,
    },
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.shared.state.lock().groups.len();
        f.debug_struct("Groups")
            .field("groups", &groups)
            .finish_non_exhaustive()
    }
}

impl Groups {
    /// Makes `__consumer_offsets` if it is not there, and reads all of it. The service has to run
    /// for anything to be answered.
    pub async fn open(
        log: Log,
        clock: Arc<dyn Clock>,
        config: Config,
    ) -> Result<(Groups, Service), Error> {
        let partition = offsets_partition(&log).await?;
        let started = Instant::now();
        let now = Now {
            timer_ms: 0,
            wall_ms: clock.now_ms(),
        };
        let groups = replay::replay(&log, &partition, now, config).await?;
        let mut state = State {
            groups_made: replay::SERIAL + 1,
            ..State::default()
        };
        for (id, group) in groups {
            state.bytes += group.bytes();
            state.arm(&id, group.deadline_ms());
            state.groups.insert(id, group);
        }
        let shared = Arc::new(Shared {
            log,
            config,
            clock,
            started,
            partition,
            state: Mutex::new(state),
            write_queued: Notify::new(),
            timer_changed: Notify::new(),
            room: Arc::new(Semaphore::new(WRITES_IN_FLIGHT_MAX)),
        });
        let service = Service::new(Arc::clone(&shared));
        Ok((Groups { shared }, service))
    }

    /// Takes a JoinGroup; waits for the rebalance. Cancel safe: the member stays in the group.
    pub async fn join(&self, group: &GroupId, join: Join) -> Result<Joined, Error> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.shared.state.lock();
            state.check_open()?;
            if !state.groups.contains_key(group) {
                if !join.member.is_empty() {
                    return Err(Error::UnknownMember);
                }
                self.shared.make_group(&mut state, group)?;
            }
            state.check_room(join.protocols.iter().map(|(n, m)| n.len() + m.len()).sum())?;
            let waiter = state.waiter(Answer::Join(answer));
            self.shared.step(&mut state, group, |group, now, out| {
                group.join(now, join, waiter, out);
            })?;
            state.forget_if_unused(group);
        }
        answered.await.unwrap_or(Err(Error::Closing))
    }

    /// Takes a SyncGroup; waits for the assignment. Cancel safe.
    pub async fn sync(&self, group: &GroupId, sync: Sync) -> Result<Synced, Error> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.shared.state.lock();
            state.check_open()?;
            state.check_room(sync.assignments.iter().map(|(_, a)| a.len()).sum())?;
            let waiter = state.waiter(Answer::Sync(answer));
            let step = self.shared.step(&mut state, group, |group, now, out| {
                group.sync(now, sync, waiter, out);
            });
            if step.is_err() {
                state.waiters.remove(&waiter);
                return Err(Error::UnknownMember);
            }
        }
        answered.await.unwrap_or(Err(Error::Closing))
    }

    /// Takes a heartbeat.
    pub fn heartbeat(&self, group: &GroupId, beat: Heartbeat<'_>) -> Result<(), Error> {
        let now = self.shared.now();
        let mut state = self.shared.state.lock();
        state.check_open()?;
        let group = state.groups.get_mut(group).ok_or(Error::UnknownMember)?;
        // The timer stays where it is: it only fires too early.
        group.heartbeat(now, beat)
    }

    /// Takes members out; one outcome for each.
    pub fn leave(
        &self,
        group: &GroupId,
        leaving: &[Leaving],
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let mut state = self.shared.state.lock();
        state.check_open()?;
        let leave = |group: &mut Group, now, out: &mut _| group.leave(now, leaving, out);
        let outcomes = self.shared.step(&mut state, group, leave);
        outcomes.map_err(|_| Error::UnknownMember)
    }

    /// Commits offsets; returns when they are synced. Cancel safe: a dropped call either commits
    /// all of them or none.
    pub async fn commit(
        &self,
        group: &GroupId,
        by: Committer<'_>,
        commits: Vec<Commit>,
    ) -> Result<(), Error> {
        let longest = commits.iter().map(|c| c.metadata.len()).max().unwrap_or(0);
        if longest > OFFSET_METADATA_BYTES_MAX {
            return Err(Error::MetadataTooLarge(longest));
        }
        if commits.iter().any(|c| c.offset.0 < 0) {
            return Err(Error::Invalid("an offset is negative"));
        }
        let room = self.shared.room().await?;
        let answered = {
            let mut state = self.shared.state.lock();
            state.check_open()?;
            if !state.groups.contains_key(group) {
                if by.generation >= 0 {
                    return Err(Error::IllegalGeneration {
                        current: 0,
                        got: by.generation,
                    });
                }
                self.shared.make_group(&mut state, group)?;
            }
            let offsets = self.shared.offsets(commits);
            let grown = |(_, _, c): &(_, _, Option<Committed>)| {
                OFFSET_BYTES + c.as_ref().map_or(0, |c| c.metadata.len())
            };
            state.check_room(offsets.iter().map(grown).sum())?;
            let now = self.shared.now();
            let known = state.groups.get_mut(group).ok_or(Error::UnknownMember)?;
            known.check_commit(now, by)?;
            if offsets.is_empty() {
                return Ok(());
            }
            self.shared
                .write_offsets(&mut state, group, offsets, Some(room))
        };
        answered.await.unwrap_or(Err(Error::Closing))
    }

    /// Sets offsets of a group that has no members.
    pub async fn seek(
        &self,
        group: &GroupId,
        offsets: Vec<(TopicName, PartitionId, Offset)>,
    ) -> Result<(), Error> {
        let commits = offsets
            .into_iter()
            .map(|(topic, partition, offset)| Commit {
                topic,
                partition,
                offset,
                leader_epoch: -1,
                metadata: String::new(),
            });
        let commits = commits.collect();
        match self.commit(group, Committer::OUTSIDE, commits).await {
            Err(Error::UnknownMember) => Err(Error::NotEmpty(group.to_string())),
            outcome => outcome,
        }
    }

    /// The committed offset of one partition.
    #[must_use]
    pub fn fetch(&self, group: &str, topic: &str, partition: PartitionId) -> Option<Committed> {
        let state = self.shared.state.lock();
        let committed = state.groups.get(group)?.offsets().get(topic, partition)?;
        self.shared
            .is_current(topic, committed)
            .then(|| committed.clone())
    }

    /// All committed offsets of a group, by topic and partition.
    #[must_use]
    pub fn fetch_all(&self, group: &str) -> Vec<Fetched> {
        let state = self.shared.state.lock();
        let Some(group) = state.groups.get(group) else {
            return Vec::new();
        };
        let current = group.offsets().iter();
        let current = current.filter(|(topic, _, c)| self.shared.is_current(topic.as_str(), c));
        let fetched = current.map(|(topic, partition, committed)| Fetched {
            topic: topic.clone(),
            partition,
            committed: committed.clone(),
        });
        fetched.collect()
    }

    /// All groups, by id.
    #[must_use]
    pub fn list(&self) -> Vec<Listing> {
        let state = self.shared.state.lock();
        let listed = state.groups.values().map(|group| Listing {
            group: group.id().clone(),
            protocol_type: group.protocol_type().unwrap_or_default().to_owned(),
            phase: group.phase(),
        });
        listed.collect()
    }

    /// One group.
    #[must_use]
    pub fn describe(&self, group: &str) -> Option<Description> {
        let state = self.shared.state.lock();
        state.groups.get(group).map(Group::describe)
    }

    /// Deletes a group that has no members, with its offsets.
    pub async fn delete(&self, group: &GroupId) -> Result<(), Error> {
        let room = self.shared.room().await?;
        let answered = {
            let mut state = self.shared.state.lock();
            state.check_open()?;
            let known = state.groups.get(group);
            let known = known.ok_or_else(|| Error::NotFound(group.to_string()))?;
            if known.phase() != Phase::Empty {
                return Err(Error::NotEmpty(group.to_string()));
            }
            self.shared.write_deletion(&mut state, group, Some(room))
        };
        match answered {
            Some(answered) => answered.await.unwrap_or(Err(Error::Closing)),
            None => Ok(()),
        }
    }

    /// Deletes committed offsets, as the group's own decision or an administrator's.
    pub async fn delete_offsets(
        &self,
        group: &GroupId,
        partitions: Vec<(TopicName, PartitionId)>,
    ) -> Result<(), Error> {
        let room = self.shared.room().await?;
        let answered = {
            let mut state = self.shared.state.lock();
            state.check_open()?;
            if !state.groups.contains_key(group) {
                return Err(Error::NotFound(group.to_string()));
            }
            let offsets = partitions.into_iter().map(|(t, p)| (t, p, None)).collect();
            self.shared
                .write_offsets(&mut state, group, offsets, Some(room))
        };
        answered.await.unwrap_or(Err(Error::Closing))
    }

    /// Deletes what any group committed for a topic that is gone. Should this be cut short, the
    /// topic's id keeps the old offsets from counting for a new topic of the same name.
    pub async fn topic_deleted(&self, topic: &TopicName) -> Result<(), Error> {
        let affected: Vec<(GroupId, Vec<(TopicName, PartitionId)>)> = {
            let state = self.shared.state.lock();
            let of_topic = |group: &Group| -> Vec<(TopicName, PartitionId)> {
                let offsets = group.offsets().iter().filter(|(t, _, _)| *t == topic);
                offsets.map(|(t, p, _)| (t.clone(), p)).collect()
            };
            let groups = state
                .groups
                .iter()
                .map(|(id, group)| (id.clone(), of_topic(group)));
            groups
                .filter(|(_, partitions)| !partitions.is_empty())
                .collect()
        };
        for (group, partitions) in affected {
            match self.delete_offsets(&group, partitions).await {
                // The group went away in between, and its offsets with it.
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Shared {
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

    async fn room(&self) -> Result<OwnedSemaphorePermit, Error> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        room.map_err(|_| Error::Closing)
    }

    fn make_group(&self, state: &mut State, id: &GroupId) -> Result<(), Error> {
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

    fn offsets(&self, commits: Vec<Commit>) -> Vec<(TopicName, PartitionId, Option<Committed>)> {
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

    fn write_generation(&self, state: &mut State, id: &GroupId, generation: i32) {
        let Some(group) = state.groups.get(id) else {
            return;
        };
        let key = Key::Group {
            group: id.to_string(),
        };
        let value = encode_group(&group.to_stored());
        let effect = Effect::Generation {
            group: id.clone(),
            serial: group.serial(),
            generation,
        };
        self.write(state, &[(key, Some(value))], effect, None);
    }

    pub(super) fn write_offsets(
        &self,
        state: &mut State,
        group: &GroupId,
        offsets: Vec<(TopicName, PartitionId, Option<Committed>)>,
        room: Option<OwnedSemaphorePermit>,
    ) -> oneshot::Receiver<Result<(), Error>> {
        let (answer, answered) = oneshot::channel();
        let mut serial = 0;
        if let Some(known) = state.groups.get_mut(group) {
            serial = known.serial();
            let before = known.bytes();
            for (topic, partition, _) in &offsets {
                known.offsets_mut().submitted(topic, *partition);
            }
            let after = known.bytes();
            state.bytes = (state.bytes + after).saturating_sub(before);
        }
        let mut records = Vec::with_capacity(offsets.len());
        for (topic, partition, committed) in &offsets {
            let key = Key::Offset {
                group: group.to_string(),
                topic: topic.to_string(),
                partition: *partition,
            };
            records.push((key, committed.as_ref().map(encode_offset)));
        }
        let effect = Effect::Offsets {
            group: group.clone(),
            serial,
            offsets,
            answer,
        };
        self.write(state, &records, effect, room);
        answered
    }

    /// Takes a group out and writes tombstones for it and its offsets. `None` if it is not there.
    pub(super) fn write_deletion(
        &self,
        state: &mut State,
        id: &GroupId,
        room: Option<OwnedSemaphorePermit>,
    ) -> Option<oneshot::Receiver<Result<(), Error>>> {
        let group = state.remove(id)?;
        let (answer, answered) = oneshot::channel();
        let partitions = group.offsets().partitions().into_iter();
        let offsets = partitions.map(|(topic, partition)| Key::Offset {
            group: id.to_string(),
            topic: topic.to_string(),
            partition,
        });
        let own = Key::Group {
            group: id.to_string(),
        };
        let records: Vec<_> = offsets.chain([own]).map(|key| (key, None)).collect();
        let group = Box::new(group);
        self.write(state, &records, Effect::Deletion { group, answer }, room);
        Some(answered)
    }

    fn write(
        &self,
        state: &mut State,
        records: &[(Key, Option<Vec<u8>>)],
        effect: Effect,
        room: Option<OwnedSemaphorePermit>,
    ) {
        let ticket = self.submit(records);
        state.writes.push_back(Write {
            ticket,
            effect,
            _room: room,
        });
        self.write_queued.notify_one();
    }

    fn submit(&self, records: &[(Key, Option<Vec<u8>>)]) -> Result<Ticket, Error> {
        let refused = |_| Error::Invalid("its records are larger than a batch may be");
        let mut batch = BatchBuilder::new();
        let timestamp_ms = self.clock.now_ms();
        for (key, value) in records {
            let key = key.encode();
            let appended = batch.append(timestamp_ms, Some(&key), value.as_deref(), &[]);
            appended.map_err(refused)?;
        }
        let bytes = batch.finish().map_err(refused)?;
        Ok(self.log.submit(Append {
            origin: Origin::Inside,
            batches: vec![PartitionBatch {
                partition: Arc::clone(&self.partition),
                bytes,
            }],
        }))
    }
}

impl State {
    fn check_open(&self) -> Result<(), Error> {
        if self.is_closing {
            return Err(Error::Closing);
        }
        Ok(())
    }

    /// Checks that all groups together may grow by `bytes`.
    fn check_room(&self, bytes: usize) -> Result<(), Error> {
        if self.bytes.saturating_add(bytes) > STATE_BYTES_MAX {
            return Err(Error::LimitReached {
                what: "bytes of all groups",
                limit: STATE_BYTES_MAX,
            });
        }
        Ok(())
    }

    fn waiter(&mut self, answer: Answer) -> Waiter {
        let waiter = Waiter(self.waiters_made);
        self.waiters_made += 1;
        self.waiters.insert(waiter, answer);
        waiter
    }

    // A caller that went away is no reason to stop: the answers' results are not looked at.
    fn answer_join(&mut self, waiter: Waiter, answer: Result<Joined, Error>) {
        if let Some(Answer::Join(caller)) = self.waiters.remove(&waiter) {
            caller.send(answer).ok();
        }
    }

    fn answer_sync(&mut self, waiter: Waiter, answer: Result<Synced, Error>) {
        if let Some(Answer::Sync(caller)) = self.waiters.remove(&waiter) {
            caller.send(answer).ok();
        }
    }

    /// Sets a group's timer; whether it is the first to fire now.
    fn arm(&mut self, id: &GroupId, deadline_ms: i64) -> bool {
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

    fn disarm(&mut self, id: &GroupId) {
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

async fn offsets_partition(log: &Log) -> Result<Arc<Partition>, Error> {
    let topic = match log.topic(CONSUMER_OFFSETS) {
        Some(topic) => topic,
        None => {
            let name = TopicName::parse(CONSUMER_OFFSETS).expect("the name is legal");
            let config = log.default_topic_config(&name);
            log.create_topic(&name, 1, config).await?
        }
    };
    topic
        .partition(PartitionId(0))
        .cloned()
        .ok_or_else(|| Error::Damaged {
            offset: 0,
            what: "the topic has no partition".to_owned(),
        })
}
