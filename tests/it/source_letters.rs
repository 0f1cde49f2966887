//! Changes that cannot be written as events: they go to `dlq.source.<connector>`, each once, while
//! everything else goes on; or stop the connector where its file asks for that.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Penstock, Postgres, Random, Record, Setup, Sql, connector, pause, wait_until,
};

const LIMIT: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

fn table(sql: &Sql) {
    sql.exec("create table t (id bigint primary key, grid int[], note text)");
}

fn of_t(postgres: &Postgres, name: &str, more: &Value) -> Value {
    let mut all = json!({"table.include.list": "public.t"});
    for (key, value) in more.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
    connector(postgres, "app", name, &all)
}

/// Waits until `topic` holds `count` records, and gives them.
#[track_caller]
fn records(penstock: &Penstock, topic: &str, count: i64) -> Vec<Record> {
    let kcat = penstock.kcat();
    wait_until(
        &format!("{count} records in {topic}"),
        LIMIT,
        || match kcat.end_if_any(topic) {
            now if now == count => Ok(()),
            now => Err(format!("{now}; {}", penstock.status()["connectors"])),
        },
    );
    kcat.records(topic)
}

fn id(record: &Record) -> i64 {
    let key: Value = serde_json::from_str(record.key.as_deref().unwrap()).unwrap();
    key["id"].as_i64().unwrap()
}

fn ids(records: &[Record]) -> Vec<i64> {
    records.iter().map(id).collect()
}

fn value(record: &Record) -> Value {
    serde_json::from_str(record.value.as_deref().unwrap()).unwrap()
}

#[track_caller]
fn header(record: &Record, name: &str) -> String {
    let pairs = record.header_pairs();
    let found = pairs.into_iter().find(|(key, _)| key == name);
    found.and_then(|(_, value)| value).unwrap_or_default()
}

#[test]
fn rows_that_cannot_be_converted_are_dead_letters_and_the_others_arrive() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    table(&sql);
    sql.exec(
        "insert into t values (1, '{1}', 'a'), (2, '{{1,2},{3,4}}', null), (3, null, 'c'), (4, '{{5}}', 'd')",
    );
    let url = postgres.url("app");
    let penstock = Setup::new().source(&url, "public.t", "app").start();
    postgres.wait_streaming("penstock_app");
    let snapshot = records(&penstock, "app.public.t", 2);
    assert_eq!(ids(&snapshot), [1, 3]);
    let marker = |record: &Record| value(record)["source"]["snapshot"].clone();
    let markers: Vec<Value> = snapshot.iter().map(marker).collect();
    assert_eq!(markers, [json!("first"), json!("last")]);

    sql.exec(
        "begin;
         insert into t values (5, '{5}', 'e');
         insert into t values (6, '{{6},{6}}', 'f');
         update t set grid = '{{1},{1}}' where id = 1;
         update t set id = 30, grid = '{{3}}' where id = 3;
         insert into t values (7, null, 'g');
         commit;
         insert into t values (8, null, 'h');",
    );
    assert_eq!(ids(&records(&penstock, "app.public.t", 5)), [1, 3, 5, 7, 8]);
    let letters = records(&penstock, "dlq.source.app", 5);
    assert_eq!(ids(&letters), [2, 4, 6, 1, 30]);
    for letter in &letters {
        assert_eq!(header(letter, "__dlq.errors.topic"), "app.public.t");
        assert_eq!(header(letter, "__dlq.errors.reason"), "unconvertible");
        let message = header(letter, "__dlq.errors.message");
        assert!(message.starts_with("PEN-SOURCE-010: "), "{message}");
        assert!(message.contains("\"grid\""), "{message}");
        assert!(!message.contains('{'), "a value: {message}");
    }
    let first = value(&letters[0]);
    assert_eq!(first["op"], "r");
    assert_eq!(first["before"], Value::Null);
    let columns = json!([
        {"name": "id", "type": "int8", "value": "2"},
        {"name": "grid", "type": "int4[]", "value": "{{1,2},{3,4}}"},
        {"name": "note", "type": "text", "value": null},
    ]);
    assert_eq!(first["after"], columns);
    let moved = value(&letters[4]);
    assert_eq!(
        (&moved["op"], &moved["schema"]),
        (&json!("u"), &json!("public"))
    );
    assert_eq!(
        moved["before"],
        json!([{"name": "id", "type": "int8", "value": "3"}])
    );
    assert_eq!(moved["after"][0]["value"], "30");
    penstock.wait_for_state("app", "RUNNING");
    assert!(penstock.stderr().contains("dead letter"), "a warning");
    assert!(!penstock.stderr().contains("{{"), "a value in the log");
}

