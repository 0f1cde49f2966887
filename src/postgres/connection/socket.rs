//! Opens the socket: name look-up, every address in turn, keepalive.

use std::io;
use std::path::Path;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use super::deadline::Deadline;
use super::stream::Stream;
use crate::postgres::config::ConnectionConfig;
use crate::postgres::error::Error;

/// A connection that is silent this long is probed. libpq leaves it to the system (2 hours);
/// firewalls and NAT forget a connection within minutes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Between two probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Probes without an answer until the connection counts as dead.
const KEEPALIVE_PROBES: u32 = 3;
/// What was sent must be received within this time; the same minute that the probes take.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// Opens a plain connection to `config.host`.
pub(super) async fn open(config: &ConnectionConfig, deadline: &Deadline) -> Result<Stream, Error> {
    if config.host.starts_with('/') {
        return open_unix(config, deadline).await;
    }
    let unreachable = |source| Error::Unreachable {
        address: config.address(),
        source,
    };
    let addresses: Vec<_> = deadline
        .bound("looking up the host name", async {
            lookup_host((config.host.as_str(), config.port))
                .await
                .map_err(unreachable)
        })
        .await?
        .collect();
    let mut failure = Error::Unreachable {
        address: config.address(),
        source: io::Error::new(io::ErrorKind::NotFound, "the host name has no address"),
    };
    for (index, address) in addresses.iter().enumerate() {
        let share = deadline.share(addresses.len() - index);
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                prepare(&socket, config).map_err(unreachable)?;
                return Ok(Stream::Tcp(socket));
            }
            Ok(Err(source)) => failure = unreachable(source),
            Err(_) => {
                failure = Error::TimedOut {
                    address: config.address(),
                    doing: "the TCP connection",
                    after: share,
                };
            }
        }
    }
    Err(failure)
}

async fn open_unix(config: &ConnectionConfig, deadline: &Deadline) -> Result<Stream, Error> {
    let path = Path::new(&config.host).join(format!(".s.PGSQL.{}", config.port));
    deadline
        .bound("the connection", async {
            UnixStream::connect(&path)
                .await
                .map(Stream::Unix)
                .map_err(|source| Error::Unreachable {
                    address: path.display().to_string(),
                    source,
                })
        })
        .await
}

fn prepare(socket: &TcpStream, config: &ConnectionConfig) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    if config.tcp_keepalive {
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_PROBES);
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    }
    Ok(())
}
