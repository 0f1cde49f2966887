//! Which changes of the stream become records: those of captured tables whose operation is not
//! skipped.

use crate::event::Op;
use crate::postgres::pgoutput::Message;

use super::context::Context;
use super::emit::{Change, Emitter, Point};
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
        message: &Message<'_>,
        now_ns: i64,
    ) -> Result<(), Error> {
        let Changes {
            context,
            tables,
            emitter,
            out,
        } = self;
        let skip = context.config.skipped_operations;
        let (op, skipped) = match message {
            Message::Insert(_) => (Op::Create, skip.create),
            Message::Update(_) => (Op::Update, skip.update),
            Message::Delete(_) => (Op::Delete, skip.delete),
            Message::Truncate(_) => (Op::Truncate, skip.truncate),
            _ => return Ok(()),
        };
        if skipped {
            return Ok(());
        }
        let relations: &mut dyn Iterator<Item = u32> = match message {
            Message::Insert(insert) => &mut std::iter::once(insert.relation_id),
            Message::Update(update) => &mut std::iter::once(update.relation_id),
            Message::Delete(delete) => &mut std::iter::once(delete.relation_id),
            Message::Truncate(truncate) => &mut truncate.relation_ids.iter(),
            _ => return Ok(()),
        };
        for relation in relations {
            let Some(table) = tables.captured(relation, point.lsn)? else {
                continue;
            };
            context.gauges.count(op, 1);
            let mut change = Change {
                table,
                point,
                out,
                now_ns,
            };
            match message {
                Message::Insert(insert) => emitter.insert(&mut change, &insert.new)?,
                Message::Update(update) => {
                    emitter.update(&mut change, update.old.as_ref(), &update.new)?;
                }
                Message::Delete(delete) => emitter.delete(&mut change, &delete.old)?,
                Message::Truncate(_) => emitter.truncate(&mut change)?,
                _ => {}
            }
        }
        Ok(())
    }
}
