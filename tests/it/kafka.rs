//! Stock Kafka clients work unmodified: kcat, franz-go and librdkafka.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{
    Franz, Penstock, Postgres, Random, Setup, Sql, Toolchain, Word, crash, pause, run, wait_until,
};

/// For a client to end that has everything it waits for.
const LIMIT: Duration = Duration::from_secs(90);

#[test]
fn every_codec_is_read_back_and_shown_by_tail() {
    let penstock = Setup::new().start();
    let kcat = penstock.kcat();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("codec.{codec}");
        let lines: Vec<String> = (0..500)
            .map(|n| format!("k{}:v{n} {codec}", n % 7))
            .collect();
        kcat.produce(&topic, &["-z", codec], &lines.join("\n"));
        let records = kcat.records(&topic);
        let read: Vec<String> = records
            .iter()
            .map(|r| {
                format!(
                    "{}:{}",
                    r.key.as_deref().unwrap(),
                    r.value.as_deref().unwrap()
                )
            })
            .collect();
        assert_eq!(read, lines, "{codec}");

        let words = ["tail", &topic, "--from", "start", "--json"];
        let tail = run(&mut penstock.command(&words), LIMIT).ok("penstock tail");
        let shown: Vec<(i64, String)> = tail
            .lines()
            .map(|line| {
                let record: Value = serde_json::from_str(line).unwrap();
                let text = |name: &str| record[name].as_str().unwrap_or("").to_owned();
                let offset = record["offset"].as_i64().unwrap();
                (offset, format!("{}:{}", text("key"), text("value")))
            })
            .collect();
        let wanted: Vec<(i64, String)> = (0..).zip(lines).collect();
        assert_eq!(shown, wanted, "{codec}");
    }
}

/// Where a record that a group member read lies.
type Place = (String, i32, i64);

/// A member of a group: reads so many records of a topic, commits, leaves.
type Member<'a> = &'a dyn Fn(&Penstock, &str, usize) -> Vec<Place>;

/// A table's snapshot and changes are read by a group, which after a kill of the server goes on
/// where it stopped.
#[track_caller]
fn goes_on_where_it_stopped(read: Member<'_>) {
    let postgres = Postgres::lease();
    let sql = postgres.database("shop");
    sql.exec("create table items (id int primary key, name text); insert into items select g, 'n' from generate_series(1, 30) g");
    let url = postgres.url("shop");
    let mut penstock = Setup::new().source(&url, "public.items", "shop").start();
    let topic = "shop.public.items";
    wait_for_end(&penstock, topic, 30);
    change(&sql, 10);
    wait_for_end(&penstock, topic, 40);
    let places = |from: i64, to: i64| -> Vec<Place> {
        (from..to)
            .map(|offset| (topic.to_owned(), 0, offset))
            .collect()
    };
    assert_eq!(read(&penstock, topic, 40), places(0, 40));

    penstock.kill();
    change(&sql, 7);
    penstock.start();
    wait_for_end(&penstock, topic, 47);
    assert_eq!(read(&penstock, topic, 7), places(40, 47));
}

fn change(sql: &Sql, count: u32) {
    for n in 0..count {
        sql.exec(&format!(
            "update items set name = 'n{n}' where id = 1 + {n}"
        ));
    }
}

fn wait_for_end(penstock: &Penstock, topic: &str, end: i64) {
    let kcat = penstock.kcat();
    wait_until(&format!("{end} records in {topic}"), LIMIT, || {
        let now = kcat.end_if_any(topic);
        if now == end {
            return Ok(());
        }
        Err(format!("{now}; {}", penstock.status()["connectors"]))
    });
}

/// `r topic partition offset ...` lines.
fn places(text: &str) -> Vec<Place> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("r "));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            (
                fields[0].to_owned(),
                fields[1].parse().unwrap(),
                fields[2].parse().unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_group_of_kcat_goes_on_where_it_stopped() {
    goes_on_where_it_stopped(&|penstock, topic, count| {
        let count = count.to_string();
        let words = [
            "-G",
            "kcat-group",
            "-X",
            "auto.offset.reset=earliest",
            "-c",
            &count,
            "-f",
            "r %t %p %o\n",
            topic,
        ];
        places(&penstock.kcat().run(&words, ""))
    });
}

#[test]
fn a_group_of_franz_go_goes_on_where_it_stopped() {
    if Toolchain::Franz.program().is_none() {
        return;
    }
    goes_on_where_it_stopped(&|penstock, topic, count| {
        let franz = Franz::new(penstock.address("kafka")).unwrap();
        let lines = franz.read("franz-group", topic, count);
        lines
            .into_iter()
            .map(|line| (line.topic, line.partition, line.offset))
            .collect()
    });
}

#[test]
fn a_group_of_librdkafka_goes_on_where_it_stopped() {
    let Some(program) = Toolchain::Librdkafka.program() else {
        return;
    };
    goes_on_where_it_stopped(&|penstock, topic, count| {
        let mut reader = Command::new(&program);
        reader.args([
            penstock.address("kafka"),
            "rd-group",
            &count.to_string(),
            topic,
        ]);
        places(&run(&mut reader, LIMIT).ok("the librdkafka reader"))
    });
}

/// franz-go produces idempotently by default: what it sends again after a kill is told from what
/// is new.
#[test]
fn an_idempotent_producer_repeats_and_loses_nothing_across_kills() {
    let mut penstock = Setup::new().start();
    let Some(franz) = Franz::new(penstock.address("kafka")) else {
        return;
    };
    let mut random = Random::seeded("idempotent producer");
    let folder = penstock.path("");
    let more = ["--count", "3000", "--pace", "500us", "--compression", "lz4"];
    let mut producer = franz.produce("orders", "p", &more, &folder);
    for _ in 0..4 {
        pause(Duration::from_millis(random.between(100, 500)));
        penstock.kill();
        penstock.start();
    }
    producer.wait().unwrap();
    let history = producer.history();
    let acknowledged = history
        .iter()
        .filter(|line| line.word == Word::Acknowledged)
        .count();
    assert_eq!(acknowledged, 3000);
    let records = penstock.kcat().records("orders");
    assert_eq!(records.len(), 3000);
    let violations = crash::judge_produced(&records, &history);
    assert!(violations.is_empty(), "{violations:#?}");
}
