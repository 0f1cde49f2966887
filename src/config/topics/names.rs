//! Names and patterns of topics, groups and integrations: which are legal, and which of them can
//! never hold because one before stands for all of their names.

use super::NamePattern;
use super::checker::Checker;
use super::tree::{Entry, Spot};
use crate::topic::TopicName;

/// Bytes of a group id, as the groups take them.
const GROUP_ID_BYTES_MAX: usize = 249;

/// What stands in for a placeholder where a pattern is judged by the rules of names.
const SAMPLE: &str = "x";

/// A character that no name has: stands for whatever a placeholder may be.
const ANYTHING: &str = "\u{1}";

/// The pattern of a topic's entry.
pub(super) fn topic(checker: &mut Checker, entry: &Entry) -> Option<NamePattern> {
    let pattern = pattern(checker, "topic", entry)?;
    if let Err(error) = TopicName::parse(&replaced(&entry.key, SAMPLE)) {
        let name = format!("the topic name \"{}\"", shortened(&entry.key));
        let what = format!("cannot {error}");
        checker.refuse(&name, entry.spot, what, "give it a legal name");
        return None;
    }
    let internal = TopicName::parse(&entry.key).is_ok_and(|name| name.is_internal());
    if internal {
        let name = format!("the topic name \"{}\"", entry.key);
        let what = "Penstock keeps its own state in this topic";
        checker.refuse(&name, entry.spot, what, "take it out");
        return None;
    }
    Some(pattern)
}

/// The pattern of a group's entry.
pub(super) fn group(checker: &mut Checker, entry: &Entry) -> Option<NamePattern> {
    let pattern = pattern(checker, "group", entry)?;
    let name = format!("the group id \"{}\"", shortened(&entry.key));
    let reserved = ["push.", "source."];
    let what = if entry.key.len() > GROUP_ID_BYTES_MAX {
        "it is longer than 249 bytes"
    } else if entry.key.chars().any(char::is_control) {
        "it has control characters"
    } else if reserved.iter().any(|prefix| entry.key.starts_with(prefix)) {
        "ids that begin \"push.\" or \"source.\" are reserved"
    } else {
        return Some(pattern);
    };
    checker.refuse(&name, entry.spot, what, "use another id");
    None
}

/// The name of an integration's entry.
pub(super) fn integration(checker: &mut Checker, entry: &Entry) -> Option<String> {
    let name = &entry.key;
    let shown = format!("the integration name \"{}\"", shortened(name));
    if name == "lifecycle" {
        let what = "it belongs to the lifecycle events of all integrations";
        checker.refuse(&shown, entry.spot, what, "use another name");
        return None;
    }
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let begins = name.starts_with(legal);
    if begins && name.len() <= 63 && name.chars().all(|c| legal(c) || c == '-') {
        return Some(name.clone());
    }
    let what = "a name is 1 to 63 of a-z, 0-9 and -, and does not begin with -";
    checker.refuse(&shown, entry.spot, what, "use another name");
    None
}

fn pattern(checker: &mut Checker, kind: &str, entry: &Entry) -> Option<NamePattern> {
    let name = format!("the {kind} name \"{}\"", shortened(&entry.key));
    let what = if entry.key.is_empty() {
        "it is empty"
    } else if entry.key.contains(['*', '?']) {
        "* and ? do not make a pattern here"
    } else if !braces_fit(&entry.key) {
        "a placeholder is a word of a-z, 0-9 and _ in braces"
    } else {
        return Some(NamePattern::new(entry.key.clone()));
    };
    let mend = "write a name, or a pattern such as integrations.{name}.data";
    checker.refuse(&name, entry.spot, what, mend);
    None
}

fn braces_fit(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let Some((word, after)) = rest
            .get(at..)
            .and_then(|from| from.strip_prefix('{'))
            .and_then(|from| from.split_once('}'))
        else {
            return false;
        };
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if word.is_empty() || !word.chars().all(legal) {
            return false;
        }
        rest = after;
    }
    true
}

/// `pattern` with `by` for every placeholder.
fn replaced(pattern: &str, by: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, from)) = rest.split_once('{') {
        text.push_str(before);
        text.push_str(by);
        rest = from.split_once('}').map_or("", |(_, after)| after);
    }
    text + rest
}

fn shortened(name: &str) -> String {
    let end = name.char_indices().nth(80).map_or(name.len(), |(at, _)| at);
    let begin = name.get(..end).unwrap_or(name);
    begin.escape_debug().to_string()
}

/// Refuses patterns and names that never hold, since one before them stands for all their names.
pub(super) fn refuse_hidden(checker: &mut Checker, kind: &str, rules: &[(NamePattern, Spot)]) {
    for (at, (later, spot)) in rules.iter().enumerate() {
        let sample = replaced(later.as_str(), ANYTHING);
        let hides =
            |(earlier, _): &&(NamePattern, Spot)| !earlier.is_name() && earlier.matches(&sample);
        let before = rules.iter().take(at).find(hides);
        if let Some((earlier, earlier_spot)) = before {
            let what = format!(
                "{kind} \"{}\" can never hold, since \"{}\" at {} stands for all its names and \
                 the first that fits counts",
                later.as_str(),
                earlier.as_str(),
                checker.place(*earlier_spot)
            );
            checker.contradict(*spot, what, "put it before the other one, or take it out");
        }
    }
}

/// Refuses topics whose names differ only in `.` and `_`: metrics cannot tell them apart.
pub(super) fn refuse_alike(checker: &mut Checker, rules: &[(NamePattern, Spot)]) {
    let mut seen = std::collections::HashMap::new();
    for (name, spot) in rules.iter().filter(|(name, _)| name.is_name()) {
        let metric = name.as_str().replace('.', "_");
        let Some((other, other_spot)) = seen.insert(metric, (name, *spot)) else {
            continue;
        };
        let what = format!(
            "the topics \"{}\" and \"{}\" (at {}) differ only in '.' and '_'",
            name.as_str(),
            other.as_str(),
            checker.place(other_spot)
        );
        checker.contradict(*spot, what, "rename one of them");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_hold_a_word() {
        for text in ["a", "{a}", "a.{b_1}.c", "{a}{b}"] {
            assert!(braces_fit(text), "{text}");
        }
        for text in ["{", "}", "{}", "{A}", "{a.b}", "{a", "a}b", "{a}}", "{{a}}"] {
            assert!(!braces_fit(text), "{text}");
        }
    }

    #[test]
    fn a_placeholder_is_replaced_wherever_it_stands() {
        assert_eq!(replaced("a.{b}.c{d}", "x"), "a.x.cx");
        assert_eq!(replaced("a", "x"), "a");
    }
}
