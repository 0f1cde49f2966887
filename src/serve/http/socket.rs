//! A connection's socket, as hyper reads and writes it and as handlers watch it.
//!
//! The parts of a small answer leave in one piece: a vectored write costs the kernel more than a
//! plain one, and more than copying some hundred bytes.

use std::future::pending;
use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Answers up to this size are copied; those to pushes have some 250 bytes.
const SMALL_BYTES_MAX: usize = 1024;

/// The socket. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Socket(Arc<TcpStream>);

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Socket {
        Socket(Arc::new(stream))
    }

    /// Resolves when the peer has closed the connection, or its half of it. To be awaited while
    /// nobody reads. A peer that has sent more meanwhile is taken to be there. Cancel safe.
    pub(super) async fn gone(&self) {
        if let Ok(1..) = self.0.peek(&mut [0]).await {
            pending::<()>().await;
        }
    }

    /// Writes as soon as there is room.
    fn poll_with(
        &self,
        context: &mut Context<'_>,
        write: impl Fn() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match write() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (room, before) = (buffer.remaining(), buffer.filled().len());
        loop {
            ready!(self.0.poll_read_ready(context))?;
            let read = self.0.try_io(Interest::READABLE, || {
                match self.0.try_read_buf(buffer)? {
                    // Less than there is room for: there is no more, as tokio's own reads know too.
                    // To say so spares a read that finds nothing.
                    read if 0 < read && read < room => Err(ErrorKind::WouldBlock.into()),
                    _ => Ok(()),
                }
            });
            return match read {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if buffer.filled().len() == before {
                        continue;
                    }
                    Poll::Ready(Ok(()))
                }
                other => Poll::Ready(other),
            };
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(context, || self.0.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut small = [0; SMALL_BYTES_MAX];
        let mut filled = 0;
        for slice in slices {
            let end = filled + slice.len();
            let Some(part) = small.get_mut(filled..end) else {
                return self.poll_with(context, || self.0.try_write_vectored(slices));
            };
            part.copy_from_slice(slice);
            filled = end;
        }
        self.poll_write(context, small.get(..filled).unwrap_or_default())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket2::SockRef::from(&*self.0).shutdown(Shutdown::Write))
    }
}
