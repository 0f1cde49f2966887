//! `Begin`: a transaction's first message.

use super::cursor::Cursor;
use super::error::DecodeError;
use crate::lsn::Lsn;

/// A transaction begins. Transactions come whole and in the order of their commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// Position of the commit record; equals [`Commit::commit_lsn`](super::Commit::commit_lsn).
    pub final_lsn: Lsn,
    /// When it was committed, in microseconds since 1970.
    pub commit_time_us: i64,
    /// The transaction's id, without its epoch.
    pub xid: u32,
}

impl Begin {
    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<Begin, DecodeError> {
        Ok(Begin {
            final_lsn: cursor.lsn("a begin's position")?,
            commit_time_us: cursor.time_us("a begin's commit time")?,
            xid: cursor.u32("a begin's transaction id")?,
        })
    }
}
