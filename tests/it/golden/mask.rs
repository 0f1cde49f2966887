//! Takes out of an event what names time or position of the run itself.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::json::Node;

/// What a scenario knows beside its records: UUIDs that its own files name (in lower case),
/// fields that are not compared (`field:<name>`), and `event.timestamp` where record timestamps
/// come from the data.
pub(super) type Known = BTreeSet<String>;

fn regex(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

static VOLATILE_INT: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)(^|_|\.)(ts_ms|ts_us|ts_ns|lsn|tx_?id|xmin|origin_lsn)$"));
static VOLATILE_TEXT: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)(^|_|\.)(version|sequence|time|lsn)$|^iodebezium(tsms|tsus|tsns|lsn|txid|xmin|sequence|version|txtid)$",
    )
});
static UUID: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"));
/// An object's address printed by Java: no value to compare.
static JAVA_IDENTITY: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\[L?[\w.;]+@[0-9a-f]+|[\w.]+\$\w+@[0-9a-f]{5,8}$"));
static NUMBER: LazyLock<Regex> = LazyLock::new(|| regex(r"\d+(\.\d+)?"));
static DIGITS: LazyLock<Regex> = LazyLock::new(|| regex(r"\d+"));
static TRANSACTION_ID: LazyLock<Regex> = LazyLock::new(|| regex(r"^(\d+:\d+|name:.*)$"));
static WINDOW: LazyLock<Regex> = LazyLock::new(|| regex(r#"Timestamp"?\s*:"#));
static WINDOW_TIME: LazyLock<Regex> = LazyLock::new(|| regex(r#""[0-9T:.Z+-]{16,}""#));

/// Milliseconds of 2020: above is a time of the run, in notifications.
const RECENT_MS: i128 = 1_600_000_000_000;

/// All UUIDs of a text, in lower case.
pub(super) fn uuids(text: &str) -> impl Iterator<Item = String> {
    UUID.find_iter(text)
        .map(|found| found.as_str().to_lowercase())
}

/// The node with volatile values replaced by their kind; field order, types and nulls stay
/// comparable. `key` is the field that holds it.
pub(super) fn mask(node: &Node, known: &Known, key: &str) -> Node {
    let now = matches!(key, "nw" | "cd" | "ru");
    match node {
        Node::Object(fields) => mask_object(fields, known, key),
        Node::Null | Node::Bool(_) if !now || *node == Node::Null => node.clone(),
        _ if now => Node::Text("<now>".to_owned()),
        Node::List(items) => Node::List(
            items
                .iter()
                .filter(|item| !is_ignored_field(item, known))
                .map(|item| mask(item, known, key))
                .collect(),
        ),
        Node::Int(number) if VOLATILE_INT.is_match(key) || is_recent(key, *number) => {
            Node::Text("<int>".to_owned())
        }
        Node::Text(text) => Node::Text(mask_text(text, known, key)),
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::Float(_) => node.clone(),
    }
}

fn is_recent(key: &str, number: i128) -> bool {
    key == "timestamp" && number > RECENT_MS
}

/// A field's schema in a list of field schemas, by its name.
fn is_ignored_field(item: &Node, known: &Known) -> bool {
    item.get("field")
        .and_then(Node::as_text)
        .is_some_and(|name| known.contains(&format!("field:{name}")))
}

fn mask_object(fields: &[(String, Node)], known: &Known, key: &str) -> Node {
    let mut masked: Vec<(String, Node)> = fields
        .iter()
        .filter(|(name, _)| !known.contains(&format!("field:{name}")))
        .map(|(name, value)| (name.clone(), mask(value, known, name)))
        .collect();
    if key == "additional_data" {
        // A map: its order means nothing.
        masked.sort_by(|a, b| a.0.cmp(&b.0));
    }
    Node::Object(masked)
}

/// A text with what is volatile in it replaced.
pub(super) fn mask_text(text: &str, known: &Known, key: &str) -> String {
    if key.ends_with("runId") {
        return "<uuid>".to_owned();
    }
    if VOLATILE_TEXT.is_match(key) && !key.ends_with("schema_version") {
        return NUMBER.replace_all(text, "N").into_owned();
    }
    if JAVA_IDENTITY.is_match(text) {
        return "<java identity>".to_owned();
    }
    let text = UUID.replace_all(text, |found: &regex::Captures<'_>| {
        if known.contains(&found[0].to_lowercase()) {
            found[0].to_owned()
        } else {
            "<uuid>".to_owned()
        }
    });
    if matches!(key, "id" | "iodebeziumtxid") && TRANSACTION_ID.is_match(&text) {
        return DIGITS.replace_all(&text, "N").into_owned();
    }
    if text.starts_with('{') && text.ends_with('}') && WINDOW.is_match(&text) {
        return WINDOW_TIME.replace_all(&text, "\"<time>\"").into_owned();
    }
    text.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(json: &str) -> Node {
        mask(&Node::parse(json), &Known::new(), "")
    }

    #[test]
    fn times_and_positions_are_masked_and_their_types_kept() {
        let event = r#"{"ts_ms":1,"source":{"txId":7,"lsn":9,"xmin":null,"sequence":"[\"1\",\"2\"]"},"a":5}"#;
        let other = r#"{"ts_ms":2,"source":{"txId":8,"lsn":1,"xmin":null,"sequence":"[\"33\",\"4\"]"},"a":5}"#;
        assert_eq!(masked(event), masked(other));
        let text_for_int = event.replace("\"lsn\":9", "\"lsn\":\"9\"");
        assert_ne!(masked(event), masked(&text_for_int));
        let value = event.replace("\"a\":5", "\"a\":6");
        assert_ne!(masked(event), masked(&value));
    }

    #[test]
    fn only_uuids_of_the_run_are_masked() {
        let given = "c0ffee00-0000-4000-8000-000000000001";
        let known = Known::from([given.to_owned()]);
        let text = |t: &str| mask_text(t, &known, "u");
        assert_eq!(text(given), given);
        assert_eq!(text("c0ffee00-0000-4000-8000-000000000002"), "<uuid>");
    }
}
