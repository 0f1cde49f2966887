//! What comes over a stream: changes and signs of life.
//!
//! ```text
//! XLogData   'w' | 8 start of the data | 8 end of the log | 8 time | data
//! Keepalive  'k' | 8 end of the log | 8 time | 1 reply requested
//! ```

use bytes::{Buf, Bytes};

use crate::lsn::Lsn;
use crate::postgres::error::Error;

/// Microseconds from 1970-01-01 to 2000-01-01, PostgreSQL's epoch.
pub(super) const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;
/// Kind, two positions and a time, before the data of an `XLogData`.
pub(super) const DATA_HEADER_BYTES: usize = 1 + 8 + 8 + 8;
/// Kind, a position, a time and the wish for an answer.
const KEEPALIVE_BYTES: usize = 1 + 8 + 8 + 1;

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

impl Frame {
    /// Reads the body of a `CopyData`.
    pub(super) fn decode(mut body: Bytes) -> Result<Frame, Error> {
        match body.first() {
            Some(b'w') => {
                let head = Head::decode(&body)
                    .ok_or_else(|| Error::protocol("an XLogData shorter than its header"))?;
                body.advance(DATA_HEADER_BYTES);
                Ok(Frame::XLogData {
                    wal_start: head.wal_start,
                    wal_end: head.wal_end,
                    server_time_us: head.server_time_us,
                    data: body,
                })
            }
            Some(b'k') if body.len() == KEEPALIVE_BYTES => {
                body.advance(1);
                Ok(Frame::Keepalive {
                    wal_end: Lsn(body.get_u64()),
                    server_time_us: body.get_i64().saturating_add(POSTGRES_EPOCH_US),
                    reply_requested: body.get_u8() != 0,
                })
            }
            Some(b'k') => Err(Error::protocol(
                "a keepalive of another length than 18 bytes",
            )),
            Some(other) => Err(Error::protocol(format!(
                "a stream message of kind {:?}",
                char::from(*other)
            ))),
            None => Err(Error::protocol("an empty stream message")),
        }
    }
}

/// What precedes the data of an `XLogData`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) wal_start: Lsn,
    pub(super) wal_end: Lsn,
    pub(super) server_time_us: i64,
}

impl Head {
    /// Reads the header; `None` if it is not all there or not one of an `XLogData`.
    pub(super) fn decode(body: &[u8]) -> Option<Head> {
        let mut header: &[u8] = body.first_chunk::<DATA_HEADER_BYTES>()?;
        (header.get_u8() == b'w').then(|| Head {
            wal_start: Lsn(header.get_u64()),
            wal_end: Lsn(header.get_u64()),
            server_time_us: header.get_i64().saturating_add(POSTGRES_EPOCH_US),
        })
    }
}
