//! Topics as they are now, found by name and by id.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use uuid::Uuid;

use super::config::TopicConfig;
use super::partition::{Partition, Settings};
use crate::topic::{PartitionId, TopicName};

/// A topic as it is now.
#[derive(Debug)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its id, which a topic of the same name made later does not share.
    pub id: Uuid,
    settings: Arc<Settings>,
    partitions: Vec<Arc<Partition>>,
}

impl Topic {
    /// A topic without records; `dir` is the folder of all topics.
    pub(super) fn new(
        name: TopicName,
        id: Uuid,
        partitions: u32,
        config: TopicConfig,
        dir: &Path,
    ) -> Topic {
        let settings = Arc::new(Settings {
            config: ArcSwap::from_pointee(config),
            deleted: AtomicBool::new(false),
        });
        let partition = |number| {
            let id_of_partition = PartitionId(i32::try_from(number).unwrap_or(i32::MAX));
            let folder = dir.join(format!("{name}-{number}"));
            Arc::new(Partition::new(
                name.clone(),
                id_of_partition,
                id,
                folder.into(),
                Arc::clone(&settings),
            ))
        };
        let partitions = (0..partitions).map(partition).collect();
        Topic {
            name,
            id,
            settings,
            partitions,
        }
    }

    /// Its settings.
    pub fn config(&self) -> TopicConfig {
        TopicConfig::clone(&self.settings.config.load())
    }

    /// Its partitions by number.
    pub fn partitions(&self) -> &[Arc<Partition>] {
        &self.partitions
    }

    /// One partition.
    pub fn partition(&self, id: PartitionId) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(id.0).ok()?)
    }

    /// Whether it was deleted: a topic of its name is another one.
    pub fn is_deleted(&self) -> bool {
        self.settings.deleted.load(Ordering::Acquire)
    }

    /// Bytes of all partitions' segments.
    pub fn bytes(&self) -> u64 {
        self.partitions.iter().map(|p| p.bytes()).sum()
    }

    pub(super) fn set_config(&self, config: TopicConfig) {
        self.settings.config.store(Arc::new(config));
    }

    pub(super) fn set_deleted(&self) {
        self.settings.deleted.store(true, Ordering::Release);
        for partition in &self.partitions {
            partition.wake();
        }
    }
}

/// All topics.
#[derive(Debug, Default, Clone)]
pub(super) struct Catalog {
    by_name: BTreeMap<TopicName, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
    /// Names with `.` replaced by `_`: those of two topics must differ, as in Kafka, because
    /// metrics cannot tell them apart.
    by_metric_name: HashMap<String, TopicName>,
}

fn metric_name(name: &TopicName) -> String {
    name.as_str().replace('.', "_")
}

impl Catalog {
    pub(super) fn insert(&mut self, topic: Arc<Topic>) {
        self.by_metric_name
            .insert(metric_name(&topic.name), topic.name.clone());
        self.by_id.insert(topic.id, Arc::clone(&topic));
        self.by_name.insert(topic.name.clone(), topic);
    }

    pub(super) fn remove(&mut self, id: Uuid) -> Option<Arc<Topic>> {
        let topic = self.by_id.remove(&id)?;
        self.by_name.remove(&topic.name);
        self.by_metric_name.remove(&metric_name(&topic.name));
        Some(topic)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    pub(super) fn by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    /// The topic whose name differs from this one only in `.` and `_`, if there is one.
    pub(super) fn collision(&self, name: &TopicName) -> Option<&TopicName> {
        self.by_metric_name
            .get(&metric_name(name))
            .filter(|other| *other != name)
    }

    /// All topics by name.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }
}
