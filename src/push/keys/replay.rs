//! Reads `__push_keys` at the start, in one pass.

use std::sync::Arc;

use super::stored::{StoredKey, decode_hash};
use super::table::Keys;
use crate::log::{Log, Partition};
use crate::push::error::Error;
use crate::record::{Records, batches};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;
/// A batch of tombstones of one shard unpacks to less.
const BATCH_BYTES_MAX: usize = 16 << 20;

/// Fills `keys` with what is stored.
pub(in crate::push) async fn replay(
    log: &Log,
    partition: &Arc<Partition>,
    keys: &Keys,
    now_ms: i64,
) -> Result<(), Error> {
    let mut next = partition.start();
    let end = partition.end();
    while next < end {
        let read = log.read(partition, next, READ_BYTES).await?;
        let before = next;
        for chunk in &read.chunks {
            next.0 = next.0.max(take(chunk, keys, now_ms, next.0)?);
        }
        if read.chunks.is_empty() {
            // Compaction may have left nothing up to the end.
            next = next.max(read.end);
        }
        if next == before {
            return Err(Error::Damaged {
                offset: next.0,
                what: "no batch begins there".to_owned(),
            });
        }
    }
    Ok(())
}

/// Takes the batches of a chunk; returns the offset behind them.
fn take(chunk: &[u8], keys: &Keys, now_ms: i64, at: i64) -> Result<i64, Error> {
    let damaged = |offset: i64, error: &dyn std::error::Error| Error::Damaged {
        offset,
        what: error.to_string(),
    };
    let mut next = at;
    for batch in batches(chunk) {
        let (header, bytes) = batch.map_err(|error| damaged(next, &error))?;
        let records = Records::decode(bytes, BATCH_BYTES_MAX);
        let records = records.map_err(|error| damaged(next, &error))?;
        for record in &records {
            let record = record.map_err(|error| damaged(next, &error))?;
            let Some(hash) = record.key.and_then(decode_hash) else {
                tracing::error!(offset = record.offset, "an idempotency key is left out");
                continue;
            };
            match record.value.map(StoredKey::decode) {
                None => keys.forget(hash),
                Some(Ok(stored)) => keys.restore(hash, &stored, now_ms),
                Some(Err(what)) => {
                    // One record that cannot be read must not keep pushes from being taken.
                    let offset = record.offset;
                    tracing::error!(offset, what, "an idempotency key is left out");
                }
            }
        }
        next = next.max(header.next_offset());
    }
    Ok(next)
}
