//! `Origin`: the transaction was replicated to this server from another one.

use super::cursor::Cursor;
use super::error::DecodeError;
use crate::lsn::Lsn;

/// Where the transaction came from; follows its `Begin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Position of the commit on the origin.
    pub commit_lsn: Lsn,
    /// The origin's name.
    pub name: &'a str,
}

impl<'a> Origin<'a> {
    pub(super) fn decode(cursor: &mut Cursor<'a>) -> Result<Origin<'a>, DecodeError> {
        Ok(Origin {
            commit_lsn: cursor.lsn("an origin's position")?,
            name: cursor.text("an origin's name")?,
        })
    }
}
