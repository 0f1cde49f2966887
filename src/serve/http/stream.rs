//! `GET /topics/{topic}/records` with `Accept: text/event-stream`: the live tail of a topic.
//!
//! ```text
//! retry: 2000
//! id: 0:41,1:7                      where the reader is, also before the first record
//!
//! id: 1:8,0:41                      the record's own partition first
//! data: {"topic":"t","partition":1,"offset":8,...}
//!
//! : still here                      every 15 s
//! id: 1:8,0:41
//!
//! event: end                        the server's last word, if it ends the stream
//! data: {"code":"PEN-HTTP-004","detail":"...","mend":"..."}
//! ```
//!
//! An id names, for each partition, the last offset that the reader has seen. It begins with the
//! record's own `partition:offset`. Sent back as `Last-Event-ID` the stream goes on behind it in
//! every partition, so nothing is lost or repeated however the connection ended; then `from` does
//! not count. A partition that the id does not name was added since and is read from its start.
//! `limit` ends the stream after so many records; `wait_ms` means nothing here.
//!
//! Invariants: the number of streams is bounded; a stream holds one piece of [`PIECE_BYTES`], and
//! while it holds more it counts among the large answers (`answer`); nothing is read ahead of the
//! peer, and a peer that does not read is dropped by the connection's own limit. A stream ends
//! with the process and with the token it was opened with.
//!
//! Not here: WebSockets, which are refused by name.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::answer;
use super::error::Problem;
use super::from::{From, cursor};
use super::guard::Shared;
use super::records::{self, Asked, Places, Scan};
use super::topics;
use crate::error;
use crate::log::Topic;
use crate::topic::{Offset, PartitionId};

/// Streams open at once: an eighth of the connections, so that streams alone never shut out
/// requests. Each holds at most [`PIECE_BYTES`] of its own.
pub(super) const STREAMS_MAX: usize = 512;
/// A stream hands its connection pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;
/// Bytes looked through at a time, which matters with `key`; between two times the beat is kept.
const SCAN_BYTES: usize = 4 << 20;
/// Time between two comments; below the idle timeouts of proxies, which begin at 30 s.
const BEAT: Duration = Duration::from_secs(15);
/// A browser comes back after this time, in ms.
const RETRY_MS: u64 = 2_000;

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
/// The header of browsers that come back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Bytes of a `Last-Event-ID`: twice what a thousand partitions need.
const ID_BYTES_MAX: usize = 32 * 1024;

