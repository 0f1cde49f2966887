//! README's guarantees, one test each, under the name of the guarantee.

use std::time::Duration;

use serde_json::json;

use crate::support::changes::{self, Table};
use crate::support::crash::{self, Plan};
use crate::support::{Penstock, Postgres, PowerCut, Setup, connector, wait_until};

const LIMIT: Duration = Duration::from_secs(120);

/// A short run of the long check in `prove`: kills under a load of several tables, with a group
/// that commits and a producer that is acknowledged.
#[test]
fn nothing_committed_or_acknowledged_is_lost_repeated_or_reordered_by_kills() {
    let report = crash::run(
        "8 kills",
        Plan {
            faults: 8,
            round_max: Duration::from_millis(1200),
            setup: Setup::new(),
            fault: &mut crash::kill_and_start,
        },
    );
    eprintln!("{report:?}");
    assert!(report.violations.is_empty(), "{report:#?}");
    assert!(report.changes > 100, "{report:#?}");
}

/// As above with the power cut instead: what was not synced is gone. Clients run on another disk.
#[test]
fn nothing_committed_or_acknowledged_is_lost_by_power_cuts() {
    let Some(disk) = PowerCut::new(1500) else {
        return;
    };
    let report = crash::run(
        "3 power cuts",
        Plan {
            faults: 3,
            round_max: Duration::from_millis(1200),
            setup: Setup::new().data(&disk.mount_point().join("data")),
            fault: &mut |penstock, _| disk.cut(penstock),
        },
    );
    eprintln!("{report:?}");
    assert!(report.violations.is_empty(), "{report:#?}");
}

/// Kills while the snapshot runs, with rows changed and deleted in between: what was read of a
/// deleted row before the kill must not stay in the topic.
#[test]
fn the_topic_of_an_interrupted_snapshot_folds_to_the_table() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    // Seconds of reading, so that the kill comes before its end also where this process is held up.
    let rows = 300_000;
    sql.exec(&format!(
        "create table big (id bigint primary key, version int not null, filler text not null);
         insert into big select g, 0, repeat('x', 200) from generate_series(1, {rows}) g"
    ));
    let more = json!({"table.include.list": "public.big", "snapshot.fetch.size": "500"});
    let connector = connector(&postgres, "app", "snap", &more);
    let mut penstock = Setup::new().connector("snap", &connector).build();
    let mut interrupted = 0;
    for _ in 0..3 {
        penstock.start();
        interrupted += u32::from(snapshot_has_begun(&penstock));
        // Rows at the beginning, which have been read already.
        sql.exec("update big set version = version + 1 where id % 5000 = 7");
        sql.exec("delete from big where id in (select id from big order by id limit 3)");
        penstock.kill();
    }
    assert!(
        interrupted > 0,
        "every snapshot was through before the kill"
    );
    penstock.start();
    sql.exec("insert into big values (-1, 0, 'the end')");
    let kcat = penstock.kcat();
    wait_until("the last change", LIMIT, || {
        let last = kcat.run(&["-C", "-t", BIG, "-o", "-1", "-e", "-J"], "");
        if last.contains("the end") {
            return Ok(());
        }
        Err(format!("{:?}", penstock.connector("snap")))
    });
    let entries = changes::observed(&kcat.records(BIG));
    let table = Table {
        name: "big",
        key: &["id"],
    };
    let (folded, table) = (changes::fold(&entries), changes::select(&sql, &table));
    let stale: Vec<_> = folded
        .keys()
        .filter(|key| !table.contains_key(*key))
        .collect();
    assert!(
        stale.is_empty(),
        "{} rows that are gone, such as {:?}",
        stale.len(),
        stale[0]
    );
    assert!(folded == table, "rows are missing or not the last version");
}

const BIG: &str = "app.public.big";

/// Waits until records of the snapshot are in the topic; whether it is still running then.
fn snapshot_has_begun(penstock: &Penstock) -> bool {
    let kcat = penstock.kcat();
    wait_until("the snapshot to have begun", LIMIT, || {
        let state = penstock.connector("snap").0;
        if kcat.end_if_any(BIG) > 0 {
            Ok(state == "SNAPSHOT")
        } else {
            Err(state)
        }
    })
}

/// Memory does not grow with a transaction: one of 150 MB of rows, decoded in a debug build.
#[test]
fn memory_is_bounded_whatever_a_transaction_does() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    sql.exec("create table wide (id bigint primary key, filler text not null)");
    let more = json!({"table.include.list": "public.wide"});
    let connector = connector(&postgres, "app", "wide", &more);
    let penstock = Setup::new().connector("wide", &connector).start();
    postgres.wait_streaming("wide");
    let rows = 150_000;
    sql.exec(&format!(
        "insert into wide select g, repeat('x', 1000) from generate_series(1, {rows}) g"
    ));
    let kcat = penstock.kcat();
    wait_until("the transaction", LIMIT, || {
        let end = kcat.end_if_any("app.public.wide");
        if end == rows {
            Ok(())
        } else {
            Err(format!("{end} of {rows}"))
        }
    });
    let peak = penstock.memory_kib("VmHWM");
    assert!(peak < 200 * 1024, "VmHWM {peak} KiB");
}

#[test]
fn one_bad_connector_stops_nothing_but_itself() {
    let postgres = Postgres::lease();
    postgres
        .database("app")
        .exec("create table t (id int primary key); insert into t values (1)");
    let good = connector(&postgres, "app", "good", &json!({}));
    let bad = connector(&postgres, "absent", "bad", &json!({"topic.prefix": "bad"}));
    let penstock = Setup::new()
        .connector("good", &good)
        .connector("bad", &bad)
        .start();
    penstock.wait_for_state("good", "RUNNING");
    wait_until("the bad one to say why", LIMIT, || {
        let (state, reason) = penstock.connector("bad");
        if reason.contains("absent") {
            Ok(())
        } else {
            Err(format!("{state}: {reason}"))
        }
    });
    penstock.kcat().produce("own", &[], "k:v");
    assert_eq!(penstock.kcat().records("own").len(), 1);
    assert_eq!(penstock.kcat().records("app.public.t").len(), 1);
}

/// An orderly end is not a crash: everything acknowledged is there at once, and the slot is free.
#[test]
fn an_orderly_end_leaves_nothing_to_repeat() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    sql.exec("create table t (id int primary key)");
    let url = postgres.url("app");
    let mut penstock = Setup::new().source(&url, "public.*", "app").start();
    penstock.wait_for_state("app", "RUNNING");
    for round in 0..4 {
        sql.exec(&format!("insert into t values ({round})"));
        penstock.kcat().produce("own", &[], &format!("k:{round}"));
        let status = penstock.terminate();
        assert_eq!(status.code(), Some(0));
        let slots = sql.one("select count(*) from pg_replication_slots where active");
        assert_eq!(slots, "0", "the slot is free after an orderly end");
        penstock.start();
    }
    let kcat = penstock.kcat();
    wait_until("all changes", LIMIT, || {
        let end = kcat.end("app.public.t", 0);
        if end == 4 {
            Ok(())
        } else {
            Err(format!("{end} of 4"))
        }
    });
    assert_eq!(kcat.records("own").len(), 4);
}
