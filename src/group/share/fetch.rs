//! Records of the log, copied out of their batches: those behind an offset, or single ones.
//!
//! What cannot be read does not stop the rest: a damaged range that ends somewhere, and a batch
//! that cannot be unpacked, are handed out as ranges without records ([`Unreadable`]), and reading
//! goes on behind. Where damage has no known end, reading stops there.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::limits::{DECOMPRESSED_BYTES_MAX, FETCH_BYTES};
use crate::error::chain;
use crate::log::{self, Log, Partition};
use crate::record::{BatchHeader, Record, Records, batches};
use crate::topic::Offset;

/// A record on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) offset: i64,
    pub(super) timestamp_ms: i64,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Vec<(Bytes, Option<Bytes>)>,
}

impl Copied {
    pub(super) fn of(record: &Record<'_>) -> Copied {
        let copy = Bytes::copy_from_slice;
        let headers = record.headers();
        Copied {
            offset: record.offset,
            timestamp_ms: record.timestamp,
            key: record.key.map(copy),
            value: record.value.map(copy),
            headers: headers
                .map(|(key, value)| (copy(key), value.map(copy)))
                .collect(),
        }
    }
}

/// Bytes of a record's fields.
fn record_bytes(record: &Record<'_>) -> usize {
    let field = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers = record
        .headers()
        .map(|(key, value)| key.len() + field(value));
    field(record.key) + field(record.value) + headers.sum::<usize>()
}

/// Offsets whose records cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) what: String,
}

/// What lies behind an offset.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) records: Vec<Copied>,
    pub(super) unreadable: Vec<Unreadable>,
    /// Everything below was looked at.
    pub(super) upto: i64,
}

/// How much may still be taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

impl Budget {
    pub(super) fn is_spent(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }

    fn take(&mut self, bytes: usize) {
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes.max(1));
    }

    /// A part of what is left for one of `count`.
    pub(super) fn share(&self, count: usize) -> Budget {
        Budget {
            records: self.records.div_ceil(count.max(1)),
            bytes: self.bytes.div_ceil(count.max(1)),
        }
    }

    /// What is left when of a part `left` is left.
    pub(super) fn without(&self, part: Budget, left: Budget) -> Budget {
        let used = |part: usize, left: usize| part.saturating_sub(left);
        Budget {
            records: self
                .records
                .saturating_sub(used(part.records, left.records)),
            bytes: self.bytes.saturating_sub(used(part.bytes, left.bytes)),
        }
    }
}

/// Reads from `from` on until the budget is spent or the end is reached.
pub(super) async fn from(
    log: &Log,
    partition: &Arc<Partition>,
    from: i64,
    budget: &mut Budget,
) -> Result<Fetched, log::Error> {
    let mut fetched = Fetched {
        upto: from.max(partition.start().0),
        ..Fetched::default()
    };
    while !budget.is_spent() {
        let before = fetched.upto;
        match log
            .read(partition, Offset(before), FETCH_BYTES.min(budget.bytes))
            .await
        {
            Ok(read) => {
                if read.chunks.is_empty() {
                    // Compaction may have left nothing up to the end.
                    fetched.upto = before.max(read.end.0);
                }
                for chunk in &read.chunks {
                    take_chunk(chunk, &mut fetched, budget);
                }
            }
            Err(log::Error::Damaged {
                resume: Some(resume),
                what,
                ..
            }) if resume.0 > before => {
                fetched.unreadable.push(Unreadable {
                    first: before,
                    last: resume.0 - 1,
                    what,
                });
                budget.take(0);
                fetched.upto = resume.0;
            }
            // What was found before is still good; the next read comes back here.
            Err(log::Error::Damaged { .. } | log::Error::OffsetOutOfRange { .. }) => break,
            Err(error) => return Err(error),
        }
        if fetched.upto == before {
            break;
        }
    }
    Ok(fetched)
}

