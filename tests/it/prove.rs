//! The long checks. They run with `PENSTOCK_PROVE=1` and print one line each:
//! `PENSTOCK_PROVE=1 cargo test --test it prove -- --nocapture --test-threads=1`.
//!
//! A check that could not fail proves nothing. So two runs are controls, which must find
//! violations: one whose syncs do nothing (strace makes every fdatasync a lie) under power cuts,
//! and a build that forgets the source position (feature `control-forget-position`).

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::crash::{self, Plan, Report};
use crate::support::{
    Penstock, Postgres, PowerCut, Setup, Sql, Stop, connector, is_proving, pause, run, skipped,
    wait_until,
};

const LIMIT: Duration = Duration::from_secs(1800);

/// Whether to run; says so if not.
fn wanted(what: &str) -> bool {
    if !is_proving() {
        eprintln!("skipped: {what} (PENSTOCK_PROVE=1 runs it)");
    }
    is_proving()
}

fn print(what: &str, report: &Report) {
    println!(
        "{what}: {} faults, {} transactions, {} change records, {} acknowledged records, {} group commits, \
         longest recovery {:?}, {} violations",
        report.faults,
        report.transactions,
        report.changes,
        report.produced,
        report.commits,
        report.recovery_max,
        report.violations.len()
    );
}

#[track_caller]
fn kept(what: &str, report: &Report) {
    print(what, report);
    assert!(report.violations.is_empty(), "{report:#?}");
    assert!(report.changes > 1000, "{report:#?}");
}

#[track_caller]
fn found(what: &str, report: &Report) {
    print(what, report);
    assert!(
        !report.violations.is_empty(),
        "the control was not found out"
    );
    println!("  for example: {}", report.violations[0]);
}

#[test]
fn a_hundred_kills_lose_repeat_and_reorder_nothing() {
    if !wanted("100 kills") {
        return;
    }
    let report = crash::run(
        "100 kills",
        Plan {
            faults: 100,
            round_max: Duration::from_millis(1500),
            setup: Setup::new(),
            fault: &mut crash::kill_and_start,
        },
    );
    kept("100 kills", &report);
}

#[test]
fn a_hundred_kills_find_a_build_that_forgets_its_position() {
    if !wanted("the control that forgets its position") {
        return;
    }
    let report = crash::run(
        "control: position forgotten",
        Plan {
            faults: 10,
            round_max: Duration::from_millis(1500),
            setup: Setup::new().binary(&control_build()),
            fault: &mut crash::kill_and_start,
        },
    );
    found("control: position forgotten", &report);
}

#[test]
fn a_hundred_kills_store_every_push_with_a_key_once() {
    if !wanted("100 kills of keyed pushes") {
        return;
    }
    let outcome = crate::push::kills("100 kills of keyed pushes", 100);
    println!(
        "100 kills of keyed pushes: {} kills, {} keys, {} repetitions answered, {} violations",
        outcome.kills,
        outcome.keys,
        outcome.replayed,
        outcome.violations.len()
    );
    assert!(outcome.violations.is_empty(), "{outcome:#?}");
    assert!(outcome.keys > 1000, "{outcome:#?}");
}

#[test]
fn a_hundred_kills_accept_or_bury_every_delivered_record_once() {
    if wanted("100 kills of shared consumption") {
        crate::share::kill_while_four_members_work(100);
    }
}

#[test]
fn a_stuck_member_and_a_poisoned_record_leave_the_others_nine_tenths_of_their_rate() {
    if wanted("a stuck member and a poisoned record") {
        crate::stuck::compare_with_a_stuck_member_and_a_poisoned_record();
    }
}

/// Builds the binary that forgets the source position at every start.
fn control_build() -> PathBuf {
    build("control", &["--features", "control-forget-position"])
}

/// Builds the binary that users run: memory is promised of that one.
fn release_build() -> PathBuf {
    match std::env::var_os("PENSTOCK_TEST_BIN") {
        Some(binary) => binary.into(),
        None => build(".", &["--release"]),
    }
}

/// Builds the binary in a folder of the target folder.
fn build(folder: &str, flags: &[&str]) -> PathBuf {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let target = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/..")).join(folder);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--bin", "penstock", "--manifest-path", manifest]);
    cargo.arg("--target-dir").arg(&target).args(flags);
    run(&mut cargo, LIMIT).ok("cargo build");
    let profile = if flags.contains(&"--release") {
        "release"
    } else {
        "debug"
    };
    target.join(profile).join("penstock")
}

fn power_cuts(what: &str, faults: u32, wrapper: &[&str]) -> Option<Report> {
    let disk = PowerCut::new(1500)?;
    let setup = Setup::new()
        .data(&disk.mount_point().join("data"))
        .wrapper(wrapper);
    Some(crash::run(
        what,
        Plan {
            faults,
            round_max: Duration::from_millis(1500),
            setup,
            fault: &mut |penstock, _| disk.cut(penstock),
        },
    ))
}

#[test]
fn power_cuts_lose_repeat_and_reorder_nothing() {
    if !wanted("power cuts") {
        return;
    }
    if let Some(report) = power_cuts("power cuts", 30, &[]) {
        kept("30 power cuts (ext4)", &report);
    }
}

