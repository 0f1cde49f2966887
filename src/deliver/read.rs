//! Reads single records by their offsets, each batch once.

use std::sync::Arc;

use super::error::Error;
use crate::log::{self, Log, Partition};
use crate::record::{self, Record, Records};
use crate::topic::Offset;

/// A batch is decompressed up to this size, as for other readers.
pub(super) const DECOMPRESSED_BYTES_MAX: usize = 32 << 20;
/// Bytes read from the log at a time.
const READ_BYTES: usize = 256 << 10;

/// What is called with each record; whether it wants more.
pub(super) type Each<'a> = dyn FnMut(&Record<'_>) -> bool + Send + 'a;

/// Calls `each` with the records at `offsets`, which ascend, in their order, until it wants no
/// more. Those that are not there, or lie in a damaged range, are left out. Cancel safe.
pub(super) async fn visit(
    log: &Log,
    partition: &Arc<Partition>,
    offsets: &[Offset],
    each: &mut Each<'_>,
) -> Result<(), Error> {
    let mut wanted = Wanted { offsets, at: 0 };
    while let Some(offset) = wanted.first() {
        let read = match log.read(partition, Offset(offset), READ_BYTES).await {
            Ok(read) => read,
            Err(log::Error::OffsetOutOfRange { .. } | log::Error::Damaged { .. }) => {
                wanted.pass(offset.saturating_add(1));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for chunk in &read.chunks {
            if !wanted.take(chunk, each)? {
                return Ok(());
            }
        }
        if wanted.first() == Some(offset) {
            // Nothing was read: the end, or what compaction left of it.
            wanted.pass(offset.saturating_add(1));
        }
    }
    Ok(())
}

/// Offsets that are still to be found.
struct Wanted<'a> {
    offsets: &'a [Offset],
    at: usize,
}

impl Wanted<'_> {
    fn first(&self) -> Option<i64> {
        self.offsets.get(self.at).map(|offset| offset.0)
    }

    /// Gives up what lies before `offset`.
    fn pass(&mut self, offset: i64) {
        while self.first().is_some_and(|first| first < offset) {
            self.at = self.at.saturating_add(1);
        }
    }

    /// Finds what is wanted in `chunk`; whether more is wanted.
    fn take(&mut self, chunk: &[u8], each: &mut Each<'_>) -> Result<bool, Error> {
        for batch in record::batches(chunk) {
            let (header, bytes) = batch?;
            self.pass(header.base_offset);
            let is_inside = |first: i64| first < header.next_offset();
            if !header.is_control() && self.first().is_some_and(is_inside) {
                let records = Records::decode(bytes, DECOMPRESSED_BYTES_MAX)?;
                for record in &records {
                    let record = record?;
                    self.pass(record.offset);
                    if self.first() == Some(record.offset) {
                        self.pass(record.offset.saturating_add(1));
                        if !each(&record) {
                            return Ok(false);
                        }
                    }
                }
            }
            self.pass(header.next_offset());
        }
        Ok(true)
    }
}
