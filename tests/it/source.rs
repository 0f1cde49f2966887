//! The PostgreSQL source under faults of the database, and what `/status` says about them.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::crash::{self, Plan};
use crate::support::{
    Background, Penstock, Postgres, Random, Setup, Sql, Stop, connector, free_port, pause, run,
    skipped, wait_until,
};

const LIMIT: Duration = Duration::from_secs(30);

/// A connector `name` of database `app` that captures `public.t`.
fn of_t(postgres: &Postgres, name: &str, more: &Value) -> Value {
    let mut all = json!({"table.include.list": "public.t"});
    for (key, value) in more.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
    connector(postgres, "app", name, &all)
}

fn table(sql: &Sql) {
    sql.exec("create table t (id bigint primary key, note text); insert into t select g, 'seed' from generate_series(1, 10) g");
}

/// Waits until the topic of `public.t` holds `end` records.
#[track_caller]
fn wait_for_end(penstock: &Penstock, end: i64) {
    let kcat = penstock.kcat();
    wait_until(&format!("{end} records in app.public.t"), LIMIT, || {
        let now = kcat.end_if_any("app.public.t");
        if now == end {
            return Ok(());
        }
        Err(format!("{now}; {}", penstock.status()["connectors"]))
    });
}

/// Waits until the state is one of `states` and the reason contains `words`.
#[track_caller]
fn wait_for_reason(penstock: &Penstock, name: &str, states: &[&str], words: &str) {
    wait_until(&format!("{states:?} because of {words:?}"), LIMIT, || {
        let (state, reason) = penstock.connector(name);
        let told = reason.to_lowercase().contains(&words.to_lowercase());
        if states.contains(&state.as_str()) && told {
            return Ok(());
        }
        Err(format!("{state:?}, reason {reason:?}"))
    });
    let alive = penstock.get("/healthz").unwrap();
    assert_eq!(alive.status, 200, "health is not about the source");
    assert_eq!(penstock.get("/readyz").unwrap().status, 200);
}

#[test]
fn changes_are_exactly_once_while_postgresql_restarts_under_load() {
    let mut number = 0;
    let report = crash::run(
        "PostgreSQL restarts",
        Plan {
            faults: 4,
            round_max: Duration::from_millis(1500),
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
    assert!(report.violations.is_empty(), "{report:#?}");
    assert!(report.changes > 100, "{report:#?}");
}

#[test]
fn changes_are_exactly_once_while_connections_are_cut() {
    let report = crash::run(
        "connections are cut",
        Plan {
            faults: 12,
            round_max: Duration::from_millis(600),
            setup: Setup::new(),
            fault: &mut |_, postgres| {
                postgres.connect("postgres").exec(
                    "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'walsender'",
                );
            },
        },
    );
    assert!(report.violations.is_empty(), "{report:#?}");
    assert!(report.changes > 100, "{report:#?}");
}

/// Bytes of the file system on which appends are refused, once it is filled below its floor (half
/// of it). The journal (4 x 64 MiB) fits into the other half.
const DISK: &str = "size=800m";

/// A walsender that is held alive unread would block the shutdown for as long as it is.
#[test]
fn postgresql_stops_within_15_s_while_appends_are_refused() {
    let folder = crate::support::folder("full");
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "tmpfs", "-o", DISK, "none"])
        .arg(folder.path());
    if run(&mut mount, LIMIT).code != Some(0) {
        skipped("no tmpfs can be mounted here (root is needed)");
        return;
    }
    crate::support::keep_mount(folder.path());
    let mut postgres = Postgres::lease();
    let sql = postgres.database("app");
    table(&sql);
    let mut penstock = Setup::new()
        .data(&folder.path().join("data"))
        .connector("full", &of_t(&postgres, "full", &json!({})))
        .start();
    wait_for_end(&penstock, 10);
    postgres.wait_streaming("full");

    let filler = folder.path().join("filler");
    fill_below_floor(&filler, folder.path());
    wait_until("appends to be refused", LIMIT, || {
        sql.exec("insert into t select coalesce(max(id), 0) + 1, 'refused' from t");
        let ready = penstock.get("/readyz")?;
        if ready.status == 503 {
            Ok(())
        } else {
            Err(format!("{ready:?}"))
        }
    });
    sql.exec("insert into t select m + g, repeat('x', 500) from generate_series(1, 40000) g, (select max(id) m from t) m");
    let rows: i64 = sql.one("select count(*) from t").parse().unwrap();
    drop(sql);
    let took = postgres.stop(Stop::Fast);
    assert!(
        took < Duration::from_secs(15),
        "PostgreSQL's fast stop took {took:?}"
    );

    std::fs::remove_file(&filler).unwrap();
    postgres.start();
    wait_for_end(&penstock, rows);
    assert_eq!(penstock.get("/readyz").unwrap().status, 200);
    assert!(penstock.is_running());
    drop(penstock);
    run(Command::new("umount").arg("-l").arg(folder.path()), LIMIT).ok("umount");
}

