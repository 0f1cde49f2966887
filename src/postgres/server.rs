//! The server's settings that the source depends on.

use tokio_postgres::Client;

use super::error::Error;
use super::fields::Fields;
use crate::lsn::Lsn;

const DOING: &str = "read the server's settings";

/// SQL for the end of the log on a primary or a standby.
pub(super) const CURRENT_LSN: &str = "CASE WHEN pg_is_in_recovery() \
     THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END";

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
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::int4, current_setting('wal_level'),
                    (SELECT setting::int8 FROM pg_settings WHERE name = 'wal_sender_timeout'),
                    pg_is_in_recovery(),
                    (SELECT setting::int8 FROM pg_settings
                      WHERE name = 'max_slot_wal_keep_size'),
                    current_setting('max_replication_slots')::int4,
                    current_setting('max_wal_senders')::int4,
                    current_setting('server_encoding')",
            &[],
        )
        .await
        .map_err(|error| Error::from_sql(DOING, error))?;
    let row = Fields::new(&row, DOING);
    Ok(Settings {
        version_num: row.count(0)?,
        wal_level: row.get(1)?,
        wal_sender_timeout_ms: row.size(2)?,
        in_recovery: row.get(3)?,
        // Megabytes; -1 is "without limit", and PostgreSQL 12 has no such setting.
        max_slot_wal_keep_bytes: row
            .get::<Option<i64>>(4)?
            .and_then(|megabytes| u64::try_from(megabytes).ok())
            .map(|megabytes| megabytes.saturating_mul(1 << 20)),
        max_replication_slots: row.count(5)?,
        max_wal_senders: row.count(6)?,
        encoding: row.get(7)?,
    })
}

/// The end of the log: where it is written, or on a standby replayed, to.
pub async fn current_lsn(client: &Client) -> Result<Lsn, Error> {
    let doing = "ask for the end of the log";
    let row = client
        .query_one(&format!("SELECT {CURRENT_LSN}::text"), &[])
        .await
        .map_err(|error| Error::from_sql(doing, error))?;
    Fields::new(&row, doing).lsn(0)
}
