//! A small Kafka client on our own codec: one connection, requests pipelined, answers in order.
//!
//! It talks to the one broker it is told, which has to lead the partitions; it neither looks for
//! others nor tries again: what fails is told. No TLS and no SASL.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::super::failure::Failure;
use crate::error;
use crate::kafka::{
    ApiKey, ApiVersionsRequest, ErrorCode, Request, decode_response, encode_request,
};

/// A broker that is there takes the connection within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than anything that is asked for here takes on a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer that is read; fetches ask for a quarter of it, and the first batch may be
/// larger than was asked for.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Frames below this go to the socket in one piece, so that they are one packet.
const COPY_BYTES_MAX: usize = 16 << 10;
/// Room for small answers read at once.
const READ_BUFFER_BYTES: usize = 64 << 10;
/// The last version of Fetch that names topics; later ones want ids.
const FETCH_VERSION_MAX: i16 = 12;
/// What brokers see as the client's name.
const CLIENT_ID: &str = "penstock-bench";

/// A connection whose broker has told which versions it speaks.
#[derive(Debug)]
pub(super) struct Connection {
    sender: Sender,
    receiver: Receiver,
}

/// The half that sends.
#[derive(Debug)]
pub(super) struct Sender {
    peer: Arc<Peer>,
    socket: OwnedWriteHalf,
    correlation_id: i32,
}

/// The half that receives.
#[derive(Debug)]
pub(super) struct Receiver {
    peer: Arc<Peer>,
    socket: BufReader<OwnedReadHalf>,
}

/// What has to be known of a request to read its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    correlation_id: i32,
    version: i16,
}

#[derive(Debug)]
struct Peer {
    address: String,
    /// By key: lowest and highest version.
    versions: HashMap<i16, (i16, i16)>,
}

impl Connection {
    /// Connects to `address`.
    pub(super) async fn open(address: &str) -> Result<Connection, Failure> {
        let connecting = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
        let socket = match connecting {
            Ok(Ok(socket)) => socket,
            Ok(Err(cause)) => return Err(unreachable(address, &cause)),
            Err(_) => return Err(unreachable(address, &"it does not take the connection")),
        };
        let nodelay = socket.set_nodelay(true);
        nodelay.map_err(|cause| unreachable(address, &cause))?;
        // ApiVersions is asked in a version that every broker speaks.
        let first = (ApiKey::ApiVersions.number(), (0, 0));
        let mut connection = Connection::on(socket, address, HashMap::from([first]));
        let answer = connection.call(&ApiVersionsRequest::default()).await?;
        refuse(answer.error_code, address, "tell its versions")?;
        let rows = answer.api_keys.iter();
        let versions = rows.map(|row| (row.api_key, (row.min_version, row.max_version)));
        let peer = Arc::new(Peer {
            address: address.to_owned(),
            versions: versions.collect(),
        });
        connection.sender.peer = Arc::clone(&peer);
        connection.receiver.peer = peer;
        Ok(connection)
    }

    fn on(socket: TcpStream, address: &str, versions: HashMap<i16, (i16, i16)>) -> Connection {
        let peer = Arc::new(Peer {
            address: address.to_owned(),
            versions,
        });
        let (read, write) = socket.into_split();
        Connection {
            sender: Sender {
                peer: Arc::clone(&peer),
                socket: write,
                correlation_id: 0,
            },
            receiver: Receiver {
                peer,
                socket: BufReader::with_capacity(READ_BUFFER_BYTES, read),
            },
        }
    }

    /// Sends a request and waits for its answer. Not cancel safe.
    pub(super) async fn call<R: Request>(&mut self, request: &R) -> Result<R::Response, Failure> {
        let sent = self.sender.send(request).await?;
        self.receiver.receive::<R>(sent).await
    }

    /// The halves, to have several requests under way.
    pub(super) fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    pub(super) fn address(&self) -> &str {
        &self.sender.peer.address
    }
}

