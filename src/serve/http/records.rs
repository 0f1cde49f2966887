//! `GET /topics/{topic}/records`: a bounded piece of a topic as JSON, waiting for records where
//! the caller asks for it.
//!
//! The answer's `next` is a cursor: given back as `from` it goes on behind the answer. Partitions
//! that gave records stand last in it, so that a busy partition does not starve the others.
//! Records of one partition are in offset order; between partitions there is no order.
//!
//! Not here: the same as server-sent events, which `stream` sends with the [`Scan`] of this file.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::access::Who;
use super::answer::{self, Parameters, large_json};
use super::error::Problem;
use super::from::{From, InvalidFrom, cursor};
use super::guard::Shared;
use super::record_json::RecordJson;
use super::stream::{self, Seen};
use super::topics;
use crate::log::{Log, Partition, Topic};
use crate::record;
use crate::tasks;
use crate::topic::{Offset, PartitionId};

/// Records of an answer unless asked otherwise, and at most.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 10_000;
/// An answer is ended once it has this many bytes; a single record may be larger.
const ANSWER_BYTES: usize = 4 << 20;
/// Bytes read from the log at a time.
const READ_BYTES: usize = 1 << 20;
/// Bytes looked through for one answer, which matters with `key`.
const SCAN_BYTES_MAX: usize = 32 << 20;
/// A batch is decompressed up to this size.
const DECOMPRESSED_BYTES_MAX: usize = 32 << 20;
/// Longest wait for records; below the idle timeouts of proxies.
const WAIT_MAX: Duration = Duration::from_secs(30);

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route(
        "/topics/{topic}/records",
        get(records).post(super::produce::produce),
    )
}

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) partition: Option<i32>,
    pub(super) from: Option<String>,
    pub(super) limit: Option<usize>,
    wait_ms: Option<u64>,
    pub(super) key: Option<String>,
}

/// Where to read on.
pub(super) type Places = Vec<(Arc<Partition>, Offset)>;

/// The end of an answer; its beginning is the records.
#[derive(Serialize)]
struct Rest {
    next: String,
    partitions: Vec<Ends>,
}

/// What a partition holds.
#[derive(Serialize)]
struct Ends {
    partition: i32,
    start: i64,
    end: i64,
}

async fn records(
    State(shared): State<Arc<Shared>>,
    Path(topic): Path<String>,
    Parameters(asked): Parameters<Asked>,
    who: Option<Extension<Who>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if stream::is_asked_for(&headers) {
        let expires_ms = match who {
            Some(Extension(Who::Token(principal))) => Some(principal.expires_ms),
            Some(Extension(Who::Local | Who::Admin)) | None => None,
        };
        return stream::open(shared, &topic, asked, expires_ms, &headers).await;
    }
    let topic = topics::find(&shared, &topic)?;
    let log = &shared.handles.log;
    let now_ms = shared.handles.clock.now_ms();
    let mut places = begin(log, &topic, &asked, now_ms).await?;
    let wait = Duration::from_millis(asked.wait_ms.unwrap_or(0)).min(WAIT_MAX);
    let deadline = Instant::now() + wait;
    loop {
        let permit = answer::place(&shared.answers).await?;
        let mut scan = Scan::answer(&topic, &asked);
        let at_end = scan.read(log, &mut places).await?;
        let waiting = scan.count == 0 && at_end && Instant::now() < deadline;
        if !waiting || shared.handles.draining.is_cancelled() {
            return Ok(large_json(scan.finish(&places), permit));
        }
        drop(permit);
        tokio::select! {
            () = log.wait_for(&places) => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = shared.handles.draining.cancelled() => {}
        }
    }
}

