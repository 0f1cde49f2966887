//! Dead letters from outside: over HTTP, as commands, in the metrics, and across kills.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Penstock, Setup, http, run, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

/// Deliveries follow each other quickly; five of them are the default limit.
const TOPICS: &str = "groups:\n  g:\n    backoff: { first: 100ms, max: 100ms }\n";

/// A server with the topic `orders`, which holds `values`.
fn shop(values: &[&str]) -> Penstock {
    let mut penstock = Setup::new().build();
    std::fs::write(penstock.path("topics.yaml"), TOPICS).unwrap();
    penstock.start();
    ask(&penstock, "POST", "/topics", &json!({"name": "orders"}));
    produce(&penstock, values);
    penstock
}

fn produce(penstock: &Penstock, values: &[&str]) {
    let lines: Vec<String> = values.iter().map(|value| format!("k={value}")).collect();
    let words = ["-P", "-t", "orders", "-K", "=", "-H", "trace=t1"];
    penstock.kcat().run(&words, &(lines.join("\n") + "\n"));
}

#[track_caller]
fn answer(penstock: &Penstock, method: &str, path: &str, body: &Value) -> Answer {
    http(
        penstock.address("http"),
        method,
        path,
        Some(&body.to_string()),
    )
    .unwrap()
}

/// A request that is to succeed.
#[track_caller]
fn ask(penstock: &Penstock, method: &str, path: &str, body: &Value) -> Value {
    let answer = answer(penstock, method, path, body);
    assert!(answer.status < 300, "{method} {path}: {answer:?}");
    answer.json()
}

/// Reads as a member of `group`, waiting for a record.
#[track_caller]
fn read(penstock: &Penstock, group: &str, wait_ms: u32) -> Vec<Value> {
    let body = json!({"topics": ["orders"], "wait_ms": wait_ms});
    let answer = ask(penstock, "POST", &format!("/groups/{group}/read"), &body);
    answer["records"].as_array().unwrap().clone()
}

/// Answers all of `records` with `word`.
#[track_caller]
fn ack(penstock: &Penstock, group: &str, word: &str, records: &[Value]) {
    let ids: Vec<&Value> = records.iter().map(|record| &record["ack_id"]).collect();
    let answer = ask(
        penstock,
        "POST",
        &format!("/groups/{group}/ack"),
        &json!({word: ids}),
    );
    for result in answer["results"].as_array().unwrap() {
        assert_eq!(result["status"], "ok", "{answer}");
    }
}

/// The depth of `dlq.g`, once it is counted.
fn depth(penstock: &Penstock) -> Value {
    wait_until("dead letters to be counted", LIMIT, || {
        let answer = penstock.get("/dlq")?;
        let topics = answer.json()["topics"].clone();
        let topics = topics.as_array().cloned().ok_or(format!("{answer:?}"))?;
        let found = topics.into_iter().find(|topic| topic["topic"] == "dlq.g");
        found
            .map(|topic| topic["depth"].clone())
            .ok_or("no dlq.g".to_owned())
    })
}

fn header<'a>(record: &'a Value, key: &str) -> &'a Value {
    let headers = record["headers"].as_array().unwrap();
    let found = headers.iter().find(|header| header["key"] == key);
    found.map_or(&Value::Null, |header| &header["value"])
}