/// Leaves 5 % of the file system free.
fn fill_below_floor(filler: &std::path::Path, disk: &std::path::Path) {
    let mut df = Command::new("df");
    df.args(["-B1", "--output=avail,size"]).arg(disk);
    let text = run(&mut df, LIMIT).ok("df");
    let numbers: Vec<u64> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let bytes = numbers[0] - numbers[1] / 20;
    let mut fallocate = Command::new("fallocate");
    fallocate.args(["-l", &bytes.to_string()]).arg(filler);
    run(&mut fallocate, LIMIT).ok("fallocate");
}

#[test]
fn the_slot_advances_while_only_another_database_is_written() {
    let postgres = Postgres::lease();
    table(&postgres.database("app"));
    let other = postgres.database("other");
    other.exec("create table noise (t text)");
    let connector = of_t(&postgres, "idle", &json!({}));
    let penstock = Setup::new().connector("idle", &connector).start();
    wait_for_end(&penstock, 10);
    postgres.wait_streaming("idle");
    for burst in 0..3 {
        // About 20 MB of WAL.
        other.exec(
            "insert into noise select repeat(md5(g::text), 60) from generate_series(1, 9000) g",
        );
        let begin = Instant::now();
        let limit = Duration::from_secs(2);
        wait_until(&format!("the slot to follow burst {burst}"), limit, || {
            let behind = slot_behind(&other, "idle");
            if behind < 1 << 20 {
                Ok(())
            } else {
                Err(format!("{behind} bytes behind"))
            }
        });
        eprintln!("burst {burst}: confirmed after {:?}", begin.elapsed());
    }
}

fn slot_behind(sql: &Sql, slot: &str) -> u64 {
    let behind = sql.one(&format!(
        "select pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) from pg_replication_slots where slot_name = '{slot}'"
    ));
    behind
        .parse()
        .unwrap_or_else(|_| panic!("{behind:?} bytes behind"))
}

#[test]
fn nothing_is_emitted_again_by_restarts_of_an_idle_source() {
    let postgres = Postgres::lease();
    table(&postgres.database("app"));
    let connector = of_t(&postgres, "quiet", &json!({}));
    let mut penstock = Setup::new().connector("quiet", &connector).start();
    wait_for_end(&penstock, 10);
    let sql = postgres.connect("app");
    sql.exec("update t set note = 'last' where id = 1");
    wait_for_end(&penstock, 11);
    for round in 0..5 {
        if round % 2 == 0 {
            penstock.terminate();
        } else {
            penstock.kill();
        }
        penstock.start();
        postgres.wait_streaming("quiet");
    }
    sql.exec("update t set note = 'new' where id = 2");
    wait_for_end(&penstock, 12);
}

#[test]
fn a_slot_that_is_in_use_is_told_and_taken_when_it_is_free() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    table(&sql);
    sql.exec("create publication busy for table t");
    sql.exec("select pg_create_logical_replication_slot('busy', 'pgoutput')");
    let folder = crate::support::folder("busy");
    let mut other = Command::new(Postgres::programs().join("pg_recvlogical"));
    other
        .args([
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-d",
            "app",
            "--slot",
            "busy",
            "--start",
        ])
        .args([
            "-o",
            "proto_version=1",
            "-o",
            "publication_names=busy",
            "-f",
            "/dev/null",
            "-p",
        ])
        .arg(postgres.port().to_string());
    let mut other = Background::start("pg_recvlogical", folder.path(), &mut other);
    postgres.wait_streaming("busy");

    let connector = of_t(&postgres, "busy", &json!({"snapshot.mode": "no_data"}));
    let penstock = Setup::new().connector("busy", &connector).start();
    wait_for_reason(&penstock, "busy", &["RETRYING"], "PEN-SOURCE-005");
    other.kill();
    wait_for_state_running(&penstock, "busy");
    sql.exec("insert into t values (100, 'after')");
    wait_for_end(&penstock, 1);
}

#[track_caller]
fn wait_for_state_running(penstock: &Penstock, name: &str) {
    penstock.wait_for_state(name, "RUNNING");
}

