//! `Message`: what `pg_logical_emit_message` wrote.

use super::cursor::Cursor;
use super::error::DecodeError;
use crate::lsn::Lsn;

/// A message that an application wrote into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogicalMessage<'a> {
    /// Whether it belongs to the open transaction; else it stands for itself, comes at once and
    /// stays even if the transaction that wrote it is rolled back.
    pub transactional: bool,
    /// Its position.
    pub lsn: Lsn,
    /// What kind of message it is, by the application's own rules.
    pub prefix: &'a str,
    /// Its content.
    pub content: &'a [u8],
}

impl<'a> LogicalMessage<'a> {
    pub(super) fn decode(cursor: &mut Cursor<'a>) -> Result<LogicalMessage<'a>, DecodeError> {
        let transactional = cursor.u8("a logical message's flags")? & 1 != 0;
        let lsn = cursor.lsn("a logical message's position")?;
        let prefix = cursor.text("a logical message's prefix")?;
        let length = cursor.length("a logical message's length")?;
        Ok(LogicalMessage {
            transactional,
            lsn,
            prefix,
            content: cursor.take(length, "a logical message's content")?,
        })
    }
}
