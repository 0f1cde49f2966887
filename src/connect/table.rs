//! A captured table compiled for encoding: a codec for each column, the key, the JSON plans, the
//! topic. Compiled once from a RELATION message (or the catalogue, for a snapshot) and used for
//! every row.
//!
//! Names, types and order of the columns come from the RELATION message, which is true at the
//! row's position; whether a column may be null and its default come from the catalogue as it is
//! now, as in Debezium, and only where name and type still agree.

use std::sync::Arc;

use crate::convert;
use crate::convert::json::JsonPlan;
use crate::event::{self, Field, Schema, Value};
use crate::log::Topic;
use crate::lsn::Lsn;
use crate::postgres::catalog::{Column as CatalogColumn, Table as CatalogTable, TableShape};
use crate::postgres::pgoutput::{Cell, Relation, ReplicaIdentity};
use crate::postgres::types::{self, ColumnCodec, ColumnSpec, Modes, TypeRegistry};
use crate::record;
use crate::topic::PartitionId;

use super::context::Context;
use super::error::Error;
use super::outgoing::{Lane, NewRecord, Outgoing, record_bytes_max};

/// A captured table, compiled.
#[derive(Debug)]
pub(super) struct Table {
    /// Schema in the database.
    pub(super) schema: String,
    /// Name in the database.
    pub(super) name: String,
    /// The topic of its changes.
    pub(super) topic: String,
    /// Bytes that the topic took as one record when the table was compiled.
    record_bytes_max: usize,
    /// Lanes of the topic's partitions, by number; never empty.
    lanes: Vec<Lane>,
    /// By position in the relation; `None` for a column whose type is left out.
    columns: Vec<Option<Column>>,
    /// Names of all columns, by position in the relation.
    pub(super) names: Vec<ColumnName>,
    /// Key of the records; `None` for a table without primary key and unique index.
    pub(super) key: Option<Key>,
    /// Writes the envelope.
    pub(super) envelope: JsonPlan,
}

/// What a column is called, for dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnName {
    pub(super) name: String,
    /// Its type, as people write it.
    pub(super) type_name: String,
    /// The column belongs to the replica identity.
    pub(super) identity: bool,
}

#[derive(Debug)]
struct Column {
    codec: ColumnCodec,
    /// The column belongs to the replica identity, so old tuples of kind K carry it.
    identity: bool,
}

/// The key of a table's records.
#[derive(Debug)]
pub(super) struct Key {
    /// Indexes into a row's values, in key order.
    values: Vec<usize>,
    /// Schema of the key struct.
    pub(super) schema: Schema,
    /// Writes the key.
    pub(super) plan: JsonPlan,
    /// Old tuples of kind K carry all key columns.
    pub(super) in_identity: bool,
}

/// What a table is compiled from.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    pub(super) schema: &'a str,
    pub(super) name: &'a str,
    pub(super) identity: ReplicaIdentity,
    pub(super) columns: Vec<LayoutColumn<'a>>,
}

/// A column as the stream or the snapshot delivers it.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayoutColumn<'a> {
    pub(super) name: &'a str,
    pub(super) type_oid: u32,
    pub(super) type_modifier: i32,
    /// Flagged as part of the replica identity.
    pub(super) identity: bool,
}

/// What a table is compiled with.
pub(super) struct Compiler<'a> {
    pub(super) context: &'a Context,
    pub(super) registry: &'a TypeRegistry,
    pub(super) modes: &'a Modes,
    pub(super) topic: Arc<Topic>,
    pub(super) out: &'a mut Outgoing,
}

impl<'a> Layout<'a> {
    /// As a RELATION message tells it.
    pub(super) fn of_relation(relation: &Relation<'a>) -> Layout<'a> {
        let columns = relation.columns.iter().map(|column| LayoutColumn {
            name: column.name,
            type_oid: column.type_oid,
            type_modifier: column.type_modifier,
            identity: column.is_key,
        });
        Layout {
            schema: relation.namespace,
            name: relation.name,
            identity: relation.replica_identity,
            columns: columns.collect(),
        }
    }

    /// As the catalogue tells it, for a snapshot.
    pub(super) fn of_catalog(table: &'a CatalogTable, shape: &'a TableShape) -> Layout<'a> {
        let identity = match table.replica_identity {
            ReplicaIdentity::Index => &shape.identity_key,
            _ => &shape.primary_key,
        };
        let columns = shape.columns.iter().map(|column| LayoutColumn {
            name: &column.name,
            type_oid: column.type_oid,
            type_modifier: column.type_modifier,
            identity: identity.contains(&column.name),
        });
        Layout {
            schema: &table.schema,
            name: &table.name,
            identity: table.replica_identity,
            columns: columns.collect(),
        }
    }

