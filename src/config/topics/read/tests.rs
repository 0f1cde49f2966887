//! Claims about what a file may say: each refusal with its line and column, and the example that
//! documents every key.

use std::path::Path;

use super::*;
use crate::config::topics::{CleanupPolicy, GroupPolicy, Rate};

/// The file that documents every key, as it is shipped.
const EXAMPLE: &str = include_str!("../../../../topics/topics.yaml");

fn lines(text: &str) -> Vec<String> {
    match read(Path::new("t.yaml"), text) {
        Ok(loaded) => panic!("{text} was taken as {:?}", loaded.declarations),
        Err(problems) => problems.0.iter().map(Problem::line).collect(),
    }
}

fn taken(text: &str) -> Loaded {
    read(Path::new("t.yaml"), text).unwrap_or_else(|problems| panic!("{text}: {problems}"))
}

/// The example with its keys: lines whose `#` has no space behind it lose the `#`.
fn example() -> String {
    let activated = |line: &str| {
        let words = line.trim_start();
        let indent = &line[..line.len() - words.len()];
        match words.strip_prefix('#') {
            Some(key) if !key.is_empty() && !key.starts_with(' ') => format!("{indent}{key}\n"),
            _ => format!("{line}\n"),
        }
    };
    EXAMPLE.lines().map(activated).collect()
}

#[test]
fn the_shipped_file_declares_nothing() {
    let loaded = taken(EXAMPLE);
    assert!(loaded.declarations.topics.is_empty());
    assert!(loaded.declarations.groups.is_empty());
    assert!(loaded.declarations.integrations.is_empty());
    assert!(loaded.warnings.is_empty());
}

#[test]
fn the_documented_keys_are_all_there_are_and_all_can_be_read() {
    let text = example();
    let loaded = taken(&text);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let declared = &loaded.declarations;
    let orders = declared.topic("orders.events").unwrap();
    assert_eq!(orders.partitions, Some(3));
    assert_eq!(orders.retention_ms, Some(7 * 24 * 3_600_000));
    assert_eq!(orders.retention_bytes, Some(10 << 30));
    assert_eq!(orders.cleanup, Some(CleanupPolicy::Delete));
    assert_eq!(orders.max_message_bytes, Some(1 << 20));
    assert!(orders.schema.is_some());
    assert!(declared.topic("integrations.acme.data").is_some());
    let billing = declared.group("billing");
    assert_eq!(
        billing,
        GroupPolicy::default(),
        "the example shows the defaults"
    );
    let acme = declared.integration("acme").unwrap();
    assert_eq!(acme.client_ids.len(), 1);
    assert_eq!(acme.scope.as_deref(), Some("push:acme"));
    assert!(acme.organization_id.is_some() && acme.schema.is_some());
    assert_eq!(acme.claims["plan"], "gold");
    let rate = Rate {
        requests: 100,
        seconds: 1,
        burst: 200,
    };
    assert_eq!(acme.rate, Some(rate));
    assert_eq!(acme.body_bytes_max, 1 << 20);
    let known = [topic::ALL_KEYS, group::ALL_KEYS, integration::ALL_KEYS];
    for key in known
        .iter()
        .flat_map(|lists| lists.iter())
        .flat_map(|list| list.iter())
    {
        let documented = text.contains(&format!("{key}:"));
        assert!(documented || *key == "webhooks", "{key} is not documented");
    }
}

#[test]
fn nothing_and_empty_sections_declare_nothing() {
    for text in [
        "",
        "# a\n",
        "---\n",
        "topics:\ngroups:\nintegrations:\n",
        "topics: {}\n",
    ] {
        assert!(taken(text).declarations.topics.is_empty(), "{text}");
    }
}

#[test]
fn the_order_of_the_file_is_kept_and_the_first_that_fits_holds() {
    let text = "topics:\n  b.x: { partitions: 2 }\n  b.{a}: { partitions: 3 }\n  a: {}\n";
    let declared = taken(text).declarations;
    assert_eq!(declared.topic("b.x").unwrap().partitions, Some(2));
    assert_eq!(declared.topic("b.y").unwrap().partitions, Some(3));
    assert_eq!(declared.topic("a").unwrap().partitions, None);
    assert!(declared.topic("c").is_none());
}

#[test]
fn forever_and_none_are_told_from_a_key_that_is_left_out() {
    let text = "topics:\n  a: { retention: { time: forever, bytes: none } }\n  b: {}\n";
    let declared = taken(text).declarations;
    let a = declared.topic("a").unwrap();
    assert_eq!((a.retention_ms, a.retention_bytes), (Some(-1), Some(-1)));
    assert_eq!(declared.topic("b").unwrap().retention_ms, None);
}

