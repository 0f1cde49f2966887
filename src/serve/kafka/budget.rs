//! Memory that is taken before it is filled, but for the first kilobytes of a request: a peer that
//! only announces a large one keeps nothing from others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of Produce requests that are being read or worked on, all connections together: the
/// largest frame twice, so that one of them never keeps everybody else waiting.
const PRODUCED_BYTES_MAX: usize = 64 << 20;
/// Memory of all other requests. Some wait for long (Fetch, JoinGroup), which must not keep
/// producers waiting.
const PLAIN_BYTES_MAX: usize = 64 << 20;
/// Bytes of records that are being read for or written to consumers, all connections together.
const RECORD_BYTES_MAX: usize = 64 << 20;
/// Compressed batches that are unpacked to be checked at once; each may take
/// [`UNPACKED_BYTES_MAX`].
const UNPACKING_MAX: usize = 2;
/// What one batch may unpack to. A batch of 1 MiB that packs 64 to 1 fits.
pub(super) const UNPACKED_BYTES_MAX: usize = 64 << 20;

/// The budgets of one service. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    produced: Arc<Semaphore>,
    plain: Arc<Semaphore>,
    /// Connections that wait for room for a request.
    waiting: Arc<AtomicUsize>,
    records: Arc<Semaphore>,
    /// Consumers that wait for room for records.
    records_waiting: Arc<AtomicUsize>,
    unpacking: Arc<Semaphore>,
}

/// A part of a budget; given back when dropped.
pub(super) type Share = OwnedSemaphorePermit;

impl Budget {
    pub(super) fn new() -> Budget {
        Budget {
            produced: Arc::new(Semaphore::new(PRODUCED_BYTES_MAX)),
            plain: Arc::new(Semaphore::new(PLAIN_BYTES_MAX)),
            waiting: Arc::new(AtomicUsize::new(0)),
            records: Arc::new(Semaphore::new(RECORD_BYTES_MAX)),
            records_waiting: Arc::new(AtomicUsize::new(0)),
            unpacking: Arc::new(Semaphore::new(UNPACKING_MAX)),
        }
    }

    /// Waits for room for a Produce request. Cancel safe.
    pub(super) async fn produced(&self, bytes: usize) -> Share {
        let _counted = Waiting::new(&self.waiting);
        take(&self.produced, bytes.min(PRODUCED_BYTES_MAX)).await
    }

    /// Waits for room for any other request. Cancel safe.
    pub(super) async fn plain(&self, bytes: usize) -> Share {
        let _counted = Waiting::new(&self.waiting);
        take(&self.plain, bytes.min(PLAIN_BYTES_MAX)).await
    }

    /// A share of nothing, for requests that are too small to count.
    pub(super) async fn uncounted(&self) -> Share {
        match Arc::clone(&self.plain).try_acquire_many_owned(0) {
            Ok(share) => share,
            Err(_) => take(&self.plain, 0).await,
        }
    }

    /// Whether somebody waits for room for a request.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits for room for records. Cancel safe.
    pub(super) async fn records(&self, bytes: usize) -> Share {
        let _counted = Waiting::new(&self.records_waiting);
        take(&self.records, bytes.min(RECORD_BYTES_MAX)).await
    }

    /// Whether somebody waits for room for records.
    pub(super) fn records_are_wanted(&self) -> bool {
        self.records_waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits for the turn to unpack a batch. Cancel safe.
    pub(super) async fn unpacking(&self) -> Share {
        take(&self.unpacking, 1).await
    }
}

/// Counts one that waits, for as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl Waiting<'_> {
    fn new(count: &AtomicUsize) -> Waiting<'_> {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn take(budget: &Arc<Semaphore>, count: usize) -> Share {
    let count = u32::try_from(count).expect("budgets are below 4 GiB");
    let share = Arc::clone(budget).acquire_many_owned(count).await;
    share.expect("budgets are never closed")
}

/// Gives back what is above `bytes`.
pub(super) fn shrink(share: &mut Share, bytes: usize) {
    let surplus = share.num_permits().saturating_sub(bytes);
    drop(share.split(surplus));
}
