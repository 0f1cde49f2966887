//! Rows of a snapshot, many in one buffer.
//!
//! Invariant: every place of a cell lies within the two buffers of its batch.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::copy_text::{self, Place};
use crate::postgres::pgoutput::Cell;

/// Rows as they came, reused from batch to batch. Holds on to the bytes that were read (up to
/// 256 KiB, or one large row) until it is filled again. `Debug` tells how many rows, not which.
#[derive(Default)]
pub struct RowBatch {
    pub(super) received: BytesMut,
    pub(super) unescaped: Vec<u8>,
    pub(super) places: Vec<Place>,
    pub(super) columns: usize,
    pub(super) count: usize,
    pub(super) oversized: Option<OversizedRow>,
}

/// A row that is larger than the limit; what is not in `head` was read and dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OversizedRow {
    /// Length of the whole row as `COPY` writes it.
    pub bytes: u64,
    /// Its first bytes as `COPY` writes them, escapes and all.
    pub head: Bytes,
}

impl OversizedRow {
    /// The values of the first columns that are whole in `head`, unescaped; `None` for a null.
    #[must_use]
    pub fn leading(&self) -> Vec<Option<Vec<u8>>> {
        let (mut places, mut unescaped) = (Vec::new(), Vec::new());
        copy_text::cells(&self.head, 0, &mut places, &mut unescaped);
        // The last one goes on behind the head.
        places.pop();
        let value = |place: &Place| match place {
            Place::Null => None,
            Place::Received(range) => self.head.get(range.clone()).map(<[u8]>::to_vec),
            Place::Unescaped(range) => unescaped.get(range.clone()).map(<[u8]>::to_vec),
        };
        places.iter().map(value).collect()
    }
}

impl fmt::Debug for RowBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowBatch")
            .field("rows", &self.count)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl RowBatch {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.count).map(|index| {
            let from = index * self.columns;
            Row {
                batch: self,
                places: self
                    .places
                    .get(from..from + self.columns)
                    .unwrap_or_default(),
            }
        })
    }

    /// A row that was too large. It stands behind the rows of its batch, and before the next.
    #[must_use]
    pub fn oversized(&self) -> Option<&OversizedRow> {
        self.oversized.as_ref()
    }

    /// Forgets everything but the memory.
    pub(super) fn clear(&mut self) {
        self.received = BytesMut::new();
        self.unescaped.clear();
        self.places.clear();
        self.count = 0;
        self.oversized = None;
    }
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    batch: &'a RowBatch,
    places: &'a [Place],
}

impl<'a> Row<'a> {
    /// How many cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none (a table without columns).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes of its values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bytes = |place: &Place| match place {
            Place::Null => 0,
            Place::Received(range) | Place::Unescaped(range) => range.len(),
        };
        self.places.iter().map(bytes).sum()
    }

    /// The cells: `Null` or `Text`, unescaped.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = Cell<'a>> + use<'a> {
        let batch = self.batch;
        self.places.iter().map(move |place| match place {
            Place::Null => Cell::Null,
            Place::Received(range) => {
                Cell::Text(batch.received.get(range.clone()).unwrap_or_default())
            }
            Place::Unescaped(range) => {
                Cell::Text(batch.unescaped.get(range.clone()).unwrap_or_default())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_cells_of_a_cut_row_are_told() {
        let leading = |head: &'static [u8]| {
            let head = Bytes::from_static(head);
            OversizedRow { bytes: 99, head }.leading()
        };
        let some = |text: &[u8]| Some(text.to_vec());
        assert_eq!(
            leading(b"7\t\\N\ta\\tb\txxxx"),
            [some(b"7"), None, some(b"a\tb")]
        );
        assert!(leading(b"xxxx").is_empty());
    }
}
