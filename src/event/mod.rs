//! Kafka Connect's data model (schemas and values) and Debezium's change events made of it: the
//! envelope, its `source` block, record headers, and the names topics and schemas get.
//!
//! Everything here is plain data: nothing reads a clock, a socket or a file. How values become
//! bytes is in `convert`; how PostgreSQL's columns become values is in `postgres::types`.

mod envelope;
mod headers;
mod naming;
mod schema;
mod source;
mod value;

pub use envelope::{
    Envelope, Op, TransactionBlock, envelope_schema, key_schema, row_schema,
    transaction_block_schema,
};
pub use headers::{
    CONNECTOR_LOGICAL_NAME, CONNECTOR_NAME, ContextHeaders, NEW_KEY, OLD_KEY, RUN_ID, TASK_ID,
};
pub use naming::{TopicNaming, topic_name};
pub use schema::{Field, Schema, Type, names};
pub use source::{CONNECTOR, Sequence, SnapshotMarker, Source, VERSION, source_schema};
pub use value::Value;
