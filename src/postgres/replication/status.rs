//! The write half of a stream.

use crate::lsn::Lsn;
use crate::postgres::error::Error;

/// Tells the server how far the changes are safe. Lives in a task of its own, so that a reader
/// that is held back does not let the connection time out.
#[derive(Debug)]
pub struct StatusWriter {}

impl StatusWriter {
    /// Reports positions. `flush` is what the slot confirms: never above what is stored. Not
    /// cancel safe: a dropped call leaves the stream unusable.
    #[allow(clippy::unused_async)]
    pub async fn status(
        &mut self,
        write: Lsn,
        flush: Lsn,
        apply: Lsn,
        reply_requested: bool,
    ) -> Result<(), Error> {
        let _ = (write, flush, apply, reply_requested);
        unimplemented!()
    }

    /// Ends the stream in order: `CopyDone`, `Terminate`.
    #[allow(clippy::unused_async)]
    pub async fn finish(self) {}
}