fn take_chunk(chunk: &[u8], fetched: &mut Fetched, budget: &mut Budget) {
    for batch in batches(chunk) {
        // The log gives out whole batches only; a cut one would be read again.
        let Ok((header, bytes)) = batch else {
            return;
        };
        if header.next_offset() <= fetched.upto {
            continue;
        }
        if budget.is_spent() {
            return;
        }
        if !header.is_control()
            && let Err(what) = take_batch(bytes, fetched, budget)
        {
            fetched.unreadable.push(Unreadable {
                first: fetched.upto.max(header.base_offset),
                last: header.last_offset(),
                what,
            });
            budget.take(0);
        } else if budget.is_spent() && has_more(&header, fetched) {
            return;
        }
        fetched.upto = header.next_offset();
    }
}

/// Whether the batch may have records that were not taken.
fn has_more(header: &BatchHeader, fetched: &Fetched) -> bool {
    !header.is_control() && fetched.upto < header.next_offset()
}

/// Takes records until the budget is spent, and moves behind the last one taken.
fn take_batch(bytes: &[u8], fetched: &mut Fetched, budget: &mut Budget) -> Result<(), String> {
    let records = Records::decode(bytes, DECOMPRESSED_BYTES_MAX).map_err(|e| chain(&e))?;
    for record in &records {
        let record = record.map_err(|error| chain(&error))?;
        if record.offset < fetched.upto {
            continue;
        }
        if budget.is_spent() {
            return Ok(());
        }
        budget.take(record_bytes(&record));
        fetched.upto = record.offset.saturating_add(1);
        fetched.records.push(Copied::of(&record));
    }
    fetched.upto = records.header().next_offset();
    Ok(())
}

/// What was made of the records at single offsets: `None` where there is no record any more, or
/// none that can be read.
pub(super) type Found<T> = BTreeMap<i64, Option<T>>;

/// Makes something of the records at `offsets`, which are in order, until the budget is spent; of
/// one at least.
pub(super) async fn at<T>(
    log: &Log,
    partition: &Arc<Partition>,
    offsets: &[i64],
    budget: &mut Budget,
    make: impl Fn(&Record<'_>) -> T,
) -> Result<Found<T>, log::Error> {
    let mut found = Found::new();
    let mut rest = offsets;
    while let Some(first) = rest.first() {
        if budget.is_spent() && !found.is_empty() {
            break;
        }
        let mut looked_upto = first.saturating_add(1);
        match log.read(partition, Offset(*first), 1).await {
            Ok(read) => {
                for chunk in &read.chunks {
                    looked_upto = looked_upto.max(pick(chunk, rest, &mut found, budget, &make));
                }
            }
            Err(log::Error::Damaged { .. } | log::Error::OffsetOutOfRange { .. }) => {}
            Err(error) => return Err(error),
        }
        let passed = rest.partition_point(|offset| *offset < looked_upto);
        let (looked, behind) = rest.split_at(passed.max(1));
        for offset in looked {
            found.entry(*offset).or_insert(None);
        }
        rest = behind;
    }
    Ok(found)
}

/// Takes the wanted records of a chunk; returns the offset up to which everything was looked at.
fn pick<T>(
    chunk: &[u8],
    wanted: &[i64],
    found: &mut Found<T>,
    budget: &mut Budget,
    make: &impl Fn(&Record<'_>) -> T,
) -> i64 {
    let mut upto = 0;
    for (header, bytes) in batches(chunk).map_while(Result::ok) {
        upto = header.next_offset();
        let (first, end) = (header.base_offset, header.next_offset());
        if header.is_control() || !wanted.iter().any(|o| (first..end).contains(o)) {
            continue;
        }
        let Ok(records) = Records::decode(bytes, DECOMPRESSED_BYTES_MAX) else {
            continue;
        };
        for record in records.iter().map_while(Result::ok) {
            if wanted.binary_search(&record.offset).is_err() {
                continue;
            }
            if budget.is_spent() && !found.is_empty() {
                return record.offset;
            }
            budget.take(record_bytes(&record));
            found.insert(record.offset, Some(make(&record)));
        }
    }
    upto
}
