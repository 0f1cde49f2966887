//! numeric and money.
//!
//! Connect's Decimal is the unscaled number as big-endian two's complement of as few bytes as
//! hold it; the scale is in the schema. NaN and the infinities have no such form and become null,
//! as in Debezium.

use num_bigint::BigInt;

use super::Reason;
use super::decode::utf8;
use crate::event::Value;

/// Digits that fit an `i64` whatever they are.
const DIGITS_OF_I64: usize = 18;
/// Digits that fit an `i128` whatever they are.
const DIGITS_OF_I128: usize = 38;

/// A number as PostgreSQL prints it, without exponent: `-12.340`.
struct Plain<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

fn is_special(text: &[u8]) -> bool {
    matches!(text, b"NaN" | b"Infinity" | b"-Infinity")
}

fn plain(text: &[u8]) -> Result<Plain<'_>, Reason> {
    let text = utf8(text)?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || digits == "." || !is_number(whole) || !is_number(fraction) {
        return Err(Reason::Malformed);
    }
    Ok(Plain {
        negative,
        whole,
        fraction,
    })
}

/// A numeric of declared precision: the unscaled number at `scale`.
pub(super) fn fixed<'a>(text: &[u8], scale: i32) -> Result<Value<'a>, Reason> {
    if is_special(text) {
        return Ok(Value::Null);
    }
    at_scale(&plain(text)?, scale).map(Value::bytes)
}

/// A numeric without precision: a struct of its own scale and the unscaled number, without zeros
/// at the end of the fraction.
pub(super) fn variable<'a>(text: &[u8]) -> Result<Value<'a>, Reason> {
    if is_special(text) {
        return Ok(Value::Null);
    }
    let mut number = plain(text)?;
    number.fraction = number.fraction.trim_end_matches('0');
    let scale = i32::try_from(number.fraction.len()).map_err(|_| Reason::OutOfRange)?;
    let unscaled = at_scale(&number, scale)?;
    Ok(Value::Struct(vec![
        Value::Int32(scale),
        Value::bytes(unscaled),
    ]))
}

/// A numeric as text; what is no number has the name Debezium gives it.
pub(super) fn text(text: &[u8]) -> Result<Value<'_>, Reason> {
    match text {
        b"NaN" => Ok(Value::str("NAN")),
        b"Infinity" => Ok(Value::str("POSITIVE_INFINITY")),
        b"-Infinity" => Ok(Value::str("NEGATIVE_INFINITY")),
        _ => utf8(text).map(Value::str),
    }
}

fn at_scale(number: &Plain<'_>, scale: i32) -> Result<Vec<u8>, Reason> {
    let fraction_digits = i32::try_from(number.fraction.len()).map_err(|_| Reason::OutOfRange)?;
    if fraction_digits == scale && number.whole.len() + number.fraction.len() <= DIGITS_OF_I64 {
        let digits = number.whole.bytes().chain(number.fraction.bytes());
        let magnitude = digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        let signed = if number.negative {
            -magnitude
        } else {
            magnitude
        };
        return Ok(shortest(&signed.to_be_bytes()));
    }
    let mut digits = String::with_capacity(number.whole.len() + number.fraction.len() + 1);
    digits.push_str(number.whole);
    digits.push_str(number.fraction);
    let missing = scale - fraction_digits;
    if let Ok(missing) = usize::try_from(missing) {
        digits.extend(std::iter::repeat_n('0', missing));
    } else {
        // A declared scale cut these digits off already: they can only be zeros.
        for _ in 0..missing.unsigned_abs() {
            if !matches!(digits.pop(), Some('0') | None) {
                return Err(Reason::OutOfRange);
            }
        }
    }
    unscaled(number.negative, &digits)
}

fn unscaled(negative: bool, digits: &str) -> Result<Vec<u8>, Reason> {
    if digits.len() <= DIGITS_OF_I128 {
        let number: i128 = if digits.is_empty() {
            0
        } else {
            digits.parse().map_err(|_| Reason::Malformed)?
        };
        let signed = if negative { -number } else { number };
        return Ok(shortest(&signed.to_be_bytes()));
    }
    let number: BigInt = digits.parse().map_err(|_| Reason::Malformed)?;
    Ok((if negative { -number } else { number }).to_signed_bytes_be())
}

/// Two's complement without the bytes that only repeat the sign.
fn shortest(bytes: &[u8]) -> Vec<u8> {
    let mut kept = bytes;
    while let Some((first @ (0 | 0xFF), rest)) = kept.split_first() {
        let repeats_sign = rest.first().is_some_and(|next| (first ^ next) & 0x80 == 0);
        if !repeats_sign {
            break;
        }
        kept = rest;
    }
    kept.to_vec()
}

