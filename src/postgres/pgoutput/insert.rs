//! `Insert`: a new row.

use super::cursor::Cursor;
use super::error::DecodeError;
use super::tuple::Tuple;

/// A row was inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insert<'a> {
    /// The table.
    pub relation_id: u32,
    /// The row.
    pub new: Tuple<'a>,
}

impl<'a> Insert<'a> {
    pub(super) fn decode(cursor: &mut Cursor<'a>) -> Result<Insert<'a>, DecodeError> {
        let relation_id = cursor.u32("an insert's relation")?;
        match cursor.u8("an insert's tuple kind")? {
            b'N' => Ok(Insert {
                relation_id,
                new: Tuple::decode(cursor)?,
            }),
            value => Err(DecodeError::UnknownCode {
                field: "an insert's tuple kind",
                value,
            }),
        }
    }
}
