//! Decimals (unscaled two's complement bytes and a scale) as text.

use num_bigint::BigInt;

/// `BigDecimal.toString()`: plain while the exponent is moderate, scientific beyond.
pub(super) fn java_text(unscaled: &[u8], scale: i32) -> String {
    let number = BigInt::from_signed_bytes_be(unscaled).to_string();
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number.as_str()),
    };
    let digit_count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let exponent = digit_count - 1 - i64::from(scale);
    if scale == 0 {
        return number;
    }
    if scale > 0 && exponent >= -6 {
        return format!(
            "{sign}{}",
            with_point(digits, digit_count - i64::from(scale))
        );
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let plus = if exponent > 0 { "+" } else { "" };
    format!("{sign}{first}{point}{rest}E{plus}{exponent}")
}

/// `digits` with a decimal point after the first `whole` of them; zeros are put in front where
/// `whole` is not positive.
fn with_point(digits: &str, whole: i64) -> String {
    match usize::try_from(whole) {
        Ok(whole) if whole > 0 => {
            let (integer, fraction) = digits.split_at(whole);
            format!("{integer}.{fraction}")
        }
        _ => {
            let zeros = usize::try_from(whole.unsigned_abs()).unwrap_or(0);
            format!("0.{}{digits}", "0".repeat(zeros))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_that_of_java() {
        for (unscaled, scale, wanted) in [
            (0, 0, "0"),
            (150, 2, "1.50"),
            (-5, 3, "-0.005"),
            (1, 7, "1E-7"),
            (123, 9, "1.23E-7"),
            (12, -2, "1.2E+3"),
            (-1, -3, "-1E+3"),
            (0, 2, "0.00"),
        ] {
            let bytes = BigInt::from(unscaled).to_signed_bytes_be();
            assert_eq!(java_text(&bytes, scale), wanted);
        }
    }
}
