//! Reads tables as they were at one position of the log.

use super::query::CopyTable;
use super::rows::CopyRows;
use crate::postgres::config::ConnectionConfig;
use crate::postgres::error::Error;

/// A read-only transaction on an exported snapshot, on a connection of its own. Takes no lock that
/// blocks writers, and waits for none longer than 10 s.
#[derive(Debug)]
pub struct SnapshotReader {}

impl SnapshotReader {
    /// Connects and begins `REPEATABLE READ, READ ONLY` on snapshot `name`, or on one of its own.
    pub async fn begin(
        config: &ConnectionConfig,
        name: Option<&str>,
    ) -> Result<SnapshotReader, Error> {
        let _ = (config, name);
        unimplemented!()
    }

    /// Rows of a query inside the snapshot, values as text. For small answers: at most 16 MiB.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        let _ = sql;
        unimplemented!()
    }

    /// Reads a table. The reader must be read to its end before the next call.
    pub async fn copy(&mut self, table: &CopyTable<'_>) -> Result<CopyRows<'_>, Error> {
        let _ = table;
        unimplemented!()
    }

    /// Reads what `select` gives (`snapshot.select.statement.overrides`).
    pub async fn copy_select(&mut self, select: &str) -> Result<CopyRows<'_>, Error> {
        let _ = select;
        unimplemented!()
    }

    /// Ends the transaction and the connection.
    pub async fn finish(self) {}
}
