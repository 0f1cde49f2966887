//! Accepts HTTP connections and holds them to limits: their number, the time headers may take,
//! the time a request may take, and the time a peer may leave our bytes unread.
//!
//! Stopping: the listener is closed at once, idle connections too; a running request is finished
//! for as long as whoever runs the service waits.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::response::Response;
use futures_util::StreamExt as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::socket::Socket;
use super::waits::Waits;
use crate::auth::Recent;
use crate::error::{self, Code, Explain, Kind};
use crate::tasks;

/// Connections served at once by one listener; further ones wait in the accept queue. Enough for
/// thousands of parked long polls; about 20 KiB each.
const CONNECTIONS_MAX: usize = 4096;
/// Connections the kernel keeps for us while we are busy.
const BACKLOG: i32 = 1024;
/// A request's headers have this long, and an idle connection is closed after it. Slower than any
/// honest client, shorter than what holds a connection for nothing.
const HEADER_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of a request's headers, and of the write buffer of a connection.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// A peer that leaves our bytes unacknowledged or its window shut for so long is dropped.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Waiting time after a failed accept, which says that the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is in use, not of this machine, or not permitted.
    #[error("listen on {address} for {what}")]
    Bind {
        /// What the listener is for, in people's words.
        what: &'static str,
        /// The configuration's address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        cause: std::io::Error,
    },
}

impl Explain for Error {
    fn code(&self) -> Code {
        error::HTTP_BIND
    }

    fn kind(&self) -> Kind {
        Kind::Fatal
    }

    fn mend(&self) -> Option<String> {
        let Error::Bind { what, address, .. } = self;
        let variable = match *what {
            "metrics" => "PENSTOCK_METRICS_LISTEN",
            _ => "PENSTOCK_HTTP_LISTEN",
        };
        Some(format!(
            "stop what uses port {} (ss -ltnp), or set {variable} to another address (port 0 takes a free one)",
            address.port()
        ))
    }
}

/// A bound address that does not answer yet.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
}

/// The address of a peer, put into each request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// What answers the requests of a listener.
pub(crate) trait Handler: Clone + Send + Sync + 'static {
    /// The answer to a request that came over `connection`. Nobody looks meanwhile whether the peer
    /// is still there: whoever waits, or hands out what would be lost, watches
    /// [`Connection::socket`]. Dropped when the connection ends otherwise.
    fn handle(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> impl Future<Output = Result<Response, Gone>> + Send;
}

/// The peer has gone, and there is nobody to answer.
#[derive(Debug, thiserror::Error)]
#[error("the peer has gone before its answer was there")]
pub(crate) struct Gone;

/// Tells connections that their listener is closed. They look at it with every poll, so what they
/// look at is a flag, and not a token with a lock that they would all share.
#[derive(Debug, Default)]
struct Ending {
    has_begun: AtomicBool,
    wake: Notify,
}

impl Ending {
    fn begin(&self) {
        self.has_begun.store(true, Ordering::Release);
        self.wake.notify_waiters();
    }

    /// Resolves once it has begun. To be polled by one task.
    fn begun(&self) -> impl Future<Output = ()> {
        let mut woken = Box::pin(self.wake.notified());
        let mut is_waiting = false;
        poll_fn(move |context| {
            if !is_waiting {
                is_waiting = true;
                // Registers the task, whatever it says.
                let _ = woken.as_mut().poll(context);
            }
            match self.has_begun.load(Ordering::Acquire) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
    }
}

/// What a handler may know of the connection of a request.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) socket: Socket,
    /// For waits of the handler's own future.
    pub(super) waits: Waits,
    /// The token it showed last.
    pub(super) recent: Recent,
}

impl Handler for Router {
    async fn handle(
        &self,
        mut request: Request<Incoming>,
        connection: &Connection,
    ) -> Result<Response, Gone> {
        request.extensions_mut().insert(Peer(connection.peer));
        let service = TowerToHyperService::new(self.clone());
        let answered = tokio::select! {
            biased;
            answered = service.call(request) => answered.unwrap_or_else(|never| match never {}),
            () = connection.socket.gone() => return Err(Gone),
        };
        if answered.body().size_hint().exact().is_some() {
            return Ok(answered);
        }
        // One that is still being made ends with its reader.
        let socket = connection.socket.clone();
        let gone = async move { socket.gone().await };
        let watched = |body: Body| body.into_data_stream().take_until(gone);
        Ok(answered.map(|body| Body::from_stream(watched(body))))
    }
}

impl Listener {
    /// Binds `address`; connections wait until [`Listener::serve`]. Must run inside the runtime.
    /// `what` names it in errors: `http` or `metrics`.
    pub fn bind(what: &'static str, address: SocketAddr) -> Result<Listener, Error> {
        let bound = bind(address);
        let bound = bound.and_then(|inner| {
            let address = inner.local_addr()?;
            Ok(Listener { inner, address })
        });
        bound.map_err(|cause| Error::Bind {
            what,
            address,
            cause,
        })
    }

