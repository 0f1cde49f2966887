//! `Relation`: how a table looks from here on. Sent before its first row and again after it
//! changed.

use super::cursor::Cursor;
use super::error::DecodeError;

/// The least a column takes: flags, the NUL of an empty name, type and modifier. Bounds what is
/// allocated by what the frame holds.
const COLUMN_BYTES_MIN: usize = 1 + 1 + 4 + 4;

/// What of an old row the server logs for updates and deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The primary key, if there is one.
    Default,
    /// Nothing.
    Nothing,
    /// The whole row.
    Full,
    /// The columns of a chosen unique index.
    Index,
}

impl ReplicaIdentity {
    /// Reads the letter of `pg_class.relreplident`.
    #[must_use]
    pub fn from_letter(letter: u8) -> Option<ReplicaIdentity> {
        match letter {
            b'd' => Some(ReplicaIdentity::Default),
            b'n' => Some(ReplicaIdentity::Nothing),
            b'f' => Some(ReplicaIdentity::Full),
            b'i' => Some(ReplicaIdentity::Index),
            // Letters of a later server.
            _ => None,
        }
    }
}

/// A table, named by the id that its rows carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The table's object id; rows refer to it.
    pub id: u32,
    /// The schema; `pg_catalog` is sent as an empty text and filled in here.
    pub namespace: &'a str,
    /// The table's name.
    pub name: &'a str,
    /// What old rows carry.
    pub replica_identity: ReplicaIdentity,
    /// The published columns, in the order of their cells.
    pub columns: Vec<RelationColumn<'a>>,
}

/// A column of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelationColumn<'a> {
    /// Whether it is part of the replica identity (every column, with `FULL`).
    pub is_key: bool,
    /// The column's name.
    pub name: &'a str,
    /// Its type's object id.
    pub type_oid: u32,
    /// Its type's modifier; -1 for none.
    pub type_modifier: i32,
}

impl<'a> Relation<'a> {
    pub(super) fn decode(cursor: &mut Cursor<'a>) -> Result<Relation<'a>, DecodeError> {
        let id = cursor.u32("a relation's id")?;
        let namespace = cursor.text("a relation's schema")?;
        let name = cursor.text("a relation's name")?;
        let letter = cursor.u8("a relation's replica identity")?;
        let replica_identity =
            ReplicaIdentity::from_letter(letter).ok_or(DecodeError::UnknownCode {
                field: "a relation's replica identity",
                value: letter,
            })?;
        let count = usize::from(cursor.u16("a relation's column count")?);
        let mut columns = Vec::with_capacity(count.min(cursor.rest().len() / COLUMN_BYTES_MIN));
        for _ in 0..count {
            columns.push(RelationColumn::decode(cursor)?);
        }
        Ok(Relation {
            id,
            namespace: if namespace.is_empty() {
                "pg_catalog"
            } else {
                namespace
            },
            name,
            replica_identity,
            columns,
        })
    }
}

impl<'a> RelationColumn<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<RelationColumn<'a>, DecodeError> {
        Ok(RelationColumn {
            is_key: cursor.u8("a column's flags")? & 1 != 0,
            name: cursor.text("a column's name")?,
            type_oid: cursor.u32("a column's type")?,
            type_modifier: cursor.i32("a column's type modifier")?,
        })
    }
}
