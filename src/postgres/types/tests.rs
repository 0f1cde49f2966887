//! The recordings of the real connector: what PostgreSQL sent for a scenario (`tuples.json`) is
//! made into events here and held against what Debezium emitted (`events.jsonl`): keys, values
//! and key headers, with schemas and without, in the order of their fields.
//!
//! Only what names time or position of the recorded run is taken from the recording itself.

mod recording;
mod table;
mod tree;

use std::collections::HashMap;

use recording::{Record, Row, Scenario, Table};

use super::{ColumnCodec, ColumnSpec, Modes, column_codec};
use crate::convert::json::{JsonOptions, JsonPlan};
use crate::convert::simple_header;
use crate::event::{self, Envelope, Field, NEW_KEY, OLD_KEY, Op, Schema, Value};

/// A table as the connector holds it: codecs by column position and compiled plans.
struct Compiled {
    codecs: Vec<Option<ColumnCodec>>,
    /// Column positions of the key, in the key's order.
    key: Vec<usize>,
    key_schema: Schema,
    keys: [JsonPlan; 2],
    values: [JsonPlan; 2],
}

/// An event to be held against the recording.
struct Expected {
    table: usize,
    key: Option<Vec<Value<'static>>>,
    /// None: a tombstone.
    change: Option<Change>,
    header: Option<(&'static str, Vec<Value<'static>>)>,
}

struct Change {
    op: Op,
    before: Option<Vec<Value<'static>>>,
    after: Option<Vec<Value<'static>>>,
}

const BOTH: [JsonOptions; 2] = [
    JsonOptions {
        schemas_enable: true,
        replace_null_with_default: true,
        decimal_format: crate::convert::json::DecimalFormat::Base64,
    },
    JsonOptions {
        schemas_enable: false,
        replace_null_with_default: true,
        decimal_format: crate::convert::json::DecimalFormat::Base64,
    },
];

fn compile(table: &Table, scenario: &Scenario, modes: &Modes) -> Compiled {
    let registry = scenario.registry();
    let codec = |column: &recording::Column| {
        let spec = ColumnSpec {
            name: &column.name,
            type_oid: column.type_oid,
            type_modifier: column.type_modifier,
            not_null: column.not_null,
            default_expression: column.default.as_deref(),
            comment: None,
        };
        column_codec(&spec, &registry, modes)
    };
    let codecs: Vec<_> = table.columns.iter().map(codec).collect();
    let field = |index: usize| {
        let codec = codecs[index].as_ref()?;
        let name = table.columns[index].name.as_str();
        Some(Field::new(name, codec.schema.clone()))
    };
    let position = |name: &String| table.columns.iter().position(|c| c.name == *name).unwrap();
    let key: Vec<usize> = table.key.iter().map(position).collect();
    let topic = event::topic_name("pg", &table.schema, &table.table);
    let row = event::row_schema(&topic, (0..codecs.len()).filter_map(field).collect());
    let key_schema = event::key_schema(&topic, key.iter().copied().filter_map(field).collect());
    let envelope = event::envelope_schema(&topic, &row.into());
    Compiled {
        keys: BOTH.map(|options| JsonPlan::compile(&key_schema, &options)),
        values: BOTH.map(|options| JsonPlan::compile(&envelope, &options)),
        key_schema,
        codecs,
        key,
    }
}

