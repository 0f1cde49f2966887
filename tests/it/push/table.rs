//! The status table, row by row, as curl shows it: `table.txt` holds the answers. `UPDATE=1`
//! writes the file anew.

use std::path::Path;

use super::door::{Door, Got, curl};
use crate::support::Setup;

const TOPICS: &str = r#"
integrations:
  strict:
    client_ids: [crm]
    idempotency: required
    body: 1KiB
  shaped:
    scope: push:shaped
    schema: { type: object, required: [id], properties: { id: { type: integer } } }
    keep_refused: true
  slow:
    scope: push:slow
    rate: { requests: 1, per: 60s, burst: 1 }
  old:
    scope: push:old
    retired: true
"#;

const EVENT: &str =
    r#"{"specversion":"1.0","id":"1","source":"/crm","type":"made","data":{"n":1}}"#;

/// The rows as they come.
#[derive(Default)]
struct Table(String);

impl Table {
    fn row(&mut self, what: &str, status: u16, got: &Got) {
        assert_eq!(got.status, status, "{what}: {got:?}");
        let hidden = |line: &&str| {
            let line = line.to_lowercase();
            !line.starts_with("date:") && !line.starts_with("content-length:")
        };
        let head: Vec<&str> = got.head.lines().filter(hidden).collect();
        self.0 += &format!(
            "### {what}\n{}\n\n{}\n\n",
            head.join("\n"),
            got.body.trim_end()
        );
    }
}

#[test]
fn every_answer_is_as_the_table_shows_it() {
    let mut table = Table::default();
    let door = Door::open(TOPICS);
    accepted(&door, &mut table);
    refused_for_what_it_is(&door, &mut table);
    refused_for_who_asks(&door, &mut table);
    others(&door, &mut table);
    let closed = Setup::new().start();
    let got = curl(closed.address("http"), "/push/acme", &["-d", "1"]);
    table.row("no issuer is set", 503, &got);
    compare(&table.0);
}

fn accepted(door: &Door, table: &mut Table) {
    let of_type = |text: &'static str| ["-H", text];
    table.row("one value", 202, &door.push("acme", "{\"n\": 1.10}", &[]));
    table.row("an array", 202, &door.push("acme", "[1, 2, 3]", &[]));
    let lines = of_type("Content-Type: application/x-ndjson");
    table.row(
        "lines",
        202,
        &door.push("acme", "{\"n\":1}\n\n{\"n\":2}", &lines),
    );
    let event = of_type("Content-Type: application/cloudevents+json");
    table.row("an event", 202, &door.push("acme", EVENT, &event));
    table.row("an event again", 200, &door.push("acme", EVENT, &event));
    let events = of_type("Content-Type: application/cloudevents-batch+json");
    let other = EVENT.replace("\"1\"", "\"2\"");
    let batch = format!("[{EVENT},{other}]");
    table.row(
        "a batch of events",
        202,
        &door.push("acme", &batch, &events),
    );
    let binary = [
        "-H",
        "ce-specversion: 1.0",
        "-H",
        "ce-id: 3",
        "-H",
        "ce-source: /crm",
        "-H",
        "ce-type: made",
    ];
    table.row(
        "an event in headers",
        202,
        &door.push("acme", "{\"n\":3}", &binary),
    );
    let key = ["-H", "Idempotency-Key: \"order-17\""];
    table.row(
        "with a key",
        202,
        &door.push("acme", "{\"order\":17}", &key),
    );
    let bare = ["-H", "Idempotency-Key: order-17"];
    table.row(
        "the same again",
        200,
        &door.push("acme", "{\"order\":17}", &bare),
    );
    let changed = door.push("acme", "{\"order\":18}", &key);
    table.row("the same key for another body", 422, &changed);
    let event = r#"{"type":"integration.installed","id":"1","integration":"acme","time":"2026-01-02T03:04:05Z"}"#;
    table.row(
        "a lifecycle event",
        202,
        &door.push("lifecycle", event, &[]),
    );
}

