//! Received bytes, cut into messages. Pure but for [`Inbox::fill`], which reads once.
//!
//! ```text
//! 1 byte tag | 4 bytes length, itself included | body
//! ```
//!
//! Invariant: memory grows with what was received, never with a length that was only announced.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use postgres_protocol::message::backend::Header;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::postgres::error::Error;

/// Tag and length.
const HEADER_BYTES: usize = 5;
/// A buffer that grew beyond this many times its chunk for one large message is given back.
const GROWN_CHUNKS_MAX: usize = 4;

/// One message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::postgres) struct Message {
    /// Its kind.
    pub(in crate::postgres) tag: u8,
    /// What follows the length.
    pub(in crate::postgres) body: Bytes,
}

/// The message at the front: tag and length of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) struct Front {
    pub(in crate::postgres) tag: u8,
    pub(in crate::postgres) body_bytes: usize,
}

/// Bytes that were received and not taken. `Debug` tells how many: they are somebody's rows.
pub(in crate::postgres) struct Inbox {
    buffer: BytesMut,
    /// How much is asked of the socket at a time.
    chunk_bytes: usize,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("received_bytes", &self.buffer.len())
            .field("chunk_bytes", &self.chunk_bytes)
            .finish()
    }
}

impl Inbox {
    /// An empty inbox that reads about `chunk_bytes` at a time.
    pub(in crate::postgres) fn new(chunk_bytes: usize) -> Inbox {
        Inbox {
            buffer: BytesMut::new(),
            chunk_bytes,
        }
    }

    /// Reads larger or smaller pieces from here on.
    pub(in crate::postgres) fn set_chunk_bytes(&mut self, chunk_bytes: usize) {
        self.chunk_bytes = chunk_bytes;
    }

    /// Tag and length at the front, once they are there.
    pub(in crate::postgres) fn front(&self) -> Result<Option<Front>, Error> {
        let header = Header::parse(&self.buffer).map_err(|_| {
            Error::protocol("a message announces a length that leaves no room for itself")
        })?;
        Ok(header.map(|header| Front {
            tag: header.tag(),
            // The parser refuses lengths below 4.
            body_bytes: usize::try_from(header.len() - 4).unwrap_or(0),
        }))
    }

    /// Takes the message at the front if all of it is there; one longer than `limit` is refused
    /// as soon as its length is known.
    pub(in crate::postgres) fn take(&mut self, limit: usize) -> Result<Option<Message>, Error> {
        let Some(front) = self.front()? else {
            return Ok(None);
        };
        if front.body_bytes > limit {
            return Err(Error::TooLarge {
                bytes: u64::try_from(front.body_bytes).unwrap_or(u64::MAX),
                limit: u64::try_from(limit).unwrap_or(u64::MAX),
            });
        }
        if self.buffer.len() < HEADER_BYTES + front.body_bytes {
            return Ok(None);
        }
        self.buffer.advance(HEADER_BYTES);
        Ok(Some(Message {
            tag: front.tag,
            body: self.buffer.split_to(front.body_bytes).freeze(),
        }))
    }

    /// Takes `bytes` off the front where at least that many are there: a message's head, its
    /// header included.
    pub(in crate::postgres) fn take_head(&mut self, bytes: usize) -> Option<Bytes> {
        (self.buffer.len() >= HEADER_BYTES + bytes).then(|| {
            self.buffer.advance(HEADER_BYTES);
            self.buffer.split_to(bytes).freeze()
        })
    }

    /// Drops up to `bytes` off the front; returns how many.
    pub(in crate::postgres) fn skip(&mut self, bytes: u64) -> u64 {
        let here = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        let dropped = here.min(bytes);
        self.buffer
            .advance(usize::try_from(dropped).unwrap_or(usize::MAX));
        dropped
    }

    /// Bytes that were received and not taken.
    pub(in crate::postgres) fn as_slice(&self) -> &[u8] {
        &self.buffer
    }

    /// Takes the first `bytes` as they are; there must be as many.
    pub(in crate::postgres) fn split(&mut self, bytes: usize) -> BytesMut {
        self.buffer.split_to(bytes)
    }