impl Compiled {
    fn row(&self, tuple: &[recording::Cell]) -> Vec<Value<'static>> {
        let cells = self.codecs.iter().zip(tuple);
        cells
            .filter_map(|(codec, cell)| Some((codec.as_ref()?, cell)))
            .map(|(codec, cell)| match cell {
                recording::Cell::Unchanged(_) => codec.unavailable(),
                recording::Cell::Null(()) => codec.zero(),
                recording::Cell::Text(text) => {
                    let value = codec.decode(text.as_bytes()).unwrap();
                    value.into_owned()
                }
            })
            .collect()
    }

    fn key(&self, tuple: &[recording::Cell]) -> Option<Vec<Value<'static>>> {
        if self.key.is_empty() {
            return None;
        }
        let mut columns = tuple.iter().zip(&self.codecs);
        let values: Vec<_> = columns
            .by_ref()
            .map(|(cell, codec)| match (cell, codec) {
                (recording::Cell::Text(text), Some(codec)) => {
                    codec.decode(text.as_bytes()).unwrap().into_owned()
                }
                _ => Value::Null,
            })
            .collect();
        Some(
            self.key
                .iter()
                .map(|index| values[*index].clone())
                .collect(),
        )
    }

    /// The records of one row message, as the connector would cut it.
    fn events(&self, table: usize, row: &Row, tombstones: bool) -> Vec<Expected> {
        let change = |op, before: Option<&[recording::Cell]>, after: Option<&[recording::Cell]>| {
            Some(Change {
                op,
                before: before.map(|tuple| self.row(tuple)),
                after: after.map(|tuple| self.row(tuple)),
            })
        };
        let record = |key, change, header| Expected {
            table,
            key,
            change,
            header,
        };
        let (old, new) = (row.old.as_deref(), row.new.as_deref());
        match (row.op.as_str(), old, new) {
            ("r", _, Some(new)) => vec![record(
                self.key(new),
                change(Op::Read, None, Some(new)),
                None,
            )],
            ("c", _, Some(new)) => {
                vec![record(
                    self.key(new),
                    change(Op::Create, None, Some(new)),
                    None,
                )]
            }
            ("u", old, Some(new)) => {
                let key = self.key(new);
                let before_key = old.and_then(|old| self.key(old));
                if before_key.is_none() || before_key == key {
                    let full = old.filter(|_| row.identity.as_deref() == Some("full"));
                    return vec![record(key, change(Op::Update, full, Some(new)), None)];
                }
                let (was, is) = (before_key.clone().unwrap(), key.clone().unwrap());
                let to_new = || Some((NEW_KEY, is.clone()));
                let mut records = vec![record(
                    before_key.clone(),
                    change(Op::Delete, old, None),
                    to_new(),
                )];
                if tombstones {
                    records.push(record(before_key, None, to_new()));
                }
                let header = Some((OLD_KEY, was));
                records.push(record(key, change(Op::Create, None, Some(new)), header));
                records
            }
            ("d", Some(old), _) => {
                let mut records = vec![record(
                    self.key(old),
                    change(Op::Delete, Some(old), None),
                    None,
                )];
                if tombstones {
                    records.push(record(self.key(old), None, None));
                }
                records
            }
            ("t", ..) => Vec::new(),
            other => panic!("{other:?}"),
        }
    }
}

/// Compares one scenario; `ignored` are fields that are not compared.
fn check(name: &str, ignored: &[&str]) {
    let scenario = Scenario::read(name);
    let modes = &scenario.modes();
    let included = |table: &Table| scenario.includes(table);
    let compiled: Vec<_> = scenario
        .tables
        .iter()
        .map(|table| compile(table, &scenario, modes))
        .collect();
    let mut made: HashMap<String, Vec<Expected>> = HashMap::new();
    for row in scenario.rows.iter().filter(|row| scenario.takes(row)) {
        let is_table = |t: &Table| t.schema == row.schema && t.table == row.table;
        let index = scenario.tables.iter().position(is_table).unwrap();
        if included(&scenario.tables[index]) {
            let topic = event::topic_name("pg", &row.schema, &row.table);
            let events = compiled[index].events(index, row, scenario.tombstones());
            made.entry(topic).or_default().extend(events);
        }
    }
    let mut recorded: HashMap<String, Vec<Record>> = HashMap::new();
    for record in scenario.events() {
        recorded
            .entry(record.topic.clone())
            .or_default()
            .push(record);
    }
    for (topic, records) in &recorded {
        let events = made.remove(topic).unwrap_or_default();
        assert_eq!(records.len(), events.len(), "{name}: records of {topic}");
        for (index, (record, event)) in records.iter().zip(&events).enumerate() {
            let place = format!("{name}: {topic}[{index}]");
            compare(&compiled[event.table], record, event, ignored, &place);
        }
    }
    assert!(made.is_empty(), "{name}: topics {:?}", made.keys());
}

