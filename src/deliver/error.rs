//! Why a question about dead letters, a redrive or a purge was refused.

use crate::error::{self as codes, Code, Explain, Kind, chain};
use crate::topic::{Offset, PartitionId};
use crate::{group, log};

/// Why it was refused. Nothing was changed, unless the log says that the outcome is not known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The topic does not exist or holds no dead letters.
    #[error("find the dead letters \"{0}\"")]
    UnknownTopic(String),
    /// The topic has no such partition.
    #[error("find partition {partition} of \"{topic}\", which has {count}")]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// What was asked for.
        partition: PartitionId,
        /// How many there are.
        count: usize,
    },
    /// The topics have not been read to their ends since the start.
    #[error("tell the depth of dead letters, which are still being counted ({read} read)")]
    NotReady {
        /// Offsets read so far.
        read: u64,
    },
    /// More was asked for than one request redrives.
    #[error("redrive {asked} letters in one request, which takes {max} of these")]
    TooMany {
        /// Letters asked for.
        asked: usize,
        /// How many of them, from the first, one request redrives: it has a limit of letters and
        /// one of their bytes.
        max: usize,
    },
    /// One of the letters cannot be redriven.
    #[error("redrive {topic}-{partition} offset {offset}: {why}")]
    Refused {
        /// The topic of dead letters.
        topic: String,
        /// The letter's partition.
        partition: PartitionId,
        /// The letter's offset.
        offset: Offset,
        /// What is in the way.
        why: Obstacle,
    },
    /// The log refused.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The group refused.
    #[error(transparent)]
    Group(#[from] group::Error),
    /// A batch could not be built or read.
    #[error(transparent)]
    Record(#[from] crate::record::Error),
    /// The task that was to do it broke off.
    #[error("redrive: the task broke off; look at the depth before repeating it")]
    BrokenOff,
}

/// What keeps one letter from being redriven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// No record at that offset.
    #[error("no dead letter is there")]
    NoLetter,
    /// It was redriven before.
    #[error("it is redriven already")]
    Redriven,
    /// Its headers do not name the record.
    #[error("its headers do not say which record it stands for")]
    NoRecordPlace,
    /// The record that it stands for is not there any more.
    #[error("the record it stands for, {topic}-{partition} offset {offset}, is gone")]
    RecordGone {
        /// The record's topic.
        topic: String,
        /// The record's partition.
        partition: PartitionId,
        /// The record's offset.
        offset: Offset,
        /// Whether a copy may be appended to the topic.
        may_copy: bool,
    },
    /// A copy would have no value.
    #[error(
        "the letter has no value to append to \"{topic}\": its record was a tombstone, or too large for a letter"
    )]
    NoValue {
        /// The record's topic.
        topic: String,
    },
    /// A copy may not be written there.
    #[error("a copy may not be appended to \"{topic}\", which only {owner} writes")]
    Owned {
        /// The topic.
        topic: String,
        /// Who writes it.
        owner: String,
    },
    /// The group does not take the record back.
    #[error("{what}")]
    Group {
        /// The stable code.
        code: Code,
        /// Why, for people.
        what: String,
        /// What to do about it, where the group knows.
        mend: Option<String>,
    },
    /// Nobody would read it.
    #[error("there is no group \"{0}\" that would read it")]
    NoGroup(String),
    /// A row of a database is not kept in a form that could be written again.
    #[error("a row of connector \"{0}\" is converted from the database, not from its letter")]
    Row(String),
    /// It still does not fit the schema.
    #[error("it does not fit the schema of \"{topic}\": {what}")]
    Misfit {
        /// The topic or integration whose schema it is.
        topic: String,
        /// Where it does not fit.
        what: String,
    },
    /// It is larger than its target takes.
    #[error("it takes {bytes} bytes, and \"{topic}\" takes {max}")]
    TooLarge {
        /// The target.
        topic: String,
        /// Bytes of the letter as a batch.
        bytes: usize,
        /// `max.message.bytes` of the target.
        max: u32,
    },
    /// There is no topic it could go to.
    #[error("the topic \"{0}\" to redrive it to cannot be")]
    NoTarget(String),
}

