//! Accepts HTTP connections and holds them to limits: their number, the time headers may take,
//! the time a request may take, and the time a peer may leave our bytes unread.
//!
//! Stopping: the listener is closed at once, idle connections too; a running request is finished
//! for as long as whoever runs the service waits.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

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
/// Header lines of a request.
const HEADERS_MAX: usize = 100;
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
    /// The answer to a request of `peer`. Dropped when the connection ends.
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response> + Send;
}

impl Handler for Router {
    async fn handle(&self, mut request: Request<Incoming>, peer: SocketAddr) -> Response {
        request.extensions_mut().insert(Peer(peer));
        let answered = TowerToHyperService::new(self.clone()).call(request).await;
        answered.unwrap_or_else(|never| match never {})
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
        loop {
            let (stream, peer, permit) = tokio::select! {
                accepted = self.accept(&limit, &stop) => match accepted {
                    Some(accepted) => accepted,
                    None => break,
                },
                Some(_) = connections.join_next() => continue,
            };
            let (handler, stop) = (handler.clone(), stop.clone());
            let work = async move {
                converse(stream, peer, handler, stop).await;
                drop(permit);
            };
            let span = tracing::debug_span!("http", %peer);
            tasks::spawn_in(&mut connections, work.instrument(span));
        }
        drop(self.inner);
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
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    handler: impl Handler,
    stop: CancellationToken,
) {
    let socket = socket2::SockRef::from(&stream);
    let tuned = stream
        .set_nodelay(true)
        .and_then(|()| socket.set_tcp_user_timeout(Some(UNREAD_TIMEOUT)))
        .and_then(|()| socket.set_keepalive(true));
    if let Err(error) = tuned {
        tracing::debug!(%error, "could not tune a connection");
    }
    let service = service_fn(move |request| {
        let handler = handler.clone();
        async move { Ok::<_, Infallible>(handler.handle(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        // In this order: the connection is what is awake, but for once.
        biased;
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Resets, timeouts and garbage are the peer's affair.
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}
