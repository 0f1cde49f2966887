//! The write half of a stream.
//!
//! ```text
//! 'r' | 8 written | 8 flushed | 8 applied | 8 time | 1 reply wanted
//! ```

use std::io;

use bytes::{BufMut, BytesMut};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncWriteExt, WriteHalf};

use super::frame::POSTGRES_EPOCH_US;
use crate::clock::{Clock, SystemClock};
use crate::lsn::Lsn;
use crate::postgres::connection::Stream;
use crate::postgres::error::Error;

/// Kind, three positions, time and the wish for an answer.
const STATUS_BYTES: usize = 1 + 8 + 8 + 8 + 8 + 1;

/// Tells the server how far the changes are safe. Lives in a task of its own, so that a reader
/// that is held back does not let the connection time out.
#[derive(Debug)]
pub struct StatusWriter {
    write: WriteHalf<Stream>,
    outbox: BytesMut,
}

impl StatusWriter {
    pub(super) fn new(write: WriteHalf<Stream>) -> StatusWriter {
        StatusWriter {
            write,
            outbox: BytesMut::with_capacity(2 * STATUS_BYTES),
        }
    }

    /// Reports positions. `flush` is what the slot confirms: never above what is stored. Not
    /// cancel safe: a dropped call leaves the stream unusable.
    pub async fn status(
        &mut self,
        write: Lsn,
        flush: Lsn,
        apply: Lsn,
        reply_requested: bool,
    ) -> Result<(), Error> {
        let mut status = [0; STATUS_BYTES];
        let mut out = &mut status[..];
        out.put_u8(b'r');
        out.put_u64(write.0);
        out.put_u64(flush.0);
        out.put_u64(apply.0);
        out.put_i64(now_us());
        out.put_u8(u8::from(reply_requested));
        self.outbox.clear();
        frontend::CopyData::new(&status[..])
            .map_err(|source| Error::Lost { source })?
            .write(&mut self.outbox);
        self.send().await.map_err(|source| Error::Lost { source })
    }

    /// Ends the stream in order: `CopyDone`, `Terminate`. Whatever goes wrong is of no interest
    /// any more; the server keeps what was confirmed.
    pub async fn finish(mut self) {
        self.outbox.clear();
        frontend::copy_done(&mut self.outbox);
        frontend::terminate(&mut self.outbox);
        if self.send().await.is_ok() {
            let _ = self.write.shutdown().await;
        }
    }

    async fn send(&mut self) -> io::Result<()> {
        self.write.write_all(&self.outbox).await?;
        self.write.flush().await
    }
}

/// Microseconds since PostgreSQL's epoch.
fn now_us() -> i64 {
    (SystemClock.now_ns() / 1_000).saturating_sub(POSTGRES_EPOCH_US)
}
