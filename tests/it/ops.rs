//! What an operator relies on: the ready line, exit codes, health, status, metrics, the demo.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Background, Kcat, Postgres, Setup, connector, http, run, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn one_ready_line_is_printed_and_the_ready_file_says_the_same() {
    let mut penstock = Setup::new()
        .env("PENSTOCK_HTTP_LISTEN", "127.0.0.1:0")
        .env("PENSTOCK_KAFKA_LISTEN", "0.0.0.0:0")
        .env("PENSTOCK_METRICS_LISTEN", "127.0.0.1:0")
        .start();
    let printed = penstock.stdout();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 1, "{printed:?}");
    let words = lines[0].strip_prefix("penstock ready ").unwrap();
    let pairs: BTreeMap<&str, &str> = words
        .split(' ')
        .map(|word| word.split_once('=').unwrap())
        .collect();
    let file = penstock.ready_file().as_object().unwrap().clone();
    assert_eq!(pairs.len(), file.len(), "{pairs:?} {file:?}");
    for (name, value) in &file {
        assert_eq!(value.as_str(), pairs.get(name.as_str()).copied(), "{name}");
    }
    for listener in ["http", "kafka", "metrics"] {
        let address = penstock.address(listener);
        assert!(
            address.starts_with("127.0.0.1:"),
            "loopback is printed: {address}"
        );
        assert!(
            !address.ends_with(":0"),
            "a bound port is printed: {address}"
        );
    }
    let status = penstock.terminate();
    assert_eq!(status.code(), Some(0));
    assert_eq!(
        penstock.stdout().lines().count(),
        1,
        "nothing else goes to stdout"
    );
}

#[test]
fn health_readiness_and_status_answer_without_any_source() {
    let penstock = Setup::new().start();
    assert_eq!(penstock.get("/healthz").unwrap().status, 200);
    assert_eq!(penstock.get("/readyz").unwrap().status, 200);
    let status = penstock.status();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["connectors"], json!([]));
    for part in ["listeners", "log", "disk", "groups"] {
        assert!(!status[part].is_null(), "{part} in {status}");
    }
    let missing = penstock.get("/no/such/path").unwrap();
    assert_eq!(missing.status, 404);
}

#[test]
fn health_answers_get_only_and_errors_are_problem_json_with_a_code() {
    let penstock = Setup::new().start();
    let answer = http(penstock.address("http"), "GET", "/topics/absent", None).unwrap();
    assert_eq!(answer.status, 404, "{answer:?}");
    assert!(
        answer.head.contains("application/problem+json"),
        "{answer:?}"
    );
    let code = answer.json()["code"].as_str().unwrap_or("").to_owned();
    assert!(code.starts_with("PEN-"), "{answer:?}");
}

#[test]
fn exit_codes_tell_failure_usage_and_ill_health() {
    let penstock = Setup::new().build();
    let code = |words: &[&str]| run(&mut penstock.command(words), LIMIT).code;
    assert_eq!(code(&["--version"]), Some(0));
    assert_eq!(code(&["check"]), Some(0));
    assert_eq!(code(&["topics", "list"]), Some(1), "nothing listens");
    assert_eq!(code(&["no-such-command"]), Some(2));
    assert_eq!(code(&["tail", "--no-such-flag"]), Some(2));
    assert_eq!(code(&["healthcheck"]), Some(3), "nothing listens");

    let running = Setup::new().start();
    let healthy = run(&mut running.command(&["healthcheck"]), LIMIT);
    assert_eq!(healthy.code, Some(0), "{healthy:?}");
}

#[test]
fn an_unknown_key_of_the_configuration_is_refused_with_a_suggestion() {
    let penstock = Setup::new().build();
    std::fs::write(penstock.path("penstock.hcl"), "data_dri = \"elsewhere\"\n").unwrap();
    let serve = run(&mut penstock.command(&["serve"]), LIMIT);
    assert_eq!(serve.code, Some(1), "{serve:?}");
    assert!(serve.stderr.contains("data_dri"), "{serve:?}");
    assert!(serve.stderr.contains("data_dir"), "{serve:?}");
    assert!(serve.stderr.contains("PEN-CONFIG-001"), "{serve:?}");
    assert!(serve.stdout.is_empty(), "{serve:?}");
}

#[test]
fn an_unknown_variable_and_an_unknown_connector_key_are_warnings_with_a_suggestion() {
    let postgres = Postgres::lease();
    postgres
        .database("app")
        .exec("create table t (id int primary key)");
    let typo = json!({"table.inclde.list": "public.t", "table.include.list": "public.t"});
    let penstock = Setup::new()
        .env("PENSTOCK_TOPIC_PREFX", "x")
        .connector("typo", &connector(&postgres, "app", "typo", &typo))
        .start();
    penstock.wait_for_state("typo", "RUNNING");
    let log = penstock.stderr();
    assert!(log.contains("PENSTOCK_TOPIC_PREFX"), "{log}");
    assert!(log.contains("PENSTOCK_TOPIC_PREFIX"), "{log}");
    let check = run(&mut penstock.command(&["check"]), LIMIT);
    assert_eq!(check.code, Some(0), "{check:?}");
    let said = check.stdout + &check.stderr;
    assert!(said.contains("table.inclde.list"), "{said}");
    assert!(said.contains("table.include.list"), "{said}");
}

