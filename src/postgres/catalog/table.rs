//! Which tables there are.

use tokio_postgres::Client;

use crate::postgres::error::Error;
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

/// Every table outside of the system's schemas, by schema and name.
pub async fn tables(client: &Client) -> Result<Vec<Table>, Error> {
    let _ = client;
    unimplemented!()
}
