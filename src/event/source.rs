//! The `source` block of a change event: where in the database, and when, a change was made.

use std::sync::{Arc, LazyLock};

use super::schema::names;
use super::{Field, Schema, Type, Value};
use crate::lsn::Lsn;

/// The version of Debezium whose contract the events keep.
pub const VERSION: &str = "3.6.3.Final";
/// What Debezium calls its PostgreSQL connector.
pub const CONNECTOR: &str = "postgresql";

/// What `snapshot` may say, in the order Debezium lists it.
const SNAPSHOT_ALLOWED: &str =
    "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental";

/// Where a record stands in a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SnapshotMarker {
    /// Any row of a snapshot that has no marker of its own.
    True,
    /// The first row of the snapshot.
    First,
    /// The first row of a table.
    FirstInDataCollection,
    /// The last row of a table; also of a table with one row.
    LastInDataCollection,
    /// The last row of the snapshot.
    Last,
    /// Not from a snapshot.
    #[default]
    False,
    /// From an incremental snapshot.
    Incremental,
}

impl SnapshotMarker {
    /// The text in the event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SnapshotMarker::True => "true",
            SnapshotMarker::First => "first",
            SnapshotMarker::FirstInDataCollection => "first_in_data_collection",
            SnapshotMarker::LastInDataCollection => "last_in_data_collection",
            SnapshotMarker::Last => "last",
            SnapshotMarker::False => "false",
            SnapshotMarker::Incremental => "incremental",
        }
    }
}

/// The text `[<last commit or null>,"<lsn>"]` that orders events of one connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// Position of the last commit that was read before; none before the first.
    pub last_commit: Option<Lsn>,
    /// Position of this change.
    pub lsn: Lsn,
}

impl Sequence {
    /// Appends the text to `out`, each quote written as `quote`: `"` in a text of its own, `\"`
    /// inside a JSON string.
    pub(crate) fn write(self, quote: &[u8], out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        out.push(b'[');
        match self.last_commit {
            None => out.extend_from_slice(b"null"),
            Some(lsn) => {
                out.extend_from_slice(quote);
                out.extend_from_slice(digits.format(lsn.0).as_bytes());
                out.extend_from_slice(quote);
            }
        }
        out.push(b',');
        out.extend_from_slice(quote);
        out.extend_from_slice(digits.format(self.lsn.0).as_bytes());
        out.extend_from_slice(quote);
        out.push(b']');
    }
}

impl std::fmt::Display for Sequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.last_commit {
            None => write!(f, "[null,\"{}\"]", self.lsn.0),
            Some(commit) => write!(f, "[\"{}\",\"{}\"]", commit.0, self.lsn.0),
        }
    }
}

/// The `source` block. `version` and `connector` are constants ([`VERSION`], [`CONNECTOR`]);
/// `ts_ms` and `ts_ns` are told by `ts_us`.
#[derive(Debug, Clone, PartialEq)]
pub struct Source<'a> {
    /// The logical name: `topic.prefix`.
    pub name: &'a str,
    /// When the transaction was committed (streaming) or the row read (snapshot), in microseconds
    /// since 1970.
    pub ts_us: i64,
    /// Where in a snapshot.
    pub snapshot: SnapshotMarker,
    /// The database.
    pub db: &'a str,
    /// Order among the events of this connector.
    pub sequence: Option<Sequence>,
    /// The table's schema; empty where there is none.
    pub schema: &'a str,
    /// The table; empty where there is none.
    pub table: &'a str,
    /// The transaction.
    pub tx_id: Option<i64>,
    /// Position of the change.
    pub lsn: Option<Lsn>,
    /// The slot's xmin, where it is tracked.
    pub xmin: Option<i64>,
    /// The replication origin the change came from.
    pub origin: Option<&'a str>,
    /// Position of the transaction at its origin.
    pub origin_lsn: Option<Lsn>,
}

impl<'a> Source<'a> {
    /// `ts_us` in milliseconds.
    #[must_use]
    pub fn ts_ms(&self) -> i64 {
        self.ts_us.div_euclid(1_000)
    }

    /// `ts_us` in nanoseconds.
    #[must_use]
    pub fn ts_ns(&self) -> i64 {
        self.ts_us.saturating_mul(1_000)
    }

    /// The block as a value of [`source_schema`].
    #[must_use]
    pub fn to_value(&self) -> Value<'a> {
        Value::Struct(vec![
            Value::str(VERSION),
            Value::str(CONNECTOR),
            Value::str(self.name),
            Value::Int64(self.ts_ms()),
            Value::str(self.snapshot.as_str()),
            Value::str(self.db),
            self.sequence
                .map_or(Value::Null, |sequence| Value::string(sequence.to_string())),
            Value::Int64(self.ts_us),
            Value::Int64(self.ts_ns()),
            Value::str(self.schema),
            Value::str(self.table),
            self.tx_id.map_or(Value::Null, Value::Int64),
            self.lsn.map_or(Value::Null, position),
            self.xmin.map_or(Value::Null, Value::Int64),
            self.origin.map_or(Value::Null, Value::str),
            self.origin_lsn.map_or(Value::Null, position),
        ])
    }
}

/// A position as Java's signed long, which is how Debezium carries it.
fn position<'a>(lsn: Lsn) -> Value<'a> {
    Value::Int64(lsn.0.cast_signed())
}

/// `io.debezium.connector.postgresql.Source` version 1.
#[must_use]
pub fn source_schema() -> Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(build()));
    Arc::clone(&SCHEMA)
}

fn build() -> Schema {
    let text = || Schema::new(Type::String);
    let number = || Schema::new(Type::Int64);
    let snapshot = text()
        .optional()
        .named(names::ENUM, 1)
        .with_parameter("allowed", SNAPSHOT_ALLOWED)
        .with_default(Value::str("false"));
    Schema::structure(vec![
        Field::new("version", text()),
        Field::new("connector", text()),
        Field::new("name", text()),
        Field::new("ts_ms", number()),
        Field::new("snapshot", snapshot),
        Field::new("db", text()),
        Field::new("sequence", text().optional()),
        Field::new("ts_us", number().optional()),
        Field::new("ts_ns", number().optional()),
        Field::new("schema", text()),
        Field::new("table", text()),
        Field::new("txId", number().optional()),
        Field::new("lsn", number().optional()),
        Field::new("xmin", number().optional()),
        Field::new("origin", text().optional()),
        Field::new("origin_lsn", number().optional()),
    ])
    .named("io.debezium.connector.postgresql.Source", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_text_is_that_of_debezium() {
        let mut sequence = Sequence {
            last_commit: None,
            lsn: Lsn(408_442_168),
        };
        assert_eq!(sequence.to_string(), "[null,\"408442168\"]");
        sequence.last_commit = Some(Lsn(7));
        let mut out = Vec::new();
        sequence.write(b"\"", &mut out);
        assert_eq!(out, sequence.to_string().into_bytes());
    }

    #[test]
    fn value_has_one_entry_for_each_field_of_the_schema() {
        let source = Source {
            name: "pg",
            ts_us: -1,
            snapshot: SnapshotMarker::First,
            db: "golden",
            sequence: None,
            schema: "public",
            table: "t",
            tx_id: None,
            lsn: Some(Lsn(5)),
            xmin: None,
            origin: None,
            origin_lsn: None,
        };
        let Value::Struct(fields) = source.to_value() else {
            panic!("no struct")
        };
        assert_eq!(fields.len(), source_schema().fields().len());
        assert_eq!(fields[3], Value::Int64(-1), "rounded down as Java does");
    }
}
