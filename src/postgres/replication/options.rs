//! What a stream is asked for.

/// A frame larger than this is not held: the reader gives its head and skips the rest. Twice the
/// default `max.message.bytes` (16 MiB) for a row with its old version, twice again for `bytea`,
/// whose text form has two characters a byte.
const FRAME_BYTES_MAX_DEFAULT: usize = 64 << 20;

/// Options of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOptions {
    /// The publication.
    pub publication: String,
    /// pgoutput's protocol version; 1 is what is decoded here.
    pub proto_version: u32,
    /// Whether `pg_logical_emit_message` is wanted (PostgreSQL 14 and later).
    pub messages: bool,
    /// Whether values come in binary form where their types have one (PostgreSQL 14 and later).
    pub binary: bool,
    /// More options for the plugin, as in `slot.stream.params`.
    pub extra: Vec<(String, String)>,
    /// Larger frames come as [`Frame::Oversized`](super::Frame::Oversized).
    pub frame_bytes_max: usize,
}

impl StreamOptions {
    /// Protocol version 1 with messages, values as text.
    #[must_use]
    pub fn new(publication: &str) -> StreamOptions {
        StreamOptions {
            publication: publication.to_owned(),
            proto_version: 1,
            messages: true,
            binary: false,
            extra: Vec::new(),
            frame_bytes_max: FRAME_BYTES_MAX_DEFAULT,
        }
    }
}
