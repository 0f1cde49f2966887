//! One entry of `topics:`.

use super::checker::{Checker, Field, Fields};
use super::tree::Entry;
use super::{CleanupPolicy, NamePattern, TopicRule, schema};

/// Keys of a topic.
const KEYS: &[&str] = &[
    "partitions",
    "retention",
    "cleanup",
    "max_message_bytes",
    "schema",
];

/// Keys of a topic's retention.
const RETENTION_KEYS: &[&str] = &["time", "bytes"];

/// All keys, for the test that each is documented.
#[cfg(test)]
pub(super) const ALL_KEYS: &[&[&str]] = &[KEYS, RETENTION_KEYS];

/// Partitions of one topic, as the log takes them.
const PARTITIONS_MAX: u64 = 10_000;

/// Below a second every record would go as it comes; above, Kafka's numbers of milliseconds end.
const RETENTION: (&str, &str) = ("1s", "36500d");

/// Below the size of a batch nothing would stay; above, it is the disk that limits.
const RETENTION_BYTES: (&str, &str) = ("1KiB", "1000TiB");

/// Up to the frame that a client may send.
const MESSAGE_BYTES: (&str, &str) = ("1B", "32MiB");

/// What the topics of dead letters begin with.
const DEAD_LETTERS: &str = "dlq.";

pub(super) fn read(checker: &mut Checker, name: NamePattern, entry: &Entry) -> TopicRule {
    let owner = format!("topic \"{}\"", entry.key);
    let fields = checker.fields(&owner, &entry.node, "a topic", KEYS);
    let (retention_ms, retention_bytes) = match fields.get("retention") {
        Some(field) => retention(checker, &field),
        None => (None, None),
    };
    let cleanup = cleanup(checker, &fields);
    if cleanup == Some(CleanupPolicy::Compact)
        && (retention_ms.is_some() || retention_bytes.is_some())
        && let Some(field) = fields.get("retention")
    {
        let what = "a compacted topic keeps the last record of each key, whatever its age";
        checker.warn(&field.name, field.node.spot, what.to_owned());
    }
    let bounds = (1, PARTITIONS_MAX);
    TopicRule {
        name,
        partitions: fields
            .get("partitions")
            .and_then(|field| checker.number(&field, bounds)),
        retention_ms,
        retention_bytes,
        cleanup,
        max_message_bytes: fields
            .get("max_message_bytes")
            .and_then(|field| checker.size_bytes(&field, MESSAGE_BYTES)),
        schema: fields.get("schema").and_then(|field| {
            if entry.key.starts_with(DEAD_LETTERS) {
                let what = "a dead letter is there because something was wrong with it";
                checker.refuse(&field.name, field.node.spot, what, "take the schema out");
                return None;
            }
            schema::read(checker, &field)
        }),
    }
}

/// Kafka's `retention.ms` and `retention.bytes`.
fn retention(checker: &mut Checker, field: &Field<'_>) -> (Option<i64>, Option<i64>) {
    let fields = checker.fields(&field.name, field.node, "retention", RETENTION_KEYS);
    let time = fields.get("time").and_then(|time| match &time {
        time if is(time, "forever") => Some(-1),
        time => checker.duration_ms(time, RETENTION),
    });
    let bytes = fields.get("bytes").and_then(|bytes| match &bytes {
        bytes if is(bytes, "none") => Some(-1),
        bytes => checker.size_bytes(bytes, RETENTION_BYTES),
    });
    (time, bytes)
}

fn is(field: &Field<'_>, word: &str) -> bool {
    matches!(&field.node.value, super::tree::Value::Text(text) if text == word)
}

fn cleanup(checker: &mut Checker, fields: &Fields<'_>) -> Option<CleanupPolicy> {
    let field = fields.get("cleanup")?;
    let words = [
        ("delete", CleanupPolicy::Delete),
        ("compact", CleanupPolicy::Compact),
        ("compact,delete", CleanupPolicy::CompactDelete),
    ];
    checker.word(&field, &words)
}
