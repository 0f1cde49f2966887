//! Looks for the records of a key that was stored before the last start.

use super::key::HEADER;
use super::table::{Place, Stored};
use crate::log::Log;
use crate::record::{Records, batches};
use crate::topic::Offset;

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;
/// Bytes looked through for one key. The lower bound is the partition's end at the moment of the
/// submission, so before the records stand only those that were on their way just then: at most
/// what the log takes in flight.
const SCAN_BYTES_MAX: usize = crate::log::IN_FLIGHT_BYTES_MAX;
/// A batch of pushes is not packed and not larger than an append.
const BATCH_BYTES_MAX: usize = crate::log::APPEND_BYTES_MAX;

/// The place of the first record that carries `key`. `None` where nothing could be read or as much
/// as may be was looked through.
pub(in crate::push) async fn find(
    log: &Log,
    stored: &Stored,
    from: Offset,
    key: &str,
) -> Option<Place> {
    let topic = log.topic(stored.topic.as_str());
    let Some(partition) = topic.and_then(|topic| topic.partition(stored.partition).cloned()) else {
        return Some(Place::Gone);
    };
    let mut next = from.max(partition.start());
    let mut scanned_bytes = 0_usize;
    while next < partition.end() && scanned_bytes < SCAN_BYTES_MAX {
        let read = log.read(&partition, next, READ_BYTES).await.ok()?;
        let before = next;
        for chunk in &read.chunks {
            scanned_bytes = scanned_bytes.saturating_add(chunk.len());
            for batch in batches(chunk) {
                let (header, bytes) = batch.ok()?;
                if header.base_offset >= next.0 && carries(bytes, key) {
                    return Some(Place::At(Offset(header.base_offset)));
                }
                next = next.max(Offset(header.next_offset()));
            }
        }
        if read.chunks.is_empty() {
            next = next.max(read.end);
        }
        if next == before {
            return None;
        }
    }
    (next >= partition.end()).then_some(Place::Gone)
}

/// Whether a batch is the push with `key`. All records of a push carry it, and a push is one batch,
/// so the first one tells.
fn carries(batch: &[u8], key: &str) -> bool {
    let Ok(records) = Records::decode(batch, BATCH_BYTES_MAX) else {
        return false;
    };
    let first = records.iter().next().and_then(Result::ok);
    first.and_then(|record| record.header(HEADER).flatten()) == Some(key.as_bytes())
}
