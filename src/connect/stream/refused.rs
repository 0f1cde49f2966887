//! Changes of the stream that cannot be written as events, or are too large to be read: their dead
//! letters.
//!
//! Such a change is counted in the position as every other, and its letter is in the append that
//! carries that position, so neither a restart nor a kill repeats or drops it.

use bytes::Bytes;

use crate::event::Op;
use crate::lsn::Lsn;
use crate::postgres::pgoutput::{Cell, Head, HeadChange, Message};

use super::super::changes::{self, Refused};
use super::super::error::Error;
use super::super::letter::{Letter, RawRow, Rows, Subject};
use super::super::message::MessagePoint;
use super::super::table::Table;
use super::Stream;

impl Stream<'_> {
    /// A change of a table that cannot be written.
    pub(super) async fn on_refused(
        &mut self,
        lsn: Lsn,
        place: MessagePoint,
        change: &Message<'_>,
        refused: Refused,
    ) -> Result<(), Error> {
        let Some(table) = self.tables.captured(refused.relation, lsn)? else {
            return Ok(());
        };
        let rows = rows(change);
        let letter = Letter {
            key: key(table, &rows),
            rows: Some(rows),
            ..row_letter(table, refused.op, lsn, place)
        };
        self.letters
            .write(self.context, &mut self.out, &letter, refused.error)
            .await
    }

    /// A message of the stream that is larger than what is held, of which `head` is the beginning.
    pub(super) async fn on_oversized(
        &mut self,
        lsn: Lsn,
        bytes: u64,
        head: &Bytes,
    ) -> Result<(), Error> {
        let error = Error::FrameTooLarge { lsn, bytes };
        match Head::decode(head) {
            None => Err(error),
            Some(Head::Row {
                change,
                relation_id,
                cells,
            }) => {
                let Some(place) = self.place(lsn)? else {
                    return Ok(());
                };
                let op = op(change);
                self.on_oversized_row(place, op, relation_id, &cells, error)
                    .await
            }
            Some(Head::LogicalMessage {
                transactional,
                lsn,
                prefix,
            }) => {
                let place = match transactional {
                    true => self.place(lsn)?,
                    false => self.place_outside(lsn),
                };
                let Some(place) = place else { return Ok(()) };
                self.context.gauges.count(Op::Message, 1);
                self.on_refused_message(prefix, lsn, place, error).await
            }
        }
    }

    async fn on_oversized_row(
        &mut self,
        place: MessagePoint,
        op: Op,
        relation: u32,
        cells: &[Cell<'_>],
        error: Error,
    ) -> Result<(), Error> {
        let Error::FrameTooLarge { lsn, .. } = error else {
            return Err(error);
        };
        if changes::is_skipped(self.context, op) {
            return Ok(());
        }
        let Some(table) = self.tables.captured(relation, lsn)? else {
            return Ok(());
        };
        self.context.gauges.count(op, 1);
        self.last_change_us = Some(place.ts_us);
        let letter = Letter {
            key: table.key_of(cells.iter().copied()),
            ..row_letter(table, op, lsn, place)
        };
        self.letters
            .write(self.context, &mut self.out, &letter, error)
            .await
    }
}

fn op(change: HeadChange) -> Op {
    match change {
        HeadChange::Insert => Op::Create,
        HeadChange::Update => Op::Update,
        HeadChange::Delete => Op::Delete,
    }
}

/// A letter about a row of `table`, without key and rows.
fn row_letter(table: &Table, op: Op, lsn: Lsn, place: MessagePoint) -> Letter<'_> {
    Letter {
        topic: &table.topic,
        subject: Subject::row_of(table),
        op,
        lsn,
        tx_id: place.tx_id,
        ts_ms: place.ts_us.div_euclid(1_000),
        key: None,
        rows: None,
    }
}

/// The rows of a change as they came.
fn rows<'t>(change: &Message<'t>) -> Rows<'t> {
    match change {
        Message::Insert(insert) => Rows {
            before: None,
            after: Some(RawRow::of_tuple(&insert.new)),
        },
        Message::Update(update) => Rows {
            before: update.old.as_ref().map(RawRow::of_old),
            after: Some(RawRow::of_tuple(&update.new)),
        },
        Message::Delete(delete) => Rows {
            before: Some(RawRow::of_old(&delete.old)),
            after: None,
        },
        // A truncate has no rows, and nothing else is written as a change of a table.
        _ => Rows::default(),
    }
}

/// The key of the new row, or of the old one where there is none or its key cannot be made.
fn key(table: &Table, rows: &Rows<'_>) -> Option<Vec<u8>> {
    let of = |row: &Option<RawRow<'_>>| table.key_of(row.as_ref()?.cells());
    of(&rows.after).or_else(|| of(&rows.before))
}
