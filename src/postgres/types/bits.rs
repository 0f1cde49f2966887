//! Bit strings and bytea.

use super::Reason;
use crate::event::Value;

/// One bit as boolean; an empty `varbit(1)` has no value.
pub(super) fn bit<'a>(text: &[u8]) -> Result<Value<'a>, Reason> {
    match text {
        b"1" => Ok(Value::Boolean(true)),
        b"0" => Ok(Value::Boolean(false)),
        b"" => Ok(Value::Null),
        _ => Err(Reason::Malformed),
    }
}

/// Bits as bytes in little-endian order without the zero bytes at the end: the last bit of the
/// text is the lowest bit of the first byte.
pub(super) fn bits<'a>(text: &[u8]) -> Result<Value<'a>, Reason> {
    let mut bytes = Vec::with_capacity(text.len().div_ceil(8));
    for group in text.rchunks(8) {
        let mut byte = 0_u8;
        for bit in group {
            byte = match bit {
                b'0' => byte << 1,
                b'1' => byte << 1 | 1,
                _ => return Err(Reason::Malformed),
            };
        }
        bytes.push(byte);
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(Value::bytes(bytes))
}

/// bytea as `bytea_output = hex` prints it.
pub(super) fn hex(text: &[u8]) -> Result<Vec<u8>, Reason> {
    hex_digits(text.strip_prefix(b"\\x").ok_or(Reason::Malformed)?)
}

/// Pairs of hexadecimal digits.
pub(super) fn hex_digits(digits: &[u8]) -> Result<Vec<u8>, Reason> {
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(Reason::Malformed);
    }
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for pair in pairs {
        let [high, low] = pair else {
            return Err(Reason::Malformed);
        };
        bytes.push(nibble(*high)? << 4 | nibble(*low)?);
    }
    Ok(bytes)
}

fn nibble(digit: u8) -> Result<u8, Reason> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(Reason::Malformed),
    }
}

/// Bytes as hexadecimal text.
pub(super) fn hex_text(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_little_endian_and_trimmed() {
        for (text, wanted) in [
            ("", vec![]),
            ("000", vec![]),
            ("10101", vec![0x15]),
            ("1111100000", vec![0xE0, 0x03]),
            ("0000000000000001", vec![0x01]),
        ] {
            assert_eq!(bits(text.as_bytes()), Ok(Value::bytes(wanted)), "{text}");
        }
        assert_eq!(bits(b"102"), Err(Reason::Malformed));
    }

    #[test]
    fn malformed_bytea_is_refused() {
        for text in ["", "x00", "\\x0", "\\xg0", "\\001"] {
            assert_eq!(hex(text.as_bytes()), Err(Reason::Malformed), "{text}");
        }
        assert_eq!(hex(b"\\x00Ff"), Ok(vec![0, 255]));
    }
}
