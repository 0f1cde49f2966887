//! What can be told of a message that is too large to be held, from its first bytes.
//!
//! Pure, like the rest of the decoder; whatever is not whole is left out.

use super::cursor::Cursor;
use super::tuple::Cell;
use crate::lsn::Lsn;

/// The beginning of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head<'a> {
    /// Of a row's.
    Row {
        /// Which change it is.
        change: HeadChange,
        /// The table.
        relation_id: u32,
        /// The cells of the message's first tuple that are whole: of an update or delete those of
        /// the old row where there is one, else those of the new row. A key usually comes first.
        cells: Vec<Cell<'a>>,
    },
    /// Of a logical decoding message.
    LogicalMessage {
        /// Whether it belongs to the open transaction.
        transactional: bool,
        /// Its position.
        lsn: Lsn,
        /// What kind of message it is.
        prefix: &'a str,
    },
}

/// The change that a [`Head`] begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadChange {
    /// A new row.
    Insert,
    /// A changed row.
    Update,
    /// A deleted row.
    Delete,
}

impl<'a> Head<'a> {
    /// Reads the first bytes of a message; `None` if it is neither a row's nor a logical one, or
    /// cut before it tells what it is.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Head<'a>> {
        let mut cursor = Cursor::new(bytes);
        let change = match cursor.u8("a message's kind").ok()? {
            b'I' => HeadChange::Insert,
            b'U' => HeadChange::Update,
            b'D' => HeadChange::Delete,
            b'M' => return Head::logical_message(cursor),
            // Relations have no use in parts.
            _ => return None,
        };
        let relation_id = cursor.u32("a message's relation").ok()?;
        let mut cells = Vec::new();
        let tuple = cursor
            .u8("a tuple's kind")
            .and_then(|_| cursor.u16("a tuple's column count"));
        for _ in 0..tuple.unwrap_or(0) {
            match Cell::decode(&mut cursor) {
                Ok(cell) => cells.push(cell),
                Err(_) => break,
            }
        }
        Some(Head::Row {
            change,
            relation_id,
            cells,
        })
    }

    fn logical_message(mut cursor: Cursor<'a>) -> Option<Head<'a>> {
        let flags = cursor.u8("a logical message's flags").ok()?;
        Some(Head::LogicalMessage {
            transactional: flags & 1 != 0,
            lsn: cursor.lsn("a logical message's position").ok()?,
            prefix: cursor.text("a logical message's prefix").ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(bytes: &[u8]) -> Vec<Cell<'_>> {
        match Head::decode(bytes) {
            Some(Head::Row { cells, .. }) => cells,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_leading_cells_of_a_cut_row_are_told() {
        let cut = b"U\0\0\0\x07N\0\x03t\0\0\0\x0242nt\x7f\xff\xff\xffxxx";
        let wanted = Head::Row {
            change: HeadChange::Update,
            relation_id: 7,
            cells: vec![Cell::Text(b"42"), Cell::Null],
        };
        assert_eq!(Head::decode(cut), Some(wanted));
        assert!(cells(b"I\0\0\0\x07").is_empty());
        assert!(cells(b"I\0\0\0\x07N\xff\xff?").is_empty());
    }

    #[test]
    fn a_logical_message_tells_its_prefix() {
        let cut = b"M\x01\0\0\0\0\0\0\0\x10orders\0\x7f\0\0\0content";
        let wanted = Head::LogicalMessage {
            transactional: true,
            lsn: Lsn(16),
            prefix: "orders",
        };
        assert_eq!(Head::decode(cut), Some(wanted));
        assert_eq!(Head::decode(b"M\0\0\0\0\0\0\0\0\0p"), None);
    }

    #[test]
    fn whatever_else_has_no_head() {
        assert_eq!(Head::decode(b""), None);
        assert_eq!(Head::decode(b"R\0\0\0\x07public\0t\0"), None);
        assert_eq!(Head::decode(b"I\0\0"), None);
    }
}
