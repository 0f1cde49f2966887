//! The text format of `COPY`: cells between tabs, `\N` for null, a few characters escaped.
//!
//! Pure. A cell without a backslash is left where it is; the others are unescaped elsewhere.

use std::ops::Range;

/// Where a cell's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: null.
    Null,
    /// In the bytes that were received.
    Received(Range<usize>),
    /// In the bytes that were unescaped.
    Unescaped(Range<usize>),
}

/// Appends the cells of `row`, a line without its end, that begins at `offset` of the received
/// bytes; returns how many there are. A line always has one cell at least.
pub(super) fn cells(
    row: &[u8],
    offset: usize,
    places: &mut Vec<Place>,
    unescaped: &mut Vec<u8>,
) -> usize {
    let before = places.len();
    let mut rest = row;
    let mut start = offset;
    loop {
        match memchr::memchr2(b'\t', b'\\', rest) {
            None => {
                places.push(Place::Received(start..start + rest.len()));
                break;
            }
            Some(at) if rest.get(at) == Some(&b'\t') => {
                places.push(Place::Received(start..start + at));
                rest = rest.get(at + 1..).unwrap_or_default();
                start += at + 1;
            }
            Some(_) => {
                let (place, taken) = escaped_cell(rest, unescaped);
                places.push(place);
                let Some(after) = rest.get(taken + 1..) else {
                    break;
                };
                rest = after;
                start += taken + 1;
            }
        }
    }
    places.len() - before
}

/// Reads a cell with a backslash in it: its value, and how long it was before its tab.
fn escaped_cell(rest: &[u8], unescaped: &mut Vec<u8>) -> (Place, usize) {
    let begin = unescaped.len();
    let mut taken = 0;
    loop {
        let left = rest.get(taken..).unwrap_or_default();
        let plain = memchr::memchr2(b'\t', b'\\', left).unwrap_or(left.len());
        unescaped.extend_from_slice(left.get(..plain).unwrap_or_default());
        taken += plain;
        match (left.get(plain), left.get(plain + 1)) {
            (Some(b'\\'), Some(letter)) => {
                unescaped.push(unescape(*letter));
                taken += 2;
            }
            // The end, a tab, or a backslash with nothing behind it, which stands for itself.
            (Some(b'\\'), None) => {
                unescaped.push(b'\\');
                taken += 1;
            }
            (_, _) => break,
        }
    }
    if rest.get(..taken) == Some(br"\N") {
        unescaped.truncate(begin);
        return (Place::Null, taken);
    }
    (Place::Unescaped(begin..unescaped.len()), taken)
}

/// What a letter behind a backslash stands for; one that is not special stands for itself. The
/// octal and hexadecimal forms are for input only.
fn unescape(letter: u8) -> u8 {
    match letter {
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 11,
        b'f' => 12,
        b'r' => b'\r',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(row: &[u8]) -> Vec<Option<Vec<u8>>> {
        let (mut places, mut unescaped) = (Vec::new(), Vec::new());
        let count = cells(row, 0, &mut places, &mut unescaped);
        assert_eq!(count, places.len());
        places
            .into_iter()
            .map(|place| match place {
                Place::Null => None,
                Place::Received(range) => Some(row[range].to_vec()),
                Place::Unescaped(range) => Some(unescaped[range].to_vec()),
            })
            .collect()
    }

    #[test]
    fn cells_nulls_and_escapes_are_read_as_copy_writes_them() {
        let some = |text: &[u8]| Some(text.to_vec());
        assert_eq!(read(b"1\tabc\t"), [some(b"1"), some(b"abc"), some(b"")]);
        assert_eq!(read(b"\\N\t\\N"), [None, None]);
        assert_eq!(read(b"\\\\N\tx\\N"), [some(b"\\N"), some(b"xN")]);
        assert_eq!(
            read(b"a\\tb\\nc\\rd\\be\\ff\\vg\\\\h\tz"),
            [some(b"a\tb\nc\rd\x08e\x0cf\x0bg\\h"), some(b"z")]
        );
        assert_eq!(read(b""), [some(b"")]);
        assert_eq!(read(b"\\"), [some(b"\\")]);
        assert_eq!(read(b"\\\t"), [some(b"\t")]);
        assert_eq!(read(b"a\\\\\tb"), [some(b"a\\"), some(b"b")]);
    }

    proptest::proptest! {
        #[test]
        fn what_copy_writes_is_what_is_read(
            row in proptest::collection::vec(
                proptest::option::of(proptest::collection::vec(
                    proptest::sample::select(b"ab\\\t\n\r\x08\x0b\x0cN".to_vec()), 0..6)),
                1..6)
        ) {
            let mut line = Vec::new();
            for (index, cell) in row.iter().enumerate() {
                if index > 0 {
                    line.push(b'\t');
                }
                match cell {
                    None => line.extend_from_slice(b"\\N"),
                    Some(bytes) => for byte in bytes {
                        match byte {
                            8 => line.extend_from_slice(b"\\b"),
                            b'\t' => line.extend_from_slice(b"\\t"),
                            b'\n' => line.extend_from_slice(b"\\n"),
                            11 => line.extend_from_slice(b"\\v"),
                            12 => line.extend_from_slice(b"\\f"),
                            b'\r' => line.extend_from_slice(b"\\r"),
                            b'\\' => line.extend_from_slice(b"\\\\"),
                            other => line.push(*other),
                        }
                    },
                }
            }
            proptest::prop_assert_eq!(read(&line), row);
        }
    }
}
