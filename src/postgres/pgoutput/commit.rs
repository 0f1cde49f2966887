//! `Commit`: a transaction's last message.

use super::cursor::Cursor;
use super::error::DecodeError;
use crate::lsn::Lsn;

/// The transaction that began last is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Unused by the server so far (0).
    pub flags: u8,
    /// Position of the commit record.
    pub commit_lsn: Lsn,
    /// Position behind the commit record: where the next start begins.
    pub end_lsn: Lsn,
    /// When it was committed, in microseconds since 1970.
    pub commit_time_us: i64,
}

impl Commit {
    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<Commit, DecodeError> {
        Ok(Commit {
            flags: cursor.u8("a commit's flags")?,
            commit_lsn: cursor.lsn("a commit's position")?,
            end_lsn: cursor.lsn("a commit's end position")?,
            commit_time_us: cursor.time_us("a commit's time")?,
        })
    }
}
