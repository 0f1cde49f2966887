//! The transaction that sees the tables as they were.

use postgres_protocol::message::backend;

use super::query::CopyTable;
use super::rows::{CopyRows, announced_columns};
use crate::postgres::config::ConnectionConfig;
use crate::postgres::connection::{Purpose, Wire, establish, log_in, unexpected};
use crate::postgres::error::{Action, Error, ServerError, SqlState};
use crate::postgres::quote::quote_literal;

/// Read at a time while rows come.
const CHUNK_BYTES: usize = 256 << 10;
/// Read at a time otherwise.
const QUIET_CHUNK_BYTES: usize = 8 << 10;
/// A row larger than this is not held; the same limit as for frames of a stream.
const ROW_BYTES_MAX_DEFAULT: usize = 64 << 20;
/// A row's limit is never below what is kept of one that is too large.
const ROW_BYTES_MAX_MIN: usize = 64 << 10;

/// Rows come in the order of their pages, from the first page on: no parallel workers, no joining
/// of another session's scan.
const BEGIN: &str = "SET max_parallel_workers_per_gather = 0; SET synchronize_seqscans = off; \
     BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A read-only transaction on a snapshot, on a connection of its own. Takes no lock that blocks
/// writers, and waits for none longer than 10 s. Row security fails it instead of hiding rows.
#[derive(Debug)]
pub struct SnapshotReader {
    wire: Wire,
    row_bytes_max: usize,
    /// A copy has begun and its end was not read.
    copying: bool,
}

impl SnapshotReader {
    /// Connects and begins `REPEATABLE READ, READ ONLY` on snapshot `name`, or on one of its own.
    pub async fn begin(
        config: &ConnectionConfig,
        name: Option<&str>,
    ) -> Result<SnapshotReader, Error> {
        let (wire, _) = establish(config, |stream, deadline| async move {
            deadline
                .bound("logging in", log_in(stream, config, Purpose::Sql))
                .await
        })
        .await?;
        let mut reader = SnapshotReader {
            wire,
            row_bytes_max: ROW_BYTES_MAX_DEFAULT,
            copying: false,
        };
        reader.query(BEGIN).await?;
        if let Some(name) = name {
            let sql = format!("SET TRANSACTION SNAPSHOT {}", quote_literal(name));
            reader
                .query(&sql)
                .await
                .map_err(|error| gone(name, error))?;
        }
        Ok(reader)
    }

    /// A row larger than `bytes` comes as an [`OversizedRow`](super::OversizedRow).
    pub fn set_row_bytes_max(&mut self, bytes: usize) {
        self.row_bytes_max = bytes.max(ROW_BYTES_MAX_MIN);
    }

    /// Rows of a query inside the snapshot, values as text. For small answers: at most 16 MiB.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        self.ready()?;
        self.wire
            .query(sql, &Action::Statement("query the snapshot"))
            .await
    }

    /// Reads a table. The rows must be read to their end before the next call.
    pub async fn copy(&mut self, table: &CopyTable<'_>) -> Result<CopyRows<'_>, Error> {
        self.copy_select(&table.select()).await
    }

    /// Reads what `select` gives (`snapshot.select.statement.overrides`).
    pub async fn copy_select(&mut self, select: &str) -> Result<CopyRows<'_>, Error> {
        self.ready()?;
        self.copying = true;
        // The line end closes a comment at the end of a query that somebody wrote by hand.
        self.wire
            .send_query(&format!("COPY ({select}\n) TO STDOUT"))
            .await?;
        let message = self.wire.receive().await?;
        match message.tag {
            backend::COPY_OUT_RESPONSE_TAG => {
                let columns = announced_columns(&message.body)?;
                self.wire.parts_mut().1.set_chunk_bytes(CHUNK_BYTES);
                Ok(CopyRows::new(self, columns))
            }
            backend::ERROR_RESPONSE_TAG => {
                let error = ServerError::parse(&message.body);
                self.wire.settle().await?;
                self.copying = false;
                Err(error.during(&Action::Statement("read a table")))
            }
            tag => Err(unexpected(tag, "the start of a copy")),
        }
    }

    /// Ends the transaction and the connection.
    pub async fn finish(self) {
        self.wire.terminate().await;
    }

    pub(super) fn wire_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }

    pub(super) fn row_bytes_max(&self) -> usize {
        self.row_bytes_max
    }

    pub(super) fn is_copying(&self) -> bool {
        self.copying
    }

    pub(super) fn copy_is_over(&mut self) {
        self.copying = false;
        self.wire.parts_mut().1.set_chunk_bytes(QUIET_CHUNK_BYTES);
    }

    fn ready(&self) -> Result<(), Error> {
        if self.copying {
            return Err(Error::protocol(
                "a snapshot's connection is used on before its rows were read to their end",
            ));
        }
        Ok(())
    }
}

/// An exported snapshot ends with the session that exported it; the server then knows neither its
/// name nor its transaction.
fn gone(name: &str, error: Error) -> Error {
    match error {
        Error::Sql { source, .. }
            if source.code == SqlState::INVALID_PARAMETER_VALUE
                || source.code == SqlState::UNDEFINED_OBJECT
                || source.code == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE =>
        {
            Error::SnapshotGone {
                snapshot: name.to_owned(),
                source,
            }
        }
        error => error,
    }
}
