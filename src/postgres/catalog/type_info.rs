//! Types.

use tokio_postgres::Client;

use crate::postgres::error::Error;

/// `pg_type.typtype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeKind {
    /// `b`; arrays are base types with an element.
    Base,
    /// `c`
    Composite,
    /// `d`
    Domain,
    /// `e`
    Enum,
    /// `p`
    Pseudo,
    /// `r`
    Range,
    /// `m`
    Multirange,
}

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeInfo {
    /// Object id.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name, without its schema.
    pub name: String,
    /// Kind.
    pub kind: TypeKind,
    /// `pg_type.typcategory`: `A` for arrays.
    pub category: char,
    /// A domain's base type.
    pub base_oid: Option<u32>,
    /// A domain's type modifier; -1 for none.
    pub base_modifier: i32,
    /// A domain's number of array dimensions.
    pub dimensions: i32,
    /// An array's (or vector's) element.
    pub element_oid: Option<u32>,
    /// A range's or multirange's subtype.
    pub subtype_oid: Option<u32>,
    /// An enum's labels in their order.
    pub labels: Vec<String>,
}

/// The types `oids` and all that they are made of (base types, elements, subtypes).
pub async fn types(client: &Client, oids: &[u32]) -> Result<Vec<TypeInfo>, Error> {
    let _ = (client, oids);
    unimplemented!()
}
