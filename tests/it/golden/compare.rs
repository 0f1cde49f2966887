//! Compares what a client read with what Debezium emitted.

use std::collections::{BTreeMap, BTreeSet};

use super::json::Node;
use super::mask::{Known, mask, mask_text};

/// A record of a recording or of a topic.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) key: Node,
    pub(super) value: Node,
    /// Names with values as SimpleHeaderConverter writes them.
    pub(super) headers: Vec<(String, Option<String>)>,
    /// `None` where the recording left the choice to the producer.
    pub(super) partition: Option<i128>,
    pub(super) timestamp: Option<i128>,
}

/// Records by topic, in order.
pub(super) type Topics = BTreeMap<String, Vec<Event>>;

/// How much of what was read has been recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    All,
    /// The recorded connector failed: more records and topics are fine.
    Beginning,
}

/// What differs; empty where nothing does. Heartbeats are compared by their first record only:
/// their number depends on time.
pub(super) fn differences(
    want: &Topics,
    got: &Topics,
    known: &Known,
    extent: Extent,
) -> Vec<String> {
    let mut names: BTreeSet<&String> = want.keys().collect();
    if extent == Extent::All {
        names.extend(got.keys());
    }
    let mut found = Vec::new();
    for topic in names {
        let mut want = want.get(topic).map_or(&[][..], Vec::as_slice);
        let mut got = got.get(topic).map_or(&[][..], Vec::as_slice);
        if is_heartbeat(topic) && !want.is_empty() && !got.is_empty() {
            (want, got) = (&want[..1], &got[..1]);
        }
        let differ = match extent {
            Extent::All => want.len() != got.len(),
            Extent::Beginning => got.len() < want.len(),
        };
        if differ {
            let (want, got) = (want.len(), got.len());
            found.push(format!("{topic}: {want} records wanted, {got} got"));
        }
        for (index, (want, got)) in want.iter().zip(got).enumerate() {
            let place = format!("{topic}[{index}]");
            record_differences(&place, want, got, known, &mut found);
        }
    }
    found
}

pub(super) fn is_heartbeat(topic: &str) -> bool {
    topic.contains("heartbeat") || topic.starts_with("hb.") || topic.ends_with(".hb")
}

fn record_differences(
    place: &str,
    want: &Event,
    got: &Event,
    known: &Known,
    found: &mut Vec<String>,
) {
    let parts = [
        ("key", &want.key, &got.key),
        ("value", &want.value, &got.value),
    ];
    for (part, want, got) in parts {
        let (want, got) = (mask(want, known, ""), mask(got, known, ""));
        if let Some(difference) = difference(&want, &got, "$") {
            found.push(format!("{place}.{part} {difference}"));
            break;
        }
    }
    let headers = |event: &Event| -> Vec<(String, Option<String>)> {
        event
            .headers
            .iter()
            .map(|(name, value)| {
                let masked = value.as_ref().map(|value| mask_text(value, known, name));
                (name.clone(), masked)
            })
            .collect()
    };
    let (wanted, actual) = (headers(want), headers(got));
    if wanted != actual {
        found.push(format!("{place}.headers want {wanted:?}, got {actual:?}"));
    }
    if want.partition.is_some() && want.partition != got.partition {
        found.push(format!(
            "{place}.partition want {:?}, got {:?}",
            want.partition, got.partition
        ));
    }
    let timed = known.contains("event.timestamp") && want.timestamp.is_some();
    if timed && want.timestamp != got.timestamp {
        found.push(format!(
            "{place}.timestamp want {:?}, got {:?}",
            want.timestamp, got.timestamp
        ));
    }
}

/// The first place where two masked trees differ.
fn difference(want: &Node, got: &Node, path: &str) -> Option<String> {
    match (want, got) {
        (Node::Object(wanted), Node::Object(actual)) => {
            let names =
                |fields: &[(String, Node)]| fields.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
            let (names_wanted, names_got) = (names(wanted), names(actual));
            if names_wanted != names_got {
                return Some(format!(
                    "{path}: fields want {names_wanted:?}, got {names_got:?}"
                ));
            }
            let mut pairs = wanted.iter().zip(actual);
            pairs.find_map(|((name, a), (_, b))| difference(a, b, &format!("{path}.{name}")))
        }
        (Node::List(wanted), Node::List(actual)) => {
            if wanted.len() != actual.len() {
                return Some(format!(
                    "{path}: {} items wanted, {} got",
                    wanted.len(),
                    actual.len()
                ));
            }
            let mut pairs = wanted.iter().zip(actual).enumerate();
            pairs.find_map(|(i, (a, b))| difference(a, b, &format!("{path}[{i}]")))
        }
        _ if want.kind() == got.kind() && want == got => None,
        _ => Some(format!("{path}: want {want}, got {got}")),
    }
}
