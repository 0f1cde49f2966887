//! Why a connector's run ended, and whether trying again can help.

use crate::error::{self as codes, Code, Explain, Kind};
use crate::lsn::Lsn;
use crate::record::dead_letter::Reason;
use crate::topic::InvalidName;
use crate::{convert, log, postgres, record};

use super::outgoing::CHANGE_BYTES_MAX;

/// How to go on past a change that cannot be written.
const GO_ON: &str = "set errors.tolerance=all, which puts such changes into dlq.source.<connector>";

/// Why a connector's run ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database or the connection to it.
    #[error(transparent)]
    Postgres(Box<postgres::Error>),
    /// The log did not take or give records.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// A stored batch cannot be read.
    #[error("read the stored position")]
    Record(#[from] record::Error),
    /// The stored position is not in the form that is written.
    #[error("read the stored position")]
    StoredPosition {
        /// What is wrong with it.
        #[source]
        cause: serde_json::Error,
    },
    /// A message of the stream cannot be understood.
    #[error("decode a replication message at {lsn}")]
    Decode {
        /// Where in the stream.
        lsn: Lsn,
        /// What is wrong with it.
        #[source]
        cause: postgres::pgoutput::DecodeError,
    },
    /// A message came where the protocol does not allow it.
    #[error("follow the replication stream at {lsn}: {what}")]
    Protocol {
        /// Where in the stream.
        lsn: Lsn,
        /// What came instead of what.
        what: String,
    },
    /// A value cannot be converted.
    #[error("convert a row of {table} at {lsn}")]
    Unconvertible {
        /// The table as `schema.table`.
        table: String,
        /// Where in the stream; the snapshot's position for rows of a snapshot.
        lsn: Lsn,
        /// Which column, and what is wrong.
        #[source]
        cause: postgres::types::Error,
    },
    /// A row cannot be written by the converter.
    #[error("write a row of {table} at {lsn}")]
    Unwritable {
        /// The table as `schema.table`.
        table: String,
        /// Where in the stream.
        lsn: Lsn,
        /// What is wrong.
        #[source]
        cause: convert::Error,
    },
    /// An event is larger than its topic allows.
    #[error(
        "append a change of {table} at {lsn}: it takes {bytes} bytes, at most {max} are taken (max.message.bytes of its topic)"
    )]
    TooLarge {
        /// The table as `schema.table`.
        table: String,
        /// Where in the stream.
        lsn: Lsn,
        /// Bytes of the record.
        bytes: usize,
        /// Most bytes that it may take.
        max: usize,
    },
    /// A change is larger than what is read of the stream at a time.
    #[error("read a change of {bytes} bytes at {lsn}")]
    FrameTooLarge {
        /// Where in the stream.
        lsn: Lsn,
        /// Bytes of the change as the server sends it.
        bytes: u64,
    },
    /// A row of the snapshot is larger than what is read at a time.
    #[error("read a row of {table} of {bytes} bytes")]
    RowTooLarge {
        /// The table as `schema.table`.
        table: String,
        /// Bytes of the row as `COPY` writes it.
        bytes: u64,
    },
    /// A table's topic would have an illegal name.
    #[error("name the topic of {table}")]
    TopicName {
        /// The table as `schema.table`.
        table: String,
        /// What is wrong with it.
        #[source]
        cause: InvalidName,
    },
    /// Stored position and slot do not meet: changes in between would be lost.
    #[error("go on at the stored position {stored}: {what}")]
    Gap {
        /// Where the log ends.
        stored: Lsn,
        /// What does not fit.
        what: String,
    },
    /// The slot the position belongs to is gone.
    #[error("go on at the stored position {stored}: {what}")]
    SlotGone {
        /// Where the log ends.
        stored: Lsn,
        /// What became of the slot.
        what: String,
    },
    /// The log took no append for too long; the connection is given up rather than held unread.
    #[error("append for {0} seconds; the replication connection is closed until there is room")]
    Stalled(u64),
    /// The server has sent nothing for too long.
    #[error("hear from the server for {0} seconds")]
    Silent(u64),
    /// No connector has this name.
    #[error("find connector \"{0}\"")]
    Unknown(String),
    /// The connector cannot do this in its state.
    #[error("restart connector \"{name}\": {reason}")]
    NotRunnable {
        /// The connector.
        name: String,
        /// Why not.
        reason: String,
    },
}

impl From<postgres::Error> for Error {
    fn from(error: postgres::Error) -> Error {
        // Boxed because it is by far the largest variant and errors are rare.
        Error::Postgres(Box::new(error))
    }
}

