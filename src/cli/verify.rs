//! `penstock log verify`: reads a data directory that no server uses, and says what of it is not as
//! it was written. Nothing is changed, not even recovered.

use std::path::PathBuf;

use serde_json::json;

use super::failure::Failure;
use super::output;
use super::progress::Progress;
use crate::config::{self, Environment};
use crate::error;
use crate::log::{self, Problem, VerifyReport};

/// Checks every batch, index and journal entry of the data directory.
pub(super) fn run(data_dir: Option<PathBuf>, json: bool) -> Result<(), Failure> {
    let dir = folder(data_dir)?;
    let mut bar: Option<Progress> = None;
    let report = log::verify(&dir, &mut |done, total| {
        bar.get_or_insert_with(|| Progress::new("verify", total))
            .at(done);
    })?;
    drop(bar);
    for problem in &report.problems {
        eprintln!("{}", told(problem));
    }
    if json {
        output::json(&shown(&report))?;
    } else {
        let VerifyReport {
            partitions,
            segments,
            batches,
            bytes,
            journal_entries,
            ..
        } = &report;
        let text = format!(
            "{partitions} partitions, {segments} segments, {batches} batches, {bytes} bytes, \
             {journal_entries} journal entries that a start will apply, {} problems",
            report.problems.len()
        );
        output::line(text.as_bytes())?;
    }
    if report.problems.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        error::LOG_DAMAGED,
        format!("found {} problems", report.problems.len()),
        "keep a copy of the data directory; what is not named stays readable",
    ))
}

fn told(problem: &Problem) -> String {
    let Problem {
        path,
        position,
        what,
    } = problem;
    format!("{} at byte {position}: {what}", path.display())
}

fn shown(report: &VerifyReport) -> serde_json::Value {
    let problems = report.problems.iter().map(
        |problem| json!({"path": problem.path, "position": problem.position, "what": problem.what}),
    );
    json!({
        "ok": report.problems.is_empty(),
        "partitions": report.partitions,
        "segments": report.segments,
        "batches": report.batches,
        "bytes": report.bytes,
        "journal_entries": report.journal_entries,
        "problems": problems.collect::<Vec<_>>(),
    })
}

/// The named folder, or the one of the configuration.
fn folder(data_dir: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let dir = match data_dir {
        Some(dir) => dir,
        None => {
            let environment = Environment::of_process();
            let sources = config::Sources {
                flags: &[],
                environment: &environment,
                file: None,
            };
            config::load_settings(&sources)?.data_dir
        }
    };
    if dir.is_dir() {
        return Ok(dir);
    }
    let what = format!("failed to find the data directory \"{}\"", dir.display());
    Err(Failure::new(
        error::CLI_INVALID,
        what,
        "name it: --data-dir DIR",
    ))
}
