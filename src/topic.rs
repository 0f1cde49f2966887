//! Names and numbers of topics, partitions and offsets, parsed once and then carried as types.

use std::fmt;
use std::sync::Arc;

/// Longest topic name in bytes: Kafka's limit, so that `<topic>-<partition>` fits a file name.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// The topics in which Penstock keeps its own state. Clients may neither write nor, without
/// administrator rights, read them.
pub const INTERNAL_TOPICS: [&str; 9] = [
    CLUSTER_METADATA,
    CONSUMER_OFFSETS,
    CONNECT_OFFSETS,
    "__connect_configs",
    "__connect_status",
    "__transaction_state",
    SHARE_GROUP_STATE,
    PUSH_KEYS,
    "_schemas",
];

/// Topics, their settings, and blocks of producer ids.
pub const CLUSTER_METADATA: &str = "__cluster_metadata";
/// Offsets and generations of consumer groups, in Kafka's own record formats.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// What shared groups have open, and which dead letters were redriven.
pub const SHARE_GROUP_STATE: &str = "__share_group_state";
/// Source positions of connectors, keyed as Kafka Connect keys them.
pub const CONNECT_OFFSETS: &str = "__connect_offsets";
/// Idempotency keys of pushes.
pub const PUSH_KEYS: &str = "__push_keys";

/// A legal topic name: 1 to 249 of `[a-zA-Z0-9._-]`, neither `.` nor `..` (Kafka's
/// `Topic.validate`). A name that is legal is also safe as part of a file name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

/// Why a text is no topic name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// The text is empty.
    #[error("use an empty topic name")]
    Empty,
    /// The text is `.` or `..`.
    #[error("use \"{0}\" as a topic name")]
    Dots(String),
    /// The text is longer than [`TOPIC_NAME_BYTES_MAX`].
    #[error("use a topic name of {0} bytes (at most {TOPIC_NAME_BYTES_MAX})")]
    TooLong(usize),
    /// A character outside of `[a-zA-Z0-9._-]`.
    #[error("use the character {0:?} in a topic name (allowed: a-z A-Z 0-9 . _ -)")]
    Character(char),
}

impl TopicName {
    /// Checks `text` by Kafka's rules.
    pub fn parse(text: &str) -> Result<TopicName, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName::Empty);
        }
        if text == "." || text == ".." {
            return Err(InvalidName::Dots(text.to_owned()));
        }
        if text.len() > TOPIC_NAME_BYTES_MAX {
            return Err(InvalidName::TooLong(text.len()));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match text.chars().find(|c| !legal(*c)) {
            Some(c) => Err(InvalidName::Character(c)),
            None => Ok(TopicName(text.into())),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether Penstock keeps its own state in this topic ([`INTERNAL_TOPICS`]).
    #[must_use]
    pub fn is_internal(&self) -> bool {
        INTERNAL_TOPICS.contains(&self.as_str())
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl std::borrow::Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Number of a partition within its topic, from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub i32);

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Position of a record within its partition, from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_characters_are_refused() {
        for text in [
            "",
            ".",
            "..",
            "../../etc",
            "a/b",
            "a\\b",
            "a b",
            "a\0",
            "a\n",
            "\u{e9}",
        ] {
            assert!(TopicName::parse(text).is_err(), "{text:?}");
        }
        assert!(TopicName::parse(&"x".repeat(250)).is_err());
    }

    #[test]
    fn legal_names_are_kept_as_they_are() {
        for text in ["a", "app.public.orders", "A-b_c.9", "...", &"x".repeat(249)] {
            assert_eq!(TopicName::parse(text).unwrap().as_str(), text);
        }
    }
}
