//! A scenario's files: tables, types and rows as PostgreSQL told them, and Debezium's records.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::{NEW_KEY, OLD_KEY, Sequence, SnapshotMarker, Source};
use crate::lsn::Lsn;
use crate::postgres::types::{
    BinaryMode, DecimalMode, HstoreMode, IntervalMode, Modes, TimeMode, TypeInfo, TypeKind,
    TypeRegistry,
};

#[derive(Deserialize)]
pub(super) struct Scenario {
    pub(super) tables: Vec<Table>,
    types: Vec<TypeRow>,
    pub(super) rows: Vec<Row>,
    #[serde(skip)]
    name: String,
    #[serde(skip)]
    config: serde_json::Value,
}

#[derive(Deserialize)]
pub(super) struct Table {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) columns: Vec<Column>,
    pub(super) key: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) type_oid: u32,
    pub(super) type_modifier: i32,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    generated: bool,
}

#[derive(Deserialize)]
struct TypeRow {
    oid: u32,
    schema: String,
    name: String,
    kind: String,
    element_oid: u32,
    base_oid: u32,
    base_typmod: i32,
    labels: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) op: String,
    pub(super) identity: Option<String>,
    pub(super) old: Option<Vec<Cell>>,
    pub(super) new: Option<Vec<Cell>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Cell {
    Null(()),
    Text(String),
    Unchanged(#[expect(dead_code, reason = "a marker")] serde_json::Value),
}

#[derive(Deserialize)]
pub(super) struct Record {
    pub(super) topic: String,
    pub(super) key: Box<RawValue>,
    pub(super) value: Box<RawValue>,
    headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Header {
    key: String,
    simple: Option<String>,
}

fn folder(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/fixtures/golden").join(name)
}

impl Scenario {
    pub(super) fn read(name: &str) -> Scenario {
        let text = |file| std::fs::read_to_string(folder(name).join(file)).unwrap();
        let mut scenario: Scenario = serde_json::from_str(&text("tuples.json")).unwrap();
        scenario.config = serde_json::from_str(&text("config.full.json")).unwrap();
        scenario.name = name.to_owned();
        scenario.leave_out_generated();
        scenario
    }

    pub(super) fn registry(&self) -> TypeRegistry {
        let info = |row: &TypeRow| TypeInfo {
            oid: row.oid,
            name: row.name.clone(),
            schema: row.schema.clone(),
            kind: match row.kind.as_str() {
                "e" => TypeKind::Enum {
                    labels: row.labels.clone(),
                },
                "d" => TypeKind::Domain {
                    base_oid: row.base_oid,
                    base_typmod: row.base_typmod,
                },
                "a" => TypeKind::Array {
                    element_oid: row.element_oid,
                },
                "c" => TypeKind::Composite,
                "r" => TypeKind::Range,
                "m" => TypeKind::MultiRange,
                "p" => TypeKind::Pseudo,
                _ => TypeKind::Base,
            },
        };
        self.types.iter().map(info).collect()
    }

    fn setting(&self, key: &str) -> Option<&str> {
        self.config.get(key)?.as_str()
    }

    /// pgoutput sends no generated columns; the rows read by SQL have them.
    fn leave_out_generated(&mut self) {
        for table in &mut self.tables {
            let kept: Vec<bool> = table.columns.iter().map(|c| !c.generated).collect();
            for row in &mut self.rows {
                if row.op == "r" && (&row.schema, &row.table) == (&table.schema, &table.table) {
                    let cells = row.new.take().into_iter().flatten().zip(&kept);
                    row.new = Some(cells.filter(|(_, kept)| **kept).map(|(c, _)| c).collect());
                }
            }
            table.columns.retain(|column| !column.generated);
        }
    }

    /// The scenario's settings; Debezium's defaults where it has none.
    pub(super) fn modes(&self) -> Modes {
        let default = Modes::default();
        Modes {
            decimal: match self.setting("decimal.handling.mode") {
                Some("double") => DecimalMode::Double,
                Some("string") => DecimalMode::String,
                _ => DecimalMode::Precise,
            },
            time: match self.setting("time.precision.mode") {
                Some("connect") => TimeMode::Connect,
                Some("isostring") => TimeMode::IsoString,
                Some("microseconds") => TimeMode::Microseconds,
                Some("nanoseconds") => TimeMode::Nanoseconds,
                _ => TimeMode::Adaptive,
            },
            binary: match self.setting("binary.handling.mode") {
                Some("base64") => BinaryMode::Base64,
                _ => BinaryMode::Bytes,
            },
            hstore: match self.setting("hstore.handling.mode") {
                Some("map") => HstoreMode::Map,
                _ => HstoreMode::Json,
            },
            interval: match self.setting("interval.handling.mode") {
                Some("string") => IntervalMode::String,
                _ => IntervalMode::Numeric,
            },
            money_fraction_digits: self
                .setting("money.fraction.digits")
                .map_or(default.money_fraction_digits, |digits| {
                    digits.parse().unwrap()
                }),
            include_unknown: self.setting("include.unknown.datatypes") == Some("true"),
            ..default
        }
    }

    pub(super) fn tombstones(&self) -> bool {
        self.setting("tombstones.on.delete") != Some("false")
    }

    pub(super) fn includes(&self, table: &Table) -> bool {
        let name = format!("{}.{}", table.schema, table.table);
        self.setting("table.include.list")
            .is_none_or(|list| list.split(',').any(|entry| entry.trim() == name))
    }

    /// Snapshot rows are only taken where the scenario takes a snapshot.
    pub(super) fn takes(&self, row: &Row) -> bool {
        row.op != "r" || self.setting("snapshot.mode") != Some("no_data")
    }

    pub(super) fn events(&self) -> Vec<Record> {
        let text = std::fs::read_to_string(folder(&self.name).join("events.jsonl")).unwrap();
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Record {
    /// With schemas, and the payload alone.
    pub(super) fn key_forms(&self) -> [String; 2] {
        forms(&self.key)
    }

    pub(super) fn value_forms(&self) -> [String; 2] {
        forms(&self.value)
    }

    fn payload(&self) -> serde_json::Value {
        let value: serde_json::Value = serde_json::from_str(self.value.get()).unwrap();
        value["payload"].clone()
    }

    pub(super) fn ts_ns(&self) -> i64 {
        self.payload()["ts_ns"].as_i64().unwrap()
    }

    pub(super) fn source(&self) -> RecordedSource {
        RecordedSource(self.payload()["source"].clone())
    }

    pub(super) fn key_header(&self) -> Option<(&str, &str)> {
        let is_key = |header: &&Header| header.key == NEW_KEY || header.key == OLD_KEY;
        let header = self.headers.iter().find(is_key)?;
        Some((&header.key, header.simple.as_deref()?))
    }
}

fn forms(raw: &RawValue) -> [String; 2] {
    #[derive(Deserialize)]
    struct Document {
        payload: Box<RawValue>,
    }
    let document: Document = serde_json::from_str(raw.get()).unwrap();
    [raw.get().to_owned(), document.payload.get().to_owned()]
}

/// The recorded `source`, whose times and positions are the run's own.
pub(super) struct RecordedSource(serde_json::Value);

impl RecordedSource {
    pub(super) fn borrowed(&self) -> Source<'_> {
        let text = |key: &str| self.0[key].as_str().unwrap();
        let number = |key: &str| self.0[key].as_i64();
        let lsn = |key: &str| number(key).map(|lsn| Lsn(lsn.cast_unsigned()));
        let markers = [
            SnapshotMarker::True,
            SnapshotMarker::First,
            SnapshotMarker::FirstInDataCollection,
            SnapshotMarker::LastInDataCollection,
            SnapshotMarker::Last,
            SnapshotMarker::False,
            SnapshotMarker::Incremental,
        ];
        let marker = markers
            .into_iter()
            .find(|marker| marker.as_str() == text("snapshot"));
        let parts: [Option<String>; 2] = serde_json::from_str(text("sequence")).unwrap();
        let [last_commit, lsn_of_event] =
            parts.map(|part| part.map(|digits| Lsn(digits.parse().unwrap())));
        Source {
            name: text("name"),
            ts_us: number("ts_us").unwrap(),
            snapshot: marker.unwrap(),
            db: text("db"),
            sequence: Some(Sequence {
                last_commit,
                lsn: lsn_of_event.unwrap(),
            }),
            schema: text("schema"),
            table: text("table"),
            tx_id: number("txId"),
            lsn: lsn("lsn"),
            xmin: number("xmin"),
            origin: self.0["origin"].as_str(),
            origin_lsn: lsn("origin_lsn"),
        }
    }
}
