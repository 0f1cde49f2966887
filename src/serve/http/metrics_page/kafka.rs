//! `/metrics/kafka`: what kafka_exporter would tell of the Kafka port, under its names.
//!
//! As for any client that does not say who it is, there are no internal topics. Every partition has
//! its one replica, which leads it. A partition that a group never committed is left out, where
//! kafka_exporter tells -1. The lag is kafka_exporter's: the end less the committed offset, whether
//! or not the records between them are still kept; `penstock_consumer_lag_records` counts those
//! that are.

use std::collections::BTreeMap;

use super::MetricsPages;
use crate::metrics::Samples;
use crate::metrics::compatible::{self as names, KAFKA};

pub(super) fn render(pages: &MetricsPages) -> String {
    let mut samples = Samples::default();
    add_brokers(&mut samples, pages);
    add_topics(&mut samples, pages);
    add_groups(&mut samples, pages);
    samples.render()
}

fn add_brokers(samples: &mut Samples, pages: &MetricsPages) {
    samples.set(KAFKA, names::KAFKA_BROKERS, &[], 1.0);
    let id = pages.broker.id.to_string();
    let labels = [("id", id.as_str()), ("address", &pages.broker.address)];
    samples.set(KAFKA, names::KAFKA_BROKER_INFO, &labels, 1.0);
}

fn add_topics(samples: &mut Samples, pages: &MetricsPages) {
    for topic in pages.log.topics() {
        if topic.name.is_internal() {
            continue;
        }
        let name = ("topic", topic.name.as_str());
        let count = topic.partitions().len() as f64;
        samples.set(KAFKA, names::KAFKA_TOPIC_PARTITIONS, &[name], count);
        for partition in topic.partitions() {
            let id = partition.id.to_string();
            let labels = [name, ("partition", id.as_str())];
            let facts = [
                (
                    names::KAFKA_TOPIC_PARTITION_CURRENT_OFFSET,
                    partition.end().0 as f64,
                ),
                (
                    names::KAFKA_TOPIC_PARTITION_OLDEST_OFFSET,
                    partition.start().0 as f64,
                ),
                (
                    names::KAFKA_TOPIC_PARTITION_LEADER,
                    f64::from(pages.broker.id),
                ),
                (names::KAFKA_TOPIC_PARTITION_REPLICAS, 1.0),
                (names::KAFKA_TOPIC_PARTITION_IN_SYNC_REPLICA, 1.0),
                (names::KAFKA_TOPIC_PARTITION_LEADER_IS_PREFERRED, 1.0),
                (names::KAFKA_TOPIC_PARTITION_UNDER_REPLICATED_PARTITION, 0.0),
            ];
            for (metric, value) in facts {
                samples.set(KAFKA, metric, &labels, value);
            }
        }
    }
}

fn add_groups(samples: &mut Samples, pages: &MetricsPages) {
    for listing in pages.groups.list() {
        let group = listing.group.as_str();
        let described = pages.groups.describe(group);
        let members = described.map_or(0, |group| group.members.len());
        let labels = [("consumergroup", group)];
        let members = members as f64;
        samples.set(KAFKA, names::KAFKA_CONSUMERGROUP_MEMBERS, &labels, members);
    }
    // Committed offsets and lags, summed over the partitions of a group's topic.
    let mut sums: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
    for lag in pages.groups.lag() {
        if lag.topic.is_internal() {
            continue;
        }
        let partition = lag.partition.to_string();
        let behind = lag.end.0.saturating_sub(lag.committed.0);
        let labels = [
            ("consumergroup", lag.group.as_str()),
            ("topic", lag.topic.as_str()),
            ("partition", partition.as_str()),
        ];
        let committed = lag.committed.0 as f64;
        samples.set(
            KAFKA,
            names::KAFKA_CONSUMERGROUP_CURRENT_OFFSET,
            &labels,
            committed,
        );
        samples.set(
            KAFKA,
            names::KAFKA_CONSUMERGROUP_LAG,
            &labels,
            behind as f64,
        );
        let sum = sums
            .entry((lag.group.to_string(), lag.topic.to_string()))
            .or_default();
        sum.0 = sum.0.saturating_add(lag.committed.0);
        sum.1 = sum.1.saturating_add(behind);
    }
    for ((group, topic), (committed, behind)) in sums {
        let labels = [("consumergroup", group.as_str()), ("topic", topic.as_str())];
        let metric = names::KAFKA_CONSUMERGROUP_CURRENT_OFFSET_SUM;
        samples.set(KAFKA, metric, &labels, committed as f64);
        samples.set(
            KAFKA,
            names::KAFKA_CONSUMERGROUP_LAG_SUM,
            &labels,
            behind as f64,
        );
    }
}
