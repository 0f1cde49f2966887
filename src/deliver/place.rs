//! What a topic of dead letters belongs to, told by its name.

use crate::record::dead_letter::{Reason, TOPIC_PREFIX};
use crate::topic::TopicName;

/// What the names of topics begin with that records of ordered groups are redriven to.
pub const RETRY_PREFIX: &str = "retry.";
/// Letters of an integration; no group id may begin like this behind [`TOPIC_PREFIX`].
const PUSH: &str = "push.";
/// Letters of a connector; no group id may begin like this either.
const SOURCE: &str = "source.";

/// The owner of a topic of dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `dlq.<group>`.
    Group(String),
    /// `dlq.push.<integration>`.
    Push(String),
    /// `dlq.source.<connector>`.
    Source(String),
}

impl Place {
    /// Whose letters the topic of this name holds; `None` if it holds none.
    #[must_use]
    pub fn of(topic: &str) -> Option<Place> {
        let rest = topic.strip_prefix(TOPIC_PREFIX)?;
        if rest.is_empty() {
            return None;
        }
        if let Some(name) = rest.strip_prefix(PUSH) {
            return Some(Place::Push(name.to_owned()));
        }
        if let Some(name) = rest.strip_prefix(SOURCE) {
            return Some(Place::Source(name.to_owned()));
        }
        Some(Place::Group(rest.to_owned()))
    }

    /// The word in answers.
    #[must_use]
    pub fn origin(&self) -> &'static str {
        match self {
            Place::Group(_) => "group",
            Place::Push(_) => "push",
            Place::Source(_) => "source",
        }
    }

    /// The group, where there is one.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        match self {
            Place::Group(group) => Some(group),
            Place::Push(_) | Place::Source(_) => None,
        }
    }

    /// The reason of a letter that does not say its own: what its place most often means. Letters
    /// that clients of ordered groups write by KIP-1191 alone have no reason.
    #[must_use]
    pub fn default_reason(&self) -> Reason {
        match self {
            Place::Group(_) => Reason::Rejected,
            Place::Push(_) => Reason::Schema,
            Place::Source(_) => Reason::Unconvertible,
        }
    }

    /// Reasons that have a depth of 0 before the first such letter, so that an alert sees the
    /// step from 0.
    #[must_use]
    pub fn usual_reasons(&self) -> &'static [Reason] {
        match self {
            Place::Group(_) => &[Reason::Rejected, Reason::Exhausted],
            Place::Push(_) => &[Reason::Schema],
            Place::Source(_) => &[Reason::Unconvertible, Reason::TooLarge],
        }
    }
}

/// The topic that records of an ordered group are redriven to; `None` where the group's id is
/// longer than a topic's name can be.
pub(super) fn retry_topic(group: &str) -> Option<TopicName> {
    TopicName::parse(&format!("{RETRY_PREFIX}{group}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_of_dead_letters_tells_whose_they_are() {
        let place = |topic| Place::of(topic).unwrap();
        assert_eq!(place("dlq.go-api"), Place::Group("go-api".to_owned()));
        assert_eq!(place("dlq.push.crm"), Place::Push("crm".to_owned()));
        assert_eq!(place("dlq.source.app"), Place::Source("app".to_owned()));
        assert_eq!(place("dlq.pushers"), Place::Group("pushers".to_owned()));
        for topic in ["dlq.", "dlq", "xdlq.a", "retry.a"] {
            assert_eq!(Place::of(topic), None, "{topic}");
        }
    }
}
