//! `GET /topics/{topic}/records`: a bounded piece of a topic as JSON, waiting for records where
//! the caller asks for it.
//!
//! The answer's `next` is a cursor: given back as `from` it goes on behind the answer. Partitions
//! that gave records stand last in it, so that a busy partition does not starve the others.
//! Records of one partition are in offset order; between partitions there is no order.
//!
//! Not here: server-sent events; a request that accepts only those is refused.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::answer::{self, Parameters, large_json};
use super::error::Problem;
use super::from::{From, InvalidFrom, cursor};
use super::guard::Shared;
use super::record_json::RecordJson;
use super::topics;
use crate::error;
use crate::log::{Log, Partition, Topic};
use crate::record;
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
struct Asked {
    partition: Option<i32>,
    from: Option<String>,
    limit: Option<usize>,
    wait_ms: Option<u64>,
    key: Option<String>,
}

/// Where to read on.
type Places = Vec<(Arc<Partition>, Offset)>;

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
    headers: HeaderMap,
) -> Result<Response, Problem> {
    refuse_event_stream(&headers)?;
    let topic = topics::find(&shared, &topic)?;
    let log = &shared.handles.log;
    let now_ms = shared.handles.clock.now_ms();
    let mut places = begin(log, &topic, &asked, now_ms).await?;
    let wait = Duration::from_millis(asked.wait_ms.unwrap_or(0)).min(WAIT_MAX);
    let deadline = Instant::now() + wait;
    loop {
        let permit = answer::place(&shared.answers).await?;
        let mut scan = Scan::new(&topic, &asked);
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

fn refuse_event_stream(headers: &HeaderMap) -> Result<(), Problem> {
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    if !accepted.is_some_and(|accept| accept.trim_start().starts_with("text/event-stream")) {
        return Ok(());
    }
    Err(Problem::new(
        error::HTTP_NOT_BUILT,
        "answer with server-sent events, which are not built",
        "poll: ?from=CURSOR&wait_ms=30000 with the cursor \"next\" of the answer before",
    ))
}

/// Turns `from` into offsets.
async fn begin(log: &Log, topic: &Topic, asked: &Asked, now_ms: i64) -> Result<Places, Problem> {
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

fn partition(topic: &Topic, id: PartitionId) -> Result<Arc<Partition>, Problem> {
    topic.partition(id).cloned().ok_or_else(|| {
        Problem::not_found(
            format!("find partition {id} of topic \"{}\"", topic.name),
            format!("use 0 to {}", topic.partitions().len().saturating_sub(1)),
        )
    })
}

/// An answer being made.
struct Scan<'a> {
    topic: &'a Topic,
    key: Option<&'a [u8]>,
    limit: usize,
    json: Vec<u8>,
    count: usize,
    scanned_bytes: usize,
}

impl<'a> Scan<'a> {
    fn new(topic: &'a Topic, asked: &'a Asked) -> Scan<'a> {
        Scan {
            topic,
            key: asked.key.as_deref().map(str::as_bytes),
            limit: asked.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX),
            json: b"{\"records\":[".to_vec(),
            count: 0,
            scanned_bytes: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.count >= self.limit
            || self.json.len() >= ANSWER_BYTES
            || self.scanned_bytes >= SCAN_BYTES_MAX
    }

    /// Reads on from `places`, moves them, and puts those that gave something last. Whether all
    /// of them are at their end.
    async fn read(&mut self, log: &Log, places: &mut Places) -> Result<bool, Problem> {
        let mut untouched = Places::new();
        let mut moved = Places::new();
        let mut at_end = true;
        for (partition, mut offset) in places.drain(..) {
            let before = offset;
            while !self.is_full() {
                let read = log.read(&partition, offset, READ_BYTES).await?;
                let from = offset;
                for chunk in &read.chunks {
                    self.take(&partition, chunk, &mut offset)?;
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
        if self.count > 0 {
            self.json.push(b',');
        }
        // Writing to memory fails only where a map key is no text; ours are.
        let _ = serde_json::to_writer(&mut self.json, &shown);
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