#[test]
fn a_record_released_five_times_is_a_letter_and_comes_back_once_to_its_own_group() {
    let mut penstock = shop(&["v1"]);
    ack(&penstock, "h", "accept", &read(&penstock, "h", 5_000));
    for delivery in 1..=5 {
        let records = read(&penstock, "g", 10_000);
        assert_eq!(records.len(), 1, "delivery {delivery}");
        assert_eq!(records[0]["delivery_count"], delivery);
        ack(&penstock, "g", "release", &records);
    }
    assert_eq!(depth(&penstock), 1);
    penstock.kill();
    penstock.start();
    assert_eq!(depth(&penstock), 1);
    let shown = run(
        &mut penstock.command(&["dlq", "show", "g", "--json"]),
        LIMIT,
    )
    .ok("dlq show");
    let letter: Value = serde_json::from_str(shown.trim()).unwrap();
    assert_eq!(letter["reason"], "exhausted");
    let origin = json!({"topic": "orders", "partition": 0, "offset": 0});
    assert_eq!(
        (&letter["origin"], &letter["redriven"]),
        (&origin, &json!(false))
    );
    assert_eq!(
        (&letter["key"], &letter["value"]),
        (&json!("k"), &json!("v1"))
    );
    assert_eq!(header(&letter, "trace"), "t1");
    assert_eq!(header(&letter, "__dlq.errors.group"), "g");
    assert_eq!(header(&letter, "__dlq.errors.delivery.count"), &json!(5));
    wait_until("the depth in the metrics", LIMIT, || {
        let page = penstock.metrics();
        let mut lines = page.lines().filter(|line| {
            line.starts_with("penstock_dlq_depth_records{") && line.contains("\"exhausted\"")
        });
        match lines.next() {
            Some(line) if line.contains("\"dlq.g\"") && line.ends_with(" 1") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let redrive = ["dlq", "redrive", "g", "--offset", "0"];
    run(&mut penstock.command(&redrive), LIMIT).ok("dlq redrive");
    assert_eq!(depth(&penstock), 0);
    penstock.kill();
    penstock.start();
    assert_eq!(depth(&penstock), 0);
    let again = run(&mut penstock.command(&redrive), LIMIT);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("PEN-DLQ-002"), "{}", again.stderr);
    assert_eq!(read(&penstock, "h", 0), Vec::<Value>::new());
    let back = read(&penstock, "g", 10_000);
    assert_eq!(back.len(), 1);
    assert_eq!(
        (&back[0]["offset"], &back[0]["value"]),
        (&json!(0), &json!("v1"))
    );
    assert_eq!(back[0]["delivery_count"], 1);
    assert_eq!(header(&back[0], "__dlq.redrive.count"), &json!(1));
    ack(&penstock, "g", "accept", &back);
    assert_eq!(read(&penstock, "g", 0), Vec::<Value>::new());
}

#[test]
fn a_record_that_retention_removed_is_given_back_as_new_only_when_asked() {
    let penstock = shop(&["v1"]);
    ack(&penstock, "g", "reject", &read(&penstock, "g", 5_000));
    assert_eq!(depth(&penstock), 1);
    let kept = |ms: i64| json!({"config": {"retention.ms": ms}});
    ask(&penstock, "PATCH", "/topics/orders", &kept(1));
    wait_until("retention to remove the record", LIMIT, || {
        let topic = penstock.get("/topics/orders")?.json();
        let start = &topic["partition_offsets"][0]["start"];
        if start == 1 {
            Ok(())
        } else {
            Err(topic.to_string())
        }
    });
    ask(&penstock, "PATCH", "/topics/orders", &kept(3_600_000));
    let redrive = "/dlq/dlq.g/redrive";
    let refused = answer(&penstock, "POST", redrive, &json!({"offsets": [0]}));
    assert_eq!(refused.status, 410, "{refused:?}");
    assert_eq!(refused.json()["code"], "PEN-DLQ-003");
    assert_eq!(depth(&penstock), 1);
    let as_new = json!({"offsets": [0], "as_new": true});
    assert_eq!(ask(&penstock, "POST", redrive, &as_new)["redriven"], 1);
    assert_eq!(depth(&penstock), 0);
    let back = read(&penstock, "g", 10_000);
    assert_eq!(
        (&back[0]["offset"], &back[0]["value"]),
        (&json!(1), &json!("v1"))
    );
    assert_eq!(header(&back[0], "trace"), "t1");
    assert_eq!(header(&back[0], "__dlq.errors.topic"), &Value::Null);
}

#[test]
fn a_purge_asks_first_and_an_export_has_every_letter() {
    let penstock = shop(&["v1", "v2", "v3"]);
    ack(&penstock, "g", "reject", &read(&penstock, "g", 5_000));
    assert_eq!(depth(&penstock), 3);
    let export = run(&mut penstock.command(&["dlq", "export", "dlq.g"]), LIMIT).ok("dlq export");
    let values: Vec<Value> = export
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["value"].clone())
        .collect();
    assert_eq!(values, ["v1", "v2", "v3"]);
    let asked = run(&mut penstock.command(&["dlq", "purge", "g"]), LIMIT);
    assert_eq!(asked.code, Some(1));
    assert!(asked.stderr.contains("3 of them open"), "{}", asked.stderr);
    assert_eq!(depth(&penstock), 3);
    run(
        &mut penstock.command(&["dlq", "purge", "g", "--yes"]),
        LIMIT,
    )
    .ok("dlq purge");
    assert_eq!(depth(&penstock), 0);
    let list = run(&mut penstock.command(&["dlq", "list", "--json"]), LIMIT).ok("dlq list");
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(
        list["topics"][0]["reasons"],
        json!({"rejected": 0, "exhausted": 0})
    );
}

#[test]
fn anonymous_clients_write_neither_letters_nor_what_integrations_and_redrives_own() {
    let penstock = Setup::new().start();
    for topic in [
        "dlq.g",
        "retry.g",
        "integrations.crm.data",
        "integrations.lifecycle",
    ] {
        ask(&penstock, "POST", "/topics", &json!({"name": topic}));
        let produced = penstock.kcat().attempt(&["-P", "-t", topic], "v\n");
        assert_ne!(produced.code, Some(0), "{topic}");
        let end =
            &penstock.get(&format!("/topics/{topic}")).unwrap().json()["partition_offsets"][0];
        assert_eq!(end["end"], 0, "{topic}: {}", produced.stderr);
    }
}
