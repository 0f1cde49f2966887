//! A process of ours: started, watched, ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::super::failure::Failure;
use super::process::{self, Usage};
use super::scratch::Scratch;
use crate::error;

/// How often a process is looked at. It bounds how exactly its end is known.
pub(super) const POLL: Duration = Duration::from_millis(2);
/// An orderly end takes at most this long.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// Where a server says that it takes traffic.
pub(super) const READY_FILE: &str = "ready.json";
/// Lines of its output that are shown when it fails.
const LINES: usize = 12;

/// A running process. Dropping it ends it at once.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    name: &'static str,
    log: PathBuf,
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

    /// Fails where it has ended.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        if self.usage()?.has_ended {
            let status = self.wait()?;
            return Err(self.failed(&format!("it ended with {status}")));
        }
        Ok(())
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

/// This very binary.
pub(super) fn this_program() -> Result<Command, Failure> {
    let program = std::env::current_exe().map_err(|cause| {
        let what = format!("failed to find this program: {cause}");
        Failure::new(error::CLI_BENCH, what, "run it by its path")
    })?;
    Ok(Command::new(program))
}

/// `penstock serve` of this very binary with free ports and its data below `scratch`, untouched by
/// the settings of a server that people run.
pub(super) fn serve_command(scratch: &Scratch) -> Result<Command, Failure> {
    let failed = |cause: std::io::Error| {
        let what = format!("failed to prepare `penstock serve`: {cause}");
        let mend = "check that TMPDIR names a folder with free space that you may write to";
        Failure::new(error::CLI_BENCH, what, mend)
    };
    let config = scratch.path("penstock.hcl");
    std::fs::write(&config, "").map_err(failed)?;
    let mut command = this_program()?;
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PENSTOCK_") {
            command.env_remove(name);
        }
    }
    command
        .args(["serve", "--metrics-listen", "off"])
        .args(["--http-listen", "127.0.0.1:0", "--kafka-listen"])
        .args(["127.0.0.1:0", "--config"])
        .arg(&config)
        .arg("--data-dir")
        .arg(scratch.path("data"))
        .arg("--ready-file")
        .arg(scratch.path(READY_FILE));
    Ok(command)
}

/// The address of a listener of `running`, once it takes traffic.
pub(super) async fn address(
    running: &mut Running,
    scratch: &Scratch,
    listener: &str,
) -> Result<String, Failure> {
    let ready = scratch.path(READY_FILE);
    loop {
        let text = std::fs::read_to_string(&ready).unwrap_or_default();
        let ready: Option<Value> = serde_json::from_str(&text).ok();
        let address = ready
            .as_ref()
            .and_then(|ready| ready.get(listener)?.as_str());
        if let Some(address) = address {
            return Ok(address.to_owned());
        }
        running.check()?;
        tokio::time::sleep(POLL).await;
    }
}