#[test]
fn two_integrations_may_name_the_same_client() {
    let text = "integrations:\n  a: { client_ids: [x] }\n  b: { client_ids: [x] }\n";
    assert_eq!(taken(text).declarations.integrations.len(), 2);
}

#[test]
fn retention_of_a_compacted_topic_is_warned_of() {
    let loaded = taken("topics:\n  a: { cleanup: compact, retention: { time: 1d } }\n");
    let line = loaded.warnings[0].line();
    assert!(
        line.contains("t.yaml:2:37") && line.contains("compacted"),
        "{line}"
    );
    let both = "topics:\n  a: { cleanup: 'compact,delete', retention: { time: 1d } }\n";
    assert!(taken(both).warnings.is_empty());
}

/// File, place of the problem, code, and a part of the message.
type Case = (&'static str, &'static str, &'static str, &'static str);

const UNKNOWN: &str = "PEN-CONFIG-001";
const INVALID: &str = "PEN-CONFIG-002";
const CONTRADICTION: &str = "PEN-CONFIG-003";
const UNREADABLE: &str = "PEN-CONFIG-004";
const NOT_BUILT: &str = "PEN-CONFIG-005";

#[rustfmt::skip]
const REFUSED: &[Case] = &[
    // The file.
    ("- a\n", "1:1", INVALID, "a map is wanted, not a list"),
    ("topcs:\n  a: {}\n", "1:1", UNKNOWN, "did you mean \"topics\"?"),
    ("users: {}\n", "1:1", UNKNOWN, "there are topics, groups, integrations"),
    ("topics: 3\n", "1:9", INVALID, "a map is wanted, not 3"),
    ("topics:\n  - name: a\n", "2:3", INVALID, "a map is wanted, not a list"),
    ("topics: {}\ntopics: {}\n", "2:1", CONTRADICTION, "at t.yaml:1:1"),
    ("topics:\n  a: *b\n", "2:6", UNREADABLE, "anchor"),
    ("topics:\n\ta: {}\n", "2:2", UNREADABLE, "tab"),
    ("a: 1\n---\nb: 2\n", "3:1", UNREADABLE, "a second document"),
    // Topics.
    ("topics:\n  a: {}\n  b: {}\n  a: {}\n", "4:3", CONTRADICTION, "stands here and at t.yaml:2:3"),
    ("topics:\n  a: { partitons: 3 }\n", "2:8", UNKNOWN, "did you mean \"partitions\"?"),
    ("topics:\n  a: { <<: { partitions: 3 } }\n", "2:8", UNKNOWN, "\"<<\""),
    ("topics:\n  a: { partitions: 0 }\n", "2:20", INVALID, "0 is no whole number from 1 to 10000"),
    ("topics:\n  a: { partitions: -1 }\n", "2:20", INVALID, "-1 is no whole number"),
    ("topics:\n  a: { partitions: 1.5 }\n", "2:20", INVALID, "1.5 is no whole number"),
    ("topics:\n  a: { partitions: '3' }\n", "2:20", INVALID, "\"3\" is no whole number"),
    ("topics:\n  a: { partitions: 10001 }\n", "2:20", INVALID, "from 1 to 10000"),
    ("topics:\n  a: { partitions: 9000 }\n  b: { partitions: 9000 }\n", "3:3", INVALID, "more than 10000 partitions"),
    ("topics:\n  a: { partitions: }\n", "2:", INVALID, "nothing is no whole number"),
    ("topics:\n  a: 7d\n", "2:6", INVALID, "a map is wanted, not \"7d\""),
    ("topics:\n  a: { retention: 7d }\n", "2:19", INVALID, "a map is wanted, not \"7d\""),
    ("topics:\n  a: { retention: { time: 5 parsecs } }\n", "2:27", INVALID, "\"parsecs\" is no unit of time"),
    ("topics:\n  a: { retention: { time: 9e99s } }\n", "2:27", INVALID, "\"e99s\" is no unit of time"),
    ("topics:\n  a: { retention: { time: 9e99 } }\n", "2:27", INVALID, "is no time"),
    ("topics:\n  a: { retention: { time: -1 } }\n", "2:27", INVALID, "-1 is no time"),
    ("topics:\n  a: { retention: { time: 7 } }\n", "2:27", INVALID, "7 has no unit"),
    ("topics:\n  a: { retention: { time: 0s } }\n", "2:27", INVALID, "not between 1s and"),
    ("topics:\n  a: { retention: { time: 999ms } }\n", "2:27", INVALID, "not between 1s and"),
    ("topics:\n  a: { retention: { bytes: 10G } }\n", "2:28", INVALID, "\"G\" is no unit of size"),
    ("topics:\n  a: { retention: { bytes: -1 } }\n", "2:28", INVALID, "-1 is no number of bytes"),
    ("topics:\n  a: { retention: { bytes: 1 } }\n", "2:28", INVALID, "not between 1KiB and"),
    ("topics:\n  a: { cleanup: both }\n", "2:17", INVALID, "none of delete, compact, compact,delete"),
    ("topics:\n  a: { max_message_bytes: 33MiB }\n", "2:27", INVALID, "not between 1B and 32MiB"),
    ("topics:\n  a: { max_message_bytes: 0 }\n", "2:27", INVALID, "not between 1B and 32MiB"),
    ("topics:\n  a/b: {}\n", "2:3", INVALID, "character '/'"),
    ("topics:\n  ..: {}\n", "2:3", INVALID, "as a topic name"),
    ("topics:\n  '': {}\n", "2:3", INVALID, "it is empty"),
    ("topics:\n  a.*: {}\n", "2:3", INVALID, "do not make a pattern"),
    ("topics:\n  'a.{B}': {}\n", "2:3", INVALID, "a placeholder is a word"),
    ("topics:\n  'a.{b': {}\n", "2:3", INVALID, "a placeholder is a word"),
    ("topics:\n  __consumer_offsets: {}\n", "2:3", INVALID, "keeps its own state"),
    ("topics:\n  a.b: {}\n  a_b: {}\n", "3:3", CONTRADICTION, "\"a.b\" (at t.yaml:2:3) differ only"),
    ("topics:\n  'a.{b}': {}\n  a.c: {}\n", "3:3", CONTRADICTION, "\"a.{b}\" at t.yaml:2:3"),
    ("topics:\n  'a.{b}': {}\n  'a.x{c}': {}\n", "3:3", CONTRADICTION, "can never hold"),
    ("topics:\n  'a.{b}': {}\n  'a.{c}': {}\n", "3:3", CONTRADICTION, "can never hold"),
    ("topics:\n  dlq.a: { schema: {} }\n", "2:20", INVALID, "something was wrong with it"),
    ("topics:\n  a: { schema: 3 }\n", "2:16", INVALID, "neither a path nor a schema"),
    ("topics:\n  a: { schema: ../x.json }\n", "2:16", INVALID, "does not lie beside this file"),
    ("topics:\n  a: { schema: /x.json }\n", "2:16", INVALID, "does not lie beside this file"),
    ("topics:\n  a: { schema: nowhere.json }\n", "2:16", INVALID, "cannot read \"nowhere.json\""),
    ("topics:\n  a: { schema: { type: no } }\n", "2:16", INVALID, "cannot be used"),
    ("topics:\n  a: { schema: { type: object, type: string } }\n", "2:32", CONTRADICTION, "at t.yaml:2:18"),
    ("topics:\n  a: { schema: { $ref: 'https://example.com/a' } }\n", "2:16", INVALID, "not followed"),
    // Groups.
    ("groups:\n  push.a: {}\n", "2:3", INVALID, "are reserved"),
    ("groups:\n  'source.{x}': {}\n", "2:3", INVALID, "are reserved"),
    ("groups:\n  \"a\\u0007\": {}\n", "2:3", INVALID, "control characters"),
    ("groups:\n  a: { limit: 3 }\n", "2:8", UNKNOWN, "delivery_limit, lease"),
    ("groups:\n  a: { delivery_limit: 0 }\n", "2:24", INVALID, "from 1 to 100"),
    ("groups:\n  a: { delivery_limit: 101 }\n", "2:24", INVALID, "from 1 to 100"),
    ("groups:\n  a: { lease: 999ms }\n", "2:15", INVALID, "not between 1s and 1h"),
    ("groups:\n  a: { lease: 61m }\n", "2:15", INVALID, "not between 1s and 1h"),
    ("groups:\n  a: { backoff: 3s }\n", "2:17", INVALID, "a map is wanted"),
    ("groups:\n  a: { backoff: { first: 2m, max: 1m } }\n", "2:17", CONTRADICTION, "120000 ms"),
    ("groups:\n  a: { from: middle }\n", "2:14", INVALID, "none of start, end"),
    ("groups:\n  a: { dead_letters: yes }\n", "2:22", INVALID, "\"yes\" is neither true nor false"),
    ("groups:\n  '{x}': {}\n  b: {}\n", "3:3", CONTRADICTION, "\"{x}\" at t.yaml:2:3"),
    // Integrations.
    ("integrations:\n  lifecycle: {}\n", "2:3", INVALID, "lifecycle events"),
    ("integrations:\n  Acme: {}\n", "2:3", INVALID, "1 to 63 of a-z"),
    ("integrations:\n  'a.{b}': {}\n", "2:3", INVALID, "1 to 63 of a-z"),
    ("integrations:\n  -a: {}\n", "2:3", INVALID, "1 to 63 of a-z"),
    ("integrations:\n  a: { client_ids: x }\n", "2:20", INVALID, "a list is wanted"),
    ("integrations:\n  a: { client_ids: [] }\n", "2:20", INVALID, "let nobody in"),
    ("integrations:\n  a: { client_ids: [1] }\n", "2:21", INVALID, "put it in quotes"),
    ("integrations:\n  a: { client_ids: [x, x] }\n", "2:24", INVALID, "stands twice"),
    ("integrations:\n  a: { scope: 'push:lifecycle' }\n", "2:15", INVALID, "lifecycle events"),
    ("integrations:\n  a: { scope: 'a b' }\n", "2:15", INVALID, "more than one scope"),
    ("integrations:\n  a: { organization: 3 }\n", "2:22", INVALID, "put it in quotes"),
    ("integrations:\n  a: { claims: { scope: x } }\n", "2:18", INVALID, "a key of its own"),
    ("integrations:\n  a: { claims: { plan: } }\n", "2:", INVALID, "it has no value"),
    ("integrations:\n  a: { rate: { per: 1s } }\n", "2:14", INVALID, "number of requests is missing"),
    ("integrations:\n  a: { rate: { requests: 0 } }\n", "2:26", INVALID, "from 1 to 1000000"),
    ("integrations:\n  a: { rate: { requests: 1, per: 1500ms } }\n", "2:34", INVALID, "whole number of seconds"),
    ("integrations:\n  a: { rate: { requests: 1, burst: 0 } }\n", "2:36", INVALID, "from 1 to 1000000"),
    ("integrations:\n  a: { body: 64MiB }\n", "2:14", INVALID, "not between 1B and 32MiB"),
    ("integrations:\n  a: { idempotency: must }\n", "2:21", INVALID, "none of optional, required"),
    ("integrations:\n  a: { webhooks: [] }\n", "2:18", NOT_BUILT, "webhooks are not built"),
    ("integrations:\n  a: { retird: true }\n", "2:8", UNKNOWN, "did you mean \"retired\"?"),
];

