//! The one place where tasks are started, so that each has a name and an owner.

use std::future::Future;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{JoinHandle, JoinSet};
use tracing::Instrument;

/// To check or show so many bytes takes about as long as others may be kept waiting.
const HEAVY_BYTES: usize = 64 << 10;

/// Starts `work` as a task called `name` (the name is in every log line of it). The caller owns
/// the handle and joins or aborts it; a panic of the task comes out of the join.
pub fn spawn<F>(name: &'static str, work: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[expect(
        clippy::disallowed_methods,
        reason = "the one wrapper that the rule points to"
    )]
    tokio::spawn(work.instrument(tracing::info_span!("task", name)))
}

/// Starts `work` as one of many of a kind, such as connections, which `set` owns. It has no name of
/// its own in log lines, since entering a span costs as much as a short poll: bring one at the
/// level at which it is worth that.
pub fn spawn_in<F>(set: &mut JoinSet<F::Output>, work: F)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    set.spawn(work);
}

/// Does work over `bytes`. Over many it takes milliseconds, and the other tasks of this worker go on
/// with another thread meanwhile; to call that thread takes some microseconds.
pub fn heavy<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let flavor = || Handle::try_current().map(|runtime| runtime.runtime_flavor());
    match bytes {
        HEAVY_BYTES.. if matches!(flavor(), Ok(RuntimeFlavor::MultiThread)) => {
            tokio::task::block_in_place(work)
        }
        // One thread has no other to give the tasks to.
        _ => work(),
    }
}
