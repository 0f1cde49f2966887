//! The read half of a stream.

use super::frame::Frame;
use crate::postgres::error::Error;

/// Reads frames.
#[derive(Debug)]
pub struct ReplicationReader {}

impl ReplicationReader {
    /// The next frame; waits for it. Cancel safe: a dropped call loses nothing.
    #[allow(clippy::unused_async)]
    pub async fn next(&mut self) -> Result<Frame, Error> {
        unimplemented!()
    }

    /// The next frame if it was received already; never touches the socket.
    pub fn try_next(&mut self) -> Result<Option<Frame>, Error> {
        unimplemented!()
    }
}
