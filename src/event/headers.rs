//! The record headers Debezium sets.
//!
//! The four context headers (`extended.headers.enabled`, on by default) are texts and stand on
//! change events and tombstones; the key headers tie the delete and the insert of a changed
//! primary key together, their value is the other key as a struct of the key schema. When both
//! are present the key header comes first.

/// `topic.prefix`.
pub const CONNECTOR_LOGICAL_NAME: &str = "__debezium.context.connectorLogicalName";
/// Always `0`: a PostgreSQL connector has one task.
pub const TASK_ID: &str = "__debezium.context.taskId";
/// Always `postgresql`.
pub const CONNECTOR_NAME: &str = "__debezium.context.connectorName";
/// A UUIDv7 made when the connector started.
pub const RUN_ID: &str = "__debezium.context.runId";
/// On the delete of a changed key: the key the row has now.
pub const NEW_KEY: &str = "__debezium.newkey";
/// On the insert of a changed key: the key the row had.
pub const OLD_KEY: &str = "__debezium.oldkey";

/// The values of the context headers, made once at a connector's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextHeaders {
    /// `topic.prefix`.
    pub logical_name: String,
    /// The run's UUIDv7.
    pub run_id: String,
}

impl ContextHeaders {
    /// Names and values in Debezium's order.
    #[must_use]
    pub fn entries(&self) -> [(&'static str, &str); 4] {
        [
            (CONNECTOR_LOGICAL_NAME, &self.logical_name),
            (TASK_ID, "0"),
            (CONNECTOR_NAME, super::CONNECTOR),
            (RUN_ID, &self.run_id),
        ]
    }
}
