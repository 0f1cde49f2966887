//! Frames on a socket: a length and that many bytes.
//!
//! A peer that does not go on is given up: nothing is held for it beyond the timeouts named here.

use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{Instant, timeout};

use super::budget::{Budget, Share};
use crate::kafka::ApiKey;

/// The largest request; one batch of `max.message.bytes` for two partitions.
pub(super) const FRAME_BYTES_MAX: usize = 32 << 20;
/// An assignment of a whole group; the group may have 12 MiB.
const SYNC_FRAME_BYTES_MAX: usize = 16 << 20;
/// A member with its protocols, which may have 1 MiB; and 25,000 partitions to fetch.
const WAITING_FRAME_BYTES_MAX: usize = 2 << 20;
/// All other requests; 10,000 topics with the longest names are 2.5 MiB.
const PLAIN_FRAME_BYTES_MAX: usize = 4 << 20;
/// A request may take this many times its bytes until it is answered: those that answer names
/// with structures, and those that only hold what they brought.
const ANSWERING_FACTOR: usize = 32;
const HOLDING_FACTOR: usize = 4;
/// A connection without requests is closed: Kafka's `connections.max.idle.ms`.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// A frame that was begun has to go on within this time.
const READ_STALL_MAX: Duration = Duration::from_secs(10);
/// A frame has to be complete after this time and one second for each MiB: nobody keeps a part
/// of the budget by sending a byte now and then.
const READ_MAX: Duration = Duration::from_secs(20);
/// Bytes of a request that are read before it counts against the budget. Requests that take no more
/// are never held up by large ones.
const UNCOUNTED_BYTES: usize = 16 << 10;
/// While others wait for the budget, a request that has a share of it is given up unless it brings
/// at least [`RATE_BYTES_MIN`] in each window.
const RATE_WINDOW: Duration = Duration::from_secs(1);
const RATE_BYTES_MIN: usize = 256 << 10;
/// A client that takes no bytes for this long is given up, or for [`RATE_WINDOW`] while others wait
/// for room for records: its records' budget is others' again.
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
    #[error("take a request of {length} bytes of API {key} (at most {max})")]
    TooLarge { length: usize, key: i16, max: usize },
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
    let head = length.min(UNCOUNTED_BYTES);
    let mut body = BytesMut::with_capacity(head);
    let read = timeout(READ_MAX, read_up_to(socket, &mut body, head, None)).await;
    read.map_err(|_| FrameError::Stalled)??;
    let share = admit(budget, &body, length).await?;
    body.reserve(length - body.len());
    let seconds = u64::try_from(length >> 20).unwrap_or(u64::MAX);
    let limit = READ_MAX.saturating_add(Duration::from_secs(seconds));
    let read = timeout(limit, read_up_to(socket, &mut body, length, Some(budget))).await;
    read.map_err(|_| FrameError::Stalled)??;
    let bytes = body.freeze();
    Ok(Some(RequestFrame { bytes, share }))
}

/// Waits for what a frame that begins with `body` takes of the budget.
async fn admit(budget: &Budget, body: &[u8], length: usize) -> Result<Share, FrameError> {
    let key = body
        .first_chunk()
        .map_or(-1, |key| i16::from_be_bytes(*key));
    let (max, factor) = match ApiKey::from_number(key) {
        Some(ApiKey::Produce) => (FRAME_BYTES_MAX, 1),
        Some(ApiKey::SyncGroup) => (SYNC_FRAME_BYTES_MAX, 2),
        Some(ApiKey::JoinGroup | ApiKey::Fetch) => (WAITING_FRAME_BYTES_MAX, HOLDING_FACTOR),
        _ => (PLAIN_FRAME_BYTES_MAX, ANSWERING_FACTOR),
    };
    if length > max {
        return Err(FrameError::TooLarge { length, key, max });
    }
    let bytes = length.saturating_mul(factor);
    Ok(match factor {
        _ if bytes <= UNCOUNTED_BYTES => budget.uncounted().await,
        1 => budget.produced(bytes).await,
        _ => budget.plain(bytes).await,
    })
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

/// Reads until `body` has `length` bytes. With a budget the peer has to keep up a rate while
/// others wait for its share.
async fn read_up_to(
    socket: &mut BufReader<OwnedReadHalf>,
    body: &mut BytesMut,
    length: usize,
    budget: Option<&Budget>,
) -> Result<(), FrameError> {
    let mut looked_at = Instant::now();
    let mut had = body.len();
    while body.len() < length {
        let rest = length - body.len();
        let mut room = (&mut *body).limit(rest);
        // Running out of the window is no error by itself: what came within it is looked at below.
        if let Ok(read) = timeout(RATE_WINDOW, socket.read_buf(&mut room)).await
            && read? == 0
        {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if looked_at.elapsed() < RATE_WINDOW {
            continue;
        }
        let got = body.len() - had;
        let is_slow = budget.is_some_and(Budget::is_wanted) && got < RATE_BYTES_MIN;
        if is_slow || (got == 0 && looked_at.elapsed() >= READ_STALL_MAX) {
            return Err(FrameError::Stalled);
        }
        if got > 0 {
            looked_at = Instant::now();
            had = body.len();
        }
    }
    Ok(())
}

/// Writes parts one after the other, without putting them together. Not cancel safe.
pub(super) async fn write_parts(
    socket: &mut (impl AsyncWrite + Unpin),
    parts: Vec<Bytes>,
    budget: &Budget,
) -> io::Result<()> {
    let mut parts = std::collections::VecDeque::from(parts);
    let mut moved_at = Instant::now();
    while !parts.is_empty() {
        let slices: Vec<IoSlice<'_>> = parts
            .iter()
            .take(SLICES_MAX)
            .map(|part| IoSlice::new(part))
            .collect();
        let Ok(written) = timeout(RATE_WINDOW, socket.write_vectored(&slices)).await else {
            if budget.records_are_wanted() || moved_at.elapsed() >= WRITE_STALL_MAX {
                return Err(io::ErrorKind::TimedOut.into());
            }
            continue;
        };
        let mut written = written?;
        moved_at = Instant::now();
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