#[test]
fn a_lost_slot_fails_the_connector_and_says_so() {
    let postgres = Postgres::own(&[
        "max_slot_wal_keep_size=16MB",
        "max_wal_size=32MB",
        "min_wal_size=32MB",
    ]);
    let sql = postgres.database("app");
    table(&sql);
    let connector = of_t(&postgres, "lost", &json!({}));
    let mut penstock = Setup::new().connector("lost", &connector).start();
    wait_for_end(&penstock, 10);
    postgres.wait_streaming("lost");
    penstock.terminate();
    wait_until("the slot to be lost", LIMIT, || {
        sql.exec("create table if not exists junk (t text)");
        sql.exec("insert into junk select repeat('x', 1000) from generate_series(1, 20000)");
        sql.exec("select pg_switch_wal()");
        sql.exec("checkpoint");
        let status =
            sql.one("select wal_status from pg_replication_slots where slot_name = 'lost'");
        if status == "lost" {
            Ok(())
        } else {
            Err(status)
        }
    });
    sql.exec("insert into t values (100, 'in the gap')");
    penstock.start();
    wait_for_reason(&penstock, "lost", &["FAILED"], "PEN-SOURCE-006");
    assert_eq!(
        penstock.kcat().end("app.public.t", 0),
        10,
        "nothing from behind a gap"
    );
}

#[test]
fn a_slot_that_was_made_again_is_a_gap_not_a_silent_jump() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    table(&sql);
    let connector = of_t(&postgres, "again", &json!({}));
    let mut penstock = Setup::new().connector("again", &connector).start();
    wait_for_end(&penstock, 10);
    postgres.wait_streaming("again");
    penstock.terminate();
    sql.exec("select pg_drop_replication_slot('again')");
    sql.exec("insert into t values (100, 'in the gap')");
    sql.exec("select pg_create_logical_replication_slot('again', 'pgoutput')");
    penstock.start();
    wait_until("the gap to be told", LIMIT, || {
        let (state, reason) = penstock.connector("again");
        if state == "FAILED" && reason.contains("PEN-SOURCE-00") {
            Ok(())
        } else {
            Err(format!("{state}: {reason}"))
        }
    });
    assert_eq!(
        penstock.kcat().end("app.public.t", 0),
        10,
        "nothing from behind a gap"
    );
}

#[test]
fn a_wal_level_that_is_too_low_is_named() {
    let postgres = Postgres::own(&["wal_level=replica"]);
    table(&postgres.database("app"));
    let connector = of_t(&postgres, "level", &json!({}));
    let penstock = Setup::new().connector("level", &connector).start();
    wait_for_reason(&penstock, "level", &["FAILED", "RETRYING"], "wal_level");
}

#[test]
fn missing_privileges_are_named() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    table(&sql);
    sql.exec("create role reader login; grant select on t to reader");
    let connector = of_t(&postgres, "poor", &json!({"database.user": "reader"}));
    let penstock = Setup::new().connector("poor", &connector).start();
    wait_for_reason(&penstock, "poor", &["FAILED", "RETRYING"], "replication");
    wait_for_reason(&penstock, "poor", &["FAILED", "RETRYING"], "PEN-SOURCE-003");
}

#[test]
fn a_database_that_cannot_be_reached_is_retried_and_stops_nothing() {
    let mut postgres = Postgres::lease();
    table(&postgres.database("app"));
    postgres.stop(Stop::Fast);
    let connector = of_t(&postgres, "away", &json!({}));
    let penstock = Setup::new().connector("away", &connector).start();
    wait_for_reason(&penstock, "away", &["RETRYING"], "PEN-SOURCE-001");
    penstock.kcat().produce("other", &[], "k:v");
    assert_eq!(penstock.kcat().records("other").len(), 1);
    postgres.start();
    wait_for_end(&penstock, 10);
    wait_for_state_running(&penstock, "away");
}

#[test]
fn a_connector_that_asks_for_what_is_not_built_fails_alone_and_names_the_key() {
    let postgres = Postgres::lease();
    table(&postgres.database("app"));
    let avro = json!({"value.converter": "io.confluent.connect.avro.AvroConverter"});
    let good = of_t(&postgres, "good", &json!({}));
    let bad = of_t(&postgres, "bad", &avro);
    let penstock = Setup::new()
        .connector("good", &good)
        .connector("bad", &bad)
        .start();
    wait_for_reason(&penstock, "bad", &["FAILED"], "value.converter");
    wait_for_end(&penstock, 10);
    wait_for_state_running(&penstock, "good");

    let check = run(&mut penstock.command(&["check"]), LIMIT);
    assert_eq!(check.code, Some(1), "{check:?}");
    assert!((check.stdout + &check.stderr).contains("value.converter"));
}

#[test]
fn a_file_that_is_no_connector_fails_alone() {
    let mut penstock = Setup::new().build();
    penstock.write_connector("broken", "{\"name\": ");
    penstock.start();
    penstock.wait_for_state("broken", "FAILED");
}

