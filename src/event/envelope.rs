//! Debezium's envelope around a changed row, and the schemas of keys, rows and envelopes.

use std::sync::{Arc, LazyLock};

use super::{Field, Schema, Source, Type, Value, source_schema};

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// Read by a snapshot.
    Read,
    /// Inserted.
    Create,
    /// Updated.
    Update,
    /// Deleted.
    Delete,
    /// The table was truncated.
    Truncate,
    /// A logical decoding message, not a row.
    Message,
}

impl Op {
    /// The letter in the event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Op::Read => "r",
            Op::Create => "c",
            Op::Update => "u",
            Op::Delete => "d",
            Op::Truncate => "t",
            Op::Message => "m",
        }
    }
}

/// Where an event stands in its transaction; only with `provide.transaction.metadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionBlock<'a> {
    /// `<txid>:<lsn of this event>`.
    pub id: &'a str,
    /// From 1 within the transaction.
    pub total_order: i64,
    /// From 1 within the table's part of the transaction.
    pub data_collection_order: i64,
}

/// A change event. Rows are slices so that a caller can use one buffer of values for row after
/// row; `convert` writes an envelope without building a [`Value`] of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<'a> {
    /// The row before, in the order of the row schema's fields.
    pub before: Option<&'a [Value<'a>]>,
    /// The row after.
    pub after: Option<&'a [Value<'a>]>,
    /// Where and when.
    pub source: &'a Source<'a>,
    /// Place in the transaction.
    pub transaction: Option<TransactionBlock<'a>>,
    /// What happened.
    pub op: Op,
    /// When the event was made, in nanoseconds since 1970; `ts_ms` and `ts_us` are told by it.
    pub ts_ns: i64,
}

impl<'a> Envelope<'a> {
    /// `ts_ns` in milliseconds.
    #[must_use]
    pub fn ts_ms(&self) -> i64 {
        self.ts_ns.div_euclid(1_000_000)
    }

    /// `ts_ns` in microseconds.
    #[must_use]
    pub fn ts_us(&self) -> i64 {
        self.ts_ns.div_euclid(1_000)
    }

    /// The event as a value of [`envelope_schema`], for converters and transforms that need one.
    #[must_use]
    pub fn to_value(&self) -> Value<'a> {
        let row = |row: Option<&'a [Value<'a>]>| {
            row.map_or(Value::Null, |fields| Value::Struct(fields.to_vec()))
        };
        let transaction = self.transaction.as_ref().map_or(Value::Null, |block| {
            Value::Struct(vec![
                Value::str(block.id),
                Value::Int64(block.total_order),
                Value::Int64(block.data_collection_order),
            ])
        });
        Value::Struct(vec![
            row(self.before),
            row(self.after),
            self.source.to_value(),
            transaction,
            Value::str(self.op.as_str()),
            Value::Int64(self.ts_ms()),
            Value::Int64(self.ts_us()),
            Value::Int64(self.ts_ns),
        ])
    }
}

/// `<topic>.Key`, of the key columns.
#[must_use]
pub fn key_schema(topic: &str, fields: Vec<Field>) -> Schema {
    Schema::structure(fields).with_name(format!("{topic}.Key"))
}

/// `<topic>.Value`, of all columns; optional, as `before` and `after` are.
#[must_use]
pub fn row_schema(topic: &str, fields: Vec<Field>) -> Schema {
    Schema::structure(fields)
        .optional()
        .with_name(format!("{topic}.Value"))
}

/// `event.block` version 1.
#[must_use]
pub fn transaction_block_schema() -> Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
        let block = Schema::structure(vec![
            Field::new("id", Schema::new(Type::String)),
            Field::new("total_order", Schema::new(Type::Int64)),
            Field::new("data_collection_order", Schema::new(Type::Int64)),
        ]);
        Arc::new(block.optional().named("event.block", 1))
    });
    Arc::clone(&SCHEMA)
}

/// `<topic>.Envelope` version 2 around rows of `row`.
#[must_use]
pub fn envelope_schema(topic: &str, row: &Arc<Schema>) -> Schema {
    let time = || Schema::new(Type::Int64).optional();
    Schema::structure(vec![
        Field::new("before", Arc::clone(row)),
        Field::new("after", Arc::clone(row)),
        Field::new("source", source_schema()),
        Field::new("transaction", transaction_block_schema()),
        Field::new("op", Schema::new(Type::String)),
        Field::new("ts_ms", time()),
        Field::new("ts_us", time()),
        Field::new("ts_ns", time()),
    ])
    .named(format!("{topic}.Envelope"), 2)
}
