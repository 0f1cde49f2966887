//! The text of a source's dead letter: the raw row as PostgreSQL sent it, for a person to repair.
//!
//! ```text
//! {"schema":"public","table":"t","op":"u","lsn":"0/16B3748","tx_id":731,"ts_ms":1700000000000,
//!  "before":[{"name":"id","type":"int8","value":"1"}],
//!  "after":[{"name":"id","type":"int8","value":"1"},
//!           {"name":"grid","type":"int4[]","value":"{{1,2},{3,4}}"},
//!           {"name":"note","type":"text","value":null},
//!           {"name":"long","type":"text","unchanged":true}]}
//! ```
//!
//! - A value is the text of PostgreSQL's own output, which it takes as input again; one that is
//!   not UTF-8 stands in `value_base64`. `unchanged`: a large value that the server did not send
//!   because the update left it alone.
//! - `before` and `after` are null where there is no such row. A `before` of the identity columns
//!   alone has those only.
//! - Of a change that is too large the values are left out: `bytes` stands in the place of each,
//!   and of the whole. What was not held in memory has neither `before` nor `after`.
//! - A logical decoding message has `prefix` in place of `schema` and `table`.
//!
//! Invariant: a text is never longer than the room it was given; it says less instead.
//!
//! Pure. Not here: headers, and where letters go ([`super::letters`]).

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::event::Op;
use crate::lsn::Lsn;
use crate::postgres::pgoutput::{Cell, OldTuple, Tuple};

use super::table::{ColumnName, Table};

/// A change that cannot be written as events.
#[derive(Debug)]
pub(super) struct Letter<'a> {
    /// The topic its events would have gone to.
    pub(super) topic: &'a str,
    pub(super) subject: Subject<'a>,
    pub(super) op: Op,
    /// Its position; that of the snapshot for a row of one.
    pub(super) lsn: Lsn,
    pub(super) tx_id: Option<i64>,
    /// Commit time, milliseconds since 1970.
    pub(super) ts_ms: i64,
    /// The key its event would have; `None` where that cannot be made.
    pub(super) key: Option<Vec<u8>>,
    /// `None` where the change was never held whole.
    pub(super) rows: Option<Rows<'a>>,
}

/// What a letter is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'a> {
    /// A row of a table.
    Row {
        schema: &'a str,
        table: &'a str,
        columns: &'a [ColumnName],
    },
    /// A logical decoding message.
    Message { prefix: &'a str },
}

/// The rows of a change; `None` where there is no such row.
#[derive(Debug, Default)]
pub(super) struct Rows<'a> {
    pub(super) before: Option<RawRow<'a>>,
    pub(super) after: Option<RawRow<'a>>,
}

/// A row as it came.
#[derive(Debug)]
pub(super) struct RawRow<'a> {
    cells: Vec<Cell<'a>>,
    /// Only the columns of the replica identity were sent.
    identity_only: bool,
}

/// How much of the rows a text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Their values.
    Values,
    /// The size of each value.
    Sizes,
    /// Nothing.
    Nothing,
}

