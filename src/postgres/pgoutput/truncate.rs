//! `Truncate`: tables were emptied, all in one message.

use super::cursor::Cursor;
use super::error::DecodeError;

/// Bytes of one relation id.
const ID_BYTES: usize = 4;

/// Tables were truncated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncate<'a> {
    /// `TRUNCATE ... CASCADE`.
    pub cascade: bool,
    /// `TRUNCATE ... RESTART IDENTITY`.
    pub restart_identity: bool,
    /// The tables, in the server's order.
    pub relation_ids: RelationIds<'a>,
}

/// The tables of a truncate, read off the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelationIds<'a> {
    bytes: &'a [u8],
}

impl<'a> RelationIds<'a> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / ID_BYTES
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = u32> + use<'a> {
        let (ids, _) = self.bytes.as_chunks::<ID_BYTES>();
        ids.iter().map(|id| u32::from_be_bytes(*id))
    }
}

impl<'a> Truncate<'a> {
    pub(super) fn decode(cursor: &mut Cursor<'a>) -> Result<Truncate<'a>, DecodeError> {
        let count = cursor.length("a truncate's relation count")?;
        let options = cursor.u8("a truncate's options")?;
        let bytes = cursor.take(count.saturating_mul(ID_BYTES), "a truncate's relations")?;
        Ok(Truncate {
            cascade: options & 1 != 0,
            restart_identity: options & 2 != 0,
            relation_ids: RelationIds { bytes },
        })
    }
}
