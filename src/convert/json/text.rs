//! Scalars as JSON text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::convert::java_float;

/// Strings are looked at in pieces of this many bytes; a piece without a byte to escape is copied
/// as it is. The size lets the compiler compare a piece in one or two vector instructions.
const PIECE_BYTES: usize = 16;

/// Appends an integer.
pub(super) fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a float in Java's digits: a reader that takes it as a double sees each of them. What
/// is not finite becomes a string, as in Jackson.
pub(super) fn float32(value: f32, out: &mut Vec<u8>) {
    if value.is_finite() {
        java_float::write_f32(value, out);
    } else {
        not_finite(f64::from(value), out);
    }
}

/// Appends a double as the shortest text that reads back as it.
pub(super) fn float64(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        not_finite(value, out);
    }
}

fn not_finite(value: f64, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(java_float::not_finite(value).as_bytes());
    out.push(b'"');
}

/// Appends bytes as a base64 string.
pub(super) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    let length = bytes.len().div_ceil(3) * 4;
    out.resize(start + length, b'=');
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    debug_assert_eq!(written, Ok(length), "padded base64 has this length");
    out.push(b'"');
}

/// Appends a string in quotes.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut rest = bytes;
    while let Some(index) = first_escape(rest) {
        let (plain, tail) = rest.split_at(index);
        out.extend_from_slice(plain);
        if let Some((byte, tail)) = tail.split_first() {
            escape(*byte, out);
            rest = tail;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Index of the first byte to escape.
fn first_escape(bytes: &[u8]) -> Option<usize> {
    let mut pieces = bytes.chunks_exact(PIECE_BYTES);
    let mut skipped = 0;
    for piece in &mut pieces {
        // No short circuit: a piece is one comparison, not sixteen branches.
        if piece
            .iter()
            .fold(false, |any, byte| any | needs_escape(*byte))
        {
            break;
        }
        skipped += PIECE_BYTES;
    }
    let rest = bytes.get(skipped..)?;
    rest.iter()
        .position(|byte| needs_escape(*byte))
        .map(|index| skipped + index)
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        other => {
            let (high, low) = (usize::from(other >> 4), usize::from(other & 15));
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[high], HEX[low]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        string(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_control_character_is_escaped_wherever_it_stands() {
        for byte in 0..0x80_u8 {
            for padding in [0, 1, 15, 16, 17, 40] {
                let text = format!("{}{}x", "p".repeat(padding), char::from(byte));
                assert_eq!(
                    serde_json::from_str::<String>(&written(&text)).unwrap(),
                    text
                );
            }
        }
    }

    #[test]
    fn numbers_that_json_lacks_are_strings() {
        for (value, wanted) in [
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
            (-0.0, "-0.0"),
        ] {
            let mut out = Vec::new();
            float64(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }

    proptest! {
        #[test]
        fn strings_read_back(text: String) {
            prop_assert_eq!(serde_json::from_str::<String>(&written(&text)).unwrap(), text);
        }

        #[test]
        fn doubles_read_back(value: f64) {
            prop_assume!(value.is_finite());
            let mut out = Vec::new();
            float64(value, &mut out);
            let read: f64 = std::str::from_utf8(&out).unwrap().parse().unwrap();
            prop_assert_eq!(read.to_bits(), value.to_bits());
        }

        #[test]
        fn bytes_read_back(bytes: Vec<u8>) {
            let mut out = Vec::new();
            base64(&bytes, &mut out);
            let text: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(STANDARD.decode(text).unwrap(), bytes);
        }
    }
}
