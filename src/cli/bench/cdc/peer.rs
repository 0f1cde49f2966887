//! `pg_recvlogical -f /dev/null`: the least that reading a slot can cost.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::super::failure::Failure;
use super::super::running::{POLL, Running};
use super::super::scratch::Scratch;
use super::child::{Ran, Walsender};
use super::source::Source;
use crate::app::postgres_program;
use crate::error;

/// Where the program is.
pub(super) fn find() -> Result<PathBuf, Failure> {
    postgres_program("pg_recvlogical").ok_or_else(|| {
        Failure::new(
            error::CLI_BENCH,
            "failed to find pg_recvlogical in PATH and in PostgreSQL's folders",
            "install PostgreSQL: apt-get install -y postgresql (Debian, Ubuntu)",
        )
    })
}

/// Reads `slot` up to `end`.
pub(super) async fn run(
    program: &Path,
    source: &Source,
    slot: &str,
    end: &str,
    scratch: &Scratch,
) -> Result<Ran, Failure> {
    let mut command = Command::new(program);
    source.set_environment(&mut command);
    command
        .args([
            "--slot",
            slot,
            "--start",
            "--endpos",
            end,
            "-f",
            "/dev/null",
        ])
        .args(["-o", "proto_version=1", "-o"])
        .arg(format!("publication_names={}", source.name()));
    let mut running = Running::start(command, "pg_recvlogical", &scratch.path("peer.log"))?;
    let mut walsender = Walsender::of(source, slot);
    let usage = loop {
        let usage = running.usage()?;
        if usage.has_ended {
            break usage;
        }
        walsender.look().await?;
        tokio::time::sleep(POLL).await;
    };
    let time = running.begin.elapsed();
    let status = running.wait()?;
    if !status.success() {
        return Err(running.failed(&format!("it ended with {status}")));
    }
    Ok(Ran {
        time,
        cpu: usage.cpu,
        walsender_cpu: walsender.cpu(),
        peak_memory_mb: None,
    })
}
