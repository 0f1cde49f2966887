//! The log on disk is Apache Kafka's: its own DumpLogSegments reads it after a kill.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{Setup, is_proving, kafka_tool, run};

const LIMIT: Duration = Duration::from_secs(900);

/// Files of a folder whose name ends in `suffix`, in order.
fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.to_str().is_some_and(|name| name.ends_with(suffix)))
        .collect();
    found.sort();
    found
}

/// The arguments of DumpLogSegments for `files`.
fn dump(files: &[PathBuf], more: &[&str]) -> String {
    let Some(mut tool) = kafka_tool("DumpLogSegments") else {
        return String::new();
    };
    let names: Vec<&str> = files.iter().map(|path| path.to_str().unwrap()).collect();
    tool.args(["--files", &names.join(",")]).args(more);
    run(&mut tool, LIMIT).ok("DumpLogSegments")
}

/// Payloads are lines here, so that the tool's own output can be split by line.
#[test]
fn kafkas_own_tool_reads_what_a_kill_left() {
    let on_ci = std::env::var("CI").as_deref() == Ok("true");
    if !is_proving() && !on_ci {
        eprintln!(
            "skipped: DumpLogSegments (its jars are downloaded with CI=true or PENSTOCK_PROVE=1)"
        );
        return;
    }
    if kafka_tool("DumpLogSegments").is_none() {
        return;
    }
    let mut penstock = Setup::new().start();
    let kcat = penstock.kcat();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let lines: Vec<String> = (0..4000)
            .map(|n| format!("k{n}:{codec} value {n}"))
            .collect();
        kcat.produce("dumped", &["-z", codec], &lines.join("\n"));
    }
    penstock.kill();
    penstock.start();
    let records = penstock.kcat().records("dumped");
    assert_eq!(records.len(), 20_000);
    penstock.terminate();

    let folder = penstock.data().join("topics/dumped-0");
    let log = dump(
        &files(&folder, ".log"),
        &["--deep-iteration", "--print-data-log"],
    );
    assert!(
        log.contains("isvalid: true"),
        "{}",
        &log[..log.len().min(2000)]
    );
    assert!(!log.contains("isvalid: false"), "a batch is not valid");
    let payloads: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once(" payload: "))
        .map(|(_, payload)| payload)
        .collect();
    let values: Vec<&str> = records
        .iter()
        .map(|r| r.value.as_deref().unwrap())
        .collect();
    assert_eq!(payloads, values);

    let mut indexes = files(&folder, ".index");
    indexes.extend(files(&folder, ".timeindex"));
    assert!(!indexes.is_empty(), "indexes in {}", folder.display());
    let indexes = dump(&indexes, &["--verify-index-only"]);
    assert!(!indexes.to_lowercase().contains("mismatch"), "{indexes}");
}

#[test]
fn log_verify_finds_nothing_wrong_after_a_kill_and_names_a_flipped_bit() {
    let mut penstock = Setup::new().start();
    let lines: Vec<String> = (0..4000).map(|n| format!("k{n}:value {n}")).collect();
    penstock.kcat().produce("verified", &[], &lines.join("\n"));
    penstock.kill();
    penstock.start();
    penstock.terminate();
    let verify = |penstock: &crate::support::Penstock| {
        run(
            &mut penstock.command(&["log", "verify"]),
            Duration::from_secs(60),
        )
    };
    verify(&penstock).ok("penstock log verify");

    let segment = files(&penstock.data().join("topics/verified-0"), ".log").remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = 200;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let finished = verify(&penstock);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let said = finished.stdout + &finished.stderr;
    assert!(said.contains("verified-0"), "{said}");
}

/// Two processes on one data directory would overwrite each other.
#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let penstock = Setup::new().start();
    let other = Setup::new().data(&penstock.data()).build();
    let finished = run(&mut other.command(&["serve"]), Duration::from_secs(30));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("PEN-LOG-001"), "{finished:?}");
    assert!(penstock.get("/healthz").unwrap().status == 200);
}
