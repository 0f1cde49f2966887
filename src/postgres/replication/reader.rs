//! The read half of a stream: messages cut from one large buffer, without a copy and without a
//! task in between.
//!
//! Invariant: at most one frame limit and two chunks of memory are held here, besides the frames
//! the caller keeps.

use bytes::{Buf, Bytes};
use postgres_protocol::message::backend;
use tokio::io::ReadHalf;

use super::frame::{DATA_HEADER_BYTES, Frame, Head};
use crate::postgres::connection::{Inbox, Stream, log_notice, unexpected};
use crate::postgres::error::{Action, Error, ServerError};

/// Read at a time. A walsender that is ahead fills it with one system call instead of thirty.
const CHUNK_BYTES: usize = 256 << 10;
/// What is kept of a message that is larger than the limit: kind, relation, and the cells of a
/// key, which usually comes first.
const OVERSIZED_HEAD_BYTES: usize = 64 << 10;

/// Reads frames. Silence is the caller's to notice: the server says something at least every half
/// of its `wal_sender_timeout`, and when a status asks for it.
#[derive(Debug)]
pub struct ReplicationReader {
    read: ReadHalf<Stream>,
    inbox: Inbox,
    slot: String,
    frame_bytes_max: usize,
    /// Bytes of an oversized message that are still to be dropped.
    skip_bytes: u64,
}

impl ReplicationReader {
    pub(super) fn new(
        read: ReadHalf<Stream>,
        mut inbox: Inbox,
        slot: &str,
        frame_bytes_max: usize,
    ) -> ReplicationReader {
        inbox.set_chunk_bytes(CHUNK_BYTES);
        ReplicationReader {
            read,
            inbox,
            slot: slot.to_owned(),
            frame_bytes_max: frame_bytes_max.max(OVERSIZED_HEAD_BYTES),
            skip_bytes: 0,
        }
    }

    /// The next frame; waits for it. Cancel safe: a dropped call loses nothing.
    pub async fn next(&mut self) -> Result<Frame, Error> {
        loop {
            if let Some(frame) = self.try_next()? {
                return Ok(frame);
            }
            self.inbox.fill(&mut self.read).await?;
        }
    }

    /// The next frame if it was received already; never touches the socket.
    pub fn try_next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            if self.skip_bytes > 0 {
                self.skip_bytes -= self.inbox.skip(self.skip_bytes);
                if self.skip_bytes > 0 {
                    return Ok(None);
                }
            }
            let Some(front) = self.inbox.front()? else {
                return Ok(None);
            };
            if front.tag == backend::COPY_DATA_TAG && front.body_bytes > self.frame_bytes_max {
                return self.oversized(front.body_bytes);
            }
            let Some(message) = self.inbox.take(self.frame_bytes_max)? else {
                return Ok(None);
            };
            if message.tag == backend::COPY_DATA_TAG {
                return Frame::decode(message.body).map(Some);
            }
            self.on_other(message.tag, &message.body)?;
        }
    }

    /// Gives the head of a message that is too large, once it is there, and drops the rest.
    fn oversized(&mut self, body_bytes: usize) -> Result<Option<Frame>, Error> {
        let Some(mut taken) = self.inbox.take_head(OVERSIZED_HEAD_BYTES) else {
            return Ok(None);
        };
        self.skip_bytes = u64::try_from(body_bytes - taken.len()).unwrap_or(u64::MAX);
        let Some(head) = Head::decode(&taken) else {
            return Err(Error::protocol("a large message that is no XLogData"));
        };
        taken.advance(DATA_HEADER_BYTES);
        Ok(Some(Frame::Oversized {
            wal_start: head.wal_start,
            wal_end: head.wal_end,
            server_time_us: head.server_time_us,
            bytes: u64::try_from(body_bytes - DATA_HEADER_BYTES).unwrap_or(u64::MAX),
            head: taken,
        }))
    }

    /// What else a server may say in a stream.
    fn on_other(&self, tag: u8, body: &Bytes) -> Result<(), Error> {
        match tag {
            backend::NOTICE_RESPONSE_TAG => {
                log_notice(body);
                Ok(())
            }
            backend::PARAMETER_STATUS_TAG | backend::NOTIFICATION_RESPONSE_TAG => Ok(()),
            backend::ERROR_RESPONSE_TAG => Err(ServerError::parse(body).during(&Action::UseSlot {
                slot: &self.slot,
                doing: "stream from",
            })),
            // The server stops: it has sent everything and closes.
            backend::COPY_DONE_TAG | backend::COMMAND_COMPLETE_TAG => Err(Error::Closed),
            tag => Err(unexpected(tag, "a stream")),
        }
    }
}
