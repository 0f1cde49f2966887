//! What a peer that did not say who it is may do.
//!
//! | | anybody | `anonymous_admin` |
//! |---|---|---|
//! | metadata, fetch, offsets, groups, create | all but internal topics | everything |
//! | produce | topics that nothing owns | all but internal topics |
//! | delete topics and groups | nothing | all but internal topics |
//!
//! Internal topics hold Penstock's own state: nobody writes or deletes them from here.

use std::fmt;

use crate::kafka::ErrorCode;
use crate::topic::INTERNAL_TOPICS;

/// Topics that hold what consumers and connectors gave up on.
const DEAD_LETTER_PREFIX: &str = "dlq.";

/// Who writes a topic, so that nobody else does.
pub trait Ownership: Send + Sync + fmt::Debug {
    /// The connector, integration or other part that owns `topic`, as a person would name it.
    fn owner(&self, topic: &str) -> Option<String>;
}

/// Nothing owns any topic, but for the dead letters, which nobody may write.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Ownership for Nobody {
    fn owner(&self, _topic: &str) -> Option<String> {
        None
    }
}

/// The rules of one service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access {
    /// Anonymous peers are administrators (`PENSTOCK_KAFKA_ANONYMOUS=admin`).
    pub(super) anonymous_admin: bool,
}

impl Access {
    /// Reading a topic, its metadata or offsets.
    pub(super) fn read(self, topic: &str) -> Result<(), ErrorCode> {
        if is_internal(topic) && !self.anonymous_admin {
            return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        }
        Ok(())
    }

    /// Writing a topic.
    pub(super) fn write(self, topic: &str, ownership: &dyn Ownership) -> Result<(), Denied> {
        if is_internal(topic) {
            return Err(Denied(
                "Penstock keeps its own state in this topic".to_owned(),
            ));
        }
        if self.anonymous_admin {
            return Ok(());
        }
        if topic.starts_with(DEAD_LETTER_PREFIX) {
            return Err(Denied(
                "dead letters are written by Penstock; a client that hands in its own has to be an \
                 administrator (PENSTOCK_KAFKA_ANONYMOUS=admin)"
                    .to_owned(),
            ));
        }
        match ownership.owner(topic) {
            Some(owner) => Err(Denied(format!("only {owner} writes this topic"))),
            None => Ok(()),
        }
    }

    /// Creating a topic.
    pub(super) fn create(topic: &str) -> Result<(), ErrorCode> {
        if is_internal(topic) {
            return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        }
        Ok(())
    }

    /// Deleting a topic.
    pub(super) fn delete(self, topic: &str) -> Result<(), ErrorCode> {
        if is_internal(topic) || !self.anonymous_admin {
            return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        }
        Ok(())
    }

    /// Deleting a group.
    pub(super) fn delete_group(self) -> Result<(), ErrorCode> {
        if !self.anonymous_admin {
            return Err(ErrorCode::GROUP_AUTHORIZATION_FAILED);
        }
        Ok(())
    }
}

/// Why writing is not allowed; told to the client where the version has room for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denied(pub(super) String);

fn is_internal(topic: &str) -> bool {
    INTERNAL_TOPICS.contains(&topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Shop;
    impl Ownership for Shop {
        fn owner(&self, topic: &str) -> Option<String> {
            topic
                .starts_with("app.")
                .then(|| "connector \"app\"".to_owned())
        }
    }

    #[test]
    fn anybody_reads_all_but_internal_topics_and_writes_what_nothing_owns() {
        let access = Access {
            anonymous_admin: false,
        };
        assert!(access.read("app.public.orders").is_ok());
        assert!(access.read("dlq.g").is_ok());
        assert!(access.write("mine", &Shop).is_ok());
        for topic in ["app.public.orders", "dlq.g", "__consumer_offsets"] {
            assert!(access.write(topic, &Shop).is_err(), "{topic}");
        }
        assert!(access.delete("mine").is_err());
        assert!(access.delete_group().is_err());
        for topic in INTERNAL_TOPICS {
            assert!(access.read(topic).is_err());
            assert!(Access::create(topic).is_err());
        }
    }

    #[test]
    fn administrators_still_cannot_write_or_delete_internal_topics() {
        let access = Access {
            anonymous_admin: true,
        };
        assert!(access.write("app.public.orders", &Shop).is_ok());
        assert!(access.write("dlq.g", &Shop).is_ok());
        for topic in INTERNAL_TOPICS {
            assert!(access.read(topic).is_ok());
            assert!(access.write(topic, &Shop).is_err());
            assert!(access.delete(topic).is_err());
            assert!(Access::create(topic).is_err());
        }
    }
}
