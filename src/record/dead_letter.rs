//! The headers of dead letters, and why a record becomes one.
//!
//! A dead letter keeps key, value, headers and timestamp of its record, and gets these headers
//! behind its own. Names that begin `__dlq.errors.` are those of KIP-1191 but for the reason,
//! which is ours: a fixed word, so that it can be a metric's label. All values are text.

/// Topic of the record; the connector's or integration's topic where it never got into one.
pub const TOPIC: &str = "__dlq.errors.topic";
/// Partition of the record.
pub const PARTITION: &str = "__dlq.errors.partition";
/// Offset of the record.
pub const OFFSET: &str = "__dlq.errors.offset";
/// The group that could not work it off.
pub const GROUP: &str = "__dlq.errors.group";
/// How often the record was delivered to the group.
pub const DELIVERY_COUNT: &str = "__dlq.errors.delivery.count";
/// What went wrong, for people.
pub const MESSAGE: &str = "__dlq.errors.message";
/// A word of [`Reason`].
pub const REASON: &str = "__dlq.errors.reason";
/// On a delivered record: how often it was redriven.
pub const REDRIVE_COUNT: &str = "__dlq.redrive.count";
/// What the names of all topics of dead letters begin with.
pub const TOPIC_PREFIX: &str = "dlq.";

/// Why a record became a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A member rejected it.
    Rejected,
    /// It was released, or its lease ran out, as often as the group's limit allows.
    Exhausted,
    /// It does not fit its topic's JSON Schema.
    Schema,
    /// It is larger than its topic takes.
    TooLarge,
    /// The row cannot be converted.
    Unconvertible,
    /// A webhook refused it for good.
    Webhook,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 6] = [
        Reason::Rejected,
        Reason::Exhausted,
        Reason::Schema,
        Reason::TooLarge,
        Reason::Unconvertible,
        Reason::Webhook,
    ];

    /// The word in headers, metrics and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Rejected => "rejected",
            Reason::Exhausted => "exhausted",
            Reason::Schema => "schema",
            Reason::TooLarge => "too_large",
            Reason::Unconvertible => "unconvertible",
            Reason::Webhook => "webhook",
        }
    }

    /// The reason that `word` names.
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Reason> {
        Reason::ALL
            .into_iter()
            .find(|reason| reason.as_str().as_bytes() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_by_its_word() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str().as_bytes()), Some(reason));
        }
        assert_eq!(Reason::parse(b"other"), None);
    }
}
