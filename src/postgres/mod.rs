//! PostgreSQL as a source: connections (SQL and replication), the catalogue, slots, publications,
//! snapshots, and the pure decoder of pgoutput.
//!
//! Invariants: nothing here holds durable state; what is confirmed to the server is decided by the
//! caller; reads take no locks that block writers; nothing read from the server panics or
//! allocates beyond a named limit.
//!
//! Not here: what becomes of the rows (`connect`).

pub mod catalog;
mod config;
mod connection;
mod error;
mod fields;
pub mod pgoutput;
pub mod preflight;
pub mod publication;
mod quote;
mod replication;
pub mod server;
pub mod slot;
mod snapshot;
mod sql;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod types;
mod url;

pub use crate::config::{AutocreateMode, Secret, SslMode};
pub use config::ConnectionConfig;
pub use error::{Error, Finding, ServerError, SqlState};
pub use quote::{quote_identifier, quote_literal};
pub use replication::{
    CreatedSlot, Frame, ReplicationConnection, ReplicationReader, StatusWriter, StreamOptions,
    SystemIdentity,
};
pub use snapshot::{CopyRows, CopyTable, OversizedRow, Row, RowBatch, SnapshotReader};
pub use sql::{SqlClient, connect_sql};
pub use url::UrlError;
