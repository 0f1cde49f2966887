//! Turns one change of a row into the records Debezium makes of it.
//!
//! - insert: one record. Update: one record, or three where the key changed (delete and tombstone
//!   of the old key, create of the new one). Delete: one record and, unless switched off, a
//!   tombstone. Truncate: one record without key.
//! - The records of one change are never cut by an append: the caller submits between changes.

use crate::config::ConnectorConfig;
use crate::convert::simple_header;
use crate::event::{
    ContextHeaders, Envelope, NEW_KEY, OLD_KEY, Op, Sequence, SnapshotMarker, Source, Value,
};
use crate::lsn::Lsn;
use crate::postgres::pgoutput::{OldTuple, Tuple};
use crate::record::Header;

use super::error::Error;
use super::outgoing::{CHANGE_BYTES_MAX, NewRecord, Outgoing};
use super::table::{Key, Table};

/// Bytes that the buffers of an emitter keep from event to event.
const BUFFER_BYTES_KEPT: usize = 4 << 20;

/// Where and when a change was made, as the `source` block tells it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point<'a> {
    pub(super) lsn: Lsn,
    /// Commit time (stream) or begin of the snapshot, microseconds since 1970.
    pub(super) ts_us: i64,
    pub(super) tx_id: Option<i64>,
    pub(super) last_commit: Option<Lsn>,
    pub(super) marker: SnapshotMarker,
    pub(super) origin: Option<(&'a str, Lsn)>,
}

/// Writes records of changes into [`Outgoing`]. One for each run of a connector.
#[derive(Debug)]
pub(super) struct Emitter {
    prefix: String,
    database: String,
    tombstones: bool,
    context: ContextHeaders,
    /// Reused from record to record.
    key: Vec<u8>,
    value: Vec<u8>,
}

/// What one change is encoded with, whichever records it becomes.
#[derive(Debug)]
pub(super) struct Change<'a, 'o> {
    pub(super) table: &'a Table,
    pub(super) point: &'a Point<'a>,
    /// Where its records go.
    pub(super) out: &'o mut Outgoing,
    /// When the event is made, in nanoseconds since 1970.
    pub(super) now_ns: i64,
}

impl Change<'_, '_> {
    /// Values of a whole row; see [`Table::row`].
    fn row<'t>(
        &self,
        tuple: &Tuple<'t>,
        old: Option<&[Value<'t>]>,
    ) -> Result<Vec<Value<'t>>, Error> {
        let cells = (tuple.len(), tuple.cells());
        self.table.row(cells, old, self.point.lsn)
    }

    /// Values of the row before the change, as far as they were sent.
    fn old_row<'t>(&self, old: &OldTuple<'t>) -> Result<Vec<Value<'t>>, Error> {
        match old {
            OldTuple::Full(tuple) => self.row(tuple, None),
            OldTuple::Key(tuple) => {
                let cells = (tuple.len(), tuple.cells());
                self.table.identity_row(cells, self.point.lsn)
            }
        }
    }
}

impl Emitter {
    pub(super) fn new(config: &ConnectorConfig, run_id: &str) -> Emitter {
        Emitter {
            prefix: config.topic_prefix.clone(),
            database: config.database.dbname.clone(),
            tombstones: config.tombstones_on_delete,
            context: ContextHeaders {
                logical_name: config.topic_prefix.clone(),
                run_id: run_id.to_owned(),
            },
            key: Vec::new(),
            value: Vec::new(),
        }
    }

