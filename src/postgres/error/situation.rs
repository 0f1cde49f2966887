//! What can go wrong between here and the database, told apart as far as an operator's next step
//! differs.
//!
//! `Display` says what and where; the server's own words are the `source()`; `mend()` says what to
//! do, with SQL to paste where there is some.

use std::io;
use std::time::Duration;

use super::{Action, ServerError, sql_failure};
use crate::lsn::Lsn;
use crate::postgres::pgoutput::DecodeError;
use crate::postgres::slot::Holder;

/// One thing that is missing, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is missing: a fragment such as `role "app" may not read "public"."orders"`.
    pub what: String,
    /// What to run or set.
    pub mend: String,
    /// Whether it is a missing privilege, rather than a setting.
    pub privilege: bool,
}

/// An error of the source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host name does not resolve, or nothing answers there.
    #[error("reach the database at {address}")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server took too long.
    #[error("reach the database at {address}: {doing} took longer than {after:?}")]
    TimedOut {
        /// `host:port`.
        address: String,
        /// What was waited for.
        doing: &'static str,
        /// The limit.
        after: Duration,
    },
    /// The connection broke.
    #[error("keep the connection to the database")]
    Lost {
        /// What the system said.
        source: io::Error,
    },
    /// The server ended the connection or the stream without an error of its own.
    #[error("keep the connection to the database: the server closed it")]
    Closed,
    /// TLS failed: certificate, host name, protocol.
    #[error("set up TLS to the database at {address}")]
    Tls {
        /// `host:port`.
        address: String,
        /// What the TLS library said.
        source: io::Error,
    },
    /// A certificate or key file cannot be used.
    #[error("read \"{path}\" for TLS to the database")]
    TlsFile {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The settings insist on TLS and the server has none.
    #[error("set up TLS to the database at {address}: the server does not offer it")]
    TlsNotOffered {
        /// `host:port`.
        address: String,
    },
    /// User or password are wrong, or the role may not log in.
    #[error("log in at {address} as \"{user}\"")]
    LoginRefused {
        /// `host:port`.
        address: String,
        /// The role.
        user: String,
        /// The server's words.
        source: Box<ServerError>,
    },
    /// `pg_hba.conf` has no line for this connection.
    #[error("log in at {address} as \"{user}\": pg_hba.conf does not let it in")]
    NoHbaEntry {
        /// `host:port`.
        address: String,
        /// The role.
        user: String,
        /// The database: the column of `pg_hba.conf` that must match (the keyword `replication`
        /// does not cover logical replication).
        database: String,
        /// The server's words.
        source: Box<ServerError>,
    },
    /// The server asks for a way to log in that is not spoken here.
    #[error("log in at {address} as \"{user}\": {what}")]
    LoginUnsupported {
        /// `host:port`.
        address: String,
        /// The role.
        user: String,
        /// What the server asked for, or how it broke the exchange.
        what: String,
    },
    /// No such database.
    #[error("open database \"{dbname}\"")]
    DatabaseMissing {
        /// The database.
        dbname: String,
        /// The server's words.
        source: Box<ServerError>,
    },
    /// Every connection or walsender is taken.
    #[error("open another connection at {address}")]
    TooManyConnections {
        /// `host:port`.
        address: String,
        /// The server's words.
        source: Box<ServerError>,
    },
    /// The server starts, stops or recovers.
    #[error("use the database while it starts or stops")]
    ShuttingDown {
        /// The server's words.
        source: Box<ServerError>,
    },
    /// Something that the source needs is missing; all of it at once.
    #[error("start the source: {}", list(.missing))]
    Missing {
        /// Everything that was found, never empty.
        missing: Vec<Finding>,
    },
    /// `wal_level` is below `logical`.
    #[error("start the source: wal_level is not \"logical\"")]
    WalLevel {
        /// The server's words, where it said so itself.
        source: Option<Box<ServerError>>,
    },
    /// A privilege is missing that only showed when it was needed.
    #[error("{doing}")]
    Refused {
        /// What was tried.
        doing: String,
        /// The server's words.
        source: Box<ServerError>,
    },
    /// Another connection streams from the slot.
    #[error("stream from slot \"{slot}\": it is in use{}", held_by(.holder.as_deref()))]
    SlotInUse {
        /// The slot.
        slot: String,
        /// By whom, where that could be found out.
        holder: Option<Box<Holder>>,
        /// The server's words.
        source: Option<Box<ServerError>>,
    },
    /// The slot does not exist.
    #[error("use slot \"{slot}\": it does not exist")]
    SlotMissing {
        /// The slot.
        slot: String,
    },
    /// A slot of that name exists already.
    #[error("create slot \"{slot}\": it exists already")]
    SlotExists {
        /// The slot.
        slot: String,
    },
    /// Every slot that the server allows is taken.
    #[error("create slot \"{slot}\": every replication slot of the server is taken")]
    SlotsExhausted {
        /// The slot.
        slot: String,
        /// The server's words.
        source: Box<ServerError>,
    },
    /// The server removed log that the slot still needed; its changes are gone.
    #[error("stream from slot \"{slot}\": the server has removed log that it still needed")]
    SlotLost {
        /// The slot.
        slot: String,
        /// The server's words, where it said so itself.
        source: Option<Box<ServerError>>,
    },
    /// The slot is not one that can be used here.
    #[error("use slot \"{slot}\": {why}")]
    SlotUnfit {
        /// The slot.
        slot: String,
        /// What does not fit: plugin, database, two-phase.
        why: String,
    },
    /// The stored position and the slot do not meet: changes between them are gone, or another
    /// server answers.
    #[error("go on from {stored}: {why}")]
    Gap {
        /// Where the stored data ends.
        stored: Lsn,
        /// What does not meet.
        why: String,
    },
    /// The publication is missing, does not fit or cannot be made.
    #[error("use publication \"{publication}\": {why}")]
    Publication {
        /// The publication.
        publication: String,
        /// What is the matter.
        why: String,
        /// What to run.
        mend: String,
    },
    /// The exported snapshot ended with the connection that exported it; the snapshot has to be
    /// taken again from its beginning.
    #[error("use snapshot \"{snapshot}\": it has ended")]
    SnapshotGone {
        /// The snapshot.
        snapshot: String,
        /// The server's words.
        source: Box<ServerError>,
    },
    /// A statement failed.
    #[error("{doing}")]
    Sql {
        /// What was tried: `read the catalogue`.
        doing: String,
        /// The server's words.
        source: Box<ServerError>,
    },
    /// A SQL client failed on its side: an answer of another shape than was asked for.
    #[error("{doing}")]
    Client {
        /// What was tried.
        doing: String,
        /// What the client said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server sent what the protocol does not allow here.
    #[error("understand the server: {what}")]
    Protocol {
        /// What was wrong.
        what: String,
    },
    /// The server sent a pgoutput message that cannot be read.
    #[error("understand the server's changes")]
    Decode {
        /// Why.
        #[from]
        source: DecodeError,
    },
    /// A message larger than the named limit.
    #[error("take a message of {bytes} bytes from the server: at most {limit} are taken")]
    TooLarge {
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
}

impl Error {
    /// A failure of a statement that `doing` describes: `read the catalogue`.
    #[must_use]
    pub fn from_sql(doing: &str, error: tokio_postgres::Error) -> Error {
        sql_failure(&Action::Statement(doing), error)
    }

    /// A breach of the protocol.
    pub(in crate::postgres) fn protocol(what: impl Into<String>) -> Error {
        Error::Protocol { what: what.into() }
    }
}

fn list(missing: &[Finding]) -> String {
    let parts: Vec<&str> = missing.iter().map(|one| one.what.as_str()).collect();
    parts.join("; ")
}

fn held_by(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |holder| format!(" by {holder}"))
}