/// Turns `from` into offsets.
pub(super) async fn begin(
    log: &Log,
    topic: &Topic,
    asked: &Asked,
    now_ms: i64,
) -> Result<Places, Problem> {
    let from = asked.from.as_deref().unwrap_or("start").parse::<From>();
    let from = from.map_err(|invalid: InvalidFrom| {
        Problem::invalid(format!("failed to {invalid}"), InvalidFrom::FORMS)
    })?;
    let chosen: Vec<Arc<Partition>> = match asked.partition {
        None => topic.partitions().to_vec(),
        Some(id) => vec![partition(topic, PartitionId(id))?],
    };
    if let From::Cursor(at) = from {
        let mut places = Places::new();
        for (id, offset) in at {
            places.push((partition(topic, id)?, offset));
        }
        return Ok(places);
    }
    if matches!(from, From::Offset(_)) && chosen.len() > 1 {
        return Err(Problem::invalid(
            format!("read one offset of {} partitions", chosen.len()),
            "add partition=N, or give an offset for each: from=0:12,1:7",
        ));
    }
    let mut places = Places::new();
    for partition in chosen {
        let offset = from.resolve(log, &partition, now_ms).await?;
        places.push((partition, offset));
    }
    Ok(places)
}

pub(super) fn partition(topic: &Topic, id: PartitionId) -> Result<Arc<Partition>, Problem> {
    topic.partition(id).cloned().ok_or_else(|| {
        Problem::not_found(
            format!("find partition {id} of topic \"{}\"", topic.name),
            format!("use 0 to {}", topic.partitions().len().saturating_sub(1)),
        )
    })
}

/// A piece of a topic being written, within bounds: an answer, or some events of a stream.
pub(super) struct Scan<'a> {
    topic: &'a Topic,
    key: Option<&'a [u8]>,
    limit: usize,
    bytes_max: usize,
    scan_bytes_max: usize,
    json: Vec<u8>,
    count: usize,
    scanned_bytes: usize,
    /// Where the reader of a stream is; `None` makes an answer.
    seen: Option<&'a mut Seen>,
}

