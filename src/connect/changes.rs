//! Which changes of the stream become records: those of captured tables whose operation is not
//! skipped.

use crate::event::Op;
use crate::postgres::pgoutput::Message;

use super::context::Context;
use super::emit::{Change, Emitter, Point};
use super::error::Error;
use super::outgoing::Outgoing;
use super::tables::Tables;

/// A change of one table that cannot be written as events.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) relation: u32,
    pub(super) op: Op,
    pub(super) error: Error,
}

/// Whether changes of this kind leave no record.
pub(super) fn is_skipped(context: &Context, op: Op) -> bool {
    let skipped = context.config.skipped_operations;
    match op {
        Op::Create => skipped.create,
        Op::Update => skipped.update,
        Op::Delete => skipped.delete,
        Op::Truncate => skipped.truncate,
        Op::Read | Op::Message => false,
    }
}

/// What a change is written with; borrowed from the stream for one change.
pub(super) struct Changes<'w> {
    pub(super) context: &'w Context,
    pub(super) tables: &'w Tables,
    pub(super) emitter: &'w mut Emitter,
    pub(super) out: &'w mut Outgoing,
}

impl Changes<'_> {
    /// Writes the records of one change, unless its operation is skipped or its table not
    /// captured. Where they cannot be written none of them is, and the table with the reason is
    /// added to `refused`.
    pub(super) fn write(
        self,
        point: &Point<'_>,
        message: &Message<'_>,
        now_ns: i64,
        refused: &mut Vec<Refused>,
    ) -> Result<(), Error> {
        let Changes {
            context,
            tables,
            emitter,
            out,
        } = self;
        let op = match message {
            Message::Insert(_) => Op::Create,
            Message::Update(_) => Op::Update,
            Message::Delete(_) => Op::Delete,
            Message::Truncate(_) => Op::Truncate,
            _ => return Ok(()),
        };
        if is_skipped(context, op) {
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
            let written = match message {
                Message::Insert(insert) => emitter.insert(&mut change, &insert.new),
                Message::Update(update) => {
                    emitter.update(&mut change, update.old.as_ref(), &update.new)
                }
                Message::Delete(delete) => emitter.delete(&mut change, &delete.old),
                Message::Truncate(_) => emitter.truncate(&mut change),
                _ => Ok(()),
            };
            match written {
                Ok(()) => {}
                Err(error) if error.bad_change().is_some() => {
                    emitter.shrink();
                    refused.push(Refused {
                        relation,
                        op,
                        error,
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