impl<'a> Subject<'a> {
    pub(super) fn row_of(table: &'a Table) -> Subject<'a> {
        Subject::Row {
            schema: &table.schema,
            table: &table.name,
            columns: &table.names,
        }
    }

    /// For texts.
    pub(super) fn title(&self) -> String {
        match self {
            Subject::Row { schema, table, .. } => format!("{schema}.{table}"),
            Subject::Message { .. } => super::message::TITLE.to_owned(),
        }
    }
}

impl<'a> RawRow<'a> {
    pub(super) fn new(cells: impl Iterator<Item = Cell<'a>>) -> RawRow<'a> {
        RawRow {
            cells: cells.collect(),
            identity_only: false,
        }
    }

    pub(super) fn of_tuple(tuple: &Tuple<'a>) -> RawRow<'a> {
        RawRow::new(tuple.cells())
    }

    pub(super) fn of_old(old: &OldTuple<'a>) -> RawRow<'a> {
        RawRow {
            identity_only: matches!(old, OldTuple::Key(_)),
            ..RawRow::of_tuple(&old.tuple())
        }
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = Cell<'a>> {
        self.cells.iter().copied()
    }

    fn bytes(&self) -> usize {
        let bytes = |cell: &Cell<'_>| match cell {
            Cell::Text(value) | Cell::Binary(value) => value.len(),
            Cell::Null | Cell::Unchanged => 0,
        };
        self.cells.iter().map(bytes).sum()
    }
}

impl Letter<'_> {
    /// The text, at most `room` bytes, or `None` where that is not enough. `bytes` is the size of
    /// a change that is too large.
    pub(super) fn text(&self, detail: Detail, bytes: Option<u64>, room: usize) -> Option<Vec<u8>> {
        let raw_bytes = self.raw_bytes();
        // JSON only ever makes a text longer, so this needs no try.
        if detail == Detail::Values && raw_bytes > room {
            return None;
        }
        let told = match detail {
            Detail::Values => bytes,
            Detail::Sizes | Detail::Nothing => bytes.or(u64::try_from(raw_bytes).ok()),
        };
        let form = Form {
            letter: self,
            detail,
            bytes: told,
        };
        let mut out = Bounded {
            bytes: Vec::new(),
            room,
        };
        serde_json::to_writer(&mut out, &form).ok()?;
        Some(out.bytes)
    }

    fn raw_bytes(&self) -> usize {
        let rows = self.rows.iter();
        let rows = rows.flat_map(|rows| [&rows.before, &rows.after]);
        rows.flatten().map(RawRow::bytes).sum()
    }
}

/// Takes bytes up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    room: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(more.len()) > self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A letter as it is written.
struct Form<'l> {
    letter: &'l Letter<'l>,
    detail: Detail,
    bytes: Option<u64>,
}

impl Serialize for Form<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let letter = self.letter;
        let mut map = serializer.serialize_map(None)?;
        let columns: &[ColumnName] = match letter.subject {
            Subject::Row {
                schema,
                table,
                columns,
            } => {
                map.serialize_entry("schema", schema)?;
                map.serialize_entry("table", table)?;
                columns
            }
            Subject::Message { prefix } => {
                map.serialize_entry("prefix", prefix)?;
                &[]
            }
        };
        map.serialize_entry("op", letter.op.as_str())?;
        map.serialize_entry("lsn", &letter.lsn.to_string())?;
        map.serialize_entry("tx_id", &letter.tx_id)?;
        map.serialize_entry("ts_ms", &letter.ts_ms)?;
        if let Some(bytes) = self.bytes {
            map.serialize_entry("bytes", &bytes)?;
        }
        if let (Some(rows), false) = (&letter.rows, self.detail == Detail::Nothing) {
            for (name, row) in [("before", &rows.before), ("after", &rows.after)] {
                let form = row.as_ref().map(|row| row_form(row, columns, self.detail));
                map.serialize_entry(name, &form)?;
            }
        }
        map.end()
    }
}

fn row_form<'r>(
    row: &RawRow<'r>,
    columns: &'r [ColumnName],
    detail: Detail,
) -> Vec<ColumnForm<'r>> {
    let sent = row.cells.iter().zip(columns);
    sent.filter(|(_, column)| column.identity || !row.identity_only)
        .map(|(cell, column)| ColumnForm {
            column,
            cell: *cell,
            detail,
        })
        .collect()
}

/// A column with its value as it is written.
struct ColumnForm<'r> {
    column: &'r ColumnName,
    cell: Cell<'r>,
    detail: Detail,
}

