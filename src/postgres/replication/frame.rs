//! What comes over a stream: changes and signs of life.

use bytes::Bytes;

use crate::lsn::Lsn;

/// One message of the walsender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Data of the plugin, for [`pgoutput::decode`](crate::postgres::pgoutput::decode).
    XLogData {
        /// Where the message stands in the log (0 for some).
        wal_start: Lsn,
        /// The end of the log as the walsender knew it.
        wal_end: Lsn,
        /// When it was sent, in microseconds since 1970.
        server_time_us: i64,
        /// The message. Shares its memory with the reader's buffer: holding it holds up to 256 KiB.
        data: Bytes,
    },
    /// A message larger than the stream's limit; what is not in `head` was read and dropped.
    Oversized {
        /// Where the message stands in the log.
        wal_start: Lsn,
        /// The end of the log as the walsender knew it.
        wal_end: Lsn,
        /// When it was sent, in microseconds since 1970.
        server_time_us: i64,
        /// Length of the whole message.
        bytes: u64,
        /// Its first bytes: kind, relation and what fits of the cells.
        head: Bytes,
    },
    /// The walsender lives; everything up to `wal_end` was sent.
    Keepalive {
        /// How far the walsender has read.
        wal_end: Lsn,
        /// When it was sent, in microseconds since 1970.
        server_time_us: i64,
        /// Whether a status is wanted at once.
        reply_requested: bool,
    },
}
