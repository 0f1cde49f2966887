//! What happens without being asked: keys expire, doubts are resolved, declarations that changed
//! are looked at.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::handle::Inner;
use super::keys::{NOTHING, tombstones};
use crate::config::topics::Declarations;
use crate::log::{Append, Origin, PartitionBatch, State};

/// How often the service looks. In so many seconds as there are shards of keys, every key has been
/// looked at once.
const INTERVAL: Duration = Duration::from_secs(1);

/// The part of pushing that runs by itself. There is one; it is spawned as one task.
pub struct Service {
    inner: Arc<Inner>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("push::Service")
    }
}

impl Service {
    pub(super) fn new(inner: Arc<Inner>) -> Service {
        Service { inner }
    }

    /// Runs until `shutdown`; then refuses pushes, and ends when every append that was begun is
    /// finished. The log has to be closed after this.
    pub async fn run(self, shutdown: CancellationToken) {
        let inner = &self.inner;
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tick(inner) => {}
        }
        inner.is_closing.store(true, Ordering::Release);
        inner.appends.close();
        inner.appends.wait().await;
    }
}

async fn tick(inner: &Inner) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut declared = inner.rules.now();
    for shard in 0_usize.. {
        ticks.tick().await;
        on_rules(inner, &mut declared);
        resolve_doubts(inner).await;
        expire(inner, shard).await;
    }
}

fn on_rules(inner: &Inner, declared: &mut Arc<Declarations>) {
    let now = inner.rules.now();
    if !Arc::ptr_eq(&now, declared) {
        inner.seen.begin(&now);
        inner.rates.keep(&now);
        *declared = now;
    }
}

/// Frees the keys in doubt by an append that changes nothing: once it is durable, appends before
/// it whose outcome is unknown are void.
pub(super) async fn resolve_doubts(inner: &Inner) {
    let doubts = inner.keys.doubts();
    if doubts.is_empty() {
        return;
    }
    let nothing = append(inner, tombstones(&[NOTHING], inner.clock.now_ms()));
    if inner.log.append(nothing).await.is_ok() {
        tracing::info!(
            keys = doubts.len(),
            "freed idempotency keys of pushes that failed"
        );
        inner.keys.resolve(&doubts);
    }
}

/// Buries the expired keys of a shard. While the log refuses appends they stay where they are. A
/// tombstone that fails all the same leaves a record that the next start reads and buries.
pub(super) async fn expire(inner: &Inner, shard: usize) {
    if inner.log.state() != State::Writable {
        return;
    }
    let now_ms = inner.clock.now_ms();
    let submitted = inner.keys.expire(shard, now_ms, |hashes| {
        inner.log.submit(append(inner, tombstones(hashes, now_ms)))
    });
    if let Some(ticket) = submitted
        && let Err(error) = ticket.await
    {
        let error = crate::error::chain(&error);
        tracing::warn!(error, "tombstones of idempotency keys were not stored");
    }
}

fn append(inner: &Inner, bytes: Vec<u8>) -> Append {
    let partition = inner.partition.clone();
    Append {
        origin: Origin::Inside,
        batches: vec![PartitionBatch { partition, bytes }],
    }
}