impl Sender {
    /// Sends a request. Not cancel safe.
    pub(super) async fn send<R: Request>(&mut self, request: &R) -> Result<Sent, Failure> {
        let sent = Sent {
            correlation_id: self.correlation_id,
            version: self.peer.version::<R>()?,
        };
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let frame = encode_request(sent.version, sent.correlation_id, Some(CLIENT_ID), request)?;
        let written = if frame.len_bytes() <= COPY_BYTES_MAX {
            self.socket.write_all(&frame.to_vec()).await
        } else {
            self.write_parts(frame.parts()).await
        };
        written.map_err(|cause| unreachable(&self.peer.address, &cause))?;
        Ok(sent)
    }

    async fn write_parts(&mut self, parts: &[Bytes]) -> std::io::Result<()> {
        for part in parts {
            self.socket.write_all(part).await?;
        }
        Ok(())
    }
}

impl Receiver {
    /// The answer to the oldest request that has none yet. Not cancel safe.
    pub(super) async fn receive<R: Request>(&mut self, sent: Sent) -> Result<R::Response, Failure> {
        let frame = match timeout(ANSWER_TIMEOUT, self.frame()).await {
            Ok(frame) => frame?,
            Err(_) => return Err(unreachable(&self.peer.address, &"it does not answer")),
        };
        let (correlation_id, response) = decode_response::<R>(sent.version, &frame)?;
        if correlation_id != sent.correlation_id {
            return Err(no_broker(&self.peer.address, "an answer to something else"));
        }
        Ok(response)
    }

    async fn frame(&mut self) -> Result<Bytes, Failure> {
        let address = &self.peer.address;
        let lost = |cause: std::io::Error| unreachable(address, &cause);
        let length = self.socket.read_u32().await.map_err(lost)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > ANSWER_BYTES_MAX {
            return Err(no_broker(address, "an answer without end"));
        }
        let mut frame = BytesMut::with_capacity(length);
        let mut body = (&mut self.socket).take(u64::try_from(length).unwrap_or(u64::MAX));
        while frame.len() < length {
            if body.read_buf(&mut frame).await.map_err(lost)? == 0 {
                return Err(unreachable(address, &"it closed the connection"));
            }
        }
        Ok(frame.freeze())
    }
}

impl Peer {
    /// The highest version of an API that both sides speak.
    fn version<R: Request>(&self) -> Result<i16, Failure> {
        let ours_max = match R::KEY {
            ApiKey::Fetch => FETCH_VERSION_MAX,
            key => key.version_max(),
        };
        let (min, max) = self
            .versions
            .get(&R::KEY.number())
            .copied()
            .unwrap_or((1, 0));
        let version = max.min(ours_max);
        if version >= min && R::KEY.supports(version) {
            return Ok(version);
        }
        let what = format!("no version of {} that is known here", R::KEY);
        Err(no_broker(&self.address, &what))
    }
}

/// An error code in an answer as a failure to do `what`.
pub(super) fn refuse(code: ErrorCode, address: &str, what: &str) -> Result<(), Failure> {
    if !code.is_error() {
        return Ok(());
    }
    let mend = match code {
        ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::CLUSTER_AUTHORIZATION_FAILED => {
            "name a topic that everybody may read and write: --topic TOPIC"
        }
        ErrorCode::NOT_LEADER_OR_FOLLOWER => {
            "name the broker that leads the topic: --kafka HOST:PORT"
        }
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
            "name a topic that is there, or leave --topic out to have one made"
        }
        ErrorCode::MESSAGE_TOO_LARGE => "make batches smaller: --batch-bytes BYTES",
        // The rest is the broker's own trouble.
        _ => "see the broker's log",
    };
    Err(Failure::new(
        error::CLI_BENCH,
        format!("failed to {what} at {address}: {code}"),
        mend,
    ))
}

fn unreachable(address: &str, cause: &dyn Display) -> Failure {
    Failure::new(
        error::CLI_UNREACHABLE,
        format!("failed to talk to the Kafka broker {address}: {cause}"),
        "start it (penstock serve), or name it: --kafka HOST:PORT",
    )
}

fn no_broker(address: &str, what: &str) -> Failure {
    Failure::new(
        error::CLI_UNREACHABLE,
        format!("failed to talk to the Kafka broker {address}: got {what}"),
        "name the address that `penstock serve` prints as kafka=: --kafka HOST:PORT",
    )
}
