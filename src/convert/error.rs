//! Why a value cannot be written.

use crate::error::{CONVERT_MISMATCH, Code, Explain, Kind};

/// A value that cannot be written under its schema. Nothing of it may be used: what stands in the
/// output buffer behind the place where the write began is not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Null where the schema neither allows it nor has a default.
    #[error("write null for the required field \"{field}\"")]
    Null {
        /// Path of the field, empty for the value itself.
        field: String,
    },
    /// A value of another type than the schema's.
    #[error("write a value of type {found} for the field \"{field}\" of type {wanted}")]
    Mismatch {
        /// Path of the field, empty for the value itself.
        field: String,
        /// What the schema says.
        wanted: &'static str,
        /// What was given.
        found: &'static str,
    },
    /// A struct with another number of fields than its schema.
    #[error("write {found} values for the {wanted} fields of \"{field}\"")]
    FieldCount {
        /// Path of the field, empty for the value itself.
        field: String,
        /// Fields of the schema.
        wanted: usize,
        /// Values given.
        found: usize,
    },
    /// An envelope was to be written under a schema that is none.
    #[error("write a change event under a schema that is no envelope")]
    NoEnvelope,
}

impl Error {
    /// The same error told from one level further out.
    pub(super) fn within(mut self, name: &str) -> Error {
        let path = match &mut self {
            Error::Null { field }
            | Error::Mismatch { field, .. }
            | Error::FieldCount { field, .. } => field,
            Error::NoEnvelope => return self,
        };
        if !path.is_empty() {
            path.insert(0, '.');
        }
        path.insert_str(0, name);
        self
    }
}

impl Explain for Error {
    fn code(&self) -> Code {
        CONVERT_MISMATCH
    }

    fn kind(&self) -> Kind {
        Kind::Definite
    }
}
