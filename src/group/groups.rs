//! The handle to all groups: takes requests, asks the state machine, stores what has to be stored.
//!
//! # How a change becomes durable
//! A step of the state machine happens under one lock, and so does the submission of the record it
//! asks for; the log keeps the order of submissions. [`super::Service`] waits for the syncs in that
//! order and then lets the change be seen and the caller be answered. So what a fetch says is what
//! a replay of the topic would say, and a caller that goes away half-way changes nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::error::Error;
use super::id::GroupId;
use super::limits::{Config, OFFSET_BYTES, OFFSET_METADATA_BYTES_MAX};
use super::replay;
use super::service::Service;
use super::shared::{Answer, Shared};
use super::state::{
    Committed, Committer, Description, Group, Heartbeat, Join, Joined, Leaving, Now, Phase, Sync,
    Synced,
};
use crate::clock::Clock;
use crate::log::{Log, Partition};
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
        let now = Now {
            timer_ms: 0,
            wall_ms: clock.now_ms(),
        };
        let groups = replay::replay(&log, &partition, now, config).await?;
        let shared = Arc::new(Shared::new(log, clock, config, partition, groups));
        let service = Service::new(Arc::clone(&shared));
        Ok((Groups { shared }, service))
    }

    /// Takes a JoinGroup; waits for the rebalance. Cancel safe: the member stays in the group.
    pub async fn join(&self, group: &GroupId, join: Join) -> Result<Joined, Error> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.shared.state.lock();
            state.check_open()?;
            state.check_ordered(group)?;
            state.check_room(join.protocols.iter().map(|(n, m)| n.len() + m.len()).sum())?;
            if !state.groups.contains_key(group) {
                if !join.member.is_empty() {
                    return Err(Error::UnknownMember);
                }
                self.shared.make_group(&mut state, group)?;
            }
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
                state.forget_waiter(waiter);
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
            state.check_ordered(group)?;
            let offsets = self.shared.offsets(commits);
            let grown = |(_, _, c): &(_, _, Option<Committed>)| {
                OFFSET_BYTES + c.as_ref().map_or(0, |c| c.metadata.len())
            };
            state.check_room(offsets.iter().map(grown).sum())?;
            if !state.groups.contains_key(group) {
                if by.generation >= 0 {
                    return Err(Error::IllegalGeneration {
                        current: 0,
                        got: by.generation,
                    });
                }
                self.shared.make_group(&mut state, group)?;
            }
            let now = self.shared.now();
            let known = state.groups.get_mut(group).ok_or(Error::UnknownMember)?;
            known.check_commit(now, by)?;
            if offsets.is_empty() {
                state.forget_if_unused(group);
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
        let ordered = |group: &&Group| !state.shared_ids.contains(group.id());
        let listed = state.groups.values().filter(ordered).map(|group| Listing {
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

    /// Estimated bytes of these groups with their members and offsets; each counts once.
    #[must_use]
    pub fn bytes_of<'a>(&self, groups: impl Iterator<Item = &'a str>) -> usize {
        let ids: BTreeSet<&str> = groups.collect();
        let state = self.shared.state.lock();
        let known = ids.into_iter().filter_map(|id| state.groups.get(id));
        known.map(Group::bytes).sum()
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

    /// Takes `group` for a shared group, unless it is an ordered one with members or offsets.
    pub(in crate::group) fn claim_shared(&self, group: &GroupId) -> Result<(), Error> {
        let mut state = self.shared.state.lock();
        state.check_open()?;
        match state.groups.get(group) {
            Some(known) if !known.is_unused() => {
                return Err(Error::OtherKind {
                    group: group.to_string(),
                    is: "an ordered group",
                    asked: "a shared one",
                });
            }
            // Nobody waits for it: an empty group that comes back after a restart is no harm.
            Some(_) => drop(self.shared.write_deletion(&mut state, group, None)),
            None => {}
        }
        state.shared_ids.insert(group.clone());
        Ok(())
    }

    /// The shared group of this id is gone.
    pub(in crate::group) fn release_shared(&self, group: &GroupId) {
        self.shared.state.lock().shared_ids.remove(group);
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
            topic: CONSUMER_OFFSETS,
            offset: 0,
            what: "the topic has no partition".to_owned(),
        })
}
