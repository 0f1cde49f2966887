//! Which changes of the stream become records: those of captured tables whose operation is not
//! skipped.

use crate::event::Op;
use crate::postgres::pgoutput::Message;

use super::context::Context;
use super::emit::{Emitter, Point};
use super::error::Error;
use super::outgoing::Outgoing;
use super::tables::Tables;

/// What a change is written with; borrowed from the stream for one change.
pub(super) struct Changes<'w> {
    pub(super) context: &'w Context,
    pub(super) tables: &'w Tables,
    pub(super) emitter: &'w mut Emitter,
    pub(super) out: &'w mut Outgoing,
}

impl Changes<'_> {
    /// Writes the records of one change, unless its operation is skipped or its table not
    /// captured.
    pub(super) fn write(
        self,
        point: &Point<'_>,
        change: &Message<'_>,
        now: i64,
    ) -> Result<(), Error> {
        let Changes {
            context,
            tables,
            emitter,
            out,
        } = self;
        let skip = context.config.skipped_operations;
        let (op, skipped) = match change {
            Message::Insert(_) => (Op::Create, skip.create),
            Message::Update(_) => (Op::Update, skip.update),
            Message::Delete(_) => (Op::Delete, skip.delete),
            Message::Truncate(_) => (Op::Truncate, skip.truncate),
            _ => return Ok(()),
        };
        if skipped {
            return Ok(());
        }
        if let Message::Truncate(truncate) = change {
            for relation in truncate.relation_ids.iter() {
                if let Some(table) = tables.captured(relation, point.lsn)? {
                    emitter.truncate(table, point, now, out)?;
                    context.gauges.count(op, 1);
                }
            }
            return Ok(());
        }
        let relation = match change {
            Message::Insert(insert) => insert.relation_id,
            Message::Update(update) => update.relation_id,
            Message::Delete(delete) => delete.relation_id,
            _ => return Ok(()),
        };
        let Some(table) = tables.captured(relation, point.lsn)? else {
            return Ok(());
        };
        context.gauges.count(op, 1);
        match change {
            Message::Insert(insert) => emitter.insert(table, point, &insert.new, now, out),
            Message::Update(update) => {
                emitter.update(table, point, update.old.as_ref(), &update.new, now, out)
            }
            Message::Delete(delete) => emitter.delete(table, point, &delete.old, now, out),
            _ => Ok(()),
        }
    }
}
