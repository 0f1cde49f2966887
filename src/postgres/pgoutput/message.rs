//! The message of one frame, by its type byte.

use super::cursor::Cursor;
use super::{
    Begin, Commit, DecodeError, Delete, Insert, LogicalMessage, Origin, Relation, Truncate,
    TypeName, Update,
};

/// A message of pgoutput, protocol version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// `B`
    Begin(Begin),
    /// `C`
    Commit(Commit),
    /// `O`
    Origin(Origin<'a>),
    /// `R`
    Relation(Relation<'a>),
    /// `Y`
    Type(TypeName<'a>),
    /// `I`
    Insert(Insert<'a>),
    /// `U`
    Update(Update<'a>),
    /// `D`
    Delete(Delete<'a>),
    /// `T`
    Truncate(Truncate<'a>),
    /// `M`
    LogicalMessage(LogicalMessage<'a>),
}

/// Decodes the data of one `XLogData`. The message borrows from `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Message<'_>, DecodeError> {
    let (&tag, rest) = bytes.split_first().ok_or(DecodeError::Empty)?;
    let mut cursor = Cursor::new(rest);
    let message = match tag {
        b'I' => Message::Insert(Insert::decode(&mut cursor)?),
        b'U' => Message::Update(Update::decode(&mut cursor)?),
        b'D' => Message::Delete(Delete::decode(&mut cursor)?),
        b'B' => Message::Begin(Begin::decode(&mut cursor)?),
        b'C' => Message::Commit(Commit::decode(&mut cursor)?),
        b'R' => Message::Relation(Relation::decode(&mut cursor)?),
        b'Y' => Message::Type(TypeName::decode(&mut cursor)?),
        b'T' => Message::Truncate(Truncate::decode(&mut cursor)?),
        b'M' => Message::LogicalMessage(LogicalMessage::decode(&mut cursor)?),
        b'O' => Message::Origin(Origin::decode(&mut cursor)?),
        tag => return Err(DecodeError::UnknownMessage(tag)),
    };
    match cursor.rest().len() {
        0 => Ok(message),
        left => Err(DecodeError::Trailing { tag, left }),
    }
}

#[cfg(test)]
mod tests;
