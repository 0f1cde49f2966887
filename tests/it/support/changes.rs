//! The judge of captured changes: PostgreSQL's own decoding of the same transactions.
//!
//! A second slot with `test_decoding` is made while nothing is written. What it gives afterwards
//! is every committed change in commit order; a table's topic must hold exactly the records that
//! follow from it, in that order, however often anything was killed meanwhile.

use std::collections::BTreeMap;

use serde_json::Value;

use super::kcat::Record;
use super::sql::Sql;

/// The slot of the judge.
const SLOT: &str = "oracle";

/// Columns by name, values as text.
type Columns = BTreeMap<String, String>;

/// What a record of a change topic says. Long runs hold millions, so columns are one text,
/// `name=value` in the order of the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Debezium's `op`, or `-` for a tombstone.
    pub(crate) op: char,
    /// The columns of the primary key.
    pub(crate) key: Box<str>,
    /// The row after the change; empty for deletes and tombstones.
    pub(crate) row: Box<str>,
}

fn one_text(columns: &Columns) -> Box<str> {
    let pairs: Vec<String> = columns
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join(" ").into()
}

/// A captured table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) key: &'static [&'static str],
}

/// Makes the judge's slot; nothing may be written between here and the last record seen.
pub(crate) fn begin(sql: &Sql) {
    sql.exec(&format!(
        "select pg_create_logical_replication_slot('{SLOT}', 'test_decoding')"
    ));
}

/// The records that all committed changes since [`begin`] make, by table; ends the slot.
pub(crate) fn expected(sql: &Sql, tables: &[Table]) -> BTreeMap<&'static str, Vec<Entry>> {
    let rows = sql.rows(&format!(
        "select data from pg_logical_slot_get_changes('{SLOT}', null, null, 'include-xids', '0')"
    ));
    sql.exec(&format!("select pg_drop_replication_slot('{SLOT}')"));
    let mut expected: BTreeMap<&str, Vec<Entry>> =
        tables.iter().map(|t| (t.name, vec![])).collect();
    for line in rows
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
    {
        let Some((name, change)) = split_line(&line) else {
            continue;
        };
        if let Some(table) = tables.iter().find(|table| table.name == name) {
            expected
                .get_mut(table.name)
                .unwrap()
                .extend(entries(table, change));
        }
    }
    expected
}

/// Table (without `public.`) and the rest of a line such as `table public.t: INSERT: id[integer]:1`.
fn split_line(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("table public.")?.split_once(": ")
}

/// The records of one change, as Debezium writes them.
fn entries(table: &Table, change: &str) -> Vec<Entry> {
    let (kind, tuples) = change.split_once(": ").unwrap();
    let entry = |op: char, key: Box<str>, row: Box<str>| Entry { op, key, row };
    let key_of = |row: &Columns| -> Box<str> { key_text(table, row) };
    let gone = |key: Box<str>| {
        [
            entry('d', key.clone(), "".into()),
            entry('-', key, "".into()),
        ]
    };
    match kind {
        "INSERT" => {
            let row = columns(tuples);
            vec![entry('c', key_of(&row), one_text(&row))]
        }
        "DELETE" => gone(key_of(&columns(tuples))).into(),
        "UPDATE" => {
            let old_and_new = tuples.strip_prefix("old-key: ");
            let old_and_new = old_and_new.and_then(|rest| rest.split_once(" new-tuple: "));
            let row = columns(old_and_new.map_or(tuples, |(_, new)| new));
            let key = key_of(&row);
            match old_and_new.map(|(old, _)| key_of(&columns(old))) {
                Some(old) if old != key => {
                    let mut records: Vec<Entry> = gone(old).into();
                    records.push(entry('c', key, one_text(&row)));
                    records
                }
                _ => vec![entry('u', key, one_text(&row))],
            }
        }
        other => panic!("{other} in a load without it: {change}"),
    }
}

/// The columns of the primary key of a row.
fn key_text(table: &Table, row: &Columns) -> Box<str> {
    let column = |name: &&str| ((*name).to_owned(), row[*name].clone());
    one_text(&table.key.iter().map(column).collect())
}

/// Parses `id[bigint]:1 note[text]:'it''s'`.
fn columns(tuple: &str) -> Columns {
    let mut columns = Columns::new();
    let mut rest = tuple;
    while let Some((name, after)) = rest.split_once('[') {
        let (_, after) = after.split_once("]:").unwrap();
        let (value, next) = if let Some(quoted) = after.strip_prefix('\'') {
            quoted_text(quoted)
        } else {
            let (value, next) = after.split_once(' ').unwrap_or((after, ""));
            (value.to_owned(), next)
        };
        columns.insert(name.trim_start().to_owned(), value);
        rest = next;
    }
    columns
}

/// A text up to its closing quote, and what follows.
fn quoted_text(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('\'').unwrap();
        value += part;
        match after.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return (value, after.trim_start()),
        }
    }
}

