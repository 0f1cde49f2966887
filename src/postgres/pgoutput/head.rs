//! What can be told of a message that is too large to be held, from its first bytes.
//!
//! Pure, like the rest of the decoder; whatever is not whole is left out.

use super::cursor::Cursor;
use super::tuple::Cell;

/// The beginning of a row's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<'a> {
    /// Which change it is.
    pub change: HeadChange,
    /// The table.
    pub relation_id: u32,
    /// The cells of the message's first tuple that are whole: of an update or delete those of the
    /// old row where there is one, else those of the new row. A key usually comes first.
    pub cells: Vec<Cell<'a>>,
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
    /// Reads the first bytes of a message; `None` if it is not a row's.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Head<'a>> {
        let mut cursor = Cursor::new(bytes);
        let change = match cursor.u8("a message's kind").ok()? {
            b'I' => HeadChange::Insert,
            b'U' => HeadChange::Update,
            b'D' => HeadChange::Delete,
            // Relations and logical messages are no rows.
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
        Some(Head {
            change,
            relation_id,
            cells,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leading_cells_of_a_cut_row_are_told() {
        let cut = b"U\0\0\0\x07N\0\x03t\0\0\0\x0242nt\x7f\xff\xff\xffxxx";
        let head = Head::decode(cut).unwrap();
        assert_eq!((head.change, head.relation_id), (HeadChange::Update, 7));
        assert_eq!(head.cells, [Cell::Text(b"42"), Cell::Null]);
    }

    #[test]
    fn whatever_is_not_a_row_has_no_head() {
        assert_eq!(Head::decode(b""), None);
        assert_eq!(Head::decode(b"M\0\0\0\0\0\0\0\0\0p\0"), None);
        assert_eq!(Head::decode(b"I\0\0"), None);
        assert!(Head::decode(b"I\0\0\0\x07").unwrap().cells.is_empty());
        assert!(
            Head::decode(b"I\0\0\0\x07N\xff\xff?")
                .unwrap()
                .cells
                .is_empty()
        );
    }
}
