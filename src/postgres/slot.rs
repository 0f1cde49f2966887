//! Replication slots, seen over SQL.

use std::fmt;

use tokio_postgres::Client;

use super::error::{Action, Error, sql_failure};
use super::fields::Fields;
use super::server::CURRENT_LSN;
use crate::lsn::Lsn;

/// `NAMEDATALEN` without its closing NUL.
const NAME_BYTES_MAX: usize = 63;

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
    fn from_word(word: &str) -> WalStatus {
        match word {
            "reserved" => WalStatus::Reserved,
            "extended" => WalStatus::Extended,
            "unreserved" => WalStatus::Unreserved,
            "lost" => WalStatus::Lost,
            // None, or a word of a later server.
            _ => WalStatus::Unknown,
        }
    }

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

impl SlotState {
    /// Whether this slot can be streamed from for `dbname`; says why not.
    pub fn check_fit(&self, dbname: &str) -> Result<(), Error> {
        let unfit = |why: String| {
            Err(Error::SlotUnfit {
                slot: self.name.clone(),
                why,
            })
        };
        if self.plugin.is_empty() {
            return unfit("it is a physical slot".to_owned());
        }
        if self.plugin != "pgoutput" {
            return unfit(format!("its plugin is \"{}\", not pgoutput", self.plugin));
        }
        if self.database != dbname {
            return unfit(format!(
                "it belongs to database \"{}\", not \"{dbname}\"",
                self.database
            ));
        }
        if self.two_phase {
            return unfit("it decodes prepared transactions (two_phase)".to_owned());
        }
        if self.wal_status == WalStatus::Lost || !self.invalidation.is_empty() {
            return Err(Error::SlotLost {
                slot: self.name.clone(),
                source: None,
            });
        }
        Ok(())
    }
}

/// What is known of slot `name`; `None` if there is none.
pub async fn inspect(client: &Client, name: &str) -> Result<Option<SlotState>, Error> {
    let doing = "look at the replication slot";
    let version: i32 = client
        .query_one("SELECT current_setting('server_version_num')::int4", &[])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| Error::from_sql(doing, error))?;
    let row = client
        .query_opt(&inspection(version), &[&name])
        .await
        .map_err(|error| Error::from_sql(doing, error))?;
    row.map(|row| state(&Fields::new(&row, doing))).transpose()
}

/// Columns that an older server does not have read as their old meaning.
fn inspection(version: i32) -> String {
    let two_phase = if version >= 140_000 {
        "s.two_phase"
    } else {
        "false"
    };
    let invalidation = if version >= 170_000 {
        "s.invalidation_reason"
    } else if version >= 160_000 {
        "CASE WHEN s.conflicting THEN 'conflict with recovery' END"
    } else {
        "NULL"
    };
    format!(
        "SELECT s.slot_name::text, s.plugin::text, s.database::text, s.temporary, s.active_pid,
                a.usename::text, a.application_name, host(a.client_addr), a.backend_start::text,
                s.restart_lsn::text, s.confirmed_flush_lsn::text, s.wal_status,
                s.safe_wal_size, {two_phase},
                pg_wal_lsn_diff({CURRENT_LSN}, s.restart_lsn)::int8, {invalidation}
           FROM pg_replication_slots s
           LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
          WHERE s.slot_name = $1"
    )
}

fn state(row: &Fields<'_>) -> Result<SlotState, Error> {
    let text = |index| Ok::<_, Error>(row.get::<Option<String>>(index)?.unwrap_or_default());
    let holder = match row.get::<Option<i32>>(4)? {
        Some(pid) => Some(Holder {
            pid,
            user: text(5)?,
            application_name: text(6)?,
            client_address: text(7)?,
            since: text(8)?,
        }),
        None => None,
    };
    Ok(SlotState {
        name: text(0)?,
        plugin: text(1)?,
        database: text(2)?,
        temporary: row.get(3)?,
        holder,
        restart_lsn: row.optional_lsn(9)?,
        confirmed_flush: row.optional_lsn(10)?,
        wal_status: WalStatus::from_word(&text(11)?),
        safe_wal_bytes: row.get(12)?,
        two_phase: row.get(13)?,
        retained_bytes: row.size(14)?,
        invalidation: text(15)?,
    })
}

/// Who streams from slot `name`, as the error to tell; for a refusal that names nobody.
pub async fn in_use(client: &Client, name: &str) -> Result<Error, Error> {
    let holder = inspect(client, name).await?.and_then(|state| state.holder);
    Ok(Error::SlotInUse {
        slot: name.to_owned(),
        holder: holder.map(Box::new),
        source: None,
    })
}

/// Drops slot `name` if it is there; whether it was.
pub async fn drop(client: &Client, name: &str) -> Result<bool, Error> {
    let action = Action::UseSlot {
        slot: name,
        doing: "drop",
    };
    let dropped = client
        .execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
              WHERE slot_name = $1",
            &[&name],
        )
        .await
        .map_err(|error| sql_failure(&action, error))?;
    Ok(dropped > 0)
}

/// Whether the server takes `name` as a slot's: lower case letters, digits and `_`, at most 63.
#[must_use]
pub fn is_legal_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}
