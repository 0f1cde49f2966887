//! Metrics under the names that dashboards and alerts of other programs use.
//!
//! [`KAFKA`] are kafka_exporter's, served at `/metrics/kafka`; [`DEBEZIUM`] are those that the JMX
//! exporter gives Debezium's connectors with the rules of Debezium's own example, served at
//! `/metrics/debezium`. Pages of their own, so that nobody who scrapes `/metrics` stores them twice.
//!
//! Left out, because there is nothing to tell: of kafka_exporter a lag of -1 for partitions that a
//! group never committed; of Debezium the queue (there is none), the rows of each table, filtered,
//! skipped and erroneous events, and attributes that are texts.

use super::names::metrics_table;

/// Before the attribute's name.
pub const DEBEZIUM_PREFIX: &str = "debezium_metrics_";

metrics_table! {
    /// kafka_exporter's names.
    KAFKA:
    KAFKA_BROKERS = "kafka_brokers", Gauge, None, [], "Number of Brokers in the Kafka Cluster.";
    KAFKA_BROKER_INFO = "kafka_broker_info", Gauge, None, ["id", "address"], "Information about the Kafka Broker.";
    KAFKA_TOPIC_PARTITIONS = "kafka_topic_partitions", Gauge, None, ["topic"], "Number of partitions for this Topic";
    KAFKA_TOPIC_PARTITION_CURRENT_OFFSET = "kafka_topic_partition_current_offset", Gauge, None, ["topic", "partition"], "Current Offset of a Broker at Topic/Partition";
    KAFKA_TOPIC_PARTITION_OLDEST_OFFSET = "kafka_topic_partition_oldest_offset", Gauge, None, ["topic", "partition"], "Oldest Offset of a Broker at Topic/Partition";
    KAFKA_TOPIC_PARTITION_LEADER = "kafka_topic_partition_leader", Gauge, None, ["topic", "partition"], "Leader Broker ID of this Topic/Partition";
    KAFKA_TOPIC_PARTITION_REPLICAS = "kafka_topic_partition_replicas", Gauge, None, ["topic", "partition"], "Number of Replicas for this Topic/Partition";
    KAFKA_TOPIC_PARTITION_IN_SYNC_REPLICA = "kafka_topic_partition_in_sync_replica", Gauge, None, ["topic", "partition"], "Number of In-Sync Replicas for this Topic/Partition";
    KAFKA_TOPIC_PARTITION_LEADER_IS_PREFERRED = "kafka_topic_partition_leader_is_preferred", Gauge, None, ["topic", "partition"], "1 if Topic/Partition is using the Preferred Broker";
    KAFKA_TOPIC_PARTITION_UNDER_REPLICATED_PARTITION = "kafka_topic_partition_under_replicated_partition", Gauge, None, ["topic", "partition"], "1 if Topic/Partition is under Replicated";
    KAFKA_CONSUMERGROUP_CURRENT_OFFSET = "kafka_consumergroup_current_offset", Gauge, None, ["consumergroup", "topic", "partition"], "Current Offset of a ConsumerGroup at Topic/Partition";
    KAFKA_CONSUMERGROUP_CURRENT_OFFSET_SUM = "kafka_consumergroup_current_offset_sum", Gauge, None, ["consumergroup", "topic"], "Current Offset of a ConsumerGroup at Topic for all partitions";
    KAFKA_CONSUMERGROUP_LAG = "kafka_consumergroup_lag", Gauge, None, ["consumergroup", "topic", "partition"], "Current Approximate Lag of a ConsumerGroup at Topic/Partition";
    KAFKA_CONSUMERGROUP_LAG_SUM = "kafka_consumergroup_lag_sum", Gauge, None, ["consumergroup", "topic"], "Current Approximate Lag of a ConsumerGroup at Topic for all partitions";
    KAFKA_CONSUMERGROUP_MEMBERS = "kafka_consumergroup_members", Gauge, None, ["consumergroup"], "Amount of members in a consumer group";
}

metrics_table! {
    /// Debezium's attributes under the JMX exporter's names.
    DEBEZIUM:
    CONNECTED = "debezium_metrics_Connected", Untyped, None, ["context", "name", "plugin"], "Whether the connector is connected to the database.";
    MILLISECONDS_BEHIND_SOURCE = "debezium_metrics_MilliSecondsBehindSource", Untyped, None, ["context", "name", "plugin"], "Time between the last change and its being written; -1 before the first change.";
    MILLISECONDS_SINCE_LAST_EVENT = "debezium_metrics_MilliSecondsSinceLastEvent", Untyped, None, ["context", "name", "plugin"], "Time since the last event; -1 before the first event.";
    TOTAL_NUMBER_OF_EVENTS_SEEN = "debezium_metrics_TotalNumberOfEventsSeen", Untyped, None, ["context", "name", "plugin"], "Events since the start.";
    TOTAL_NUMBER_OF_CREATE_EVENTS_SEEN = "debezium_metrics_TotalNumberOfCreateEventsSeen", Untyped, None, ["context", "name", "plugin"], "Inserts since the start.";
    TOTAL_NUMBER_OF_UPDATE_EVENTS_SEEN = "debezium_metrics_TotalNumberOfUpdateEventsSeen", Untyped, None, ["context", "name", "plugin"], "Updates since the start.";
    TOTAL_NUMBER_OF_DELETE_EVENTS_SEEN = "debezium_metrics_TotalNumberOfDeleteEventsSeen", Untyped, None, ["context", "name", "plugin"], "Deletes since the start.";
    SNAPSHOT_RUNNING = "debezium_metrics_SnapshotRunning", Untyped, None, ["context", "name", "plugin"], "Whether the snapshot is being read.";
    SNAPSHOT_COMPLETED = "debezium_metrics_SnapshotCompleted", Untyped, None, ["context", "name", "plugin"], "Whether the snapshot was read to its end since the start.";
    SNAPSHOT_ABORTED = "debezium_metrics_SnapshotAborted", Untyped, None, ["context", "name", "plugin"], "Whether the last snapshot ended by an error.";
    SNAPSHOT_DURATION_IN_SECONDS = "debezium_metrics_SnapshotDurationInSeconds", Untyped, None, ["context", "name", "plugin"], "Seconds that the snapshot took so far.";
    TOTAL_TABLE_COUNT = "debezium_metrics_TotalTableCount", Untyped, None, ["context", "name", "plugin"], "Tables of the snapshot.";
    REMAINING_TABLE_COUNT = "debezium_metrics_RemainingTableCount", Untyped, None, ["context", "name", "plugin"], "Tables that the snapshot has not read to their end.";
}