impl<'a> Scan<'a> {
    fn answer(topic: &'a Topic, asked: &'a Asked) -> Scan<'a> {
        Scan {
            topic,
            key: asked.key.as_deref().map(str::as_bytes),
            limit: asked.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX),
            bytes_max: ANSWER_BYTES,
            scan_bytes_max: SCAN_BYTES_MAX,
            json: b"{\"records\":[".to_vec(),
            count: 0,
            scanned_bytes: 0,
            seen: None,
        }
    }

    /// At most `limit` records as events, ended early at `bytes_max` written or `scan_bytes_max`
    /// looked through. Moves `seen`.
    pub(super) fn events(
        topic: &'a Topic,
        key: Option<&'a str>,
        limit: usize,
        bytes_max: usize,
        scan_bytes_max: usize,
        seen: &'a mut Seen,
    ) -> Scan<'a> {
        Scan {
            topic,
            key: key.map(str::as_bytes),
            limit,
            bytes_max,
            scan_bytes_max,
            json: Vec::new(),
            count: 0,
            scanned_bytes: 0,
            seen: Some(seen),
        }
    }

    /// The events that were written, and how many.
    pub(super) fn into_events(self) -> (Vec<u8>, usize) {
        (self.json, self.count)
    }

    fn is_full(&self) -> bool {
        self.count >= self.limit
            || self.json.len() >= self.bytes_max
            || self.scanned_bytes >= self.scan_bytes_max
    }

    /// Reads on from `places`, moves them, and puts those that gave something last. Whether all
    /// of them are at their end.
    pub(super) async fn read(&mut self, log: &Log, places: &mut Places) -> Result<bool, Problem> {
        let mut untouched = Places::new();
        let mut moved = Places::new();
        let mut at_end = true;
        for (partition, mut offset) in places.drain(..) {
            let before = offset;
            while !self.is_full() {
                let read = log.read(&partition, offset, READ_BYTES).await?;
                let from = offset;
                for chunk in &read.chunks {
                    tasks::heavy(chunk.len(), || self.take(&partition, chunk, &mut offset))?;
                }
                if read.chunks.is_empty() {
                    // Compaction may have left nothing up to the end.
                    offset = offset.max(read.end);
                }
                if offset == from {
                    break;
                }
            }
            at_end &= offset >= partition.end();
            let list = if offset == before {
                &mut untouched
            } else {
                &mut moved
            };
            list.push((partition, offset));
        }
        places.append(&mut untouched);
        places.append(&mut moved);
        Ok(at_end)
    }

    /// Adds the records of `chunk` from `offset` on, until the answer is full.
    fn take(
        &mut self,
        partition: &Partition,
        chunk: &[u8],
        offset: &mut Offset,
    ) -> Result<(), Problem> {
        for batch in record::batches(chunk) {
            let (header, bytes) = batch?;
            if header.next_offset() <= offset.0 {
                continue;
            }
            if self.is_full() {
                return Ok(());
            }
            self.scanned_bytes = self.scanned_bytes.saturating_add(bytes.len());
            if !header.is_control() {
                let records = record::Records::decode(bytes, DECOMPRESSED_BYTES_MAX)?;
                for record in records.iter() {
                    let record = record?;
                    if record.offset < offset.0 {
                        continue;
                    }
                    if self.is_full() {
                        return Ok(());
                    }
                    self.add(partition, &record);
                    *offset = Offset(record.offset.saturating_add(1));
                }
            }
            *offset = Offset(header.next_offset().max(offset.0));
        }
        Ok(())
    }

    fn add(&mut self, partition: &Partition, record: &record::Record<'_>) {
        if self.key.is_some() && self.key != record.key {
            return;
        }
        let shown = RecordJson::of(self.topic.name.as_str(), partition.id, record);
        // Writing to memory fails only where a map key is no text; ours are.
        if let Some(seen) = &mut self.seen {
            seen.see(partition.id, Offset(record.offset));
            self.json.extend_from_slice(b"id: ");
            self.json.extend_from_slice(seen.id().as_bytes());
            self.json.extend_from_slice(b"\ndata: ");
            self.json.extend_from_slice(&shown.to_line());
            self.json.extend_from_slice(b"\n\n");
        } else {
            if self.count > 0 {
                self.json.push(b',');
            }
            let _ = serde_json::to_writer(&mut self.json, &shown);
        }
        self.count += 1;
    }

    fn finish(mut self, places: &Places) -> Vec<u8> {
        let ends = |partition: &Arc<Partition>| Ends {
            partition: partition.id.0,
            start: partition.start().0,
            end: partition.end().0,
        };
        let rest = Rest {
            next: cursor(
                places
                    .iter()
                    .map(|(partition, offset)| (partition.id, *offset)),
            ),
            partitions: places
                .iter()
                .map(|(partition, _)| ends(partition))
                .collect(),
        };
        self.json.extend_from_slice(b"],");
        let rest = serde_json::to_vec(&rest).unwrap_or_default();
        self.json.extend_from_slice(rest.get(1..).unwrap_or(b"}"));
        self.json
    }
}

impl From {
    /// The offset of `partition` that this place means. An explicit offset is taken as it is;
    /// reading tells whether the partition holds it.
    pub async fn resolve(
        &self,
        log: &Log,
        partition: &Arc<Partition>,
        now_ms: i64,
    ) -> Result<Offset, crate::log::Error> {
        let at_time = |ms: i64| log.offset_for_time(partition, ms);
        let found = match self {
            From::Start => return Ok(partition.start()),
            From::End => return Ok(partition.end()),
            From::Offset(offset) => return Ok(*offset),
            From::Last(count) => {
                let back = partition.end().0.saturating_sub(*count);
                return Ok(Offset(back.max(partition.start().0)));
            }
            From::Time(ms) => at_time(*ms).await?,
            From::Ago(ms) => at_time(now_ms.saturating_sub(*ms)).await?,
            From::Cursor(places) => {
                let place = places.iter().find(|(id, _)| *id == partition.id);
                return Ok(place.map_or_else(|| partition.end(), |(_, offset)| *offset));
            }
        };
        Ok(found.map_or_else(|| partition.end(), |(offset, _)| offset))
    }
}