    /// Names of the key columns in key order; empty where the table has no key.
    ///
    /// The primary key as the catalogue has it now, else the first unique index; but where the
    /// RELATION message flags other columns (later DDL, or another index as identity), those.
    fn key_names(&self, shape: Option<&TableShape>) -> Vec<String> {
        let flagged = || self.columns.iter().filter(|column| column.identity);
        let is_flagged = |name: &String| flagged().any(|column| column.name == name.as_str());
        let known = match shape {
            Some(shape) if !shape.primary_key.is_empty() => shape.primary_key.clone(),
            Some(shape) => shape.unique_key.clone(),
            None => Vec::new(),
        };
        let by_identity = matches!(
            self.identity,
            ReplicaIdentity::Default | ReplicaIdentity::Index
        );
        let flagged_count = flagged().count();
        let agrees = known.len() == flagged_count && known.iter().all(is_flagged);
        if by_identity && flagged_count > 0 && !agrees {
            return flagged().map(|column| column.name.to_owned()).collect();
        }
        known
    }
}

impl Compiler<'_> {
    /// Compiles `layout`; `shape` is what the catalogue knows of the table now, if it still exists.
    pub(super) fn compile(
        self,
        layout: &Layout<'_>,
        shape: Option<&TableShape>,
    ) -> Result<Table, Error> {
        let topic_name = self.topic.name.as_str().to_owned();
        let mut columns = Vec::with_capacity(layout.columns.len());
        let mut fields = Vec::with_capacity(layout.columns.len());
        for column in &layout.columns {
            let codec = self.codec(column, shape);
            if let Some(codec) = &codec {
                fields.push(Field::new(column.name, Arc::clone(&codec.schema)));
            } else {
                tracing::warn!(
                    schema = layout.schema,
                    table = layout.name,
                    column = column.name,
                    type_oid = column.type_oid,
                    "column left out: its type is not mapped"
                );
            }
            columns.push(codec.map(|codec| Column {
                codec,
                identity: column.identity,
            }));
        }
        let key = self.key(layout, shape, &fields, &topic_name);
        let row = Arc::new(event::row_schema(&topic_name, fields));
        let envelope = event::envelope_schema(&topic_name, &row);
        let max_message_bytes = self.topic.config().max_message_bytes;
        let partitions = self.topic.partitions();
        let lanes = partitions
            .iter()
            .map(|partition| self.out.lane(partition, max_message_bytes))
            .collect();
        let names = layout.columns.iter().map(|column| ColumnName {
            name: column.name.to_owned(),
            type_name: self.registry.display_name(column.type_oid),
            identity: column.identity,
        });
        Ok(Table {
            schema: layout.schema.to_owned(),
            name: layout.name.to_owned(),
            topic: topic_name,
            record_bytes_max: record_bytes_max(max_message_bytes),
            lanes,
            columns,
            names: names.collect(),
            key,
            envelope: JsonPlan::compile(&envelope, &self.context.value_options()),
        })
    }

    fn codec(&self, column: &LayoutColumn<'_>, shape: Option<&TableShape>) -> Option<ColumnCodec> {
        let same =
            |known: &&CatalogColumn| known.name == column.name && known.type_oid == column.type_oid;
        let known = shape.and_then(|shape| shape.columns.iter().find(same));
        let spec = ColumnSpec {
            name: column.name,
            type_oid: column.type_oid,
            type_modifier: column.type_modifier,
            not_null: known.is_some_and(|known| known.not_null),
            default_expression: known.and_then(|known| known.default.as_deref()),
            comment: None,
        };
        types::column_codec(&spec, self.registry, self.modes)
    }

    fn key(
        &self,
        layout: &Layout<'_>,
        shape: Option<&TableShape>,
        fields: &[Field],
        topic_name: &str,
    ) -> Option<Key> {
        let names = layout.key_names(shape);
        let position = |name: &String| fields.iter().position(|field| *field.name == **name);
        let values: Vec<usize> = names.iter().filter_map(position).collect();
        if values.is_empty() {
            return None;
        }
        let key_fields = values
            .iter()
            .filter_map(|value| fields.get(*value).cloned());
        let schema = event::key_schema(topic_name, key_fields.collect());
        let flagged = |name: &String| {
            layout
                .columns
                .iter()
                .any(|column| column.identity && column.name == name.as_str())
        };
        Some(Key {
            values,
            plan: JsonPlan::compile(&schema, &self.context.key_options()),
            schema,
            in_identity: names.iter().all(flagged),
        })
    }
}

impl Key {
    /// The key values of a row, in key order.
    pub(super) fn of<'v>(&self, row: &[Value<'v>]) -> Vec<Value<'v>> {
        self.values
            .iter()
            .filter_map(|value| row.get(*value).cloned())
            .collect()
    }
}

