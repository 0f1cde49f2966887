//! Declared topics, groups and integrations: made at the start, read again on SIGHUP and when
//! asked, as a whole or not at all, and never a reason to delete a topic.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Penstock, Setup, http, run, wait_until};

const LIMIT: Duration = Duration::from_secs(30);

fn declared(text: &str) -> Penstock {
    let penstock = Setup::new().build();
    write(&penstock, text);
    penstock
}

fn write(penstock: &Penstock, text: &str) {
    std::fs::write(penstock.path("topics.yaml"), text).unwrap();
}

fn started(text: &str) -> Penstock {
    let mut penstock = declared(text);
    penstock.start();
    penstock
}

fn topic(penstock: &Penstock, name: &str) -> Value {
    let answer = penstock.get(&format!("/topics/{name}")).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn retention(penstock: &Penstock, name: &str) -> String {
    topic(penstock, name)["config"]["retention.ms"].to_string()
}

fn wait_for_log(penstock: &Penstock, part: &str) {
    wait_until(&format!("{part:?} on stderr"), LIMIT, || {
        let log = penstock.stderr();
        if log.contains(part) { Ok(()) } else { Err(log) }
    });
}

#[test]
fn a_start_creates_named_topics_and_those_of_a_pattern_follow_it_when_they_are_made() {
    let penstock = started(
        "topics:\n  orders:\n    partitions: 3\n    retention: { time: 1h, bytes: 1MiB }\n    \
         cleanup: compact,delete\n  'made.{when}':\n    partitions: 2\n    retention: { time: 2h }\n",
    );
    let orders = topic(&penstock, "orders");
    assert_eq!(orders["partitions"], 3);
    assert_eq!(orders["config"]["retention.ms"], 3_600_000);
    assert_eq!(orders["config"]["cleanup.policy"], "compact,delete");
    assert_eq!(penstock.get("/topics/made.later").unwrap().status, 404);
    let body = r#"{"name":"made.later"}"#;
    let made = http(penstock.address("http"), "POST", "/topics", Some(body)).unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    let made = topic(&penstock, "made.later");
    assert_eq!(made["partitions"], 2);
    assert_eq!(made["config"]["retention.ms"], 7_200_000);
    assert!(penstock.stderr().contains("create it with 3 partitions"));
}

#[test]
fn a_hang_up_applies_the_changed_file_with_its_plan_and_a_topic_left_out_stays() {
    let mut penstock = started("topics:\n  a: { retention: { time: 1h } }\n  b: {}\n");
    write(
        &penstock,
        "topics:\n  a: { retention: { time: 2h }, partitions: 4 }\ngroups:\n  billing: { lease: 5s }\n\
         integrations:\n  acme: { client_ids: [one] }\n",
    );
    for _ in 0..20 {
        penstock.hang_up();
    }
    wait_for_log(&penstock, "declarations applied");
    assert_eq!(retention(&penstock, "a"), "7200000");
    assert_eq!(topic(&penstock, "a")["partitions"], 1);
    assert_eq!(topic(&penstock, "b")["name"], "b");
    let log = penstock.stderr();
    for part in [
        "retention.ms from 3600000 to 7200000",
        "partitions of an existing topic cannot change",
        "group \\\"billing\\\"",
        "integration \\\"acme\\\"",
        "topics stay as they are",
    ] {
        let plain = part.replace("\\\"", "\"");
        assert!(
            log.contains(part) || log.contains(&plain),
            "{part} in {log}"
        );
    }
    let standing = &penstock.status()["declarations"];
    assert_eq!(standing["integrations"], 1, "{standing}");
    assert!(standing["error"].is_null(), "{standing}");
    assert_eq!(penstock.terminate().code(), Some(0));
}

#[test]
fn a_file_with_an_error_changes_nothing_on_a_hang_up_and_is_told_until_it_is_mended() {
    let penstock = started("topics:\n  a: { retention: { time: 1h } }\n");
    write(
        &penstock,
        "topics:\n  a: { retention: { time: 2h } }\n  b: { partitons: 1 }\n",
    );
    penstock.hang_up();
    wait_for_log(&penstock, "topics.yaml:3:8");
    assert_eq!(retention(&penstock, "a"), "3600000");
    assert_eq!(penstock.get("/topics/b").unwrap().status, 404);
    let error = penstock.status()["declarations"]["error"].to_string();
    assert!(
        error.contains("topics.yaml:3:8") && error.contains("partitions"),
        "{error}"
    );
    let healthy = run(&mut penstock.command(&["healthcheck"]), LIMIT);
    assert_eq!(healthy.code, Some(0), "{healthy:?}");

    write(
        &penstock,
        "topics:\n  a: { retention: { time: 2h } }\n  b: [",
    );
    let refused = run(&mut penstock.command(&["topics", "apply"]), LIMIT);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("PEN-CONFIG-004"), "{refused:?}");
    assert_eq!(retention(&penstock, "a"), "3600000");

    write(&penstock, "topics:\n  a: { retention: { time: 2h } }\n");
    penstock.hang_up();
    wait_until("the error to be gone", LIMIT, || {
        let standing = penstock.status()["declarations"].to_string();
        if standing.contains("\"error\":null") {
            Ok(())
        } else {
            Err(standing)
        }
    });
    assert_eq!(retention(&penstock, "a"), "7200000");
}

#[test]
fn a_plan_changes_nothing_and_what_is_applied_needs_no_further_change() {
    let penstock = started("");
    write(&penstock, "topics:\n  a: { partitions: 2 }\n");
    let plan = run(&mut penstock.command(&["topics", "plan"]), LIMIT);
    assert_eq!(plan.code, Some(0), "{plan:?}");
    assert!(
        plan.stdout.contains("create it with 2 partitions"),
        "{plan:?}"
    );
    assert_eq!(penstock.get("/topics/a").unwrap().status, 404);
    let path = "/declarations/apply";
    let dry = http(
        penstock.address("http"),
        "POST",
        path,
        Some(r#"{"dry_run":true}"#),
    )
    .unwrap();
    assert_eq!(dry.json()["applied"], false, "{dry:?}");
    assert_eq!(penstock.get("/topics/a").unwrap().status, 404);
    let applied = run(&mut penstock.command(&["topics", "apply", "--json"]), LIMIT);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let applied: Value = serde_json::from_str(&applied.stdout).unwrap();
    assert_eq!(applied["applied"], true);
    assert_eq!(topic(&penstock, "a")["partitions"], 2);
    let again = run(&mut penstock.command(&["topics", "plan", "--json"]), LIMIT);
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(again["steps"], serde_json::json!([]));
}

#[test]
fn check_lists_what_is_declared_and_a_file_with_errors_stops_check_and_start() {
    let penstock = declared("topics:\n  a: {}\nintegrations:\n  acme: {}\n");
    let check = run(&mut penstock.command(&["check"]), LIMIT);
    assert_eq!(check.code, Some(0), "{check:?}");
    assert!(check.stdout.contains("integration"), "{check:?}");
    write(
        &penstock,
        "topics:\n  a: { partitions: 0 }\nintegrations:\n  lifecycle: {}\n",
    );
    for words in ["check", "serve"] {
        let refused = run(&mut penstock.command(&[words]), LIMIT);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        for place in ["topics.yaml:2:20", "topics.yaml:4:3"] {
            assert!(refused.stderr.contains(place), "{place} in {refused:?}");
        }
    }
}
