//! Logical decoding messages (`pg_logical_emit_message`) as events of kind `m` in the topic
//! `<prefix>.message`.
//!
//! A message outside of a transaction is delivered at once, also when the transaction it was
//! written in rolls back; its own position then stands as the last commit in `source.sequence`.

use std::sync::{Arc, LazyLock};

use crate::convert::{self, json::JsonPlan};
use crate::event::{
    Field, Op, Schema, Sequence, SnapshotMarker, Source, Type, Value, source_schema,
    transaction_block_schema,
};
use crate::lsn::Lsn;
use crate::postgres::pgoutput::LogicalMessage;
use crate::topic::TopicName;

use super::context::Context;
use super::error::Error;
use super::outgoing::{Lane, NewRecord, Outgoing, record_bytes_max};

/// What messages are called where a table would be named.
pub(super) const TITLE: &str = "logical messages";

/// Writes messages; one for each run of a stream, made when the first message comes.
#[derive(Debug)]
pub(super) struct Messages {
    /// The topic of messages.
    pub(super) topic: String,
    lane: Lane,
    /// Bytes that the topic took as one record when it was looked up.
    record_bytes_max: usize,
    key: JsonPlan,
    value: JsonPlan,
}

/// Where and when a message was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessagePoint {
    pub(super) ts_us: i64,
    /// The transaction; `None` for a message outside of one.
    pub(super) tx_id: Option<i64>,
    pub(super) last_commit: Option<Lsn>,
}

impl Messages {
    /// Compiles the plans and finds the topic, which is made on first use.
    pub(super) async fn new(context: &Context, out: &mut Outgoing) -> Result<Messages, Error> {
        let name = format!("{}.message", context.config.topic_prefix);
        let name = TopicName::parse(&name).map_err(|cause| Error::TopicName {
            table: TITLE.to_owned(),
            cause,
        })?;
        let topic = context.topic(&name).await?;
        let Some(partition) = topic.partitions().first() else {
            return Err(crate::log::Error::UnknownTopic(name.as_str().to_owned()).into());
        };
        let max_message_bytes = topic.config().max_message_bytes;
        Ok(Messages {
            topic: name.as_str().to_owned(),
            lane: out.lane(partition, max_message_bytes),
            record_bytes_max: record_bytes_max(max_message_bytes),
            key: JsonPlan::compile(&KEY, &context.key_options()),
            value: JsonPlan::compile(&VALUE, &context.value_options()),
        })
    }

    /// Adds the event of a message.
    pub(super) fn add(
        &self,
        context: &Context,
        point: MessagePoint,
        message: &LogicalMessage<'_>,
        out: &mut Outgoing,
    ) -> Result<(), Error> {
        let source = Source {
            name: &context.config.topic_prefix,
            ts_us: point.ts_us,
            snapshot: SnapshotMarker::False,
            db: &context.config.database.dbname,
            sequence: Some(Sequence {
                last_commit: point.last_commit,
                lsn: message.lsn,
            }),
            schema: "",
            table: "",
            tx_id: point.tx_id,
            lsn: Some(message.lsn),
            xmin: None,
            origin: None,
            origin_lsn: None,
        };
        let now_ms = context.clock.now_ms();
        let content = Value::Bytes(std::borrow::Cow::Borrowed(message.content));
        let fields = [
            Value::str(Op::Message.as_str()),
            Value::Int64(now_ms),
            source.to_value(),
            Value::Null,
            Value::Struct(vec![Value::str(message.prefix), content]),
        ];
        let unwritable = |cause| Error::Unwritable {
            table: TITLE.to_owned(),
            lsn: message.lsn,
            cause,
        };
        let mut value = Vec::new();
        let key = self.key_of(message.prefix).map_err(unwritable)?;
        self.value
            .write_struct(&fields, &mut value)
            .map_err(unwritable)?;
        let record = NewRecord {
            timestamp_ms: now_ms,
            key: Some(&key),
            value: Some(&value),
            headers: &[],
        };
        let bytes = record.batch_bytes();
        if bytes > self.record_bytes_max {
            return Err(Error::TooLarge {
                table: TITLE.to_owned(),
                lsn: message.lsn,
                bytes,
                max: self.record_bytes_max,
            });
        }
        out.add(self.lane, record)
    }

    /// The key of messages with this prefix.
    pub(super) fn key_of(&self, prefix: &str) -> Result<Vec<u8>, convert::Error> {
        let mut key = Vec::new();
        self.key.write_struct(&[Value::str(prefix)], &mut key)?;
        Ok(key)
    }
}

/// `io.debezium.connector.postgresql.MessageKey` version 1.
static KEY: LazyLock<Schema> = LazyLock::new(|| {
    Schema::structure(vec![Field::new(
        "prefix",
        Schema::new(Type::String).optional(),
    )])
    .named("io.debezium.connector.postgresql.MessageKey", 1)
});

/// `io.debezium.connector.postgresql.MessageValue` version 1.
static VALUE: LazyLock<Schema> = LazyLock::new(|| {
    let message = Schema::structure(vec![
        Field::new("prefix", Schema::new(Type::String).optional()),
        Field::new("content", Schema::new(Type::Bytes).optional()),
    ]);
    let message = message.named("io.debezium.connector.postgresql.Message", 1);
    Schema::structure(vec![
        Field::new("op", Schema::new(Type::String)),
        Field::new("ts_ms", Schema::new(Type::Int64).optional()),
        Field::new("source", source_schema()),
        Field::new("transaction", transaction_block_schema()),
        Field::new("message", Arc::new(message)),
    ])
    .named("io.debezium.connector.postgresql.MessageValue", 1)
});
