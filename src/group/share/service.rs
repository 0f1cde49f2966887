//! What happens without being asked: answers go out when appends are synced, leases run out, and
//! records whose last lease ran out are put among the dead letters.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::error::Error;
use super::acks::{Done, tell_paused};
use super::cell::{Cell, Place};
use super::limits::{LETTERS_MAX, TICK};
use super::shared::{Shared, random};
use super::state::Death;
use super::tally::Tally;
use super::write::{Write, outcome};
use crate::backoff::Backoff;
use crate::error::chain;
use crate::record::dead_letter::Reason;

/// The first wait after a dead letter could not be stored.
const BURY_RETRY: Duration = Duration::from_secs(1);
/// The longest.
const BURY_RETRY_MAX: Duration = Duration::from_secs(60);

/// The part of the shared groups that runs by itself. There is one; it is spawned as one task.
pub struct Service {
    shared: Arc<Shared>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("share::Service")
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
                () = run_leases(shared) => {}
                () = run_burials(shared) => {}
            }
            shared.is_closing.store(true, Ordering::Release);
            shared.closing.cancel();
            shared.write_queued.notify_one();
        };
        tokio::join!(timers, run_writes(shared));
    }
}

/// Waits for the writes in their order. Ends when shared groups are closing and none is left.
async fn run_writes(shared: &Shared) {
    loop {
        let is_closing = shared.is_closing.load(Ordering::Acquire);
        let write = shared.writes.lock().pop_front();
        match write {
            Some(write) => on_write(shared, write).await,
            None if is_closing => return,
            None => shared.write_queued.notified().await,
        }
    }
}

async fn on_write(shared: &Shared, write: Write) {
    let result = match write.ticket {
        Ok(ticket) => ticket.await.map(|_| ()).map_err(Error::from),
        Err(error) => Err(error),
    };
    if let (Some(marking), Ok(())) = (write.marks, &result) {
        shared.marks.settle(marking.marked);
    }
    if let Some(stored) = write.of {
        let cell = Arc::clone(&stored.cell);
        let is_deleted = stored.is_deletion && result.is_ok();
        let is_empty = stored.settle(&result);
        if is_deleted {
            shared.remove(&cell);
        } else if is_empty {
            shared.forget_if_empty(&cell);
        }
    }
    drop(write.room);
    write.answer.send(result).ok();
}

async fn run_leases(shared: &Shared) {
    loop {
        tokio::time::sleep(TICK).await;
        on_tick(shared);
    }
}

/// Ends the leases that ran out.
pub(super) fn on_tick(shared: &Shared) {
    let now = shared.now();
    let mut bytes = 0;
    for cell in shared.all() {
        let policy = shared.policy(&cell.id);
        let mut expired = 0;
        {
            let mut state = cell.state.lock();
            bytes += state.bytes();
            if state.check(&cell.id).is_err() {
                continue;
            }
            for slot in state.slots.values_mut() {
                expired += slot.partition.expire(now, &policy, random);
            }
        }
        if expired > 0 {
            let tally = Tally {
                expired: u64::try_from(expired).unwrap_or(u64::MAX),
                ..Tally::default()
            };
            tally.add(&cell.id);
            cell.changed.notify_waiters();
        }
    }
    shared.bytes.store(bytes, Ordering::Relaxed);
}

async fn run_burials(shared: &Shared) {
    let mut backoff = Backoff::new(BURY_RETRY, BURY_RETRY_MAX);
    loop {
        tokio::time::sleep(TICK).await;
        for cell in shared.all() {
            match bury(shared, &cell).await {
                Ok(0) => {}
                Ok(_) => backoff.reset(),
                Err(error) => {
                    let wait = backoff.next(random());
                    tracing::warn!(
                        group = %cell.id,
                        error = %chain(&error),
                        retry_ms = wait.as_millis(),
                        "dead letters could not be stored; their records wait",
                    );
                    tokio::time::sleep_until(Instant::now() + wait).await;
                }
            }
        }
    }
}

/// Puts records that may not be delivered again among the dead letters; how many.
pub(super) async fn bury(shared: &Shared, cell: &Arc<Cell>) -> Result<usize, Error> {
    let policy = shared.policy(&cell.id);
    let limit = policy.delivery_limit;
    let dying: BTreeMap<(Place, i64), Death> = {
        let state = cell.state.lock();
        if state.check(&cell.id).is_err() {
            return Ok(0);
        }
        let now = shared.now();
        let mut dying = BTreeMap::new();
        for (place, slot) in &state.slots {
            let left = LETTERS_MAX.saturating_sub(dying.len());
            for offset in slot.partition.doomed(now, limit, left) {
                let Some(entry) = slot.partition.get(offset) else {
                    continue;
                };
                let death = Death {
                    reason: Reason::Exhausted,
                    delivery_count: entry.delivery_count,
                    redrive_count: entry.redrive_count,
                };
                dying.insert((*place, offset), death);
            }
        }
        dying
    };
    if dying.is_empty() {
        return Ok(0);
    }
    let to = shared.letter_box(&cell.id).await?;
    let ready = shared.read_letters(&to, &dying).await?;
    let room = shared.room().await?;
    let count = ready.len();
    let answered = {
        let mut state = cell.state.lock();
        state.check(&cell.id)?;
        let now = shared.now();
        let mut done = Done::default();
        for ((place, offset), letter) in ready {
            let Some(slot) = state.slots.get_mut(&place) else {
                continue;
            };
            // A letter that was made for another delivery would tell a wrong count.
            let is_same = slot.partition.get(offset).is_some_and(|entry| {
                dying
                    .get(&(place, offset))
                    .is_some_and(|death| death.delivery_count == entry.delivery_count)
            });
            if is_same && slot.partition.bury(now, limit, offset).is_some() {
                done.buried(place, letter);
            }
        }
        if done.tell(&mut state, now.timer_ms) {
            tell_paused(cell);
        }
        done.submit(shared, cell, &mut state, Some(&to), room)
    };
    cell.changed.notify_waiters();
    match answered {
        Some(answered) => outcome(answered).await.map(|()| count),
        None => Ok(count),
    }
}
