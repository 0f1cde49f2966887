//! Frames on a socket: a length and that many bytes.
//!
//! A peer that does not go on is given up: nothing is held for it beyond the timeouts named here.

use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::timeout;

use super::budget::{Budget, Share};

/// The largest request; one batch of `max.message.bytes` for two partitions.
pub(super) const FRAME_BYTES_MAX: usize = 32 << 20;
/// A connection without requests is closed: Kafka's `connections.max.idle.ms`.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// A frame that was begun has to go on within this time.
const READ_STALL_MAX: Duration = Duration::from_secs(10);
/// A frame has to be complete after this time and one second for each MiB: nobody keeps a part
/// of the budget by sending a byte now and then.
const READ_MAX: Duration = Duration::from_secs(20);
/// A client that takes no bytes for this long is given up; its records' budget is others' again.
const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// Parts handed to the socket at once; far below the system's limit of 1,024.
const SLICES_MAX: usize = 64;

/// Why no frame came.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("read from the client")]
    Io(#[from] io::Error),
    #[error("wait for a client that stopped in the middle of a request")]
    Stalled,
    #[error("keep a connection without requests")]
    Idle,
    #[error("take a request of {length} bytes (at most {FRAME_BYTES_MAX}){hint}")]
    Length { length: i32, hint: &'static str },
}

/// A request as it came, with its share of the budget.
#[derive(Debug)]
pub(super) struct RequestFrame {
    pub(super) bytes: Bytes,
    pub(super) share: Share,
}

/// Reads the next frame; `None` when the client closed. Not cancel safe.
pub(super) async fn read_frame(
    socket: &mut BufReader<OwnedReadHalf>,
    budget: &Budget,
) -> Result<Option<RequestFrame>, FrameError> {
    let Some(length) = read_length(socket).await? else {
        return Ok(None);
    };
    let share = budget.request(length).await;
    let seconds = u64::try_from(length >> 20).unwrap_or(u64::MAX);
    let limit = READ_MAX.saturating_add(Duration::from_secs(seconds));
    let read = timeout(limit, read_body(socket, length)).await;
    let bytes = read.map_err(|_| FrameError::Stalled)??;
    Ok(Some(RequestFrame { bytes, share }))
}

async fn read_length(socket: &mut BufReader<OwnedReadHalf>) -> Result<Option<usize>, FrameError> {
    let mut prefix = [0_u8; 4];
    let first = timeout(IDLE_MAX, socket.read(&mut prefix)).await;
    let mut have = first.map_err(|_| FrameError::Idle)??;
    if have == 0 {
        return Ok(None);
    }
    while let Some(rest) = prefix.get_mut(have..).filter(|rest| !rest.is_empty()) {
        let read = timeout(READ_STALL_MAX, socket.read(rest)).await;
        match read.map_err(|_| FrameError::Stalled)?? {
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            more => have += more,
        }
    }
    let length = i32::from_be_bytes(prefix);
    match usize::try_from(length) {
        Ok(bytes @ 1..=FRAME_BYTES_MAX) => Ok(Some(bytes)),
        _ => Err(FrameError::Length {
            length,
            hint: hint(prefix),
        }),
    }
}

/// Other protocols, known by their first bytes.
fn hint(prefix: [u8; 4]) -> &'static str {
    match &prefix {
        [0x16, 0x03, ..] => "; it looks like TLS, which is not spoken here",
        b"GET " | b"POST" | b"PUT " | b"HEAD" | b"OPTI" | b"DELE" => {
            "; it looks like HTTP, which has a port of its own"
        }
        _ => "",
    }
}

async fn read_body(
    socket: &mut BufReader<OwnedReadHalf>,
    length: usize,
) -> Result<Bytes, FrameError> {
    let mut body = BytesMut::with_capacity(length);
    while body.len() < length {
        let rest = length - body.len();
        let mut room = (&mut body).limit(rest);
        let read = timeout(READ_STALL_MAX, socket.read_buf(&mut room)).await;
        if read.map_err(|_| FrameError::Stalled)?? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(body.freeze())
}

/// Writes parts one after the other, without putting them together. Not cancel safe.
pub(super) async fn write_parts(
    socket: &mut (impl AsyncWrite + Unpin),
    parts: Vec<Bytes>,
) -> io::Result<()> {
    let mut parts = std::collections::VecDeque::from(parts);
    while !parts.is_empty() {
        let slices: Vec<IoSlice<'_>> = parts
            .iter()
            .take(SLICES_MAX)
            .map(|part| IoSlice::new(part))
            .collect();
        let written = timeout(WRITE_STALL_MAX, socket.write_vectored(&slices)).await;
        let mut written = written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if written == 0 && parts.iter().any(|part| !part.is_empty()) {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(first) = parts.front_mut() {
            let taken = written.min(first.len());
            first.advance(taken);
            written -= taken;
            if !first.is_empty() {
                break;
            }
            parts.pop_front();
        }
    }
    Ok(())
}