#[test]
fn a_short_variable_and_its_long_form_set_differently_are_refused() {
    let penstock = Setup::new()
        .env("PENSTOCK_HTTP_LISTEN", "127.0.0.1:1")
        .env("PENSTOCK_HTTP__LISTEN", "127.0.0.1:2")
        .build();
    let serve = run(&mut penstock.command(&["serve"]), LIMIT);
    assert_eq!(serve.code, Some(1), "{serve:?}");
    assert!(serve.stderr.contains("PEN-CONFIG-003"), "{serve:?}");
}

/// The names that dashboards and alerts of the spine use (DESIGN: metrics of log, source and
/// Kafka port; those of pushes and dead letters come with them).
const METRICS: [&str; 18] = [
    "penstock_build_info",
    "penstock_append_seconds",
    "penstock_fetch_seconds",
    "penstock_log_bytes",
    "penstock_disk_free_bytes",
    "penstock_kafka_connections",
    "penstock_consumer_lag_records",
    "penstock_source_connected",
    "penstock_source_lag_seconds",
    "penstock_source_lag_bytes",
    "penstock_source_events_total",
    "penstock_slot_active",
    "penstock_slot_retained_wal_bytes",
    "penstock_slot_wal_status",
    "penstock_snapshot_running",
    "penstock_snapshot_rows_total",
    "penstock_commit_to_log_seconds",
    "penstock_source_reconnects_total",
];

#[test]
fn metrics_have_the_names_of_the_contract() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    sql.exec("create table t (id int primary key); insert into t values (1)");
    let penstock = Setup::new()
        .source(&postgres.url("app"), "public.*", "app")
        .start();
    penstock.wait_for_state("app", "RUNNING");
    sql.exec("insert into t values (2)");
    let kcat = penstock.kcat();
    let words = [
        "-G",
        "metered",
        "-X",
        "auto.offset.reset=earliest",
        "-c",
        "2",
        "app.public.t",
    ];
    kcat.run(&words, "");
    wait_until("all metrics", LIMIT, || {
        let page = penstock.metrics();
        let missing: Vec<&str> = METRICS
            .into_iter()
            .filter(|name| !page.lines().any(|line| line.starts_with(name)))
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("{missing:?} missing in {page}"))
        }
    });
    let page = penstock.metrics();
    let has = |line: &str| assert!(page.lines().any(|l| l == line), "{line} in {page}");
    has("penstock_source_connected{connector=\"app\"} 1");
    has("penstock_slot_active{connector=\"app\"} 1");
    has("penstock_snapshot_rows_total{connector=\"app\"} 1");
}

#[test]
fn the_demo_prints_events_that_a_stock_client_reads_and_ends_by_itself() {
    let penstock = Setup::new().build();
    let begin = Instant::now();
    let mut demo = penstock.command(&["demo", "--for", "15s"]);
    let mut demo = Background::start("demo", &penstock.path(""), &mut demo);
    let printed = wait_until("events", Duration::from_secs(30), || {
        assert!(demo.ended().is_none(), "the demo ended: {}", demo.stderr());
        let printed = events(&demo.stdout());
        if printed.len() >= 20 {
            Ok(printed)
        } else {
            Err(format!("{} events", printed.len()))
        }
    });
    // The command to paste, as people see it.
    let told = demo.stderr();
    let broker = told
        .split_once("kcat -b ")
        .map(|(_, rest)| rest.split(' ').next());
    let kcat = Kcat::new(
        broker
            .flatten()
            .unwrap_or_else(|| panic!("no kcat command in {told}")),
    );
    let mut topics: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in printed {
        let topic = event["topic"].as_str().unwrap().to_owned();
        topics.entry(topic).or_default().push(event);
    }
    for (topic, events) in topics {
        let records = kcat.records(&topic);
        for event in events {
            let at = (event["partition"].as_i64(), event["offset"].as_i64());
            let record = records
                .iter()
                .find(|r| (Some(i64::from(r.partition)), Some(r.offset)) == at)
                .unwrap_or_else(|| panic!("{event} is not in the topic"));
            let value: Value = record
                .value
                .as_deref()
                .map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
            assert_eq!(event["value"], value, "{topic} {at:?}");
        }
    }
    let status = demo.wait(Duration::from_secs(45));
    assert_eq!(status.code(), Some(0), "{}", demo.stderr());
    assert!(
        begin.elapsed() > Duration::from_secs(14),
        "it ran for {:?}",
        begin.elapsed()
    );
    assert!(
        begin.elapsed() < Duration::from_secs(40),
        "it ran for {:?}",
        begin.elapsed()
    );
    let left = run(
        Command::new("pgrep").args(["-P", &demo.pid().to_string()]),
        LIMIT,
    );
    assert!(left.stdout.is_empty(), "the demo left processes: {left:?}");
    assert!(!events(&demo.stdout()).is_empty());
}

/// One event a line; a last line may be torn while the demo runs.
fn events(text: &str) -> Vec<Value> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}
