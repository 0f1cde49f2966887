//! Accepts connections and owns them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::broker::{Broker, Config, Handles};
use super::connection::{Addresses, serve};
use super::listener::Listener;
use crate::metrics::names;
use crate::tasks;

/// A peer that vanished is noticed after this time without traffic, and a few probes.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// When no connection can be accepted (no file is left, say), the next try waits this long.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The Kafka face.
pub struct Service {
    listener: Listener,
    config: Config,
    handles: Handles,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// A service for `listener`.
    #[must_use]
    pub fn new(listener: Listener, config: Config, handles: Handles) -> Service {
        Service {
            listener,
            config,
            handles,
        }
    }

    /// Serves until `shutdown`; then accepts and reads no more, and ends when the requests that
    /// were taken are answered. When this future is dropped, all connections are closed.
    pub async fn run(self, shutdown: CancellationToken) {
        let open = metrics::gauge!(names::KAFKA_CONNECTIONS);
        open.set(0.0);
        let connections_max = self.config.connections_max;
        let broker = Arc::new(Broker::new(self.config, self.handles, shutdown.clone()));
        let tracker = TaskTracker::new();
        let alive = CancellationToken::new();
        let guard = alive.clone().drop_guard();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.listener.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) if tracker.len() >= connections_max => {
                    tracing::warn!(connections_max, "closed a new Kafka connection: too many");
                    drop(stream);
                }
                Ok((stream, peer)) => {
                    let connection = connect(stream, peer, Arc::clone(&broker));
                    let (alive, open) = (alive.clone(), open.clone());
                    // Ends with its peer, or with `run`; a panic closes this connection only.
                    tasks::spawn(
                        "kafka connection",
                        tracker.track_future(async move {
                            open.increment(1.0);
                            tokio::select! {
                                () = connection => {}
                                () = alive.cancelled() => {}
                            }
                            open.decrement(1.0);
                        }),
                    );
                }
                Err(error) => {
                    tracing::warn!(error = %error, "could not accept a Kafka connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
        drop(self.listener.socket);
        tracker.close();
        tracker.wait().await;
        drop(guard);
    }
}

async fn connect(stream: TcpStream, peer: std::net::SocketAddr, broker: Arc<Broker>) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER);
    // A socket that is closed already fails here, and again when it is read.
    SockRef::from(&stream).set_tcp_keepalive(&keepalive).ok();
    stream.set_nodelay(true).ok();
    let Ok(local) = stream.local_addr() else {
        return;
    };
    serve(stream, Addresses { local, peer }, broker).await;
}
