//! `penstock bench`: small measurements come to their end, print one JSON object, and leave
//! nothing behind.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Penstock, Postgres, Setup, run};

/// A debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

fn anybody_deletes() -> Penstock {
    Setup::new()
        .env("PENSTOCK_KAFKA_ANONYMOUS", "admin")
        .start()
}

/// Runs `penstock bench` with `words` and `--json`; its one object.
#[track_caller]
fn bench(penstock: &Penstock, words: &[&str]) -> Value {
    let mut command = penstock.command(&["bench"]);
    let finished = run(command.args(words).arg("--json"), LIMIT);
    let stderr = finished.stderr.clone();
    let stdout = finished.ok(&format!("bench {words:?}"));
    assert_eq!(stdout.lines().count(), 1, "{stdout:?}");
    assert!(!stderr.trim().is_empty(), "people are told as well");
    assert!(!stderr.contains("stay"), "nothing stays behind: {stderr}");
    serde_json::from_str(&stdout).unwrap()
}

#[track_caller]
fn topics(penstock: &Penstock) -> Vec<String> {
    let listed = run(&mut penstock.command(&["topics", "list", "--json"]), LIMIT).ok("topics list");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let names = listed["topics"].as_array().unwrap().iter();
    let names: Vec<String> = names
        .map(|topic| topic["name"].as_str().unwrap().to_owned())
        .collect();
    // Penstock's own topics are always there, so an empty list would be no list.
    assert!(!names.is_empty(), "{listed}");
    names
}

#[test]
fn what_produce_writes_to_a_named_topic_consume_reads_whole() {
    let penstock = Setup::new().start();
    let pid = penstock.pid().to_string();
    let shapes = [
        vec!["--compression", "none"],
        vec!["--compression", "lz4", "--idempotent", "--in-flight", "8"],
        vec![
            "--compression",
            "zstd",
            "--partitions",
            "3",
            "--batch-bytes",
            "1000",
        ],
    ];
    for (number, shape) in shapes.into_iter().enumerate() {
        let topic = format!("measured-{number}");
        let mut words = vec![
            "produce",
            "--records",
            "3001",
            "--topic",
            &topic,
            "--pid",
            &pid,
        ];
        words.extend(shape);
        let produced = bench(&penstock, &words);
        assert_eq!(produced["bench"], "produce");
        assert_eq!(produced["records"], 3001);
        assert_eq!(produced["bytes"], 300_100);
        assert!(
            produced["records_per_second"].as_f64().unwrap() > 0.0,
            "{produced}"
        );
        assert!(
            produced["acknowledged_ms"]["p99.9"].as_f64().unwrap() > 0.0,
            "{produced}"
        );
        assert!(
            produced["server_vm_hwm_megabytes"].as_f64().unwrap() > 0.0,
            "{produced}"
        );
        assert!(
            produced["server_cpu_seconds_per_million"].is_number(),
            "{produced}"
        );

        let consumed = bench(&penstock, &["consume", "--topic", &topic]);
        assert_eq!(consumed["records"], 3001, "{consumed}");
        assert_eq!(consumed["bytes"], 300_100, "{consumed}");
    }
    let stays = topics(&penstock);
    assert!(
        stays.contains(&"measured-0".to_owned()),
        "a named topic is kept: {stays:?}"
    );
}

#[test]
fn a_temporary_topic_is_deleted_over_kafka_or_over_http() {
    let open = anybody_deletes();
    let closed = Setup::new().start();
    for penstock in [&open, &closed] {
        let consumed = bench(
            penstock,
            &["consume", "--records", "500", "--partitions", "2"],
        );
        assert_eq!(consumed["records"], 500, "{consumed}");
        let left = topics(penstock);
        assert!(
            !left.iter().any(|name| name.starts_with("bench-")),
            "{left:?}"
        );
    }
}

#[test]
fn every_record_of_e2e_is_measured() {
    let penstock = Setup::new().start();
    let measured = bench(&penstock, &["e2e", "--rate", "200", "--seconds", "1"]);
    assert_eq!(measured["records"], 200, "{measured}");
    let ms = |name: &str| measured["latency_ms"][name].as_f64().unwrap();
    assert!(
        0.0 < ms("p50") && ms("p50") <= ms("p99") && ms("p99") <= ms("max"),
        "{measured}"
    );
}

#[test]
fn a_backlog_is_read_by_both_and_the_database_is_left_as_it_was() {
    let postgres = Postgres::lease();
    let sql = postgres.database("measured");
    let penstock = Setup::new().build();
    let words = ["cdc", "--rows", "1005", "--pairs", "2"];
    let url = postgres.url("measured");
    let measured = bench(&penstock, &[&words[..], &["--source-url", &url]].concat());
    assert_eq!(measured["pairs"].as_array().unwrap().len(), 2, "{measured}");
    assert!(
        measured["ratio_median"].as_f64().unwrap() > 0.0,
        "{measured}"
    );
    let left = sql.rows(
        "select slot_name::text from pg_replication_slots
         union all select pubname::text from pg_publication
         union all select nspname::text from pg_namespace where nspname like 'penstock_bench%'",
    );
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_broker_that_is_not_there_is_a_failure_that_says_how_to_mend_it() {
    let penstock = Setup::new().build();
    let finished = run(
        &mut penstock.command(&["bench", "produce", "--records", "1"]),
        LIMIT,
    );
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("PEN-CLI-001"), "{finished:?}");
    assert!(finished.stderr.contains("--kafka"), "{finished:?}");
    let usage = run(
        &mut penstock.command(&["bench", "produce", "--records", "0"]),
        LIMIT,
    );
    assert_eq!(usage.code, Some(2), "{usage:?}");
}
