//! A position in PostgreSQL's write-ahead log.

use std::fmt;
use std::str::FromStr;

/// A byte position in the write-ahead log (`pg_lsn`). Ordered by position; only commit and end
/// positions are comparable across transactions, positions of rows are not.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// `0/0`, which PostgreSQL calls invalid: "no position".
    pub const INVALID: Lsn = Lsn(0);

    /// Bytes from `earlier` to `self`; 0 where `self` lies before it.
    #[must_use]
    pub fn bytes_since(self, earlier: Lsn) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was not of the form `XXXXXXXX/XXXXXXXX` in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read \"{0}\" as a write-ahead log position (wanted hexadecimal digits as in 16/B374D848)")]
pub struct ParseError(String);

impl FromStr for Lsn {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Lsn, ParseError> {
        let wrong = || ParseError(text.to_owned());
        let (high, low) = text.split_once('/').ok_or_else(wrong)?;
        let half = |digits: &str| {
            let digits_only = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
            if digits_only {
                u32::from_str_radix(digits, 16).ok()
            } else {
                None
            }
        };
        let (Some(high), Some(low)) = (half(high), half(low)) else {
            return Err(wrong());
        };
        Ok(Lsn(u64::from(high) << 32 | u64::from(low)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_that_of_pg_lsn() {
        assert_eq!("16/B374D848".parse(), Ok(Lsn(0x16_B374_D848)));
        assert_eq!(Lsn(0x16_B374_D848).to_string(), "16/B374D848");
        assert_eq!(Lsn(0x1_0000_0001).to_string(), "1/1");
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in [
            "",
            "/",
            "1",
            "1/",
            "/1",
            "g/1",
            "1/g",
            "+1/1",
            "123456789/0",
            "1/2/3",
        ] {
            assert!(text.parse::<Lsn>().is_err(), "{text}");
        }
    }
}
