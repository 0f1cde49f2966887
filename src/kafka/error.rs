//! Why bytes are not a message, or a message has no bytes.

use crate::error::{Code, Explain, KAFKA_MALFORMED, KAFKA_UNSUPPORTED, Kind};

/// Why bytes are not a message, or a message has no bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The frame ends inside a field.
    #[error("read a message: {needed} bytes needed, {available} left")]
    Truncated {
        /// Bytes the field needs.
        needed: usize,
        /// Bytes there are.
        available: usize,
    },
    /// A varint of more than 32 bits.
    #[error("read a message: a varint is longer than 32 bits")]
    Varint,
    /// A length below -1.
    #[error("read a message: a length is {0}")]
    NegativeLength(i64),
    /// More elements than the rest of the frame can hold.
    #[error("read a message: an array claims {count} elements where at most {possible} can follow")]
    ArrayTooLong {
        /// Elements it claims.
        count: usize,
        /// Elements that fit into what is left.
        possible: usize,
    },
    /// The decoded message would take more memory than its frame's size allows.
    #[error("read a message: {needed} bytes of memory needed, {available} of its budget left")]
    OverBudget {
        /// Bytes to be allocated.
        needed: usize,
        /// Bytes left.
        available: usize,
    },
    /// Null where the version has none.
    #[error("read a message: a field is null that may not be")]
    Null,
    /// A string that is not UTF-8.
    #[error("read a message: a string is not UTF-8")]
    NotUtf8,
    /// A tagged field whose size is not that of its value.
    #[error("read a message: tagged field {0} is longer than its value")]
    TaggedField(u32),
    /// A version outside of the window.
    #[error("read or write version {version} of {api} (supported: {min} to {max})")]
    UnsupportedVersion {
        /// Which API.
        api: &'static str,
        /// The version asked for.
        version: i16,
        /// Lowest version supported.
        min: i16,
        /// Highest version supported.
        max: i16,
    },
    /// An API that is not known.
    #[error("read a request of API key {0}, which is not supported")]
    UnknownApi(i16),
    /// A value longer than the version can say.
    #[error("write a message: a value of {bytes} bytes or elements does not fit the version")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

impl Explain for Error {
    fn code(&self) -> Code {
        match self {
            Error::UnsupportedVersion { .. } | Error::UnknownApi(_) => KAFKA_UNSUPPORTED,
            Error::Truncated { .. }
            | Error::Varint
            | Error::NegativeLength(_)
            | Error::ArrayTooLong { .. }
            | Error::OverBudget { .. }
            | Error::Null
            | Error::NotUtf8
            | Error::TaggedField(_)
            | Error::TooLong { .. } => KAFKA_MALFORMED,
        }
    }

    fn kind(&self) -> Kind {
        Kind::Definite
    }
}
