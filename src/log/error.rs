//! Why an operation on the log failed, and how each failure is to be handled.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{self as codes, Code, Explain, Kind};
use crate::topic::{Offset, PartitionId, TopicName};

/// Why an operation on the log failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No topic of this name or id.
    #[error("find topic \"{0}\"")]
    UnknownTopic(String),
    /// The name is taken.
    #[error("create topic \"{0}\", which exists")]
    TopicExists(TopicName),
    /// The name, the number of partitions or a setting is not legal.
    #[error("create a topic: {0}")]
    InvalidTopic(String),
    /// The offset lies outside of what the partition holds.
    #[error("read offset {asked} of {topic}-{partition}, which holds {start} up to {end}")]
    OffsetOutOfRange {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionId,
        /// The offset that was asked for.
        asked: Offset,
        /// First offset kept.
        start: Offset,
        /// Offset behind the last durable record.
        end: Offset,
    },
    /// A batch larger than the topic takes, or an append larger than the journal takes.
    #[error("append {bytes} bytes to \"{topic}\", whose max.message.bytes is {max}")]
    TooLarge {
        /// The topic.
        topic: TopicName,
        /// Size of what was to be appended.
        bytes: usize,
        /// The limit.
        max: u32,
    },
    /// Bytes that are no record batches; nothing was stored.
    #[error("append to \"{topic}\": {what}")]
    Malformed {
        /// The topic.
        topic: TopicName,
        /// What is wrong with them.
        what: &'static str,
    },
    /// Below the disk floor; nothing was stored.
    #[error("append: {free} bytes of disk are free, less than the floor of {floor}")]
    DiskFull {
        /// Free bytes.
        free: u64,
        /// The floor that holds for this append.
        floor: u64,
    },
    /// Nothing was stored.
    #[error("append while the log refuses appends: {0}")]
    Refusing(String),
    /// The write or sync failed; the records may be stored or not.
    #[error("append (the records may be stored): {0}")]
    OutcomeUnknown(String),
    /// A gap in a producer's sequence numbers.
    #[error("append sequence {got} of producer {producer_id} where {wanted} was due")]
    OutOfOrderSequence {
        /// The producer.
        producer_id: i64,
        /// The sequence that was due.
        wanted: i32,
        /// The sequence that came.
        got: i32,
    },
    /// A repetition that is too old to be recognised.
    #[error("append a batch of producer {producer_id} that is older than the last five")]
    DuplicateSequence {
        /// The producer.
        producer_id: i64,
    },
    /// A producer that was superseded.
    #[error("append with epoch {got} of producer {producer_id}, whose epoch is {current}")]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: i64,
        /// The epoch that holds.
        current: i16,
        /// The epoch that came.
        got: i16,
    },
    /// Bytes below the durable mark are not what was written.
    #[error("read {topic}-{partition} at offset {offset}: {what}")]
    Damaged {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionId,
        /// First offset that cannot be served.
        offset: Offset,
        /// From where on reading can go on, if anything behind it can be read.
        resume: Option<Offset>,
        /// What was found, and from where reading can go on.
        what: String,
    },
    /// Another process holds the data directory.
    #[error("open the data directory \"{0}\", which another process uses")]
    InUse(PathBuf),
    /// The operating system refused.
    #[error("{doing} \"{path}\"")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        cause: std::io::Error,
    },
    /// A file of the data directory is not what it should be.
    #[error("open \"{path}\": {what}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file of the data directory was written by a newer version.
    #[error("open \"{path}\", whose format {version} is newer than this binary")]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The version in its header.
        version: u32,
    },
}

impl Error {
    /// A closure for `map_err` that says what was being done to which file.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |cause| Error::Io { doing, path, cause }
    }

    /// Whether the file system said that it is full.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Error::Io { cause, .. } if cause.kind() == ErrorKind::StorageFull)
    }
}

