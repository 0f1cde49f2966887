//! `Delete`: a row went away.

use super::cursor::Cursor;
use super::error::DecodeError;
use super::tuple::OldTuple;

/// A row was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delete<'a> {
    /// The table.
    pub relation_id: u32,
    /// The row: its key, or the whole of it with replica identity `FULL`.
    pub old: OldTuple<'a>,
}

impl<'a> Delete<'a> {
    pub(super) fn decode(cursor: &mut Cursor<'a>) -> Result<Delete<'a>, DecodeError> {
        let relation_id = cursor.u32("a delete's relation")?;
        let letter = cursor.u8("a delete's tuple kind")?;
        Ok(Delete {
            relation_id,
            old: OldTuple::decode(letter, cursor)?,
        })
    }
}
