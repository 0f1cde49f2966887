//! Durations and sizes as people write them: a whole number and a unit. The one place that knows
//! the units.
//!
//! Not here: which durations and sizes a setting takes.

/// Units of time in milliseconds.
const TIMES: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 7 * 86_400_000),
];

/// Units of size in bytes. `kB` counts by 1000 and `KiB` by 1024, as in SI and IEC.
const SIZES: [(&str, u64); 10] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// How a duration is written.
pub const DURATION_FORM: &str = "write a whole number and one of ms, s, m, h, d, w, such as 30s";

/// How a size is written.
pub const SIZE_FORM: &str = "write a whole number and one of B, KiB, MiB, GiB, TiB (by 1024) or kB, MB, GB, TB (by 1000), \
     such as 10GiB";

/// Milliseconds of a text such as `30s` or `7d`; an error says what does not fit.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    measure(text, "time", &TIMES)
}

/// Bytes of a text such as `10GiB` or `10GB`; an error says what does not fit.
pub fn size_bytes(text: &str) -> Result<u64, String> {
    measure(text, "size", &SIZES)
}

fn measure(text: &str, kind: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let trimmed = text.trim();
    if trimmed.starts_with('-') {
        return Err(format!("\"{text}\" is below zero"));
    }
    let digits = trimmed
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let unit = unit.trim_start();
    if number.is_empty() {
        return Err(format!("\"{text}\" does not begin with a number"));
    }
    if unit.is_empty() {
        return Err(format!("\"{text}\" has no unit"));
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("\"{unit}\" is no unit of {kind}"));
    };
    let number = number.parse::<u64>().ok();
    let product = number.and_then(|number| number.checked_mul(*factor));
    // Kafka's settings are signed.
    product
        .filter(|product| i64::try_from(*product).is_ok())
        .ok_or_else(|| format!("\"{text}\" is larger than can be counted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_unit_is_read() {
        for (text, expected) in [
            ("1ms", 1),
            ("30s", 30_000),
            ("30 s", 30_000),
            ("5m", 300_000),
            ("7d", 604_800_000),
            ("1w", 604_800_000),
        ] {
            assert_eq!(duration_ms(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn units_by_1000_and_by_1024_are_told_apart() {
        assert_eq!(size_bytes("10GB"), Ok(10_000_000_000));
        assert_eq!(size_bytes("10GiB"), Ok(10 << 30));
        assert_eq!(size_bytes("1kB"), Ok(1000));
        assert_eq!(size_bytes("1B"), Ok(1));
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_the_reason() {
        for (text, reason) in [
            ("5 parsecs", "\"parsecs\" is no unit of time"),
            ("9e99s", "\"e99s\" is no unit of time"),
            ("-1s", "below zero"),
            ("30", "has no unit"),
            ("s", "does not begin with a number"),
            ("", "does not begin with a number"),
            ("1.5h", "\".5h\" is no unit of time"),
            ("99999999999999999999s", "larger than can be counted"),
            ("9223372036854775807s", "larger than can be counted"),
            ("1\u{b5}s", "is no unit of time"),
        ] {
            let error = duration_ms(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(size_bytes("10G").unwrap_err().contains("no unit of size"));
        assert!(size_bytes("99999999TiB").unwrap_err().contains("larger"));
    }
}
