//! `Update`: a row changed.

use super::cursor::Cursor;
use super::error::DecodeError;
use super::tuple::{OldTuple, Tuple};

/// A row was updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Update<'a> {
    /// The table.
    pub relation_id: u32,
    /// The row before: its key where the key changed, the whole row with replica identity `FULL`.
    pub old: Option<OldTuple<'a>>,
    /// The row after.
    pub new: Tuple<'a>,
}

impl<'a> Update<'a> {
    pub(super) fn decode(cursor: &mut Cursor<'a>) -> Result<Update<'a>, DecodeError> {
        const KIND: &str = "an update's tuple kind";
        let relation_id = cursor.u32("an update's relation")?;
        let (old, kind) = match cursor.u8(KIND)? {
            b'N' => (None, b'N'),
            letter => (Some(OldTuple::decode(letter, cursor)?), cursor.u8(KIND)?),
        };
        if kind != b'N' {
            return Err(DecodeError::UnknownCode {
                field: KIND,
                value: kind,
            });
        }
        Ok(Update {
            relation_id,
            old,
            new: Tuple::decode(cursor)?,
        })
    }
}
