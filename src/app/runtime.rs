//! The threads that everything runs on.

use tokio::runtime::{Builder, Runtime};

use super::error::Error;

/// Stack of a thread. Only touched pages count as memory; deep futures stay below half of it.
const STACK_BYTES: usize = 2 << 20;
/// Threads for calls that block, such as reads of old segments.
const BLOCKING_THREADS_MAX: usize = 32;

/// The threads of a server: a worker for each core but one, which the log's own threads need, and
/// on a small server the database and the application. A worker more than there are idle cores only
/// takes turns with them, and tasks that move between workers cost more than they gain: on two cores
/// shared with the clients, pushes gained an eighth.
pub fn runtime() -> Result<Runtime, Error> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(cores.saturating_sub(1).max(1))
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
