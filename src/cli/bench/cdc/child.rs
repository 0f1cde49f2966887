//! A process of ours and the walsender that serves it: started, watched, ended.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::super::super::failure::Failure;
use super::super::process::{self, Usage};
use super::source::Source;
use crate::error;

/// How often a process is looked at. It bounds how exactly its end is known.
pub(super) const POLL: Duration = Duration::from_millis(2);
/// How often the database is asked who serves the slot, until it is known.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// The walsender's CPU time is read again after this time: so much of it may be missed.
const WALSENDER_POLL: Duration = Duration::from_millis(20);
/// An orderly end takes at most this long.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// Lines of its output that are shown when it fails.
const LINES: usize = 12;

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

/// A running process. Dropping it ends it at once.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    name: &'static str,
    log: std::path::PathBuf,
    pub(super) begin: Instant,
}

impl Running {
    /// Starts `command`; its output goes to `log`.
    pub(super) fn start(
        mut command: Command,
        name: &'static str,
        log: &Path,
    ) -> Result<Running, Failure> {
        let failed = |cause: std::io::Error| {
            let what = format!("failed to run {name}: {cause}");
            Failure::new(
                error::CLI_BENCH,
                what,
                "check that TMPDIR names a folder you may write to",
            )
        };
        let output = File::create(log).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let begin = Instant::now();
        Ok(Running {
            child: command.spawn().map_err(failed)?,
            name,
            log: log.to_owned(),
            begin,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has used; a process that has ended keeps telling until it is waited for.
    pub(super) fn usage(&self) -> Result<Usage, Failure> {
        process::usage_of(self.pid())
    }

    /// Waits for its end and gives its status.
    pub(super) fn wait(&mut self) -> Result<ExitStatus, Failure> {
        let waited = self.child.wait();
        waited.map_err(|cause| self.failed(&format!("it is gone: {cause}")))
    }

    /// Asks it to end and waits; ends it at once where that takes too long.
    pub(super) async fn stop(mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begin.elapsed() < STOP_TIMEOUT {
            tokio::time::sleep(POLL).await;
        }
    }

    /// A failure that ends with what it said last.
    pub(super) fn failed(&self, what: &str) -> Failure {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(LINES));
        let shown: String = last.map(|line| format!("\n    {line}")).collect();
        Failure::new(
            error::CLI_BENCH,
            format!(
                "failed to measure {}: {what}; it said last:{shown}",
                self.name
            ),
            "mend what it names, then measure again",
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where it has ended and was waited for, both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
