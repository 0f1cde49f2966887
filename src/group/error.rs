//! Why a request to a group is refused. Each variant has one code in each protocol's table.

use std::sync::Arc;

use crate::error::{self, Code, Explain, Kind};
use crate::log;

/// A refused request. Cheap to clone, since one failed write may answer many members.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The text cannot name a group.
    #[error("use \"{group}\" as a group id: {what}")]
    InvalidGroup {
        /// The first characters of the text.
        group: String,
        /// The rule it breaks.
        what: &'static str,
    },
    /// No such group.
    #[error("find group \"{0}\"")]
    NotFound(String),
    /// The group has members, so its offsets are theirs.
    #[error("change group \"{0}\", which has members")]
    NotEmpty(String),
    /// The member is not (or no longer) in the group.
    #[error("find the member in the group")]
    UnknownMember,
    /// The member belongs to another generation.
    #[error("use generation {got}; the group is at {current}")]
    IllegalGeneration {
        /// The group's generation.
        current: i32,
        /// The request's.
        got: i32,
    },
    /// The members have to join again.
    #[error("go on while the group rebalances")]
    RebalanceInProgress,
    /// Another process took over the instance id.
    #[error("use an instance id that another member took over")]
    FencedInstance,
    /// No protocol is common to all members.
    #[error("join with protocols that the other members do not have")]
    InconsistentProtocol,
    /// The member has to join again with the id it is given here.
    #[error("join without a member id")]
    MemberIdRequired(String),
    /// The session timeout is out of bounds.
    #[error("use a session timeout of {0} ms (6,000 to 1,800,000)")]
    InvalidSessionTimeout(i32),
    /// A limit of groups, members or their bytes.
    #[error("exceed the limit of {limit} {what}")]
    LimitReached {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The text beside an offset is too long.
    #[error("store {0} bytes of metadata with an offset (at most 4,096)")]
    MetadataTooLarge(usize),
    /// A field that cannot be.
    #[error("take the request: {0}")]
    Invalid(&'static str),
    /// The log did not take the change.
    #[error("store the group's change")]
    Log(#[source] Arc<log::Error>),
    /// What the topic holds cannot be read.
    #[error("read {topic} at offset {offset}: {what}")]
    Damaged {
        /// Which topic.
        topic: &'static str,
        /// Where.
        offset: i64,
        /// What is wrong.
        what: String,
    },
    /// The group is of the other kind.
    #[error("use group \"{group}\" as {asked}: it is {is}")]
    OtherKind {
        /// Id of the group.
        group: String,
        /// What it is: `an ordered group` or `a shared group`.
        is: &'static str,
        /// What it was used as.
        asked: &'static str,
    },
    /// A dead letter stands for something that cannot be made available again.
    #[error("redrive a dead letter: {0}")]
    NotRedrivable(&'static str),
    /// Retention or compaction removed the record that a dead letter stands for.
    #[error("redrive offset {offset} of {topic}-{partition}, which is not kept any more")]
    RecordGone {
        /// The record's topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
    },
    /// The process is going down.
    #[error("serve groups while shutting down")]
    Closing,
}

impl From<log::Error> for Error {
    fn from(cause: log::Error) -> Error {
        Error::Log(Arc::new(cause))
    }
}

impl Explain for Error {
    fn code(&self) -> Code {
        match self {
            Error::InvalidGroup { .. } => error::GROUP_INVALID_ID,
            Error::NotFound(_) => error::GROUP_NOT_FOUND,
            Error::NotEmpty(_) => error::GROUP_NOT_EMPTY,
            Error::UnknownMember
            | Error::IllegalGeneration { .. }
            | Error::RebalanceInProgress
            | Error::FencedInstance
            | Error::InconsistentProtocol
            | Error::MemberIdRequired(_) => error::GROUP_MEMBERSHIP,
            Error::InvalidSessionTimeout(_) | Error::Invalid(_) => error::GROUP_INVALID_REQUEST,
            Error::LimitReached { .. } | Error::MetadataTooLarge(_) => error::GROUP_LIMIT,
            Error::Log(cause) => cause.code(),
            Error::Damaged { .. } => error::GROUP_DAMAGED,
            Error::OtherKind { .. } => error::GROUP_KIND,
            Error::NotRedrivable(_) => error::DLQ_NOT_REDRIVABLE,
            Error::RecordGone { .. } => error::DLQ_RECORD_GONE,
            Error::Closing => error::GROUP_CLOSING,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Error::RebalanceInProgress | Error::Closing => Kind::Transient,
            Error::Log(cause) => cause.kind(),
            Error::Damaged { .. } => Kind::Fatal,
            Error::InvalidGroup { .. }
            | Error::NotFound(_)
            | Error::NotEmpty(_)
            | Error::UnknownMember
            | Error::IllegalGeneration { .. }
            | Error::FencedInstance
            | Error::InconsistentProtocol
            | Error::MemberIdRequired(_)
            | Error::InvalidSessionTimeout(_)
            | Error::LimitReached { .. }
            | Error::MetadataTooLarge(_)
            | Error::OtherKind { .. }
            | Error::NotRedrivable(_)
            | Error::RecordGone { .. }
            | Error::Invalid(_) => Kind::Definite,
        }
    }

    fn mend(&self) -> Option<String> {
        match self {
            Error::NotEmpty(group) => Some(format!(
                "stop the members of \"{group}\" and try again once `penstock groups describe \
                 {group}` shows it empty"
            )),
            Error::OtherKind { group, .. } => Some(format!(
                "use another group id, or delete the group first: penstock groups delete {group}"
            )),
            Error::InvalidGroup { .. } => {
                Some("choose a group id that does not begin with push. or source.".to_owned())
            }
            _ => None,
        }
    }
}
