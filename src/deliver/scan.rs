//! Looks through dead letters, open and redriven, for whoever shows them.

use std::sync::Arc;

use super::error::Error;
use super::letters::Letters;
use super::read::DECOMPRESSED_BYTES_MAX;
use crate::log::Partition;
use crate::record::{self, Record, Records};
use crate::topic::Offset;

/// Bytes read from the log at a time.
const READ_BYTES: usize = 1 << 20;
/// Bytes looked through by one call, which matters where few letters are wanted.
const SCAN_BYTES_MAX: usize = 32 << 20;

/// Where to read on.
pub type Places = Vec<(Arc<Partition>, Offset)>;

/// What is called with each letter; whether it wants more.
pub type EachLetter<'a> = dyn FnMut(&Partition, &Record<'_>) -> bool + Send + 'a;

impl Letters {
    /// Calls `each` with the letters from `places` on until it wants no more, all are read, or
    /// enough was looked through; moves the places behind what was read. A place before the log
    /// start is moved up to it: purge and retention come between two calls. Partitions that gave
    /// something stand last afterwards, so that one does not starve the others. Cancel safe.
    pub async fn scan(&self, places: &mut Places, each: &mut EachLetter<'_>) -> Result<(), Error> {
        let mut scan = Scan {
            each,
            is_done: false,
            scanned_bytes: 0,
        };
        let mut untouched = Places::new();
        let mut moved = Places::new();
        for (partition, from) in std::mem::take(places) {
            let mut offset = from;
            let read = scan.partition(self, &partition, &mut offset).await;
            let list = if offset == from {
                &mut untouched
            } else {
                &mut moved
            };
            list.push((partition, offset));
            read?;
        }
        places.append(&mut untouched);
        places.append(&mut moved);
        Ok(())
    }
}

struct Scan<'a, 'b> {
    each: &'a mut EachLetter<'b>,
    is_done: bool,
    scanned_bytes: usize,
}

impl Scan<'_, '_> {
    async fn partition(
        &mut self,
        letters: &Letters,
        partition: &Arc<Partition>,
        offset: &mut Offset,
    ) -> Result<(), Error> {
        let log = &letters.shared.parts.log;
        while !self.is_done && self.scanned_bytes < SCAN_BYTES_MAX {
            *offset = (*offset).max(partition.start());
            let from = *offset;
            let read = log.read(partition, from, READ_BYTES).await?;
            for chunk in &read.chunks {
                self.take(partition, chunk, offset)?;
            }
            if read.chunks.is_empty() {
                // Compaction may have left nothing up to the end.
                *offset = (*offset).max(read.end);
            }
            if *offset == from {
                break;
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        partition: &Partition,
        chunk: &[u8],
        offset: &mut Offset,
    ) -> Result<(), Error> {
        for batch in record::batches(chunk) {
            let (header, bytes) = batch?;
            if self.is_done {
                return Ok(());
            }
            if header.next_offset() <= offset.0 {
                continue;
            }
            self.scanned_bytes = self.scanned_bytes.saturating_add(bytes.len());
            if !header.is_control() {
                let records = Records::decode(bytes, DECOMPRESSED_BYTES_MAX)?;
                for record in &records {
                    let record = record?;
                    if record.offset < offset.0 {
                        continue;
                    }
                    if self.is_done {
                        return Ok(());
                    }
                    self.is_done = !(self.each)(partition, &record);
                    *offset = Offset(record.offset.saturating_add(1));
                }
            }
            *offset = Offset(header.next_offset().max(offset.0));
        }
        Ok(())
    }
}