    /// The address that is bound, its port never 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with `handler` until `stop`, then finishes the requests that run. Dropping the
    /// future ends every connection.
    pub(crate) async fn serve(self, handler: impl Handler, stop: CancellationToken) {
        let limit = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        // Dropped with this future, so that no connection outlives its listener. A panic of a
        // handler ends its connection only.
        let mut connections = JoinSet::new();
        let ending = Arc::new(Ending::default());
        loop {
            let (stream, peer, permit) = tokio::select! {
                accepted = self.accept(&limit, &stop) => match accepted {
                    Some(accepted) => accepted,
                    None => break,
                },
                Some(_) = connections.join_next() => continue,
            };
            let (handler, ending) = (handler.clone(), Arc::clone(&ending));
            let work = async move {
                converse(stream, peer, handler, &ending).await;
                drop(permit);
            };
            let span = tracing::debug_span!("http", %peer);
            tasks::spawn_in(&mut connections, work.instrument(span));
        }
        drop(self.inner);
        ending.begin();
        while connections.join_next().await.is_some() {}
    }

    /// The next connection and its place; `None` once `stop` is cancelled. Cancel safe.
    async fn accept(
        &self,
        limit: &Arc<Semaphore>,
        stop: &CancellationToken,
    ) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let next = async {
            let permit = limit.clone().acquire_owned().await.ok()?;
            loop {
                match self.inner.accept().await {
                    Ok((stream, peer)) => return Some((stream, peer, permit)),
                    Err(error) => {
                        tracing::warn!(%error, "could not accept an HTTP connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            accepted = next => accepted,
        }
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves one connection to its end.
async fn converse(stream: TcpStream, peer: SocketAddr, handler: impl Handler, ending: &Ending) {
    let socket = socket2::SockRef::from(&stream);
    let tuned = stream
        .set_nodelay(true)
        .and_then(|()| socket.set_tcp_user_timeout(Some(UNREAD_TIMEOUT)))
        .and_then(|()| socket.set_keepalive(true));
    if let Err(error) = tuned {
        tracing::debug!(%error, "could not tune a connection");
    }
    let socket = Socket::new(stream);
    let waits = Waits::default();
    let connection = Connection {
        peer,
        socket: socket.clone(),
        waits: waits.clone(),
        recent: Recent::default(),
    };
    let shared = Arc::new((handler, connection));
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move {
            let (handler, connection) = &*shared;
            handler.handle(request, connection).await
        }
    });
    // At most 100 headers: hyper's own limit, which costs more where it is set.
    let connection = http1::Builder::new()
        .timer(waits)
        .header_read_timeout(HEADER_TIMEOUT)
        // Whether the peer is still there is looked at where it matters, see [`Handler`].
        .half_close(true)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let mut ends = pin!(ending.begun());
    let mut is_ending = false;
    let ended = poll_fn(|context| {
        if !is_ending && ends.as_mut().poll(context).is_ready() {
            is_ending = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    });
    let ended = ended.await;
    if let Err(error) = ended {
        // Resets, timeouts and garbage are the peer's affair.
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}