/// strace answers every sync with success and leaves it out.
const LYING_SYNC: [&str; 11] = [
    "strace",
    "-D",
    "-f",
    "--seccomp-bpf",
    "-qq",
    "-o",
    "/dev/null",
    "-e",
    "trace=fdatasync,fsync,sync_file_range",
    "-e",
    "inject=fdatasync,fsync,sync_file_range:retval=0",
];

#[test]
fn power_cuts_find_syncs_that_do_nothing() {
    if !wanted("the control without syncs") {
        return;
    }
    let strace = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&strace).any(|folder| folder.join("strace").is_file()) {
        skipped("strace was not found");
        return;
    }
    let cut = std::panic::catch_unwind(|| power_cuts("control: lying syncs", 5, &LYING_SYNC));
    match cut {
        Ok(None) => {}
        Ok(Some(report)) => found("control: syncs that do nothing", &report),
        Err(panic) => {
            // A log that cannot be opened any more is being found out, too; nothing else is.
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            assert!(text.starts_with("penstock ended with"), "{text}");
            println!("control: syncs that do nothing: the log could not be opened again");
        }
    }
}

#[test]
fn ten_restarts_of_postgresql_lose_repeat_and_reorder_nothing() {
    if !wanted("10 restarts of PostgreSQL") {
        return;
    }
    let mut number = 0;
    let report = crash::run(
        "10 restarts of PostgreSQL",
        Plan {
            faults: 10,
            round_max: Duration::from_secs(4),
            setup: Setup::new(),
            fault: &mut |_, postgres| {
                number += 1;
                postgres.restart(if number % 2 == 0 {
                    Stop::Fast
                } else {
                    Stop::Immediate
                });
            },
        },
    );
    kept("10 restarts of PostgreSQL", &report);
}

#[test]
fn kills_of_both_sides_lose_repeat_and_reorder_nothing() {
    if !wanted("kills of both sides") {
        return;
    }
    let report = crash::run(
        "kills of both sides",
        Plan {
            faults: 20,
            round_max: Duration::from_secs(2),
            setup: Setup::new(),
            fault: &mut |penstock, postgres| {
                penstock.kill();
                postgres.restart(Stop::Immediate);
                penstock.start();
            },
        },
    );
    kept("20 kills of both sides", &report);
}

fn release() -> Setup {
    Setup::new().binary(&release_build())
}

/// A connector of `public.t` in database `app`, streaming, without any row.
fn streaming(setup: Setup, postgres: &Postgres, name: &str, table: &str) -> (Penstock, Sql) {
    let sql = postgres.database("app");
    sql.exec(table);
    let more = json!({"table.include.list": "public.t"});
    let connector = connector(postgres, "app", name, &more);
    let penstock = setup.connector(name, &connector).start();
    postgres.wait_streaming(name);
    (penstock, sql)
}

#[test]
fn the_slot_follows_ten_bursts_of_20_mb_elsewhere() {
    if !wanted("10 bursts of 20 MB") {
        return;
    }
    let postgres = Postgres::lease();
    let (_penstock, sql) = streaming(
        Setup::new(),
        &postgres,
        "idle",
        "create table t (id int primary key)",
    );
    let other = postgres.database("other");
    other.exec("create table noise (t text)");
    let mut worst = 0;
    for _ in 0..10 {
        other.exec(
            "insert into noise select repeat(md5(g::text), 60) from generate_series(1, 9500) g",
        );
        // The promise is about this moment: two seconds after the burst.
        pause(Duration::from_secs(2));
        let behind = sql.one("select pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint from pg_replication_slots where slot_name = 'idle'");
        worst = worst.max(behind.parse::<u64>().unwrap());
    }
    println!("10 bursts of 20 MB elsewhere: at most {worst} bytes behind 2 s later");
    assert!(worst < 1 << 20);
}

#[test]
fn five_million_rows_in_one_transaction_stay_below_200_mb() {
    if !wanted("a transaction of 5 million rows") {
        return;
    }
    let postgres = Postgres::lease();
    let table = "create table t (id bigint primary key, v int, note text)";
    let (penstock, sql) = streaming(release(), &postgres, "large", table);
    let rows = 5_000_000_i64;
    let begin = Instant::now();
    sql.exec(&format!(
        "insert into t select g, g % 1000, 'row ' || g from generate_series(1, {rows}) g"
    ));
    let committed = begin.elapsed();
    let kcat = penstock.kcat();
    wait_until("5 million records", LIMIT, || {
        let end = kcat.end_if_any("app.public.t");
        if end == rows {
            Ok(())
        } else {
            Err(format!("{end} of {rows}"))
        }
    });
    let peak = penstock.memory_kib("VmHWM");
    println!(
        "5,000,000 rows in one transaction: committed after {committed:?}, in the topic after {:?}, VmHWM {} MB",
        begin.elapsed(),
        peak / 1024
    );
    assert!(peak < 200 * 1024);
}

#[test]
fn an_idle_process_stays_below_30_mb() {
    if !wanted("idle memory") {
        return;
    }
    let postgres = Postgres::lease();
    let table = "create table t (id bigint primary key)";
    let (penstock, _sql) = streaming(release(), &postgres, "idle", table);
    pause(Duration::from_secs(10));
    let resident = penstock.memory_kib("VmRSS");
    println!(
        "idle with one connector: VmRSS {} MB, VmHWM {} MB",
        resident / 1024,
        penstock.memory_kib("VmHWM") / 1024
    );
    assert!(resident < 30 * 1024);
}