fn compare(table: &Compiled, record: &Record, event: &Expected, ignored: &[&str], place: &str) {
    let same = |made: &[u8], recorded: &str, what: &str| {
        let (made, recorded) = (tree::read_bytes(made), tree::read(recorded));
        let made = made.without(ignored);
        if let Some(difference) = recorded.without(ignored).difference(&made, "$") {
            panic!("{place}.{what} {difference}");
        }
    };
    let mut out = Vec::new();
    match &event.key {
        None => assert_eq!(record.key.get(), "null", "{place}.key"),
        Some(key) => {
            for (plan, recorded) in table.keys.iter().zip(record.key_forms()) {
                out.clear();
                plan.write_struct(key, &mut out).unwrap();
                same(&out, &recorded, "key");
            }
        }
    }
    match &event.change {
        None => assert_eq!(record.value.get(), "null", "{place}.value"),
        Some(change) => {
            let source = record.source();
            let event = Envelope {
                before: change.before.as_deref(),
                after: change.after.as_deref(),
                source: &source.borrowed(),
                transaction: None,
                op: change.op,
                ts_ns: record.ts_ns(),
            };
            for (plan, recorded) in table.values.iter().zip(record.value_forms()) {
                out.clear();
                plan.write_envelope(&event, &mut out).unwrap();
                same(&out, &recorded, "value");
                let mut through_value = Vec::new();
                plan.write(&event.to_value(), &mut through_value).unwrap();
                assert_eq!(out, through_value, "{place}: two ways of writing");
            }
        }
    }
    let header = record.key_header();
    match (&event.header, &header) {
        (None, None) => {}
        (Some((name, key)), Some((recorded, simple))) => {
            assert_eq!(name, recorded, "{place}.headers");
            out.clear();
            simple_header::write_struct(&table.key_schema, key, &mut out).unwrap();
            assert_eq!(String::from_utf8_lossy(&out), *simple, "{place}.headers");
        }
        (made, recorded) => panic!(
            "{place}.headers {:?} {recorded:?}",
            made.as_ref().map(|h| h.0)
        ),
    }
}

macro_rules! scenarios {
    ($($name:ident $(without $($ignored:literal)*)?;)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name), &[$($($ignored),*)?]);
        })*
    };
}

// Fields are left out where Debezium is wrong and this is not, or where a value names the moment.
scenarios! {
    bigtx_order;
    binary_base64 without "c_moa" "c_bita" "c_vba" "c_xmla" "c_iva" "c_pta" "c_nm";
    composite_key;
    crud;
    decimal_double_money;
    decimal_double_numeric_nan;
    decimal_string_money;
    decimal_string_numeric;
    decimal_string_numeric_nan;
    defaults without "nw" "cd" "ru" "gen";
    hstore_map;
    interval_string;
    key_types;
    merge_upsert;
    money_fraction_0;
    money_fraction_4;
    names;
    no_tombstones;
    nopk_unique;
    resume;
    ri_default;
    ri_full;
    ri_nothing;
    snapshot_initial;
    snapshot_no_data;
    table_include;
    time_connect_date;
    time_isostring_date;
    time_isostring_date_inf without "c_d";
    time_microseconds_date;
    time_nanoseconds_date;
    toast;
    truncate_default;
    types_array without "c_tia" "c_ttza" "c_dna";
    types_array2 without "c_moa" "c_bita" "c_vba" "c_xmla" "c_iva" "c_pta" "c_nm";
    types_bits;
    types_bytea;
    types_darr;
    types_date;
    types_date_24h without "c_ttz";
    types_enumdom;
    types_fakeext without "c_veca";
    types_float;
    types_int;
    types_numeric;
    types_numeric_nan;
    types_textlike;
    types_unknown without "c_i2v" "c_oidv";
}
