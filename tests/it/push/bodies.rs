//! What is pushed is what readers find, over Kafka and HTTP, before and after a restart.

use serde_json::json;

use super::door::Door;
use crate::support::Record;

fn header<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    let at = record
        .headers
        .chunks(2)
        .find(|pair| pair[0].as_deref() == Some(name))?;
    at[1].as_deref()
}

#[test]
fn readers_find_what_was_pushed_as_it_was_sent() {
    let door = Door::open("");
    let debezium = [
        "-H",
        "X-DEBEZIUM-topic: app.public.t",
        "-H",
        "X-Other: left out",
    ];
    // The body of Debezium Server's http sink with batches.
    let body = r#"[{"op":"c","after":{"price":12345678901234567890.10}}, {"op":"d"}]"#;
    let got = door.push("acme", body, &debezium);
    assert_eq!(
        got.json(),
        json!({"accepted": 2, "topic": "integrations.acme.data", "partition": 0, "offset": 0})
    );
    let got = door.curl(
        "/push/acme?key=order-1",
        &[
            "-H",
            "Content-Type: application/json",
            "-H",
            &format!("Authorization: Bearer {}", door.issuer.token("push:*")),
            "-d",
            "{\"n\" : 1}",
        ],
    );
    assert_eq!(got.json()["offset"], 2);
    let records = door.penstock.kcat().records("integrations.acme.data");
    let values: Vec<&str> = records
        .iter()
        .map(|r| r.value.as_deref().unwrap())
        .collect();
    assert_eq!(
        values,
        [
            r#"{"op":"c","after":{"price":12345678901234567890.10}}"#,
            r#"{"op":"d"}"#,
            "{\"n\" : 1}"
        ]
    );
    assert_eq!(
        header(&records[0], "content-type"),
        Some("application/json")
    );
    assert_eq!(header(&records[0], "penstock.client_id"), Some("crm"));
    assert_eq!(
        header(&records[1], "x-debezium-topic"),
        Some("app.public.t")
    );
    assert_eq!(header(&records[0], "x-other"), None);
    assert_eq!(records[2].key.as_deref(), Some("order-1"));
    let read = door.curl(
        "/topics/integrations.acme.data/records",
        &["-u", "admin:secret"],
    );
    assert_eq!(
        read.json()["records"][2]["value"],
        json!({"n": 1}),
        "{read:?}"
    );
}

#[test]
fn a_repetition_after_a_restart_is_answered_with_the_first_offset() {
    let mut door = Door::open("");
    let key = |n: usize| format!("Idempotency-Key: key-{n}");
    for n in 0..5 {
        assert_eq!(door.push("acme", "[1,2,3]", &["-H", &key(n)]).status, 202);
    }
    door.penstock.terminate();
    door.penstock.start();
    for n in [3, 0, 4, 3] {
        let got = door.push("acme", "[1,2,3]", &["-H", &key(n)]);
        assert_eq!(got.status, 200, "{got:?}");
        assert!(got.head.contains("idempotency-replayed: true"), "{got:?}");
        let expected = json!({"accepted": 3, "topic": "integrations.acme.data", "partition": 0, "offset": 3 * n});
        assert_eq!(got.json(), expected);
    }
    assert_eq!(door.penstock.kcat().end("integrations.acme.data", 0), 15);
}

#[test]
fn refused_values_are_kept_among_the_dead_letters() {
    let door = Door::open(
        "integrations:\n  shaped:\n    scope: push:shaped\n    schema: { type: integer }\n    keep_refused: true\n",
    );
    let got = door.push("shaped", "[1,\"x\"]", &[]);
    assert_eq!(got.status, 422, "{got:?}");
    assert_eq!(got.json()["errors"][0]["index"], 1);
    let letters = door.penstock.kcat().records("dlq.push.shaped");
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[1].value.as_deref(), Some("\"x\""));
    assert_eq!(header(&letters[1], "__dlq.errors.reason"), Some("schema"));
    assert_eq!(
        header(&letters[1], "__dlq.errors.topic"),
        Some("integrations.shaped.data")
    );
}

#[test]
fn pushes_are_counted_by_integration_and_strangers_as_other() {
    let door = Door::open("integrations:\n  acme:\n    client_ids: [crm]\n");
    let page = door.penstock.metrics();
    assert!(
        page.contains("penstock_push_requests_total{integration=\"acme\",code=\"202\"} 0"),
        "{page}"
    );
    door.push("acme", "[1,2]", &[]);
    door.push("acme", "[1,", &[]);
    let token = door.issuer.token("nothing");
    let bearer = format!("Authorization: Bearer {token}");
    for name in ["who", "are", "they"] {
        door.curl(&format!("/push/{name}"), &["-H", &bearer, "-d", "1"]);
    }
    let page = door.penstock.metrics();
    for line in [
        "penstock_push_requests_total{integration=\"acme\",code=\"202\"} 1",
        "penstock_push_requests_total{integration=\"acme\",code=\"400\"} 1",
        "penstock_push_requests_total{integration=\"other\",code=\"403\"} 3",
        "penstock_push_records_total{integration=\"acme\"} 2",
        "penstock_push_bytes_total{integration=\"acme\"} 5",
        "penstock_push_seconds_count 1",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
    assert!(!page.contains("\"who\""));
}
