//! Why a column's text cannot be decoded.

use crate::error::{Code, Explain, Kind, SOURCE_UNCONVERTIBLE};

/// A value that cannot be decoded. The text tells the column and what is wrong, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("convert column \"{column}\" of type {type_name}")]
pub struct Error {
    /// The column.
    pub column: String,
    /// Its PostgreSQL type.
    pub type_name: String,
    /// What is wrong.
    #[source]
    pub reason: Reason,
}

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The text is not UTF-8: the session's client_encoding is not as it must be.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// The text is not what PostgreSQL prints for the type under the required settings.
    #[error("the text does not have the form PostgreSQL prints for the type")]
    Malformed,
    /// The value lies outside of what the target type holds.
    #[error("the value is out of the range of the event's type")]
    OutOfRange,
    /// An array of more dimensions than its schema.
    #[error("the array has another number of dimensions than its schema")]
    Dimensions,
}

impl Explain for Error {
    fn code(&self) -> Code {
        SOURCE_UNCONVERTIBLE
    }

    fn kind(&self) -> Kind {
        Kind::Definite
    }
}
