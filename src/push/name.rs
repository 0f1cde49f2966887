//! Names of integrations, and the topics that belong to them.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::topic::TopicName;

/// Bytes of a name: that of a DNS label, which the grammar is that of.
const NAME_BYTES_MAX: usize = 63;
/// The reserved name of the door for installs, uninstalls and updates.
pub(super) const LIFECYCLE: &str = "lifecycle";

/// A legal name of an integration: `[a-z0-9][a-z0-9-]{0,62}`. It is safe in topic names, metric
/// labels, headers and log lines. Cheap to clone.
#[derive(Clone)]
pub struct Name(Arc<Named>);

struct Named {
    text: Box<str>,
    topic: TopicName,
}

impl Name {
    /// Checks `text`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Name> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_legal = !text.is_empty()
            && text.len() <= NAME_BYTES_MAX
            && !text.starts_with('-')
            && text.bytes().all(legal);
        if !is_legal {
            return None;
        }
        let topic = match text {
            LIFECYCLE => TopicName::parse(&format!("integrations.{LIFECYCLE}")),
            _ => TopicName::parse(&format!("integrations.{text}.data")),
        };
        Some(Name(Arc::new(Named {
            text: text.into(),
            topic: topic.expect("a legal name makes a legal topic name"),
        })))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether it is the reserved name `lifecycle`.
    #[must_use]
    pub fn is_lifecycle(&self) -> bool {
        &*self.0.text == LIFECYCLE
    }

    /// Where its pushes go.
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        &self.0.topic
    }

    /// Where its refused pushes are kept.
    #[must_use]
    pub fn dead_letters(&self) -> TopicName {
        TopicName::parse(&format!("dlq.push.{self}"))
            .expect("a legal name makes a legal topic name")
    }

    /// The scope that lets a token push under it.
    #[must_use]
    pub fn scope(&self) -> String {
        format!("push:{self}")
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Name {}

/// As its text, so that tables of names can be asked with a text.
impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        str::hash(&self.0.text, state);
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0.text
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowercase_and_short_and_nothing_else() {
        for name in ["a", "crm-2", "0", &"x".repeat(63)] {
            assert!(Name::parse(name).is_some(), "{name}");
        }
        let illegal = [
            "",
            "-a",
            "A",
            "a_b",
            "a.b",
            "..",
            ".",
            "a/b",
            "a\0",
            "a b",
            "%2e",
            "\u{e9}",
            "\u{430}",
            "a\n",
            &"x".repeat(64),
        ];
        for name in illegal {
            assert!(Name::parse(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn lifecycle_has_a_topic_that_no_integration_has() {
        assert_eq!(
            Name::parse("acme").unwrap().topic().as_str(),
            "integrations.acme.data"
        );
        let reserved = Name::parse("lifecycle").unwrap();
        assert_eq!(reserved.topic().as_str(), "integrations.lifecycle");
        assert_eq!(reserved.dead_letters().as_str(), "dlq.push.lifecycle");
    }
}