/// Whether the caller wants events before all else.
pub(super) fn is_asked_for(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let first = accepted.and_then(|accept| accept.split([',', ';']).next());
    first.is_some_and(|first| first.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// Begins a stream, or says why not. `expires_ms` is when the caller's token does.
pub(super) async fn open(
    shared: Arc<Shared>,
    topic: &str,
    asked: Asked,
    expires_ms: Option<i64>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let topic = topics::find(&shared, topic)?;
    let Ok(place) = shared.streams.clone().try_acquire_owned() else {
        return Err(Problem::new(
            error::HTTP_UNAVAILABLE,
            format!("open a stream: {STREAMS_MAX} are open"),
            "close one, or poll: ?from=CURSOR&wait_ms=30000 with the cursor \"next\" of the answer before",
        )
        .with_header(header::RETRY_AFTER, HeaderValue::from(RETRY_MS / 1000)));
    };
    let now_ms = shared.handles.clock.now_ms();
    let log = &shared.handles.log;
    let places = match last_event_id(headers)? {
        Some(id) => resume(&topic, &asked, id)?,
        None => records::begin(log, &topic, &asked, now_ms).await?,
    };
    for (partition, offset) in &places {
        // Refuses what the partition does not hold, while there is still a status to say so.
        log.read(partition, *offset, 1).await?;
    }
    let seen = Seen::at(&places);
    let mut head = format!("retry: {RETRY_MS}\n").into_bytes();
    head.extend_from_slice(seen.block().as_bytes());
    let expires = expires_ms.map(|expires_ms| {
        let left_ms = expires_ms.saturating_sub(now_ms).max(0);
        Instant::now() + Duration::from_millis(left_ms.unsigned_abs())
    });
    let stream = Stream {
        left: asked.limit,
        key: asked.key,
        shared,
        topic,
        places,
        seen,
        rest: Bytes::from(head),
        permit: None,
        beat: Instant::now() + BEAT,
        expires,
        ended: false,
        _place: place,
    };
    Ok(stream.into_response())
}

/// The id a caller comes back with. An empty one is none, as in browsers.
fn last_event_id(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut all = headers.get_all(LAST_EVENT_ID).iter();
    let Some(first) = all.next() else {
        return Ok(None);
    };
    match first.to_str() {
        Ok(id) if all.next().is_none() && id.len() <= ID_BYTES_MAX => {
            Ok(Some(id.trim()).filter(|id| !id.is_empty()))
        }
        _ => Err(bad_id("it is no text of an event of this stream")),
    }
}

fn bad_id(why: &str) -> Problem {
    Problem::invalid(
        format!("go on behind Last-Event-ID: {why}"),
        "send back the id of the last event as it came, or leave the header out and say from=",
    )
}

/// The places behind an id, in the partitions that are asked for.
fn resume(topic: &Topic, asked: &Asked, id: &str) -> Result<Places, Problem> {
    let Ok(From::Cursor(named)) = id.parse::<From>() else {
        return Err(bad_id("it is not of the form partition:offset,..."));
    };
    let mut places = Places::new();
    for (id, offset) in named {
        let partition = records::partition(topic, id)?;
        if asked.partition.is_some_and(|asked| asked != id.0) {
            return Err(bad_id(&format!(
                "it names partition {id}, which is not asked for"
            )));
        }
        if places.iter().any(|(other, _)| other.id == id) {
            return Err(bad_id(&format!("it names partition {id} twice")));
        }
        let next = Offset(
            offset
                .0
                .checked_add(1)
                .ok_or_else(|| bad_id("its offset is too large"))?,
        );
        places.push((partition, next));
    }
    for partition in topic.partitions() {
        let is_asked = asked.partition.is_none_or(|asked| asked == partition.id.0);
        if is_asked && !places.iter().any(|(named, _)| named.id == partition.id) {
            places.push((partition.clone(), partition.start()));
        }
    }
    Ok(places)
}

/// The last offset seen of each partition; the last partition to move stands first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen(Vec<(PartitionId, Offset)>);

impl Seen {
    /// Everything before `places`.
    fn at(places: &Places) -> Seen {
        let before = |offset: Offset| Offset(offset.0.saturating_sub(1));
        let all = places.iter();
        Seen(all.map(|(one, offset)| (one.id, before(*offset))).collect())
    }

    /// A record was written.
    pub(super) fn see(&mut self, partition: PartitionId, offset: Offset) {
        self.skip(partition, offset);
        if let Some(at) = self.0.iter().position(|(id, _)| *id == partition) {
            self.0.swap(0, at);
        }
    }

    /// Offsets up to `offset` hold nothing for this reader.
    fn skip(&mut self, partition: PartitionId, offset: Offset) {
        if let Some(one) = self.0.iter_mut().find(|(id, _)| *id == partition) {
            one.1 = one.1.max(offset);
        }
    }

    /// The id of the event that was written last.
    pub(super) fn id(&self) -> String {
        cursor(self.0.iter().copied())
    }

    /// A block that tells where the reader is, and gives it no event.
    fn block(&self) -> String {
        format!("id: {}\n\n", self.id())
    }
}

/// An open stream.
struct Stream {
    shared: Arc<Shared>,
    topic: Arc<Topic>,
    key: Option<String>,
    /// Records still to be sent; `None` is no limit.
    left: Option<usize>,
    places: Places,
    seen: Seen,
    /// Written, not yet handed to the connection.
    rest: Bytes,
    /// Held while `rest` is more than a piece.
    permit: Option<OwnedSemaphorePermit>,
    /// When the next comment is due.
    beat: Instant,
    /// When the token expires; `None` without one.
    expires: Option<Instant>,
    ended: bool,
    /// Its place among the streams.
    _place: OwnedSemaphorePermit,
}

/// What a waiting stream is woken by.
enum Woken {
    Records,
    Beat,
    Draining,
    Expired,
}

impl Stream {
    fn into_response(self) -> Response {
        let pieces = futures_util::stream::unfold(self, |mut stream| async move {
            let piece = stream.next().await?;
            Some((Ok::<Bytes, std::convert::Infallible>(piece), stream))
        });
        let mut response = Body::from_stream(pieces).into_response();
        let fixed = [
            (header::CONTENT_TYPE, EVENT_STREAM),
            (
                header::CACHE_CONTROL,
                HeaderValue::from_static("no-cache, no-transform"),
            ),
            (
                HeaderName::from_static("x-accel-buffering"),
                HeaderValue::from_static("no"),
            ),
        ];
        response.headers_mut().extend(fixed);
        response
    }

    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        while self.rest.is_empty() {
            if self.ended {
                return None;
            }
            if self.left == Some(0) {
                self.ended = true;
            } else if let Err(problem) = self.step().await {
                self.end(&problem);
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        if self.rest.is_empty() {
            self.permit = None;
        }
        Some(piece)
    }

    /// Writes what there is, or waits until there is something or a comment is due.
    async fn step(&mut self) -> Result<(), Problem> {
        if self.shared.handles.draining.is_cancelled() {
            return Err(draining());
        }
        if self
            .expires
            .is_some_and(|expires| expires <= Instant::now())
        {
            return Err(expired());
        }
        self.permit = Some(answer::place(&self.shared.answers).await?);
        let at_end = self.write().await?;
        if self.rest.len() <= PIECE_BYTES {
            self.permit = None;
        }
        let is_due = self.beat <= Instant::now();
        if !self.rest.is_empty() || (!at_end && !is_due) {
            return Ok(());
        }
        if is_due {
            self.write_beat();
            return Ok(());
        }
        match self.wait().await {
            Woken::Records => {}
            Woken::Beat => self.write_beat(),
            Woken::Draining => return Err(draining()),
            Woken::Expired => return Err(expired()),
        }
        Ok(())
    }

    /// Writes the records of a bounded piece of the topic. Whether all partitions are at their end.
    async fn write(&mut self) -> Result<bool, Problem> {
        let limit = self.left.unwrap_or(usize::MAX);
        let key = self.key.as_deref();
        let mut scan = Scan::events(
            &self.topic,
            key,
            limit,
            PIECE_BYTES,
            SCAN_BYTES,
            &mut self.seen,
        );
        let at_end = scan
            .read(&self.shared.handles.log, &mut self.places)
            .await?;
        let (events, count) = scan.into_events();
        for (partition, offset) in &self.places {
            self.seen
                .skip(partition.id, Offset(offset.0.saturating_sub(1)));
        }
        self.left = self.left.map(|left| left.saturating_sub(count));
        self.rest = Bytes::from(events);
        Ok(at_end)
    }

    /// Waits for whatever comes first. Cancel safe.
    async fn wait(&self) -> Woken {
        let handles = &self.shared.handles;
        let expiry = async {
            match self.expires {
                Some(expires) => tokio::time::sleep_until(expires).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = handles.draining.cancelled() => Woken::Draining,
            () = expiry => Woken::Expired,
            () = handles.log.wait_for(&self.places) => Woken::Records,
            () = tokio::time::sleep_until(self.beat) => Woken::Beat,
        }
    }

    fn write_beat(&mut self) {
        self.beat = Instant::now() + BEAT;
        self.rest = Bytes::from(format!(": still here\n{}", self.seen.block()));
    }

    /// Says why it ends; nothing follows.
    fn end(&mut self, problem: &Problem) {
        self.ended = true;
        let mut last = b"event: end\ndata: ".to_vec();
        last.extend_from_slice(&problem.to_json());
        last.extend_from_slice(b"\n\n");
        self.rest = Bytes::from(last);
    }
}

fn draining() -> Problem {
    Problem::new(
        error::HTTP_UNAVAILABLE,
        "go on with a stream while stopping",
        "come back with the id of the last event as Last-Event-ID",
    )
}

fn expired() -> Problem {
    Problem::new(
        error::AUTH_EXPIRED,
        "go on with a stream whose token has expired",
        "come back with a new token and the id of the last event as Last-Event-ID",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_begins_with_the_records_own_partition() {
        let mut seen = Seen(vec![
            (PartitionId(0), Offset(-1)),
            (PartitionId(1), Offset(7)),
            (PartitionId(2), Offset(0)),
        ]);
        assert_eq!(seen.block(), "id: 0:-1,1:7,2:0\n\n");
        seen.see(PartitionId(1), Offset(8));
        assert_eq!(seen.id(), "1:8,0:-1,2:0");
        seen.see(PartitionId(2), Offset(1));
        seen.skip(PartitionId(0), Offset(4));
        seen.skip(PartitionId(1), Offset(3));
        assert_eq!(seen.id(), "2:1,0:4,1:8");
    }

    #[test]
    fn events_are_sent_to_who_asks_for_them_first() {
        let asks = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            is_asked_for(&headers)
        };
        assert!(asks("text/event-stream"));
        assert!(asks("Text/Event-Stream;q=1, application/json"));
        assert!(!asks("application/json, text/event-stream"));
        assert!(!asks("text/event-streams"));
        assert!(!asks("*/*"));
        assert!(!is_asked_for(&HeaderMap::new()));
    }
}