#[test]
fn every_refusal_has_its_place_its_code_and_its_reason() {
    let mut wrong = Vec::new();
    for (text, place, code, part) in REFUSED {
        let lines = lines(text);
        let at = format!("t.yaml:{place}");
        let fits =
            |line: &String| line.starts_with(code) && line.contains(&at) && line.contains(part);
        if lines.len() != 1 || !lines.iter().all(fits) {
            wrong.push(format!("{text}wants {code} {at} {part}, got {lines:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = "topics:\n  a: { partitions: 0, cleanup: x }\n  a: {}\nsizes: {}\ngroups:\n  \
                b: { lease: 1y }\nintegrations:\n  C: {}\n  d: { wat: 1 }\n";
    let lines = lines(text);
    assert_eq!(lines.len(), 7, "{lines:#?}");
}

#[test]
fn a_file_of_a_million_names_is_refused_and_so_is_one_of_many_problems_in_bounds() {
    let many: String = (0..ENTRIES_MAX + 1)
        .map(|at| format!("  t{at}: {{}}\n"))
        .collect();
    let lines_of_many = lines(&format!("topics:\n{many}"));
    assert!(
        lines_of_many[0].contains("more than 2000"),
        "{lines_of_many:?}"
    );
    let wrong: String = (0..500).map(|at| format!("  t{at}: 3\n")).collect();
    assert_eq!(lines(&format!("topics:\n{wrong}")).len(), 100);
}

#[test]
fn schemas_are_read_from_beside_the_file_and_their_errors_have_their_own_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("topics.yaml");
    std::fs::write(folder.path().join("a.json"), r#"{"type": "object"}"#).unwrap();
    std::fs::write(&path, "topics:\n  a: { schema: a.json }\n").unwrap();
    let loaded = load(&path).unwrap();
    let schema = loaded
        .declarations
        .topic("a")
        .unwrap()
        .schema
        .clone()
        .unwrap();
    assert!(!schema.misfits(&serde_json::json!(1)).is_empty());
    std::fs::write(folder.path().join("a.json"), "{\n  \"type\": }").unwrap();
    let told = load(&path).unwrap_err().to_string();
    assert!(told.contains("a.json:2:11"), "{told}");
}

#[test]
fn what_is_no_file_of_text_within_bounds_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        load(folder.path())
            .unwrap_err()
            .to_string()
            .contains("not a regular file")
    );
    let path = folder.path().join("topics.yaml");
    assert!(load(&path).unwrap().missing);
    std::fs::write(&path, [0x74, 0xff, 0xfe]).unwrap();
    assert!(load(&path).unwrap_err().to_string().contains("UTF-8"));
    std::fs::File::create(&path)
        .unwrap()
        .set_len(FILE_BYTES_MAX + 1)
        .unwrap();
    assert!(
        load(&path)
            .unwrap_err()
            .to_string()
            .contains("larger than 1048576 bytes")
    );
}