    /// A row that is there: read by the snapshot (`op` Read) or inserted (`op` Create).
    pub(super) fn present(
        &mut self,
        change: &mut Change<'_, '_>,
        op: Op,
        row: &[Value<'_>],
    ) -> Result<(), Error> {
        self.record(change, op, None, Some(row), row, None)
    }

    /// An inserted row.
    pub(super) fn insert(
        &mut self,
        change: &mut Change<'_, '_>,
        new: &Tuple<'_>,
    ) -> Result<(), Error> {
        let row = change.row(new, None)?;
        self.present(change, Op::Create, &row)
    }

    /// An updated row.
    pub(super) fn update(
        &mut self,
        change: &mut Change<'_, '_>,
        old: Option<&OldTuple<'_>>,
        new: &Tuple<'_>,
    ) -> Result<(), Error> {
        let complete = matches!(old, Some(OldTuple::Full(_)));
        let before = old.map(|old| change.old_row(old)).transpose()?;
        let after = change.row(new, before.as_deref().filter(|_| complete))?;
        let moved = match (&before, &change.table.key) {
            (Some(before), Some(key)) if complete || key.in_identity => {
                (key.of(before) != key.of(&after)).then_some((before, key))
            }
            _ => None,
        };
        match moved {
            Some((before, key)) => self.moved(change, key, before, &after),
            None => {
                let before = before.as_deref().filter(|_| complete);
                self.record(change, Op::Update, before, Some(&after), &after, None)
            }
        }
    }

    /// A row whose key changed: delete and tombstone of the old key, create of the new one.
    fn moved(
        &mut self,
        change: &mut Change<'_, '_>,
        key: &Key,
        before: &[Value<'_>],
        after: &[Value<'_>],
    ) -> Result<(), Error> {
        let (table, lsn) = (change.table, change.point.lsn);
        let text = |row: &[Value<'_>]| {
            let mut text = Vec::new();
            let written = simple_header::write_struct(&key.schema, &key.of(row), &mut text);
            written
                .map(|()| text)
                .map_err(|cause| table.unwritable(lsn, cause))
        };
        let (new_key, old_key) = (text(after)?, text(before)?);
        let to = Some((NEW_KEY, new_key.as_slice()));
        let from = Some((OLD_KEY, old_key.as_slice()));
        // All are tried before the first is added: three records or none.
        self.encode(change, Op::Create, (None, Some(after)), after)?;
        let create = self.measure(change, from)?;
        self.encode(change, Op::Delete, (Some(before), None), before)?;
        let delete = self.measure(change, to)?;
        // A key fits into a page of an index, so the tombstone's is within the limit's margin.
        table.check_bytes(create.saturating_add(delete), CHANGE_BYTES_MAX, lsn)?;
        self.put(change, true, to)?;
        if self.tombstones {
            self.tombstone(change, before, to)?;
        }
        self.record(change, Op::Create, None, Some(after), after, from)
    }

    /// A deleted row.
    pub(super) fn delete(
        &mut self,
        change: &mut Change<'_, '_>,
        old: &OldTuple<'_>,
    ) -> Result<(), Error> {
        let before = change.old_row(old)?;
        self.record(change, Op::Delete, Some(&before), None, &before, None)?;
        if self.tombstones {
            self.tombstone(change, &before, None)?;
        }
        Ok(())
    }

    /// A truncated table.
    pub(super) fn truncate(&mut self, change: &mut Change<'_, '_>) -> Result<(), Error> {
        self.record(change, Op::Truncate, None, None, &[], None)
    }

    /// Whether the record of a row that is there can be written; nothing is added.
    pub(super) fn check(
        &mut self,
        change: &Change<'_, '_>,
        op: Op,
        row: &[Value<'_>],
    ) -> Result<(), Error> {
        self.encode(change, op, (None, Some(row)), row)?;
        self.measure(change, None).map(drop)
    }

    /// Gives back the memory that an event took which was too large to be added.
    pub(super) fn shrink(&mut self) {
        if self.key.capacity() + self.value.capacity() > BUFFER_BYTES_KEPT {
            self.key = Vec::new();
            self.value = Vec::new();
        }
    }

    /// Adds one record; `keyed` is the row whose key columns make the key (none for a truncate).
    fn record(
        &mut self,
        change: &mut Change<'_, '_>,
        op: Op,
        before: Option<&[Value<'_>]>,
        after: Option<&[Value<'_>]>,
        keyed: &[Value<'_>],
        extra: Option<(&str, &[u8])>,
    ) -> Result<(), Error> {
        self.encode(change, op, (before, after), keyed)?;
        self.put(change, true, extra)
    }

    /// Adds a record with the key of `keyed` and no value.
    fn tombstone(
        &mut self,
        change: &mut Change<'_, '_>,
        keyed: &[Value<'_>],
        extra: Option<(&str, &[u8])>,
    ) -> Result<(), Error> {
        // Debezium makes no tombstone where there is no key: it could not be compacted.
        if change.table.key.is_none() {
            return Ok(());
        }
        self.encode_key(change, keyed)?;
        self.put(change, false, extra)
    }

    /// Writes key and value of a record into the buffers.
    fn encode(
        &mut self,
        change: &Change<'_, '_>,
        op: Op,
        (before, after): (Option<&[Value<'_>]>, Option<&[Value<'_>]>),
        keyed: &[Value<'_>],
    ) -> Result<(), Error> {
        let (table, point) = (change.table, change.point);
        let source = Source {
            name: &self.prefix,
            ts_us: point.ts_us,
            snapshot: point.marker,
            db: &self.database,
            sequence: Some(Sequence {
                last_commit: point.last_commit,
                lsn: point.lsn,
            }),
            schema: &table.schema,
            table: &table.name,
            tx_id: point.tx_id,
            lsn: Some(point.lsn),
            xmin: None,
            origin: point.origin.map(|(name, _)| name),
            origin_lsn: point.origin.map(|(_, lsn)| lsn),
        };
        let event = Envelope {
            before,
            after,
            source: &source,
            transaction: None,
            op,
            ts_ns: change.now_ns,
        };
        self.value.clear();
        let written = table.envelope.write_envelope(&event, &mut self.value);
        written.map_err(|cause| table.unwritable(point.lsn, cause))?;
        self.encode_key(change, keyed)
    }

    /// Bytes that the record in the buffers takes; an error where its topic does not take it.
    fn measure(
        &self,
        change: &Change<'_, '_>,
        extra: Option<(&str, &[u8])>,
    ) -> Result<usize, Error> {
        self.with_record(change.now_ns, true, extra, |record| {
            change.table.check_size(&record, change.point.lsn)?;
            Ok(record.batch_bytes())
        })
    }

    /// Writes the key of `keyed` into its buffer; an empty one is none.
    fn encode_key(&mut self, change: &Change<'_, '_>, keyed: &[Value<'_>]) -> Result<(), Error> {
        self.key.clear();
        match &change.table.key {
            Some(key) if !keyed.is_empty() => {
                let written = key.plan.write_struct(&key.of(keyed), &mut self.key);
                written.map_err(|cause| change.table.unwritable(change.point.lsn, cause))
            }
            _ => Ok(()),
        }
    }

    /// Adds the record in the buffers, with or without its value.
    fn put(
        &self,
        change: &mut Change<'_, '_>,
        with_value: bool,
        extra: Option<(&str, &[u8])>,
    ) -> Result<(), Error> {
        let (table, lsn) = (change.table, change.point.lsn);
        self.with_record(change.now_ns, with_value, extra, |record| {
            table.check_size(&record, lsn)?;
            match table.lane(record.key) {
                Some(lane) => change.out.add(lane, record),
                None => Ok(()),
            }
        })
    }

    /// Calls `with` with the record in the buffers and its headers.
    fn with_record<T>(
        &self,
        now_ns: i64,
        with_value: bool,
        extra: Option<(&str, &[u8])>,
        with: impl FnOnce(NewRecord<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut headers = [Header {
            key: "",
            value: None,
        }; 5];
        let mut count = 0;
        let context = self
            .context
            .entries()
            .map(|(name, text)| (name, text.as_bytes()));
        for (name, text) in extra.into_iter().chain(context) {
            if let Some(header) = headers.get_mut(count) {
                *header = Header {
                    key: name,
                    value: Some(text),
                };
                count += 1;
            }
        }
        with(NewRecord {
            timestamp_ms: now_ns.div_euclid(1_000_000),
            // The JSON of a key is never empty.
            key: (!self.key.is_empty()).then_some(self.key.as_slice()),
            value: with_value.then_some(self.value.as_slice()),
            headers: headers.get(..count).unwrap_or_default(),
        })
    }
}
