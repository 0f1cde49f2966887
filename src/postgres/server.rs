//! The server's settings that the source depends on.

use tokio_postgres::Client;

use super::error::Error;
use crate::lsn::Lsn;

/// Settings, as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `150004` for 15.4.
    pub version_num: u32,
    /// `logical` is needed.
    pub wal_level: String,
    /// A silent walsender is ended after this long; 0: never.
    pub wal_sender_timeout_ms: u64,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// At most this much log is kept for slots, in bytes; `None`: without limit.
    pub max_slot_wal_keep_bytes: Option<u64>,
    /// Slots the server allows.
    pub max_replication_slots: u32,
    /// Walsenders the server allows.
    pub max_wal_senders: u32,
    /// The database's encoding.
    pub encoding: String,
}

/// Reads the settings.
pub async fn settings(client: &Client) -> Result<Settings, Error> {
    let _ = client;
    unimplemented!()
}

/// The end of the log: where it is written, or on a standby replayed, to.
pub async fn current_lsn(client: &Client) -> Result<Lsn, Error> {
    let _ = client;
    unimplemented!()
}
