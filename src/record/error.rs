//! Why bytes are not a record batch.

use crate::error::{Code, Explain, Kind, RECORD_CHECKSUM, RECORD_MALFORMED};

use super::codec::Codec;

/// Why bytes are not a record batch, or why a batch could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes end inside the named part.
    #[error("read {what} of a record batch: {needed} bytes needed, {available} left")]
    Truncated {
        /// The part that is cut.
        what: &'static str,
        /// Bytes it needs.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// A field contradicts the format or another field.
    #[error("read a record batch: {0}")]
    Malformed(&'static str),
    /// Another message format than v2.
    #[error("read a record batch of message format {0} (only 2 is known)")]
    Magic(i8),
    /// The stored checksum is not that of the bytes.
    #[error("read a record batch whose CRC is {computed:#010x} where {stored:#010x} is stored")]
    Checksum {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// A compression codec that Kafka does not define.
    #[error("read a record batch compressed with codec {0}, which is not known")]
    UnknownCodec(u8),
    /// The compressed part cannot be read or made.
    #[error("compress or decompress the records of a batch with {codec}")]
    Compression {
        /// The batch's codec.
        codec: Codec,
        /// What the codec said.
        #[source]
        cause: std::io::Error,
    },
    /// More bytes than are allowed.
    #[error("take {what} of {bytes} bytes (at most {max})")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its bytes; for compressed records the bytes at which reading stopped.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// A batch that clients may not send here.
    #[error("take a produced batch: {0}")]
    NotAllowed(&'static str),
}

impl Explain for Error {
    fn code(&self) -> Code {
        match self {
            Error::Checksum { .. } => RECORD_CHECKSUM,
            Error::Truncated { .. }
            | Error::Malformed(_)
            | Error::Magic(_)
            | Error::UnknownCodec(_)
            | Error::Compression { .. }
            | Error::TooLarge { .. }
            | Error::NotAllowed(_) => RECORD_MALFORMED,
        }
    }

    fn kind(&self) -> Kind {
        Kind::Definite
    }
}
