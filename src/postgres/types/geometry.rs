//! Points and PostGIS values.

use super::Reason;
use super::bits::hex_digits;
use super::decode::utf8;
use crate::event::Value;

/// The flag in an extended well-known binary's type word that says a reference system follows.
const EWKB_HAS_SRID: u32 = 0x2000_0000;

/// `(x,y)` as x, y, their well-known binary and no reference system.
pub(super) fn point<'a>(text: &[u8]) -> Result<Value<'a>, Reason> {
    let inner = utf8(text)?
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
        .ok_or(Reason::Malformed)?;
    let (x, y) = inner.split_once(',').ok_or(Reason::Malformed)?;
    let number = |text: &str| text.parse().map_err(|_| Reason::Malformed);
    Ok(point_value(number(x)?, number(y)?))
}

/// The struct of a point.
pub(super) fn point_value<'a>(x: f64, y: f64) -> Value<'a> {
    // Little-endian, type 1: a point.
    let mut binary = vec![1, 1, 0, 0, 0];
    binary.extend_from_slice(&x.to_le_bytes());
    binary.extend_from_slice(&y.to_le_bytes());
    Value::Struct(vec![
        Value::Float64(x),
        Value::Float64(y),
        Value::bytes(binary),
        Value::Null,
    ])
}

/// PostGIS' hexadecimal text: the binary as it is, and the reference system it names.
pub(super) fn extended_wkb<'a>(text: &[u8]) -> Result<Value<'a>, Reason> {
    let binary = hex_digits(text)?;
    let (order, rest) = binary.split_first().ok_or(Reason::Malformed)?;
    let word = |bytes: &[u8; 4]| match order {
        0 => Ok(u32::from_be_bytes(*bytes)),
        1 => Ok(u32::from_le_bytes(*bytes)),
        _ => Err(Reason::Malformed),
    };
    let (kind, rest) = rest.split_first_chunk().ok_or(Reason::Malformed)?;
    let srid = if word(kind)? & EWKB_HAS_SRID == 0 {
        Value::Null
    } else {
        let srid = rest.first_chunk().ok_or(Reason::Malformed)?;
        Value::Int32(word(srid)?.cast_signed())
    };
    Ok(Value::Struct(vec![Value::bytes(binary), srid]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_carries_its_binary() {
        let Ok(Value::Struct(fields)) = point(b"(1,2.5)") else {
            panic!("no struct")
        };
        assert_eq!(fields[0], Value::Float64(1.0));
        let Value::Bytes(binary) = &fields[2] else {
            panic!("no bytes")
        };
        assert_eq!(binary.len(), 21);
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in ["", "()", "(1)", "(1,x)", "1,2"] {
            assert_eq!(point(text.as_bytes()), Err(Reason::Malformed), "{text}");
        }
        for text in ["", "01", "0201000000", "01010000200000"] {
            assert_eq!(
                extended_wkb(text.as_bytes()),
                Err(Reason::Malformed),
                "{text}"
            );
        }
    }
}
