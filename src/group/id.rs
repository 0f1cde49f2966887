//! The name of a group, checked once.

use std::fmt;
use std::sync::Arc;

use super::error::Error;
use super::limits::GROUP_ID_BYTES_MAX;

/// Prefixes of names that are not groups: their dead letters lie in `dlq.push.*` and
/// `dlq.source.*`, which a group `push.x` would share.
const RESERVED_PREFIXES: [&str; 2] = ["push.", "source."];

/// A legal group id: 1 to [`GROUP_ID_BYTES_MAX`] bytes without control characters, not beginning
/// `push.` or `source.`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(Arc<str>);

impl GroupId {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<GroupId, Error> {
        let refuse = |what: &'static str| Error::InvalidGroup {
            group: text.chars().take(64).collect(),
            what,
        };
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        if text.len() > GROUP_ID_BYTES_MAX {
            return Err(refuse("it is longer than 249 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(refuse("it has control characters"));
        }
        if RESERVED_PREFIXES.iter().any(|p| text.starts_with(p)) {
            return Err(refuse(
                "names beginning \"push.\" or \"source.\" are reserved",
            ));
        }
        Ok(GroupId(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl std::borrow::Borrow<str> for GroupId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_empty_and_long_ids_are_refused() {
        for text in [
            "",
            "push.",
            "push.stripe",
            "source.db",
            "a\0b",
            "a\nb",
            &"x".repeat(250),
        ] {
            assert!(GroupId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn ids_that_only_contain_a_reserved_word_are_kept() {
        for text in [
            "a",
            "pusher",
            "my.push.group",
            "\u{e9}t\u{e9}",
            &"x".repeat(249),
        ] {
            assert_eq!(GroupId::parse(text).unwrap().as_str(), text);
        }
    }
}
