//! The threads that everything runs on.

use tokio::runtime::{Builder, Runtime};

use super::error::Error;

/// Fewest workers: one that is busy must not hold up the other's connections.
const WORKERS_MIN: usize = 2;
/// Stack of a thread. Only touched pages count as memory; deep futures stay below half of it.
const STACK_BYTES: usize = 2 << 20;
/// Threads for calls that block, such as reads of old segments.
const BLOCKING_THREADS_MAX: usize = 32;

/// As many workers as there are cores, at least [`WORKERS_MIN`].
pub(super) fn build() -> Result<Runtime, Error> {
    let cores = std::thread::available_parallelism().map_or(WORKERS_MIN, usize::from);
    Builder::new_multi_thread()
        .worker_threads(cores.max(WORKERS_MIN))
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_stack_size(STACK_BYTES)
        .thread_name("penstock")
        .enable_all()
        .build()
        .map_err(|cause| Error::System {
            doing: "start the threads".to_owned(),
            cause,
            mend: "raise the limits of processes and open files (ulimit -u, ulimit -n)".to_owned(),
        })
}
