//! The topic `__cluster_metadata`: which topics there are, the cluster's id, and which producer ids
//! were handed out. JSON records by key; the last one of a key holds, a tombstone deletes.
//!
//! ```text
//! {"topic":NAME}   {"id":UUID,"partitions":N,"config":{...}}
//! "cluster"        {"id":TEXT}
//! "producer_ids"   {"next":N}
//! ```
//!
//! The topic itself is not in it: its id and its one partition are fixed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::batch;
use super::config::{Cleanup, TopicConfig};
use crate::record::{BatchBuilder, Records};
use crate::topic::TopicName;

/// Id of `__cluster_metadata`.
pub(super) const TOPIC_ID: Uuid = Uuid::from_u128(1);

/// A topic as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredTopic {
    #[serde(with = "id_as_text")]
    pub(super) id: Uuid,
    pub(super) partitions: u32,
    pub(super) config: StoredConfig,
}

mod id_as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(id: &Uuid, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
        let text = String::deserialize(from)?;
        Uuid::parse_str(&text).map_err(D::Error::custom)
    }
}

/// Settings as they are stored; a missing limit is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredConfig {
    retention_ms: Option<i64>,
    retention_bytes: Option<i64>,
    segment_bytes: u32,
    cleanup: StoredCleanup,
    max_message_bytes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredCleanup {
    Delete,
    Compact,
    #[serde(rename = "compact,delete")]
    CompactDelete,
}

impl From<&TopicConfig> for StoredConfig {
    fn from(config: &TopicConfig) -> StoredConfig {
        StoredConfig {
            retention_ms: config.retention_ms,
            retention_bytes: config.retention_bytes,
            segment_bytes: config.segment_bytes,
            cleanup: match config.cleanup {
                Cleanup::Delete => StoredCleanup::Delete,
                Cleanup::Compact => StoredCleanup::Compact,
                Cleanup::CompactDelete => StoredCleanup::CompactDelete,
            },
            max_message_bytes: config.max_message_bytes,
        }
    }
}

impl From<StoredConfig> for TopicConfig {
    fn from(stored: StoredConfig) -> TopicConfig {
        TopicConfig {
            retention_ms: stored.retention_ms,
            retention_bytes: stored.retention_bytes,
            segment_bytes: stored.segment_bytes,
            cleanup: match stored.cleanup {
                StoredCleanup::Delete => Cleanup::Delete,
                StoredCleanup::Compact => Cleanup::Compact,
                StoredCleanup::CompactDelete => Cleanup::CompactDelete,
            },
            max_message_bytes: stored.max_message_bytes,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Key {
    Topic(String),
    Cluster,
    ProducerIds,
}

#[derive(Debug, Serialize, Deserialize)]
struct Cluster {
    id: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct ProducerIds {
    next: i64,
}

fn json(of: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(of).expect("plain structs become JSON")
}

/// One change, as a batch.
#[derive(Debug)]
pub(super) enum Change<'a> {
    Topic(&'a TopicName, &'a StoredTopic),
    NoTopic(&'a TopicName),
    Cluster(&'a str),
    ProducerIds { next: i64 },
}

impl Change<'_> {
    /// The change as one record batch.
    pub(super) fn batch(&self, now_ms: i64) -> Vec<u8> {
        let (key, value) = match self {
            Change::Topic(name, topic) => (Key::Topic(name.as_str().to_owned()), Some(json(topic))),
            Change::NoTopic(name) => (Key::Topic(name.as_str().to_owned()), None),
            Change::Cluster(id) => {
                let id = (*id).to_owned();
                (Key::Cluster, Some(json(&Cluster { id })))
            }
            Change::ProducerIds { next } => {
                (Key::ProducerIds, Some(json(&ProducerIds { next: *next })))
            }
        };
        let mut builder = BatchBuilder::new();
        builder
            .append(now_ms, Some(&json(&key)), value.as_deref(), &[])
            .and_then(|()| builder.finish())
            .expect("a name and its settings are far below the size of a batch")
    }
}

/// What all records together say.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub(super) topics: BTreeMap<TopicName, StoredTopic>,
    /// Ids of all topics that were seen, deleted ones too.
    pub(super) seen: std::collections::HashSet<Uuid>,
    pub(super) cluster_id: Option<String>,
    pub(super) next_producer_id: i64,
}

impl Metadata {
    /// Takes in the records of some batches, in order. Keys that are not known are passed over: a
    /// newer version may have written them.
    pub(super) fn read(&mut self, batches: &[u8]) -> Result<(), String> {
        for (header, batch) in batch::whole(batches) {
            let at = |e: crate::record::Error| {
                format!("the batch at offset {}: {e}", header.base_offset)
            };
            let records = Records::decode(batch, batch::DECOMPRESSED_BYTES_MAX).map_err(at)?;
            for record in &records {
                let record = record.map_err(at)?;
                self.take(record.key.unwrap_or_default(), record.value)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), String> {
        let Ok(key) = serde_json::from_slice::<Key>(key) else {
            return Ok(());
        };
        let unreadable = |error: serde_json::Error| format!("the record of {key:?}: {error}");
        match (&key, value) {
            (Key::Topic(name), value) => {
                let name = TopicName::parse(name).map_err(|e| e.to_string())?;
                let Some(value) = value else {
                    self.topics.remove(&name);
                    return Ok(());
                };
                let topic: StoredTopic = serde_json::from_slice(value).map_err(unreadable)?;
                self.seen.insert(topic.id);
                self.topics.insert(name, topic);
            }
            (Key::Cluster, Some(value)) => {
                let cluster: Cluster = serde_json::from_slice(value).map_err(unreadable)?;
                self.cluster_id = Some(cluster.id);
            }
            (Key::ProducerIds, Some(value)) => {
                let ids: ProducerIds = serde_json::from_slice(value).map_err(unreadable)?;
                self.next_producer_id = self.next_producer_id.max(ids.next);
            }
            (Key::Cluster | Key::ProducerIds, None) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_record_of_a_topic_holds_and_a_tombstone_deletes_it() {
        let name = TopicName::parse("orders").unwrap();
        let mut config = super::super::config::Config::at("x").topic_defaults;
        config.cleanup = Cleanup::CompactDelete;
        let stored = |partitions| StoredTopic {
            id: Uuid::from_u128(9),
            partitions,
            config: StoredConfig::from(&config),
        };
        let mut metadata = Metadata::default();
        let (one, two) = (stored(1), stored(2));
        metadata.read(&Change::Topic(&name, &one).batch(1)).unwrap();
        metadata.read(&Change::Topic(&name, &two).batch(2)).unwrap();
        metadata.read(&Change::Cluster("abc").batch(2)).unwrap();
        let next = 2000;
        metadata
            .read(&Change::ProducerIds { next }.batch(2))
            .unwrap();
        assert_eq!(metadata.topics.get(&name), Some(&two));
        assert_eq!(TopicConfig::from(two.config), config);
        assert_eq!(metadata.cluster_id.as_deref(), Some("abc"));
        assert_eq!(metadata.next_producer_id, 2000);
        metadata.read(&Change::NoTopic(&name).batch(3)).unwrap();
        assert!(metadata.topics.is_empty());
        assert!(metadata.seen.contains(&Uuid::from_u128(9)));
    }
}