/// What the records of a topic without schemas say.
pub(crate) fn observed(records: &[Record]) -> Vec<Entry> {
    records.iter().map(observe).collect()
}

fn observe(record: &Record) -> Entry {
    let parse = |text: &str| -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {record:?}"))
    };
    let key = record.key.as_deref().map_or(Value::Null, parse);
    let Some(value) = record.value.as_deref().map(parse) else {
        return Entry {
            op: '-',
            key: one_text(&texts(&key)),
            row: "".into(),
        };
    };
    Entry {
        op: value["op"]
            .as_str()
            .and_then(|op| op.chars().next())
            .unwrap_or('?'),
        key: one_text(&texts(&key)),
        row: one_text(&texts(&value["after"])),
    }
}

/// A flat JSON object as PostgreSQL writes its values.
fn texts(object: &Value) -> Columns {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let fields = object.as_object().into_iter().flatten();
    fields
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

/// The first place where what was read differs from what was committed.
pub(crate) fn difference(topic: &str, want: &[Entry], got: &[Entry]) -> Option<String> {
    let place = want.iter().zip(got).position(|(want, got)| want != got);
    let place = place.unwrap_or(want.len().min(got.len()));
    if place == want.len() && place == got.len() {
        return None;
    }
    let around = |entries: &[Entry]| -> String {
        let from = place.saturating_sub(1);
        let shown = entries.iter().skip(from).take(3);
        shown.map(|entry| format!("\n      {entry:?}")).collect()
    };
    Some(format!(
        "{topic}: {} changes committed, {} in the topic; they differ at {place}\n    committed:{}\n    read:{}",
        want.len(),
        got.len(),
        around(want),
        around(got)
    ))
}

/// The table that follows from a topic: the last row of each key.
pub(crate) fn fold(entries: &[Entry]) -> BTreeMap<Box<str>, Box<str>> {
    let mut table = BTreeMap::new();
    for entry in entries {
        if entry.row.is_empty() {
            table.remove(&entry.key);
        } else {
            table.insert(entry.key.clone(), entry.row.clone());
        }
    }
    table
}

/// The table as it is.
pub(crate) fn select(sql: &Sql, table: &Table) -> BTreeMap<Box<str>, Box<str>> {
    let names = sql.rows(&format!(
        "select attname from pg_attribute where attrelid = '{}'::regclass and attnum > 0 and not attisdropped order by attnum",
        table.name
    ));
    let names: Vec<String> = names.into_iter().flatten().flatten().collect();
    let rows = sql.rows(&format!("select * from {}", table.name));
    rows.into_iter()
        .map(|row| {
            let value = |value: Option<String>| value.unwrap_or_else(|| "null".to_owned());
            let row: Columns = names
                .iter()
                .cloned()
                .zip(row.into_iter().map(value))
                .collect();
            (key_text(table, &row), one_text(&row))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Table = Table {
        name: "t",
        key: &["id"],
    };

    fn said(change: &str) -> Vec<(char, String, String)> {
        let entries = entries(&T, change).into_iter();
        entries
            .map(|e| (e.op, e.key.into_string(), e.row.into_string()))
            .collect()
    }

    #[test]
    fn a_decoded_line_becomes_the_records_of_the_change() {
        let s = |op: char, key: &str, row: &str| (op, key.to_owned(), row.to_owned());
        assert_eq!(
            said("INSERT: id[bigint]:1 note[text]:'it''s [a]: b' v[integer]:null"),
            [s('c', "id=1", "id=1 note=it's [a]: b v=null")]
        );
        assert_eq!(
            said("UPDATE: id[bigint]:1 v[integer]:2"),
            [s('u', "id=1", "id=1 v=2")]
        );
        assert_eq!(
            said("UPDATE: old-key: id[bigint]:1 new-tuple: id[bigint]:9 v[integer]:2"),
            [
                s('d', "id=1", ""),
                s('-', "id=1", ""),
                s('c', "id=9", "id=9 v=2")
            ]
        );
        assert_eq!(
            said("DELETE: id[bigint]:9"),
            [s('d', "id=9", ""), s('-', "id=9", "")]
        );
    }

    #[test]
    fn lost_repeated_and_swapped_records_are_differences() {
        let row = |id: u32| entries(&T, &format!("INSERT: id[bigint]:{id}")).remove(0);
        let want = vec![row(1), row(2), row(3)];
        assert_eq!(difference("t", &want, &want), None);
        let lost = vec![row(1), row(3)];
        let repeated = vec![row(1), row(2), row(2), row(3)];
        let swapped = vec![row(2), row(1), row(3)];
        let more = vec![row(1), row(2), row(3), row(4)];
        for got in [lost, repeated, swapped, more] {
            assert!(difference("t", &want, &got).is_some(), "{got:?}");
        }
    }
}
