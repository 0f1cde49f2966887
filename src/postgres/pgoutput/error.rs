//! Why bytes are not a pgoutput message.

/// The bytes are not a message of pgoutput, protocol version 1. The stream cannot be trusted any
/// further: the caller closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There was not even a message type.
    #[error("decode an empty pgoutput message")]
    Empty,
    /// A type byte that protocol version 1 does not have.
    #[error("decode a pgoutput message of unknown type {:?}", char::from(*.0))]
    UnknownMessage(u8),
    /// The message ended before the named field did.
    #[error("decode {field} of a pgoutput message: {wanted} bytes wanted, {left} left")]
    Truncated {
        /// What was being read.
        field: &'static str,
        /// Bytes the field needs.
        wanted: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// A text without its closing NUL.
    #[error("decode {0} of a pgoutput message: the text does not end")]
    Unterminated(&'static str),
    /// A text that is not UTF-8 although the connection asked for UTF-8.
    #[error("decode {0} of a pgoutput message: the text is not UTF-8")]
    NotUtf8(&'static str),
    /// A one-letter code with a value that is not defined.
    #[error("decode {field} of a pgoutput message: {:?} is not defined", char::from(*.value))]
    UnknownCode {
        /// What was being read.
        field: &'static str,
        /// The byte found.
        value: u8,
    },
    /// A length or count below zero.
    #[error("decode {field} of a pgoutput message: {value} is negative")]
    Negative {
        /// What was being read.
        field: &'static str,
        /// The number found.
        value: i32,
    },
    /// Bytes behind the end of the message.
    #[error("decode a pgoutput message of type {:?}: {left} bytes left over", char::from(*.tag))]
    Trailing {
        /// The message's type.
        tag: u8,
        /// Bytes behind its end.
        left: usize,
    },
}
