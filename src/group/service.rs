//! What happens without being asked: answers go out when writes are synced, timers fire, old
//! offsets expire.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::id::GroupId;
use super::limits::EXPIRY_INTERVAL_MS;
use super::shared::{Shared, State};
use super::state::{Committed, Group, Phase};
use super::write::{Effect, Write};
use crate::error::chain;
use crate::topic::{PartitionId, TopicName};

/// The part of the groups that runs by itself. There is one; it is spawned as one task.
pub struct Service {
    shared: Arc<Shared>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("group::Service")
    }
}

impl Service {
    pub(super) fn new(shared: Arc<Shared>) -> Service {
        Service { shared }
    }

    /// Runs until `shutdown`; then refuses requests, and ends when every write that was taken is
    /// answered. The log has to be closed after this.
    pub async fn run(self, shutdown: CancellationToken) {
        let shared = &self.shared;
        let timers = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = run_timers(shared) => {}
                () = run_expiry(shared) => {}
            }
            let mut state = shared.state.lock();
            state.is_closing = true;
            state.drop_waiters();
            shared.write_queued.notify_one();
        };
        tokio::join!(timers, run_writes(shared));
    }
}

/// Waits for the writes in their order. Ends when groups are closing and none is left.
async fn run_writes(shared: &Shared) {
    loop {
        let (write, is_closing) = {
            let mut state = shared.state.lock();
            (state.writes.pop_front(), state.is_closing)
        };
        match write {
            Some(write) => on_write(shared, write).await,
            None if is_closing => return,
            None => shared.write_queued.notified().await,
        }
    }
}

async fn on_write(shared: &Shared, write: Write) {
    let outcome = match write.ticket {
        Ok(ticket) => ticket.await.map(|_| ()).map_err(Error::from),
        Err(error) => Err(error),
    };
    let mut state = shared.state.lock();
    match write.effect {
        Effect::Offsets {
            group,
            serial,
            offsets,
            answer,
        } => {
            settle_offsets(&mut state, &group, serial, offsets, outcome.is_ok());
            state.forget_if_unused(&group);
            answer.send(outcome).ok();
        }
        Effect::Generation {
            group,
            serial,
            generation,
        } => {
            if let Err(error) = &outcome {
                tracing::warn!(group = %group, error = %chain(error), "a group was not stored");
            }
            // A group that was deleted meanwhile has nothing to learn.
            if state.same_group(&group, serial).is_some() {
                let learn = |group: &mut Group, now, out: &mut _| {
                    group.stored(now, generation, outcome, out);
                };
                shared.step(&mut state, &group, learn).ok();
            }
        }
        Effect::Deletion { group, answer } => {
            if outcome.is_err() {
                put_back(&mut state, *group);
            }
            answer.send(outcome).ok();
        }
    }
}

fn settle_offsets(
    state: &mut State,
    group: &GroupId,
    serial: u64,
    offsets: Vec<(TopicName, PartitionId, Option<Committed>)>,
    are_stored: bool,
) {
    let Some(group) = state.same_group(group, serial) else {
        return;
    };
    let before = group.bytes();
    for (topic, partition, committed) in offsets {
        group.offsets_mut().settled(&topic, partition);
        match committed {
            _ if !are_stored => {}
            Some(committed) => group.offsets_mut().put(topic, partition, committed),
            None => {
                group.offsets_mut().remove(topic.as_str(), partition);
            }
        }
    }
    let after = group.bytes();
    state.bytes = (state.bytes + after).saturating_sub(before);
}

fn put_back(state: &mut State, group: Group) {
    let id = group.id().clone();
    if !state.groups.contains_key(&id) {
        state.bytes += group.bytes();
        state.groups.insert(id, group);
    }
}

async fn run_timers(shared: &Shared) {
    loop {
        let first = shared.state.lock().timers.first().cloned();
        let Some((deadline_ms, _)) = first else {
            shared.timer_changed.notified().await;
            continue;
        };
        tokio::select! {
            () = tokio::time::sleep_until(shared.instant(deadline_ms)) => on_timer(shared),
            () = shared.timer_changed.notified() => {}
        }
    }
}

/// Ticks every group that is due.
fn on_timer(shared: &Shared) {
    let now = shared.now();
    let mut state = shared.state.lock();
    let due: Vec<GroupId> = state
        .timers
        .iter()
        .take_while(|(deadline_ms, _)| *deadline_ms <= now.timer_ms)
        .map(|(_, id)| id.clone())
        .collect();
    for id in due {
        let tick = |group: &mut Group, now, out: &mut _| group.tick(now, out);
        shared.step(&mut state, &id, tick).ok();
        state.forget_if_unused(&id);
    }
}

async fn run_expiry(shared: &Shared) {
    let interval = Duration::from_millis(EXPIRY_INTERVAL_MS.unsigned_abs());
    loop {
        tokio::time::sleep(interval).await;
        expire(shared);
    }
}

/// Deletes offsets that outlived their time, and groups that have nothing left.
pub(super) fn expire(shared: &Shared) {
    let wall_ms = shared.now().wall_ms;
    let retention_ms = shared.config.offsets_retention_ms;
    let mut state = shared.state.lock();
    let ids: Vec<GroupId> = state.groups.keys().cloned().collect();
    for id in ids {
        let Some(group) = state.groups.get(&id) else {
            continue;
        };
        if group.phase() != Phase::Empty || group.offsets().is_changing() {
            continue;
        }
        let expired = group.expired_offsets(wall_ms, retention_ms);
        // The outcome is not waited for: what was not deleted expires again.
        if expired.len() == group.offsets().iter().count() {
            drop(shared.write_deletion(&mut state, &id, None));
        } else if !expired.is_empty() {
            let tombstones = expired.into_iter().map(|(t, p)| (t, p, None)).collect();
            drop(shared.write_offsets(&mut state, &id, tombstones, None));
        }
    }
}