impl Explain for Error {
    fn code(&self) -> Code {
        match self {
            Error::Postgres(error) => error.code(),
            Error::Log(error) => error.code(),
            Error::Record(error) => error.code(),
            Error::StoredPosition { .. } => codes::LOG_DAMAGED,
            Error::Decode { .. } | Error::Protocol { .. } | Error::Silent(_) => {
                codes::SOURCE_PROTOCOL
            }
            Error::Unconvertible { .. } | Error::Unwritable { .. } => codes::SOURCE_UNCONVERTIBLE,
            Error::TooLarge { .. } | Error::FrameTooLarge { .. } | Error::RowTooLarge { .. } => {
                codes::LOG_TOO_LARGE
            }
            Error::TopicName { .. } => codes::LOG_INVALID_TOPIC,
            Error::Gap { .. } => codes::SOURCE_GAP,
            Error::SlotGone { .. } => codes::SOURCE_SLOT_LOST,
            Error::Stalled(_) => codes::LOG_READ_ONLY,
            Error::Unknown(_) => codes::HTTP_NOT_FOUND,
            Error::NotRunnable { .. } => codes::HTTP_CONFLICT,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Error::Postgres(error) => error.kind(),
            // The outcome of an append, a full disk, a failed sync: all of them pass or are mended
            // without a restart of the connector.
            // A topic that was deleted meanwhile is made again.
            Error::Log(log::Error::UnknownTopic(_)) => Kind::Transient,
            Error::Log(error) => match error.kind() {
                Kind::Fatal => Kind::Definite,
                kind => kind,
            },
            Error::Stalled(_) | Error::Silent(_) => Kind::Transient,
            Error::Record(_)
            | Error::StoredPosition { .. }
            | Error::Decode { .. }
            | Error::Protocol { .. }
            | Error::Unconvertible { .. }
            | Error::Unwritable { .. }
            | Error::TooLarge { .. }
            | Error::FrameTooLarge { .. }
            | Error::RowTooLarge { .. }
            | Error::TopicName { .. }
            | Error::Gap { .. }
            | Error::SlotGone { .. }
            | Error::Unknown(_)
            | Error::NotRunnable { .. } => Kind::Definite,
        }
    }

    fn mend(&self) -> Option<String> {
        match self {
            Error::Postgres(error) => error.mend(),
            Error::Log(error) => error.mend(),
            Error::Gap { .. } | Error::SlotGone { .. } => Some(
                "changes between the log and the slot cannot be read any more. To take a new \
                 snapshot, give the connector a new name or a new topic.prefix, or set \
                 snapshot.mode so; rows deleted in the gap stay in the topics"
                    .to_owned(),
            ),
            Error::Unconvertible { table, .. } | Error::Unwritable { table, .. } => Some(format!(
                "leave {table} out with table.exclude.list, or {GO_ON}, and restart the connector"
            )),
            Error::TooLarge { bytes, .. } if *bytes <= CHANGE_BYTES_MAX => Some(format!(
                "raise max.message.bytes of the topic to {bytes}, or {GO_ON}, and restart the \
                 connector"
            )),
            Error::TooLarge { .. } | Error::FrameTooLarge { .. } | Error::RowTooLarge { .. } => {
                Some(format!("{GO_ON}, and restart the connector"))
            }
            Error::TopicName { .. } => Some("choose another topic.prefix".to_owned()),
            _ => None,
        }
    }
}

impl Error {
    /// The error with its causes and how to mend it, in one text for people.
    pub(super) fn reason(&self) -> String {
        let text = format!("{}: failed to {}", self.code(), crate::error::chain(self));
        match self.mend() {
            Some(mend) => format!("{text}. {mend}"),
            None => text,
        }
    }

    /// Why the change that the error speaks of can become a dead letter; `None` for an error that
    /// is not about one change.
    pub(super) fn bad_change(&self) -> Option<Reason> {
        match self {
            Error::Unconvertible { .. } | Error::Unwritable { .. } => Some(Reason::Unconvertible),
            Error::TooLarge { .. } | Error::FrameTooLarge { .. } | Error::RowTooLarge { .. } => {
                Some(Reason::TooLarge)
            }
            Error::Postgres(_)
            | Error::Log(_)
            | Error::Record(_)
            | Error::StoredPosition { .. }
            | Error::Decode { .. }
            | Error::Protocol { .. }
            | Error::TopicName { .. }
            | Error::Gap { .. }
            | Error::SlotGone { .. }
            | Error::Stalled(_)
            | Error::Silent(_)
            | Error::Unknown(_)
            | Error::NotRunnable { .. } => None,
        }
    }

    /// Bytes of a change that is too large.
    pub(super) fn change_bytes(&self) -> Option<u64> {
        match self {
            Error::TooLarge { bytes, .. } => u64::try_from(*bytes).ok(),
            Error::FrameTooLarge { bytes, .. } | Error::RowTooLarge { bytes, .. } => Some(*bytes),
            _ => None,
        }
    }

    /// Every word that [`Error::label`] answers.
    pub(super) const LABELS: [&'static str; 4] = ["connection", "log", "silent", "other"];

    /// A short word for the label of the reconnect counter.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Error::Postgres(_) => "connection",
            Error::Log(_) | Error::Stalled(_) => "log",
            Error::Silent(_) => "silent",
            _ => "other",
        }
    }
}