impl Obstacle {
    /// What a group says of a letter.
    pub(super) fn of_group(error: &group::Error) -> Obstacle {
        Obstacle::Group {
            code: error.code(),
            what: format!("failed to {}", chain(error)),
            mend: error.mend(),
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Obstacle::NoLetter => codes::DLQ_NOT_FOUND,
            Obstacle::RecordGone { .. } => codes::DLQ_RECORD_GONE,
            Obstacle::Redriven
            | Obstacle::NoRecordPlace
            | Obstacle::NoValue { .. }
            | Obstacle::Owned { .. }
            | Obstacle::NoGroup(_)
            | Obstacle::Row(_)
            | Obstacle::Misfit { .. }
            | Obstacle::TooLarge { .. }
            | Obstacle::NoTarget(_) => codes::DLQ_NOT_REDRIVABLE,
            Obstacle::Group { code, .. } => *code,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn mend(&self) -> String {
        match self {
            Obstacle::NoLetter => "list what is there: penstock dlq show TOPIC".to_owned(),
            Obstacle::Redriven => "leave it out; it no longer counts as depth".to_owned(),
            Obstacle::NoRecordPlace => "produce its value where it is wanted, and purge it".to_owned(),
            Obstacle::RecordGone { may_copy: true, topic, .. } => format!(
                "add \"as_new\": true (--as-new) to append a copy to \"{topic}\", which every group of that topic will read"
            ),
            Obstacle::RecordGone { may_copy: false, .. }
            | Obstacle::NoValue { .. }
            | Obstacle::Owned { .. } => {
                "take what is needed from the letter itself (penstock dlq export), and purge it".to_owned()
            }
            Obstacle::Group { mend, .. } => mend.clone().unwrap_or_else(|| {
                "look at the group: penstock groups describe GROUP".to_owned()
            }),
            Obstacle::NoGroup(_) => {
                "let a member of the group read first, or take what is needed from the letter itself (penstock dlq export)".to_owned()
            }
            Obstacle::Row(connector) => format!(
                "correct the row or the settings, take a snapshot of the table (penstock connectors snapshot {connector}), and purge the letter"
            ),
            Obstacle::Misfit { .. } => {
                "change the schema in topics.yaml if it is too narrow, or let the sender push a corrected value, and purge the letter".to_owned()
            }
            Obstacle::TooLarge { topic, .. } => format!(
                "raise max.message.bytes: penstock topics alter {topic} --config max.message.bytes=..."
            ),
            Obstacle::NoTarget(_) => "take what is needed from the letter itself (penstock dlq export)".to_owned(),
        }
    }
}

impl Explain for Error {
    fn code(&self) -> Code {
        match self {
            Error::UnknownTopic(_) | Error::UnknownPartition { .. } => codes::DLQ_NOT_FOUND,
            Error::NotReady { .. } => codes::DLQ_NOT_READY,
            Error::TooMany { .. } => codes::DLQ_NOT_REDRIVABLE,
            Error::Refused { why, .. } => why.code(),
            Error::Log(error) => error.code(),
            Error::Group(error) => error.code(),
            Error::Record(error) => error.code(),
            Error::BrokenOff => codes::LOG_OUTCOME_UNKNOWN,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Error::NotReady { .. } | Error::BrokenOff => Kind::Transient,
            Error::UnknownTopic(_)
            | Error::UnknownPartition { .. }
            | Error::TooMany { .. }
            | Error::Refused { .. } => Kind::Definite,
            Error::Log(error) => error.kind(),
            Error::Group(error) => error.kind(),
            Error::Record(error) => error.kind(),
        }
    }

    fn mend(&self) -> Option<String> {
        match self {
            Error::UnknownTopic(_) | Error::UnknownPartition { .. } => {
                Some("list them: penstock dlq list".to_owned())
            }
            Error::NotReady { .. } => Some("ask again in a moment".to_owned()),
            Error::TooMany { .. } => Some("name fewer of them, or redrive all".to_owned()),
            Error::Refused { why, .. } => Some(why.mend()),
            Error::Log(error) => error.mend(),
            Error::Group(error) => error.mend(),
            Error::Record(error) => error.mend(),
            Error::BrokenOff => None,
        }
    }
}
