//! Sends one request again and again over many connections, the next when the one before is
//! answered. As little work as a client can do, so that the servers are what is measured.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::super::super::failure::Failure;
use super::super::latencies::Latencies;
use crate::error;

/// An answer's headers and body together are shorter.
const ANSWER_BYTES_MAX: usize = 8 << 10;
/// What every answer has to begin with.
const ACCEPTED: &[u8] = b"HTTP/1.1 202 ";

/// What all connections did together.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) requests: u64,
    pub(super) time: Duration,
    pub(super) latencies: Latencies,
}

/// The bytes of a push of `body` to `name`.
pub(super) fn request(address: &str, name: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /push/{name} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends `request` to `address` over `connections` for `time`.
pub(super) async fn run(
    address: &str,
    request: &[u8],
    connections: u32,
    time: Duration,
) -> Result<Done, Failure> {
    let begin = Instant::now();
    let deadline = begin + time;
    let mut all = JoinSet::new();
    for _ in 0..connections {
        let (address, request) = (address.to_owned(), request.to_vec());
        all.spawn(async move { connection(&address, &request, deadline).await });
    }
    let mut done = Done::default();
    while let Some(ended) = all.join_next().await {
        let failed = |what: String| {
            let mend = "see what the server says, then measure again";
            Failure::new(error::CLI_BENCH, format!("failed to push: {what}"), mend)
        };
        let latencies = ended.map_err(|cause| failed(cause.to_string()))?;
        let latencies = latencies.map_err(|cause| failed(cause.to_string()))?;
        done.requests += latencies.count();
        done.latencies.add(&latencies);
    }
    done.time = begin.elapsed();
    Ok(done)
}

async fn connection(
    address: &str,
    request: &[u8],
    deadline: Instant,
) -> std::io::Result<Latencies> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Latencies::default();
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    while Instant::now() < deadline {
        let begin = Instant::now();
        stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let rest = buffer.get_mut(filled..).unwrap_or_default();
            let read = stream.read(rest).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if is_whole(buffer.get(..filled).unwrap_or_default())? {
                break;
            }
        }
        latencies.record(begin.elapsed());
    }
    Ok(latencies)
}

/// Whether an answer has come whole. Fails on any that is not 202.
fn is_whole(answer: &[u8]) -> std::io::Result<bool> {
    let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n") else {
        return Ok(false);
    };
    if !answer.starts_with(ACCEPTED) {
        let text = String::from_utf8_lossy(answer);
        return Err(std::io::Error::other(format!("the answer was {text}")));
    }
    let (head, body) = answer.split_at(end + 4);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse::<usize>().ok());
    let length = length.ok_or_else(|| std::io::Error::other("the answer has no length"))?;
    Ok(body.len() >= length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
        for end in 0..answer.len() {
            assert!(!is_whole(&answer[..end]).unwrap(), "{end}");
        }
        assert!(is_whole(answer).unwrap());
        assert!(is_whole(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n").is_err());
    }
}