fn refused_for_what_it_is(door: &Door, table: &mut Table) {
    let malformed = door.push("acme", "{\"n\": 1,\n \"m\" 2}", &[]);
    table.row("malformed JSON", 400, &malformed);
    let lines = ["-H", "Content-Type: application/x-ndjson"];
    let bad_line = door.push("acme", "{\"n\":1}\n{\"n\":}\n{\"n\":3}", &lines);
    table.row("a malformed line", 400, &bad_line);
    table.row("an empty array", 400, &door.push("acme", "[]", &[]));
    let event = ["-H", "Content-Type: application/cloudevents+json"];
    let no_id = EVENT.replace("\"id\"", "\"ident\"");
    table.row(
        "an event without id",
        400,
        &door.push("acme", &no_id, &event),
    );
    let key = ["-H", "Idempotency-Key: \"a b\""];
    table.row("a malformed key", 400, &door.push("acme", "1", &key));
    table.row("a key is required", 400, &door.push("strict", "1", &[]));
    let large = format!("\"{}\"", "x".repeat(2000));
    let key = ["-H", "Idempotency-Key: a"];
    table.row("too large", 413, &door.push("strict", &large, &key));
    let text = ["-H", "Content-Type: text/plain"];
    table.row("another type", 415, &door.push("acme", "1", &text));
    let brotli = ["-H", "Content-Encoding: br"];
    table.row("another encoding", 415, &door.push("acme", "1", &brotli));
    let misfit = door.push("shaped", "[{\"id\":1},{\"id\":\"secret\"},{}]", &[]);
    table.row("values that do not fit", 422, &misfit);
    assert!(!misfit.body.contains("secret"), "{misfit:?}");
    let misfit = door.push("lifecycle", "{\"type\":\"integration.broken\"}", &[]);
    table.row("no lifecycle event", 422, &misfit);
}

fn refused_for_who_asks(door: &Door, table: &mut Table) {
    let body = ["-H", "Content-Type: application/json", "-d", "1"];
    let with = |token: &str| {
        let bearer = format!("Authorization: Bearer {token}");
        let words: Vec<&str> = body.iter().copied().chain(["-H", &bearer]).collect();
        door.curl("/push/acme", &words)
    };
    table.row("no token", 401, &door.curl("/push/acme", &body));
    table.row("no token of the issuer", 401, &with("a.b.c"));
    table.row("no scope", 403, &with(&door.issuer.token("push:other")));
    let user = door
        .issuer
        .token_with("push:acme", &serde_json::json!({"client_id": "web"}));
    table.row("a user's token", 403, &with(&user));
    table.row("retired", 410, &door.push("old", "1", &[]));
    table.row("the first of a minute", 202, &door.push("slow", "1", &[]));
    let early = door.push("slow", "1", &[]);
    let waits = |line: &str| line.starts_with("retry-after: ") || line.starts_with("ratelimit: ");
    let head = early
        .head
        .lines()
        .filter(|line| !waits(line))
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        early.head.contains("\nretry-after: ")
            && early.head.contains("\nratelimit: \"slow\";r=0;t="),
        "{early:?}"
    );
    table.row("the second of a minute", 429, &Got { head, ..early });
}

fn others(door: &Door, table: &mut Table) {
    table.row("no legal name", 404, &door.curl("/push/ACME", &["-d", "1"]));
    table.row(
        "another method",
        405,
        &door.curl("/push/acme", &["-X", "PUT", "-d", "1"]),
    );
    let words = [
        "-X",
        "OPTIONS",
        "-H",
        "WebHook-Request-Origin: events.example",
        "-H",
        "WebHook-Request-Rate: 120",
    ];
    table.row(
        "the handshake of CloudEvents",
        200,
        &door.curl("/push/acme", &words),
    );
    let schema = door.curl("/push/lifecycle/schema", &[]);
    assert_eq!(schema.status, 200);
    assert_eq!(
        schema.body,
        include_str!("../../../topics/lifecycle.schema.json")
    );
}

fn compare(got: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/push/table.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (expected, got) in expected.split("### ").zip(got.split("### ")) {
        assert_eq!(expected, got, "UPDATE=1 writes table.txt anew");
    }
    assert_eq!(expected, got);
}