/// Changes made while the database refuses connections are there afterwards.
#[test]
fn a_source_whose_address_moves_is_reached_again() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    table(&sql);
    let nobody = free_port();
    let away = of_t(
        &postgres,
        "moved",
        &json!({"database.port": nobody.to_string()}),
    );
    let mut penstock = Setup::new().connector("moved", &away).start();
    wait_for_reason(&penstock, "moved", &["RETRYING"], "PEN-SOURCE-001");
    penstock.terminate();
    penstock.write_connector("moved", &of_t(&postgres, "moved", &json!({})).to_string());
    penstock.start();
    wait_for_end(&penstock, 10);
}

/// A transaction cut at random bytes of its way is appended once.
#[test]
fn a_transaction_that_is_cut_in_the_middle_arrives_once() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    table(&sql);
    let connector = of_t(&postgres, "cut", &json!({}));
    let penstock = Setup::new().connector("cut", &connector).start();
    wait_for_end(&penstock, 10);
    postgres.wait_streaming("cut");
    let mut random = Random::seeded("cut in the middle");
    let count = 60_000;
    sql.exec(&format!(
        "insert into t select 100 + g, repeat('x', 100) from generate_series(1, {count}) g"
    ));
    let kcat = penstock.kcat();
    let mut cuts = 0;
    wait_until("the whole transaction", Duration::from_secs(120), || {
        let now = kcat.end("app.public.t", 0);
        if now >= 10 + count {
            return Ok(());
        }
        // Not for ever: a cut may always come before the first megabyte.
        if cuts < 8 {
            pause(Duration::from_millis(random.between(50, 400)));
            sql.exec("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'walsender'");
            cuts += 1;
        }
        Err(format!("{now} records after {cuts} cuts"))
    });
    let records = kcat.records("app.public.t");
    let ids: Vec<i64> = records
        .iter()
        .map(|record| {
            let key: Value = serde_json::from_str(record.key.as_deref().unwrap()).unwrap();
            key["id"].as_i64().unwrap()
        })
        .collect();
    let wanted: Vec<i64> = (1..=10).chain(101..=100 + count).collect();
    assert_eq!(ids, wanted, "after {cuts} cuts");
}

/// Keys and kinds of the records of a topic.
fn keys_and_kinds(penstock: &Penstock, topic: &str) -> Vec<(String, String)> {
    let kind = |record: &crate::support::Record| {
        let value = record.value.as_deref().unwrap_or("{}");
        let value: Value = serde_json::from_str(value).unwrap();
        value["op"].as_str().unwrap_or("tombstone").to_owned()
    };
    let records = penstock.kcat().records_if_any(topic);
    let pairs = records.iter().map(|record| {
        let key = record.key.clone().unwrap_or_default();
        (key, kind(record))
    });
    pairs.collect()
}

/// The snapshot has to key rows as the stream does, whatever the replica identity is; and a row of
/// a partitioned table belongs to its partition's topic only.
#[test]
fn snapshot_and_stream_agree_on_keys_and_partitions() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    sql.exec(
        "create table byindex (id int primary key, u text not null unique, v int);
         alter table byindex replica identity using index byindex_u_key;
         insert into byindex values (1, 'a', 1);
         create table whole (id int, k int, primary key (id, k)) partition by list (k);
         create table part partition of whole for values in (1);
         insert into whole values (1, 1)",
    );
    let source = postgres.url("app");
    let penstock = Setup::new().source(&source, "public.*", "agree").start();
    postgres.wait_streaming("penstock_agree");
    sql.exec(
        "update byindex set v = 2; update byindex set u = 'b'; insert into whole values (2, 1)",
    );
    let (a, b) = (r#"{"u":"a"}"#, r#"{"u":"b"}"#);
    let wanted = [(a, "r"), (a, "u"), (a, "d"), (a, "tombstone"), (b, "c")];
    let wanted = wanted.map(|(key, kind)| (key.to_owned(), kind.to_owned()));
    wait_until("the changes of byindex", LIMIT, || {
        let now = keys_and_kinds(&penstock, "agree.public.byindex");
        if now == wanted {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    });
    let rows = [(r#"{"id":1,"k":1}"#, "r"), (r#"{"id":2,"k":1}"#, "c")];
    let rows = rows.map(|(key, kind)| (key.to_owned(), kind.to_owned()));
    wait_until("the changes of the partition", LIMIT, || {
        let now = keys_and_kinds(&penstock, "agree.public.part");
        if now == rows {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    });
    assert_eq!(keys_and_kinds(&penstock, "agree.public.whole"), []);
}
