//! One connection: requests are read, worked on and answered in their order.
//!
//! A Produce request is submitted to the log as soon as it is read, and answered when it is
//! synced, so that a client with several in flight shares syncs with itself. Any other request
//! waits until those before it are answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::broker::Broker;
use super::budget::{Budget, Share};
use super::dispatch::{Answer, Refusal, dispatch};
use super::frame::{FrameError, RequestFrame, read_frame, write_parts};
use crate::error::chain;

/// Requests of one connection that are not answered yet; clients keep at most 5 Produce requests
/// in flight.
const IN_FLIGHT_MAX: u32 = 32;
/// Small, since there may be 10,000 of them; frames beyond it are read in place.
const READ_BUFFER_BYTES: usize = 4 << 10;
/// A request that runs when the service stops may take this long to be answered.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// Where a connection is from and to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
}

/// An answer in its place in the queue.
struct Queued {
    answer: Answer,
    /// The request's part of the budget, until it is answered.
    _share: Share,
    _slot: OwnedSemaphorePermit,
}

/// Why a connection is closed by us.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("answer a client that is gone")]
    Gone,
}

/// Serves a connection until either side closes it.
pub(super) async fn serve(stream: TcpStream, addresses: Addresses, broker: Arc<Broker>) {
    let (read, write) = stream.into_split();
    let capacity = usize::try_from(IN_FLIGHT_MAX).unwrap_or(1);
    let (queue, queued) = mpsc::channel(capacity);
    let reading = async {
        let mut requests = Requests {
            socket: BufReader::with_capacity(READ_BUFFER_BYTES, read),
            addresses,
            broker: &broker,
            queue,
            slots: Arc::new(Semaphore::new(capacity)),
        };
        requests.run().await
    };
    let writing = write_answers(write, queued, &broker.budget);
    tokio::pin!(reading, writing);
    let outcome = tokio::select! {
        // No more requests: what was taken is still answered.
        read = &mut reading => match (read, writing.await) {
            (Err(closed), _) | (Ok(()), Err(closed)) => Err(closed),
            (Ok(()), Ok(())) => Ok(()),
        },
        written = &mut writing => written,
    };
    if let Err(closed) = outcome {
        let reason = chain(&closed);
        tracing::info!(peer = %addresses.peer, reason, "closed a Kafka connection");
    }
}

struct Requests<'a> {
    socket: BufReader<OwnedReadHalf>,
    addresses: Addresses,
    broker: &'a Arc<Broker>,
    queue: mpsc::Sender<Queued>,
    /// One for each request that is not answered.
    slots: Arc<Semaphore>,
}

impl Requests<'_> {
    async fn run(&mut self) -> Result<(), Closed> {
        loop {
            let draining = self.broker.draining.clone();
            let frame = tokio::select! {
                () = draining.cancelled() => return Ok(()),
                frame = read_frame(&mut self.socket, &self.broker.budget) => frame?,
            };
            let Some(frame) = frame else {
                return Ok(());
            };
            if !self.on_request(frame).await? {
                return Ok(());
            }
        }
    }

    /// Works on a request; false once the client is gone.
    async fn on_request(&mut self, frame: RequestFrame) -> Result<bool, Closed> {
        let RequestFrame { bytes, share } = frame;
        let slots = if is_produce(&bytes) { 1 } else { IN_FLIGHT_MAX };
        // All slots at once: everything before is answered.
        let taken = Arc::clone(&self.slots).acquire_many_owned(slots).await;
        let mut taken = taken.map_err(|_| Closed::Gone)?;
        let slot = taken.split(1).ok_or(Closed::Gone)?;
        drop(taken);
        let work = Box::pin(dispatch(self.broker, self.addresses, bytes));
        let draining = &self.broker.draining;
        let answer = tokio::select! {
            biased;
            answer = work => answer?,
            () = gone(&self.socket) => return Ok(false),
            () = async {
                draining.cancelled().await;
                tokio::time::sleep(DRAIN_MAX).await;
            } => return Ok(false),
        };
        let queued = Queued {
            answer,
            _share: share,
            _slot: slot,
        };
        self.queue.send(queued).await.map_err(|_| Closed::Gone)?;
        Ok(true)
    }
}

/// Whether a frame is a Produce request, by its API key.
fn is_produce(frame: &[u8]) -> bool {
    frame.first_chunk::<2>() == Some(&[0, 0])
}

/// Resolves when the client closed while nothing else of it is to be read. A client that sent
/// more is there. Cancel safe.
async fn gone(socket: &BufReader<OwnedReadHalf>) {
    let is_over = async {
        if !socket.buffer().is_empty() {
            return false;
        }
        let mut byte = [0_u8; 1];
        let peeked = async {
            socket.get_ref().readable().await?;
            let mut buffer = tokio::io::ReadBuf::new(&mut byte);
            std::future::poll_fn(|context| {
                socket.get_ref().as_ref().poll_peek(context, &mut buffer)
            })
            .await
        };
        matches!(peeked.await, Ok(0) | Err(_))
    };
    if !is_over.await {
        std::future::pending::<()>().await;
    }
}

async fn write_answers(
    mut socket: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Queued>,
    budget: &Budget,
) -> Result<(), Closed> {
    while let Some(queued) = queue.recv().await {
        let (frame, records) = match queued.answer {
            Answer::Now(frame, records) => (frame, records),
            Answer::Later(frame) => match frame.await? {
                Some(frame) => (frame, None),
                None => continue,
            },
        };
        write_parts(&mut socket, frame.into_parts(), budget)
            .await
            .map_err(FrameError::Io)?;
        drop(records);
    }
    // The client reads to the end of what it was sent.
    timeout(DRAIN_MAX, tokio::io::AsyncWriteExt::shutdown(&mut socket))
        .await
        .ok();
    Ok(())
}
