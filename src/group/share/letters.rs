//! Dead letters: copies of records with why they could not be worked off, in `dlq.<group>`.
//!
//! Each is a batch of its own, made before the group's lock is taken. A letter that is larger than
//! its topic takes goes without the value: the record is still in its topic, and redriving gives
//! that one out.

use std::sync::Arc;

use super::super::error::Error;
use super::super::id::GroupId;
use super::fetch::Unreadable;
use super::shared::{Shared, letter_topic};
use super::state::Death;
use crate::log::{self, Partition, PartitionBatch};
use crate::record::dead_letter::{self, Reason};
use crate::record::{BatchBuilder, Header, Record};
use crate::topic::PartitionId;

/// Bytes of a message to people; what went wrong is told in a sentence.
const MESSAGE_BYTES_MAX: usize = 1_000;

/// Where the letters of a group go.
#[derive(Debug, Clone)]
pub(super) struct LetterBox {
    pub(super) group: GroupId,
    /// `None` where the group's policy drops what cannot be worked off.
    target: Option<(Arc<Partition>, u32)>,
}

impl Shared {
    /// The place for a group's letters; the topic is made on first need.
    pub(super) async fn letter_box(&self, group: &GroupId) -> Result<LetterBox, Error> {
        if !self.policy(group).dead_letters {
            return Ok(LetterBox {
                group: group.clone(),
                target: None,
            });
        }
        let name = letter_topic(group)?;
        let topic = match self.log.topic(name.as_str()) {
            Some(topic) => topic,
            None => {
                let config = self.log.default_topic_config(&name);
                match self.log.create_topic(&name, 1, config).await {
                    Ok(topic) => topic,
                    // Somebody else made it meanwhile.
                    Err(log::Error::TopicExists(_)) => self
                        .log
                        .topic(name.as_str())
                        .ok_or_else(|| log::Error::UnknownTopic(name.to_string()))?,
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let partition = topic.partition(PartitionId(0)).cloned();
        let partition = partition.ok_or_else(|| log::Error::UnknownTopic(name.to_string()))?;
        Ok(LetterBox {
            group: group.clone(),
            target: Some((partition, topic.config().max_message_bytes)),
        })
    }
}

impl LetterBox {
    /// The letter of a record that died, ready to be appended; empty where it is to be dropped.
    pub(super) fn letter(&self, of: &Partition, record: &Record<'_>, death: Death) -> Vec<u8> {
        let Some((_, bytes_max)) = &self.target else {
            return Vec::new();
        };
        let message = match death.reason {
            Reason::Rejected => "a member rejected it".to_owned(),
            _ => format!(
                "it was delivered {} times, and neither accepted nor rejected",
                death.delivery_count
            ),
        };
        let offset = record.offset.to_string();
        let values = Values::of(self, of, &offset, death, &message);
        let mut batch = BatchBuilder::new();
        let copied = batch.append_copy(record, &values.headers());
        let letter = copied.and_then(|()| batch.finish()).unwrap_or_default();
        if !letter.is_empty() && letter.len() <= usize::try_from(*bytes_max).unwrap_or(usize::MAX) {
            return letter;
        }
        let bytes = record.value.map_or(0, <[u8]>::len);
        let message = format!(
            "{message}; its value of {bytes} bytes is left out, since the letter would be larger \
             than its topic takes"
        );
        let values = Values::of(self, of, &offset, death, &message);
        let mut batch = BatchBuilder::new();
        let key = record.key.filter(|key| key.len() < bytes);
        let kept = batch.append(record.timestamp, key, None, &values.headers());
        kept.and_then(|()| batch.finish()).unwrap_or_default()
    }

    /// The letter of records that cannot be read: it has no key and no value.
    pub(super) fn unreadable(&self, of: &Partition, range: &Unreadable, now_ms: i64) -> Vec<u8> {
        if self.target.is_none() {
            return Vec::new();
        }
        let mut message = format!(
            "offsets {} to {} cannot be read: {}",
            range.first, range.last, range.what
        );
        let mut cut = message.len().min(MESSAGE_BYTES_MAX);
        while !message.is_char_boundary(cut) {
            cut -= 1;
        }
        message.truncate(cut);
        let death = Death {
            reason: Reason::Unconvertible,
            delivery_count: 0,
            redrive_count: 0,
        };
        let offset = range.first.to_string();
        let values = Values::of(self, of, &offset, death, &message);
        let mut batch = BatchBuilder::new();
        let appended = batch.append(now_ms, None, None, &values.headers());
        appended.and_then(|()| batch.finish()).unwrap_or_default()
    }

    /// The letters as a part of an append.
    pub(super) fn append(&self, letters: &[Vec<u8>]) -> Vec<PartitionBatch> {
        let bytes = letters.concat();
        match &self.target {
            Some((partition, _)) if !bytes.is_empty() => vec![PartitionBatch {
                partition: Arc::clone(partition),
                bytes,
            }],
            _ => Vec::new(),
        }
    }

    /// Says what the policy drops.
    pub(super) fn tell_dropped(&self, count: usize) {
        if self.target.is_none() && count > 0 {
            tracing::warn!(
                group = %self.group,
                count,
                "records that could not be worked off are dropped, as the group's policy says"
            );
        }
    }
}

/// The headers' values as texts.
struct Values<'a> {
    topic: &'a str,
    partition: String,
    offset: &'a str,
    group: &'a str,
    delivery_count: String,
    message: &'a str,
    reason: &'static str,
    redrive_count: Option<String>,
}

impl<'a> Values<'a> {
    fn of(
        to: &'a LetterBox,
        of: &'a Partition,
        offset: &'a str,
        death: Death,
        message: &'a str,
    ) -> Values<'a> {
        Values {
            topic: of.topic.as_str(),
            partition: of.id.to_string(),
            offset,
            group: to.group.as_str(),
            delivery_count: death.delivery_count.to_string(),
            message,
            reason: death.reason.as_str(),
            redrive_count: (death.redrive_count > 0).then(|| death.redrive_count.to_string()),
        }
    }

    fn headers(&self) -> Vec<Header<'_>> {
        let fixed = [
            (dead_letter::TOPIC, self.topic),
            (dead_letter::PARTITION, &*self.partition),
            (dead_letter::OFFSET, self.offset),
            (dead_letter::GROUP, self.group),
            (dead_letter::DELIVERY_COUNT, &*self.delivery_count),
            (dead_letter::MESSAGE, self.message),
            (dead_letter::REASON, self.reason),
        ];
        let redrives = self.redrive_count.as_deref();
        let all = fixed
            .into_iter()
            .chain(redrives.map(|count| (dead_letter::REDRIVE_COUNT, count)));
        all.map(|(key, value)| Header {
            key,
            value: Some(value.as_bytes()),
        })
        .collect()
    }
}
