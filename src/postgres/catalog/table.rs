//! Which tables there are.

use tokio_postgres::Client;

use crate::postgres::error::Error;
use crate::postgres::fields::Fields;
use crate::postgres::pgoutput::ReplicaIdentity;

/// What kind of table it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// An ordinary table, a partition included.
    Ordinary,
    /// A partitioned table; its rows are in its partitions.
    Partitioned,
}

/// A table that can be captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Object id.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: TableKind,
    /// What of an old row is logged.
    pub replica_identity: ReplicaIdentity,
    /// The partitioned table it is a partition of.
    pub parent_oid: Option<u32>,
    /// Changes with every rewrite of the table; 0 for a partitioned one.
    pub relfilenode: u32,
    /// Rows as of the last `ANALYZE`; `None` if there was none.
    pub estimated_rows: Option<u64>,
    /// Unlogged tables are never published.
    pub unlogged: bool,
}

/// Every table outside of the system's schemas, by `schema.name`; temporary ones left out, as they
/// are never published.
pub async fn tables(client: &Client) -> Result<Vec<Table>, Error> {
    let doing = "list the tables";
    let rows = client
        .query(
            "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind, c.relreplident,
                    (SELECT i.inhparent FROM pg_inherits i
                      WHERE i.inhrelid = c.oid AND c.relispartition LIMIT 1),
                    c.relfilenode, c.reltuples::float8::int8, c.relpersistence = 'u'
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
                AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'",
            &[],
        )
        .await
        .map_err(|error| Error::from_sql(doing, error))?;
    let mut tables = Vec::with_capacity(rows.len());
    for row in &rows {
        tables.push(table(&Fields::new(row, doing))?);
    }
    tables.sort_by_cached_key(|table| format!("{}.{}", table.schema, table.name));
    Ok(tables)
}

fn table(row: &Fields<'_>) -> Result<Table, Error> {
    let letter = row.letter(4)?;
    Ok(Table {
        oid: row.get(0)?,
        schema: row.get(1)?,
        name: row.get(2)?,
        kind: if row.letter(3)? == b'p' {
            TableKind::Partitioned
        } else {
            TableKind::Ordinary
        },
        replica_identity: ReplicaIdentity::from_letter(letter)
            .ok_or_else(|| Error::protocol(format!("replica identity {:?}", char::from(letter))))?,
        parent_oid: row.get(5)?,
        relfilenode: row.get(6)?,
        // -1 before the first ANALYZE (0 until PostgreSQL 13).
        estimated_rows: u64::try_from(row.get::<i64>(7)?).ok(),
        unlogged: row.get(8)?,
    })
}
