//! Replication slots, seen over SQL.

use std::fmt;

use tokio_postgres::Client;

use super::error::Error;
use crate::lsn::Lsn;

/// Who streams from a slot. Fields that the role may not see are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The server process.
    pub pid: i32,
    /// The role.
    pub user: String,
    /// What the other side calls itself.
    pub application_name: String,
    /// Its address; empty for a Unix socket.
    pub client_address: String,
    /// Since when, as the server writes times.
    pub since: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        if !self.application_name.is_empty() {
            write!(f, " \"{}\"", self.application_name)?;
        }
        if !self.user.is_empty() {
            write!(f, " of role \"{}\"", self.user)?;
        }
        if !self.client_address.is_empty() {
            write!(f, " at {}", self.client_address)?;
        }
        if !self.since.is_empty() {
            write!(f, " since {}", self.since)?;
        }
        Ok(())
    }
}

/// How much of the log that a slot needs is still there (`wal_status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalStatus {
    /// Within `max_wal_size`.
    Reserved,
    /// Beyond it, kept for the slot.
    Extended,
    /// About to be removed.
    Unreserved,
    /// Removed: the slot is of no use any more.
    Lost,
    /// A word that is not known here, or none.
    Unknown,
}

impl WalStatus {
    /// PostgreSQL's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            WalStatus::Reserved => "reserved",
            WalStatus::Extended => "extended",
            WalStatus::Unreserved => "unreserved",
            WalStatus::Lost => "lost",
            WalStatus::Unknown => "unknown",
        }
    }
}

/// What `pg_replication_slots` says of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotState {
    /// The slot.
    pub name: String,
    /// Output plugin; empty for a physical slot.
    pub plugin: String,
    /// Database; empty for a physical slot.
    pub database: String,
    /// Whether it goes away with its connection.
    pub temporary: bool,
    /// Who streams from it now.
    pub holder: Option<Holder>,
    /// From where on the server keeps its log; `None` when it is lost or new.
    pub restart_lsn: Option<Lsn>,
    /// Up to where changes were confirmed; `None` for a slot that is still being made.
    pub confirmed_flush: Option<Lsn>,
    /// How much of its log is still there.
    pub wal_status: WalStatus,
    /// Bytes that may still be written before it is lost; `None`: without limit.
    pub safe_wal_bytes: Option<i64>,
    /// Whether prepared transactions are decoded at `PREPARE`.
    pub two_phase: bool,
    /// Log that is kept because of it, in bytes.
    pub retained_bytes: u64,
    /// Why it was invalidated (PostgreSQL 16 and later); empty if it was not or is not said.
    pub invalidation: String,
}

/// What is known of slot `name`; `None` if there is none.
pub async fn inspect(client: &Client, name: &str) -> Result<Option<SlotState>, Error> {
    let _ = (client, name);
    unimplemented!()
}
