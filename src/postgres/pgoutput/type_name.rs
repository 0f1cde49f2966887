//! `Type`: the name of a type that is not built in, sent before a relation that uses it.

use super::cursor::Cursor;
use super::error::DecodeError;

/// A type's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeName<'a> {
    /// The type's object id (of the base type, for a domain).
    pub oid: u32,
    /// Its schema; `pg_catalog` is sent as an empty text and filled in here.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> TypeName<'a> {
    pub(super) fn decode(cursor: &mut Cursor<'a>) -> Result<TypeName<'a>, DecodeError> {
        let oid = cursor.u32("a type's id")?;
        let namespace = cursor.text("a type's schema")?;
        let name = cursor.text("a type's name")?;
        Ok(TypeName {
            oid,
            namespace: if namespace.is_empty() {
                "pg_catalog"
            } else {
                namespace
            },
            name,
        })
    }
}
