//! The cells of a row.
//!
//! Invariant: a [`Tuple`] was walked once when it was decoded, so its cells can be read without
//! errors and without allocation.

use super::cursor::Cursor;
use super::error::DecodeError;

/// A row: its cells in the order of the relation's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple<'a> {
    count: u16,
    /// The cells as they are on the wire, nothing before, nothing behind.
    bytes: &'a [u8],
}

/// The value of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// SQL's null.
    Null,
    /// A large value that was stored out of line and did not change; the server does not send it.
    Unchanged,
    /// The value in its type's text form.
    Text(&'a [u8]),
    /// The value in its type's binary form.
    Binary(&'a [u8]),
}

/// The row as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldTuple<'a> {
    /// Only the columns of the replica identity have values; the others read as null.
    Key(Tuple<'a>),
    /// The whole row.
    Full(Tuple<'a>),
}

impl<'a> OldTuple<'a> {
    pub(super) fn decode(letter: u8, cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        match letter {
            b'K' => Ok(OldTuple::Key(Tuple::decode(cursor)?)),
            b'O' => Ok(OldTuple::Full(Tuple::decode(cursor)?)),
            value => Err(DecodeError::UnknownCode {
                field: "an old tuple's kind",
                value,
            }),
        }
    }

    /// The cells, whichever kind it is.
    #[must_use]
    pub fn tuple(&self) -> Tuple<'a> {
        match self {
            OldTuple::Key(tuple) | OldTuple::Full(tuple) => *tuple,
        }
    }
}

impl<'a> Tuple<'a> {
    pub(super) fn decode(cursor: &mut Cursor<'a>) -> Result<Tuple<'a>, DecodeError> {
        let count = cursor.u16("a tuple's column count")?;
        let start = cursor.rest();
        for _ in 0..count {
            Cell::decode(cursor)?;
        }
        let length = start.len() - cursor.rest().len();
        let bytes = Cursor::new(start).take(length, "a tuple's cells")?;
        Ok(Tuple { count, bytes })
    }

    /// How many cells there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there are none (a table without columns).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The cells, one after the other.
    #[must_use]
    pub fn cells(&self) -> Cells<'a> {
        Cells {
            left: self.count,
            cursor: Cursor::new(self.bytes),
        }
    }
}

impl<'a> IntoIterator for Tuple<'a> {
    type Item = Cell<'a>;
    type IntoIter = Cells<'a>;

    fn into_iter(self) -> Cells<'a> {
        self.cells()
    }
}

/// Walks the cells of a [`Tuple`].
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    left: u16,
    cursor: Cursor<'a>,
}

impl<'a> Iterator for Cells<'a> {
    type Item = Cell<'a>;

    #[inline]
    fn next(&mut self) -> Option<Cell<'a>> {
        self.left = self.left.checked_sub(1)?;
        // The tuple was walked when it was decoded, so this cannot fail.
        Cell::decode(&mut self.cursor).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Cells<'_> {}

impl<'a> Cell<'a> {
    #[inline]
    pub(super) fn decode(cursor: &mut Cursor<'a>) -> Result<Cell<'a>, DecodeError> {
        match cursor.u8("a cell's kind")? {
            b't' => Cell::value(cursor).map(Cell::Text),
            b'n' => Ok(Cell::Null),
            b'u' => Ok(Cell::Unchanged),
            b'b' => Cell::value(cursor).map(Cell::Binary),
            value => Err(DecodeError::UnknownCode {
                field: "a cell's kind",
                value,
            }),
        }
    }

    #[inline]
    fn value(cursor: &mut Cursor<'a>) -> Result<&'a [u8], DecodeError> {
        let length = cursor.length("a cell's length")?;
        cursor.take(length, "a cell's value")
    }
}
