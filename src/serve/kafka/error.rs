//! The one table from our errors to Kafka's error codes, and what can go wrong with the listener.

use std::io;
use std::net::SocketAddr;

use crate::error::{self, Code, Explain, Kind};
use crate::kafka::ErrorCode;
use crate::{group, log, record};

/// Why the listener is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be bound.
    #[error("listen for Kafka clients on {address}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

impl Explain for Error {
    fn code(&self) -> Code {
        error::KAFKA_LISTEN
    }

    fn kind(&self) -> Kind {
        Kind::Fatal
    }

    fn mend(&self) -> Option<String> {
        let Error::Listen { address, cause } = self;
        Some(match cause.kind() {
            io::ErrorKind::AddrInUse => format!(
                "another process listens on {address}: stop it, or set PENSTOCK_KAFKA_LISTEN to \
                 another port (port 0 takes a free one)"
            ),
            _ => "set PENSTOCK_KAFKA_LISTEN to an address of this machine".to_owned(),
        })
    }
}

/// What a client is told of an error of the log. Clients retry what is retriable by the code.
pub(super) fn of_log(error: &log::Error) -> ErrorCode {
    match error {
        log::Error::UnknownTopic(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        log::Error::TopicExists(_) => ErrorCode::TOPIC_ALREADY_EXISTS,
        log::Error::InvalidTopic(_) => ErrorCode::INVALID_CONFIG,
        log::Error::OffsetOutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        log::Error::TooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        log::Error::Malformed { .. } => ErrorCode::CORRUPT_MESSAGE,
        log::Error::OutOfOrderSequence { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        log::Error::DuplicateSequence { .. } => ErrorCode::DUPLICATE_SEQUENCE_NUMBER,
        log::Error::InvalidProducerEpoch { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
        // Nothing was stored; or it may be (DESIGN of the log): the same retriable code, since an
        // idempotent producer that sends again is told the truth by its sequence numbers.
        log::Error::DiskFull { .. }
        | log::Error::Refusing(_)
        | log::Error::OutcomeUnknown(_)
        | log::Error::Damaged { .. }
        | log::Error::Io { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
        log::Error::InUse(_) | log::Error::Format { .. } | log::Error::NewerFormat { .. } => {
            ErrorCode::UNKNOWN_SERVER_ERROR
        }
    }
}

/// What a member is told of an error of its group.
pub(super) fn of_group(error: &group::Error) -> ErrorCode {
    match error {
        group::Error::InvalidGroup { .. } => ErrorCode::INVALID_GROUP_ID,
        group::Error::NotFound(_) => ErrorCode::GROUP_ID_NOT_FOUND,
        group::Error::NotEmpty(_) => ErrorCode::NON_EMPTY_GROUP,
        group::Error::UnknownMember => ErrorCode::UNKNOWN_MEMBER_ID,
        group::Error::IllegalGeneration { .. } => ErrorCode::ILLEGAL_GENERATION,
        group::Error::RebalanceInProgress => ErrorCode::REBALANCE_IN_PROGRESS,
        group::Error::FencedInstance => ErrorCode::FENCED_INSTANCE_ID,
        group::Error::InconsistentProtocol => ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        group::Error::MemberIdRequired(_) => ErrorCode::MEMBER_ID_REQUIRED,
        group::Error::InvalidSessionTimeout(_) => ErrorCode::INVALID_SESSION_TIMEOUT,
        group::Error::LimitReached { .. } => ErrorCode::GROUP_MAX_SIZE_REACHED,
        group::Error::MetadataTooLarge(_) => ErrorCode::OFFSET_METADATA_TOO_LARGE,
        group::Error::Invalid(_) => ErrorCode::INVALID_REQUEST,
        // Clients ask for the coordinator again and retry; a storage error would end them.
        group::Error::Log(_) | group::Error::Closing => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        // What Kafka answers to a member that joins a share group.
        group::Error::OtherKind { .. } => ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        group::Error::Damaged { .. }
        | group::Error::NotRedrivable(_)
        | group::Error::RecordGone { .. } => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}

/// What a producer is told of a record set that is not taken.
pub(super) fn of_record(error: &record::Error) -> ErrorCode {
    match error {
        record::Error::Truncated { .. }
        | record::Error::Malformed(_)
        | record::Error::Checksum { .. }
        | record::Error::Compression { .. } => ErrorCode::CORRUPT_MESSAGE,
        record::Error::Magic(_) => ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
        record::Error::UnknownCodec(_) => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        record::Error::TooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        record::Error::NotAllowed(_) => ErrorCode::INVALID_RECORD,
    }
}