#[test]
fn changes_that_are_too_large_are_dead_letters_and_the_others_arrive() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    table(&sql);
    // 17 MiB is more than a topic takes, 70 more than is held at a time.
    let large = |id: u32, mib: usize| {
        let bytes = mib * MIB;
        sql.exec(&format!(
            "insert into t values ({id}, null, repeat('x', {bytes}))"
        ));
    };
    let small = |id: u32| sql.exec(&format!("insert into t values ({id}, null, 'small')"));
    small(1);
    large(2, 17);
    small(3);
    large(4, 70);
    let all = of_t(&postgres, "large", &json!({"errors.tolerance": "all"}));
    let penstock = Setup::new().connector("large", &all).start();
    postgres.wait_streaming("large");
    large(5, 17);
    large(6, 70);
    sql.exec("update t set grid = '{1}' where id = 6");
    sql.exec(&format!(
        "select pg_logical_emit_message(true, 'orders', repeat('y', {}))",
        17 * MIB
    ));
    sql.exec(&format!(
        "select pg_logical_emit_message(false, 'alone', repeat('z', {}))",
        70 * MIB
    ));
    small(7);
    // Of a key change all three records are there, or none.
    sql.exec(&format!(
        "update t set id = 70, note = repeat('x', {}) where id = 7",
        17 * MIB
    ));
    sql.exec("delete from t where id = 5");
    let events = records(&penstock, "app.public.t", 6);
    assert_eq!(ids(&events), [1, 3, 6, 7, 5, 5]);
    let letters = records(&penstock, "dlq.source.large", 7);
    assert_eq!(ids(&letters[..4]), [2, 4, 5, 6]);
    // A message's content is base64 in its event: 4 bytes for 3.
    let sizes = [17 * 3, 70 * 3, 17 * 3, 70 * 3, 17 * 4, 70 * 3, 17 * 3];
    for (letter, least) in letters.iter().zip(sizes.map(|size| size * MIB / 3)) {
        assert_eq!(header(letter, "__dlq.errors.reason"), "too_large");
        let value = value(letter);
        let bytes = usize::try_from(value["bytes"].as_u64().unwrap()).unwrap();
        assert!((least..least + 4096).contains(&bytes), "{value}");
        assert!(letter.value.as_deref().unwrap().len() < 1000, "no values");
    }
    let known = value(&letters[2]);
    assert_eq!(
        known["after"][2],
        json!({"name": "note", "type": "text", "bytes": 17 * MIB})
    );
    assert_eq!(value(&letters[3]).get("after"), None);
    assert_eq!(value(&letters[4])["prefix"], "orders");
    assert_eq!(header(&letters[4], "__dlq.errors.topic"), "app.message");
    assert_eq!(value(&letters[5])["prefix"], "alone");
    assert_eq!(id(&letters[6]), 70);
    penstock.wait_for_state("large", "RUNNING");
}

/// What waits together is more than a topic takes at once; each record is less.
#[test]
fn a_topic_with_a_low_limit_takes_every_event_that_fits_it() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    table(&sql);
    sql.exec("insert into t select g, null, 'a' from generate_series(1, 20000) g");
    let schemas = json!({"errors.tolerance": "all", "value.converter.schemas.enable": "true"});
    let file = of_t(&postgres, "low", &schemas);
    let penstock = Setup::new()
        .env("PENSTOCK_TOPICS__MAX_MESSAGE_BYTES", "65536")
        .connector("low", &file)
        .start();
    postgres.wait_streaming("low");
    sql.exec(
        "insert into t select g, null, 'b' from generate_series(20001, 40000) g;
         insert into t values (40001, null, repeat('x', 65536)), (40002, null, 'c')",
    );
    let events = records(&penstock, "app.public.t", 40_001);
    let wanted: Vec<i64> = (1..=40_000).chain([40_002]).collect();
    assert_eq!(ids(&events), wanted);
    assert_eq!(ids(&records(&penstock, "dlq.source.low", 1)), [40_001]);
}

#[test]
fn a_connector_file_that_asks_for_nothing_stops_and_goes_on_once_it_asks_for_letters() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    table(&sql);
    sql.exec("insert into t values (1, null, 'a')");
    let stops = of_t(&postgres, "stops", &json!({}));
    let mut penstock = Setup::new().connector("stops", &stops).start();
    postgres.wait_streaming("stops");
    sql.exec(
        "begin; insert into t values (2, null, 'b'), (3, '{{1}}', 'c'), (4, null, 'd'); commit",
    );
    let reason = penstock.wait_for_state("stops", "FAILED");
    for words in ["PEN-SOURCE-010", "\"grid\"", "public.t", "errors.tolerance"] {
        assert!(reason.contains(words), "{words} in {reason}");
    }
    assert_eq!(penstock.kcat().end_if_any("dlq.source.stops"), 0);
    assert_eq!(penstock.get("/readyz").unwrap().status, 200);

    penstock.terminate();
    let mode = json!({"event.processing.failure.handling.mode": "skip"});
    let goes_on = of_t(&postgres, "stops", &mode).to_string();
    penstock.write_connector("stops", &goes_on);
    penstock.start();
    assert_eq!(ids(&records(&penstock, "app.public.t", 3)), [1, 2, 4]);
    assert_eq!(ids(&records(&penstock, "dlq.source.stops", 1)), [3]);
}

/// Events and letters of a large transaction are each there once, whenever the process is killed.
#[test]
fn dead_letters_are_exactly_once_across_kills() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    table(&sql);
    let url = postgres.url("app");
    let mut penstock = Setup::new().source(&url, "public.t", "app").start();
    postgres.wait_streaming("penstock_app");
    let mut random = Random::seeded("letters across kills");
    let count = 60_000;
    sql.exec(&format!(
        "insert into t select g, case when g % 5 = 0 then '{{{{1}}}}'::int[] end, repeat('x', 60)
           from generate_series(1, {count}) g"
    ));
    for _ in 0..6 {
        pause(Duration::from_millis(random.between(20, 250)));
        penstock.kill();
        penstock.start();
    }
    let (bad, good): (Vec<i64>, Vec<i64>) = (1..=count).partition(|id| id % 5 == 0);
    let events = records(&penstock, "app.public.t", count / 5 * 4);
    assert_eq!(ids(&events), good);
    let letters = records(&penstock, "dlq.source.app", count / 5);
    assert_eq!(ids(&letters), bad);
    let warnings = penstock.stderr();
    let warnings = warnings.lines().filter(|line| line.contains("dead letter"));
    assert!(warnings.count() < 50, "a line for each letter");
}