impl Serialize for ColumnForm<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.column.name)?;
        map.serialize_entry("type", &self.column.type_name)?;
        match self.cell {
            Cell::Null => map.serialize_entry("value", &())?,
            Cell::Unchanged => map.serialize_entry("unchanged", &true)?,
            Cell::Text(value) | Cell::Binary(value) if self.detail != Detail::Values => {
                map.serialize_entry("bytes", &value.len())?;
            }
            Cell::Text(value) | Cell::Binary(value) => match std::str::from_utf8(value) {
                Ok(text) => map.serialize_entry("value", text)?,
                Err(_) => map.serialize_entry("value_base64", &BASE64.encode(value))?,
            },
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<ColumnName> {
        [
            ("id", "int8", true),
            ("grid", "int4[]", false),
            ("note", "text", false),
        ]
        .map(|(name, type_name, identity)| ColumnName {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            identity,
        })
        .into()
    }

    fn letter<'a>(columns: &'a [ColumnName], rows: Option<Rows<'a>>) -> Letter<'a> {
        Letter {
            topic: "app.public.t",
            subject: Subject::Row {
                schema: "public",
                table: "t",
                columns,
            },
            op: Op::Update,
            lsn: Lsn(0x16_B3748),
            tx_id: Some(731),
            ts_ms: 1_700_000_000_000,
            key: None,
            rows,
        }
    }

    fn rows() -> Rows<'static> {
        let before = RawRow {
            identity_only: true,
            ..RawRow::new([Cell::Text(b"1"), Cell::Null, Cell::Null].into_iter())
        };
        let after = [Cell::Text(b"2"), Cell::Text(b"{{1},{2}}"), Cell::Unchanged];
        Rows {
            before: Some(before),
            after: Some(RawRow::new(after.into_iter())),
        }
    }

    fn text(letter: &Letter<'_>, detail: Detail, bytes: Option<u64>) -> String {
        String::from_utf8(letter.text(detail, bytes, 1 << 20).unwrap()).unwrap()
    }

    #[test]
    fn a_row_is_told_as_postgresql_sent_it() {
        let columns = columns();
        assert_eq!(
            text(&letter(&columns, Some(rows())), Detail::Values, None),
            r#"{"schema":"public","table":"t","op":"u","lsn":"0/16B3748","tx_id":731,"ts_ms":1700000000000,"before":[{"name":"id","type":"int8","value":"1"}],"after":[{"name":"id","type":"int8","value":"2"},{"name":"grid","type":"int4[]","value":"{{1},{2}}"},{"name":"note","type":"text","unchanged":true}]}"#
        );
        let odd = Rows {
            before: None,
            after: Some(RawRow::new(
                [Cell::Text(b"\xff"), Cell::Null, Cell::Text(b"\"\n")].into_iter(),
            )),
        };
        assert_eq!(
            text(&letter(&columns, Some(odd)), Detail::Values, None),
            r#"{"schema":"public","table":"t","op":"u","lsn":"0/16B3748","tx_id":731,"ts_ms":1700000000000,"before":null,"after":[{"name":"id","type":"int8","value_base64":"/w=="},{"name":"grid","type":"int4[]","value":null},{"name":"note","type":"text","value":"\"\n"}]}"#
        );
    }

    #[test]
    fn what_is_too_large_is_told_by_its_sizes() {
        let columns = columns();
        assert_eq!(
            text(&letter(&columns, Some(rows())), Detail::Sizes, Some(99)),
            r#"{"schema":"public","table":"t","op":"u","lsn":"0/16B3748","tx_id":731,"ts_ms":1700000000000,"bytes":99,"before":[{"name":"id","type":"int8","bytes":1}],"after":[{"name":"id","type":"int8","bytes":1},{"name":"grid","type":"int4[]","bytes":9},{"name":"note","type":"text","unchanged":true}]}"#
        );
        assert_eq!(
            text(&letter(&columns, None), Detail::Sizes, Some(99)),
            r#"{"schema":"public","table":"t","op":"u","lsn":"0/16B3748","tx_id":731,"ts_ms":1700000000000,"bytes":99}"#
        );
        let message = Letter {
            subject: Subject::Message { prefix: "orders" },
            op: Op::Message,
            tx_id: None,
            ..letter(&columns, None)
        };
        assert_eq!(
            text(&message, Detail::Nothing, Some(99)),
            r#"{"prefix":"orders","op":"m","lsn":"0/16B3748","tx_id":null,"ts_ms":1700000000000,"bytes":99}"#
        );
    }

    #[test]
    fn a_text_is_never_longer_than_its_room() {
        let columns = columns();
        let letter = letter(&columns, Some(rows()));
        for detail in [Detail::Values, Detail::Sizes, Detail::Nothing] {
            let whole = letter.text(detail, None, usize::MAX).unwrap();
            assert_eq!(letter.text(detail, None, whole.len()).unwrap(), whole);
            assert_eq!(letter.text(detail, None, whole.len() - 1), None);
            assert_eq!(letter.text(detail, None, 0), None);
        }
    }
}
