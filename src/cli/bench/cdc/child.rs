//! What a reader of the backlog took, and the walsender that served it.

use std::time::{Duration, Instant};

use super::super::super::failure::Failure;
use super::super::process;
use super::source::Source;

/// How often the database is asked who serves the slot, until it is known.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// The walsender's CPU time is read again after this time: so much of it may be missed.
const WALSENDER_POLL: Duration = Duration::from_millis(20);

/// What one reader took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ran {
    /// From the start of its process until it has read everything.
    pub(super) time: Duration,
    pub(super) cpu: Duration,
    /// `None` where the database is on another machine.
    pub(super) walsender_cpu: Option<Duration>,
    pub(super) peak_memory_mb: Option<u64>,
}

/// The backend that serves a slot.
#[derive(Debug)]
pub(super) struct Walsender<'a> {
    source: &'a Source,
    slot: &'a str,
    pid: Option<u32>,
    cpu: Option<Duration>,
    look_at: Instant,
}

impl<'a> Walsender<'a> {
    pub(super) fn of(source: &'a Source, slot: &'a str) -> Walsender<'a> {
        Walsender {
            source,
            slot,
            pid: None,
            cpu: None,
            look_at: Instant::now(),
        }
    }

    /// Looks at it again, if it is time to.
    pub(super) async fn look(&mut self) -> Result<(), Failure> {
        if !self.source.is_local() || Instant::now() < self.look_at {
            return Ok(());
        }
        let Some(pid) = self.pid else {
            self.pid = self.source.walsender(self.slot).await?;
            self.look_at = Instant::now() + ASK_AGAIN;
            return Ok(());
        };
        self.look_at = Instant::now() + WALSENDER_POLL;
        // The process may be one of another name space, such as a container's.
        if process::program(pid).is_some_and(|name| name.starts_with("postgres"))
            && let Some(usage) = process::usage(pid)
        {
            self.cpu = Some(usage.cpu);
        }
        Ok(())
    }

    pub(super) fn cpu(&self) -> Option<Duration> {
        self.cpu
    }
}
