//! Types.

use tokio_postgres::Client;

use crate::postgres::error::Error;
use crate::postgres::fields::Fields;

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

impl TypeKind {
    fn from_letter(letter: u8) -> Option<TypeKind> {
        match letter {
            b'b' => Some(TypeKind::Base),
            b'c' => Some(TypeKind::Composite),
            b'd' => Some(TypeKind::Domain),
            b'e' => Some(TypeKind::Enum),
            b'p' => Some(TypeKind::Pseudo),
            b'r' => Some(TypeKind::Range),
            b'm' => Some(TypeKind::Multirange),
            // Letters of a later server.
            _ => None,
        }
    }
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
    /// A range's subtype.
    pub subtype_oid: Option<u32>,
    /// An enum's labels in their order.
    pub labels: Vec<String>,
}

/// The types `oids` and all that they are made of (base types, elements, subtypes), each once.
pub async fn types(client: &Client, oids: &[u32]) -> Result<Vec<TypeInfo>, Error> {
    let doing = "read the types of the columns";
    let rows = client
        .query(TYPES, &[&oids])
        .await
        .map_err(|error| Error::from_sql(doing, error))?;
    let mut types = Vec::with_capacity(rows.len());
    for row in &rows {
        types.push(type_info(&Fields::new(row, doing))?);
    }
    Ok(types)
}

fn type_info(row: &Fields<'_>) -> Result<TypeInfo, Error> {
    let kind = row.letter(3)?;
    // 0 is PostgreSQL's "none".
    let oid = |index| Ok::<_, Error>(row.get::<Option<u32>>(index)?.filter(|oid| *oid != 0));
    Ok(TypeInfo {
        oid: row.get(0)?,
        schema: row.get(1)?,
        name: row.get(2)?,
        kind: TypeKind::from_letter(kind)
            .ok_or_else(|| Error::protocol(format!("a type of kind {:?}", char::from(kind))))?,
        category: char::from(row.letter(4)?),
        base_oid: oid(5)?,
        base_modifier: row.get(6)?,
        dimensions: row.get(7)?,
        element_oid: oid(8)?,
        subtype_oid: oid(9)?,
        labels: row.get::<Option<Vec<String>>>(10)?.unwrap_or_default(),
    })
}

const TYPES: &str = "WITH RECURSIVE used (oid) AS (
         SELECT unnest($1::oid[])
         UNION
         SELECT part.oid FROM used
           JOIN pg_type t ON t.oid = used.oid
           LEFT JOIN pg_range r ON r.rngtypid = t.oid
           CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem), (r.rngsubtype)) AS part (oid)
          WHERE part.oid <> 0
     )
     SELECT t.oid, n.nspname::text, t.typname::text, t.typtype, t.typcategory, t.typbasetype,
            t.typtypmod, t.typndims, t.typelem, r.rngsubtype,
            (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
               FROM pg_enum e WHERE e.enumtypid = t.oid)
       FROM used
       JOIN pg_type t ON t.oid = used.oid
       JOIN pg_namespace n ON n.oid = t.typnamespace
       LEFT JOIN pg_range r ON r.rngtypid = t.oid
      ORDER BY t.oid";