impl Table {
    /// `schema.table`, for texts.
    pub(super) fn title(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Values of a whole row. A value that was not sent because it did not change is taken from
    /// `old`, where the old row is known whole, else it is the placeholder.
    pub(super) fn row<'t>(
        &self,
        (count, cells): (usize, impl Iterator<Item = Cell<'t>>),
        old: Option<&[Value<'t>]>,
        lsn: Lsn,
    ) -> Result<Vec<Value<'t>>, Error> {
        self.check_count(count, lsn)?;
        let mut row: Vec<Value<'t>> = Vec::with_capacity(self.columns.len());
        for (cell, column) in cells.zip(&self.columns) {
            let Some(column) = column else { continue };
            let value = match cell {
                Cell::Unchanged => match old.and_then(|old| old.get(row.len())) {
                    Some(value) => value.clone(),
                    None => column.codec.unavailable(),
                },
                cell => self.value(column, cell, lsn)?,
            };
            row.push(value);
        }
        Ok(row)
    }

    /// Values of an old tuple of kind K, which carries the identity columns only: the others are
    /// null, or the zero of their type where null is not allowed, as in Debezium.
    pub(super) fn identity_row<'t>(
        &self,
        (count, cells): (usize, impl Iterator<Item = Cell<'t>>),
        lsn: Lsn,
    ) -> Result<Vec<Value<'t>>, Error> {
        self.check_count(count, lsn)?;
        let mut row = Vec::with_capacity(self.columns.len());
        for (cell, column) in cells.zip(&self.columns) {
            let Some(column) = column else { continue };
            row.push(match cell {
                Cell::Null | Cell::Unchanged if !column.identity => column.codec.zero(),
                cell => self.value(column, cell, lsn)?,
            });
        }
        Ok(row)
    }

    fn value<'t>(&self, column: &Column, cell: Cell<'t>, lsn: Lsn) -> Result<Value<'t>, Error> {
        match cell {
            Cell::Null => Ok(Value::Null),
            Cell::Unchanged => Ok(column.codec.unavailable()),
            Cell::Text(text) => column
                .codec
                .decode(text)
                .map_err(|cause| Error::Unconvertible {
                    table: self.title(),
                    lsn,
                    cause,
                }),
            Cell::Binary(_) => Err(Error::Protocol {
                lsn,
                what: "a binary value came where text was asked for".to_owned(),
            }),
        }
    }

    fn check_count(&self, cells: usize, lsn: Lsn) -> Result<(), Error> {
        if cells == self.columns.len() {
            return Ok(());
        }
        let what = format!(
            "a row of {} has {cells} values, its relation {} columns",
            self.title(),
            self.columns.len()
        );
        Err(Error::Protocol { lsn, what })
    }

    /// Refuses a record that its topic would refuse, before anything of it is handed over.
    pub(super) fn check_size(&self, record: &NewRecord<'_>, lsn: Lsn) -> Result<(), Error> {
        self.check_bytes(record.batch_bytes(), self.record_bytes_max, lsn)
    }

    /// Refuses a change of `bytes` where `max` are taken.
    pub(super) fn check_bytes(&self, bytes: usize, max: usize, lsn: Lsn) -> Result<(), Error> {
        if bytes <= max {
            return Ok(());
        }
        Err(Error::TooLarge {
            table: self.title(),
            lsn,
            bytes,
            max,
        })
    }

    /// The record key of a row of which only `cells` are known, the first ones of its columns;
    /// `None` where the key cannot be made of them.
    pub(super) fn key_of<'t>(&self, cells: impl Iterator<Item = Cell<'t>>) -> Option<Vec<u8>> {
        let key = self.key.as_ref()?;
        let mapped = cells
            .zip(&self.columns)
            .filter_map(|(cell, column)| Some((cell, column.as_ref()?)));
        let mut values = vec![None; key.values.len()];
        for (index, (cell, column)) in mapped.enumerate() {
            let Some(at) = key.values.iter().position(|value| *value == index) else {
                continue;
            };
            if let (Cell::Text(text), Some(place)) = (cell, values.get_mut(at)) {
                *place = column.codec.decode(text).ok();
            }
        }
        let values: Vec<Value<'t>> = values.into_iter().collect::<Option<_>>()?;
        let mut text = Vec::new();
        key.plan.write_struct(&values, &mut text).ok()?;
        Some(text)
    }

    /// The lane of a record: by Kafka's default partitioner, the first partition without a key.
    pub(super) fn lane(&self, key: Option<&[u8]>) -> Option<Lane> {
        if let [only] = self.lanes.as_slice() {
            return Some(*only);
        }
        let count = u32::try_from(self.lanes.len()).ok()?;
        let PartitionId(partition) = PartitionId(record::partition_for_key(key, count));
        self.lanes.get(usize::try_from(partition).ok()?).copied()
    }

    /// The error of a row that the converter cannot write.
    pub(super) fn unwritable(&self, lsn: Lsn, cause: convert::Error) -> Error {
        Error::Unwritable {
            table: self.title(),
            lsn,
            cause,
        }
    }
}
