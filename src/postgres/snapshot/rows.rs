//! Rows of a snapshot, many at a time.

use crate::postgres::error::Error;
use crate::postgres::pgoutput::Cell;

/// Rows of one table.
#[derive(Debug)]
pub struct CopyRows<'a> {
    reader: std::marker::PhantomData<&'a mut super::SnapshotReader>,
}

impl CopyRows<'_> {
    /// Fills `batch` with the rows that have come, at least one; `false` at the end of the table.
    /// Cancel safe. A table is complete only when `false` came: a broken connection is an error.
    #[allow(clippy::unused_async)]
    pub async fn next(&mut self, batch: &mut RowBatch) -> Result<bool, Error> {
        let _ = batch;
        unimplemented!()
    }
}

/// Rows, reused from batch to batch.
#[derive(Debug, Default)]
pub struct RowBatch {}

impl RowBatch {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        std::iter::empty()
    }
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    cells: std::marker::PhantomData<&'a [u8]>,
}

impl<'a> Row<'a> {
    /// How many cells.
    #[must_use]
    pub fn len(&self) -> usize {
        0
    }

    /// Whether there are none (a table without columns).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cells: `Null` or `Text`, unescaped.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'a>> + use<'a> {
        std::iter::empty()
    }
}