/// money at `digits` of the fraction, rounded half up (away from zero) as Debezium does.
pub(super) fn money<'a>(text: &[u8], digits: i16) -> Result<Value<'a>, Reason> {
    let text = money_text(text)?;
    let number = plain(text.as_bytes())?;
    let scale = i32::from(digits);
    let Ok(kept) = usize::try_from(scale) else {
        return Err(Reason::OutOfRange);
    };
    let Some((kept, rest)) = number.fraction.split_at_checked(kept) else {
        return at_scale(&number, scale).map(Value::bytes);
    };
    let magnitude: BigInt = format!("{}{kept}", number.whole)
        .parse()
        .map_err(|_| Reason::Malformed)?;
    let rounded = magnitude + i32::from(rest.as_bytes().first().is_some_and(|d| *d >= b'5'));
    let signed = if number.negative { -rounded } else { rounded };
    Ok(Value::bytes(signed.to_signed_bytes_be()))
}

/// The number in money's text (`-$1,234.56` under `lc_monetary = C`).
pub(super) fn money_text(text: &[u8]) -> Result<String, Reason> {
    let text = utf8(text)?;
    let negative = text.starts_with(['-', '(']);
    let mut number = String::with_capacity(text.len());
    if negative {
        number.push('-');
    }
    for c in text.chars() {
        match c {
            '0'..='9' | '.' => number.push(c),
            '-' | '(' | ')' | ',' | '$' => {}
            _ => return Err(Reason::Malformed),
        }
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scale_is_declared_or_the_shortest() {
        assert_eq!(fixed(b"12.34", 2), Ok(Value::bytes([0x04, 0xD2])));
        assert_eq!(fixed(b"0", 2), Ok(Value::bytes([0])));
        assert_eq!(fixed(b"-0.01", 2), Ok(Value::bytes([0xFF])));
        assert_eq!(fixed(b"12300", -2), Ok(Value::bytes([123])));
        assert_eq!(fixed(b"0", -2), Ok(Value::bytes([0])));
        assert_eq!(fixed(b"12345", -2), Err(Reason::OutOfRange));
        let number = |scale, bytes: &[u8]| {
            Ok(Value::Struct(vec![
                Value::Int32(scale),
                Value::bytes(bytes),
            ]))
        };
        assert_eq!(variable(b"123.4560"), number(3, &[1, 226, 64]));
        assert_eq!(variable(b"100"), number(0, &[100]));
        assert_eq!(variable(b"0.000"), number(0, &[0]));
    }

    #[test]
    fn what_is_no_number_is_null() {
        for text in ["NaN", "Infinity", "-Infinity"] {
            assert_eq!(fixed(text.as_bytes(), 2), Ok(Value::Null));
            assert_eq!(variable(text.as_bytes()), Ok(Value::Null));
        }
        for text in ["", ".", "-", "1e5", "1.2.3", "+1", "--1"] {
            assert_eq!(variable(text.as_bytes()), Err(Reason::Malformed), "{text}");
        }
    }

    #[test]
    fn money_is_rounded_half_up() {
        assert_eq!(money(b"$1,234.56", 2), Ok(Value::bytes([1, 226, 64])));
        assert_eq!(money(b"-$0.01", 2), Ok(Value::bytes([0xFF])));
        assert_eq!(money(b"$1.50", 0), Ok(Value::bytes([2])));
        assert_eq!(money(b"-$1.50", 0), Ok(Value::bytes([0xFE])));
        assert_eq!(money(b"$1.44", 1), Ok(Value::bytes([14])));
        assert_eq!(money(b"$1.50", 4), Ok(Value::bytes([0x3A, 0x98])));
    }

    proptest! {
        #[test]
        fn bytes_are_those_of_big_integers(number: i128) {
            prop_assume!(number.unsigned_abs() < 10_u128.pow(38));
            let text = number.to_string();
            let wanted = BigInt::from(number).to_signed_bytes_be();
            prop_assert_eq!(fixed(text.as_bytes(), 0), Ok(Value::bytes(wanted.clone())));
            let long = format!("{text}.{}", "0".repeat(40));
            let longer = BigInt::from(number) * BigInt::from(10).pow(40);
            prop_assert_eq!(fixed(long.as_bytes(), 40), Ok(Value::bytes(longer.to_signed_bytes_be())));
        }
    }
}