    /// Reads once. Cancel safe: bytes are either in the inbox or still in the socket.
    pub(in crate::postgres) async fn fill<R>(&mut self, from: &mut R) -> Result<(), Error>
    where
        R: AsyncRead + Unpin,
    {
        self.make_room();
        match from.read_buf(&mut self.buffer).await {
            Ok(0) => Err(Error::Closed),
            Ok(_) => Ok(()),
            Err(source) => Err(Error::Lost { source }),
        }
    }

    /// Makes room for a chunk, or for a message that needs more: then as much again as is there
    /// already, so that a length alone reserves nothing.
    fn make_room(&mut self) {
        let length = self.buffer.len();
        let grown = self.chunk_bytes.saturating_mul(GROWN_CHUNKS_MAX);
        if self.buffer.capacity() > grown && length < self.chunk_bytes {
            let mut fresh = BytesMut::with_capacity(self.chunk_bytes.saturating_add(length));
            fresh.extend_from_slice(&self.buffer);
            self.buffer = fresh;
            return;
        }
        let spare = self.buffer.capacity() - length;
        if spare < self.chunk_bytes / 4 {
            let missing = match self.front() {
                Ok(Some(front)) => (HEADER_BYTES + front.body_bytes).saturating_sub(length),
                Ok(None) | Err(_) => 0,
            };
            self.buffer
                .reserve(missing.min(length).max(self.chunk_bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn filled(bytes: &[u8]) -> Inbox {
        let mut inbox = Inbox::new(16);
        let mut from = bytes;
        while !from.is_empty() {
            inbox.fill(&mut from).await.unwrap();
        }
        inbox
    }

    #[tokio::test]
    async fn messages_are_cut_whatever_the_pieces() {
        let bytes = b"Z\0\0\0\x05IS\0\0\0\x04D\0\0\0\x1e01234567890123456789012345d\0\0\0\x05x";
        let mut inbox = filled(bytes).await;
        let mut seen = Vec::new();
        while let Some(message) = inbox.take(1000).unwrap() {
            seen.push((message.tag, message.body.len()));
        }
        assert_eq!(seen, [(b'Z', 1), (b'S', 0), (b'D', 26), (b'd', 1)]);
        assert!(inbox.as_slice().is_empty());
    }

    #[tokio::test]
    async fn an_impossible_length_is_refused_at_once() {
        for length in [0_i32, 3, -1, i32::MIN] {
            let mut bytes = vec![b'd'];
            bytes.extend_from_slice(&length.to_be_bytes());
            assert!(
                matches!(filled(&bytes).await.take(1000), Err(Error::Protocol { .. })),
                "{length}"
            );
        }
        let mut bytes = vec![b'd'];
        bytes.extend_from_slice(&i32::MAX.to_be_bytes());
        let refused = filled(&bytes).await.take(1000);
        assert!(
            matches!(refused, Err(Error::TooLarge { .. })),
            "{refused:?}"
        );
    }

    #[tokio::test]
    async fn an_announced_length_reserves_nothing() {
        let mut bytes = vec![b'd'];
        bytes.extend_from_slice(&i32::MAX.to_be_bytes());
        bytes.extend_from_slice(&[0; 100]);
        let inbox = filled(&bytes).await;
        assert!(
            inbox.buffer.capacity() < 1000,
            "{}",
            inbox.buffer.capacity()
        );
    }

    #[tokio::test]
    async fn memory_of_a_large_message_is_given_back() {
        let mut bytes = vec![b'd'];
        bytes.extend_from_slice(&100_004_i32.to_be_bytes());
        bytes.extend_from_slice(&vec![0; 100_000]);
        let mut inbox = filled(&bytes).await;
        assert_eq!(inbox.take(1 << 20).unwrap().unwrap().body.len(), 100_000);
        inbox.fill(&mut &b"x"[..]).await.unwrap();
        assert!(inbox.buffer.capacity() <= 64, "{}", inbox.buffer.capacity());
    }
}