impl Explain for Error {
    fn code(&self) -> Code {
        match self {
            Error::UnknownTopic(_) => codes::LOG_UNKNOWN_TOPIC,
            Error::TopicExists(_) => codes::LOG_TOPIC_EXISTS,
            Error::InvalidTopic(_) => codes::LOG_INVALID_TOPIC,
            Error::OffsetOutOfRange { .. } => codes::LOG_OFFSET_OUT_OF_RANGE,
            Error::TooLarge { .. } => codes::LOG_TOO_LARGE,
            Error::Malformed { .. } => codes::RECORD_MALFORMED,
            Error::DiskFull { .. } => codes::LOG_DISK_FULL,
            Error::Refusing(_) => codes::LOG_READ_ONLY,
            Error::OutcomeUnknown(_) => codes::LOG_OUTCOME_UNKNOWN,
            Error::OutOfOrderSequence { .. }
            | Error::DuplicateSequence { .. }
            | Error::InvalidProducerEpoch { .. } => codes::LOG_PRODUCER,
            Error::Damaged { .. } | Error::Format { .. } => codes::LOG_DAMAGED,
            Error::InUse(_) => codes::LOG_IN_USE,
            Error::Io { .. } => codes::LOG_IO,
            Error::NewerFormat { .. } => codes::LOG_NEWER_FORMAT,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Error::DiskFull { .. }
            | Error::Refusing(_)
            | Error::OutcomeUnknown(_)
            | Error::Io { .. } => Kind::Transient,
            Error::UnknownTopic(_)
            | Error::TopicExists(_)
            | Error::InvalidTopic(_)
            | Error::OffsetOutOfRange { .. }
            | Error::TooLarge { .. }
            | Error::Malformed { .. }
            | Error::OutOfOrderSequence { .. }
            | Error::DuplicateSequence { .. }
            | Error::InvalidProducerEpoch { .. }
            | Error::Damaged { .. } => Kind::Definite,
            Error::InUse(_) | Error::Format { .. } | Error::NewerFormat { .. } => Kind::Fatal,
        }
    }

    fn mend(&self) -> Option<String> {
        match self {
            Error::InUse(dir) => Some(format!(
                "stop the other process (`fuser \"{}/lock\"` shows it) or set PENSTOCK_DATA_DIR",
                dir.display()
            )),
            Error::DiskFull { .. } => Some(
                "free disk space or shorten retention; appends go on by themselves then".to_owned(),
            ),
            Error::Refusing(_) | Error::OutcomeUnknown(_) => Some(
                "look at the disk and the kernel log; appends go on by themselves once a write \
                 succeeds"
                    .to_owned(),
            ),
            Error::Damaged { .. } | Error::Format { .. } => Some(
                "run `penstock log verify` with the server stopped to see how much is affected, \
                 and restore the file from a backup"
                    .to_owned(),
            ),
            Error::NewerFormat { .. } => {
                Some("run the version that wrote it, or a newer one".to_owned())
            }
            Error::Io { path, cause, .. } if cause.kind() == ErrorKind::PermissionDenied => {
                Some(take_ownership(path))
            }
            Error::UnknownTopic(_)
            | Error::TopicExists(_)
            | Error::InvalidTopic(_)
            | Error::OffsetOutOfRange { .. }
            | Error::TooLarge { .. }
            | Error::Malformed { .. }
            | Error::OutOfOrderSequence { .. }
            | Error::DuplicateSequence { .. }
            | Error::InvalidProducerEpoch { .. }
            | Error::Io { .. } => None,
        }
    }
}

/// How to mend a folder that belongs to somebody else, as a container's volume does that another
/// image made.
fn take_ownership(path: &Path) -> String {
    let folder = path.parent().unwrap_or(path).display();
    let user = rustix::process::geteuid().as_raw();
    format!(
        "let user {user}, as whom this runs, own the folder and all in it: `chown -R {user} \
         \"{folder}\"`; for a volume of Docker: `docker run --rm -v VOLUME:/volume \
         debian:bookworm-slim chown -R {user} /volume`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_mended_by_owning_it() {
        let lock = Path::new("/data/lock");
        let denied = Error::io("lock", lock)(ErrorKind::PermissionDenied.into());
        assert_eq!(denied.code(), codes::LOG_IO);
        let user = rustix::process::geteuid().as_raw();
        let mend = denied.mend().unwrap();
        assert!(
            mend.contains(&format!("chown -R {user} \"/data\"")),
            "{mend}"
        );

        let broken = Error::io("lock", lock)(ErrorKind::BrokenPipe.into());
        assert_eq!(broken.mend(), None);
    }
}
