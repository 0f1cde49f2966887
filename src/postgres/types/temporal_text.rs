//! Dates and times as the numbers and ISO 8601 texts of events.

use super::Reason;
use super::temporal::{Bounded, DAY_MICROS, Stamp, civil_from_days};

/// What Debezium's driver makes of an infinite timestamp, in milliseconds; other modes follow
/// from it.
const INFINITY_MILLIS: i64 = 9_223_372_036_825_200;
const NEGATIVE_INFINITY_MILLIS: i64 = -9_223_372_036_832_400;

/// Days of a date; the infinities are the ends of the range, which no date reaches.
pub(super) fn days(date: Bounded<i64>) -> Result<i32, Reason> {
    match date {
        Bounded::Finite(days) => i32::try_from(days).map_err(|_| Reason::OutOfRange),
        Bounded::Infinity => Ok(i32::MAX),
        Bounded::NegativeInfinity => Ok(i32::MIN),
    }
}

/// Milliseconds since 1970, rounded down.
pub(super) fn millis(stamp: Bounded<Stamp>) -> i64 {
    match stamp {
        Bounded::Finite(stamp) => stamp.days * (DAY_MICROS / 1_000) + stamp.micros / 1_000,
        Bounded::Infinity => INFINITY_MILLIS,
        Bounded::NegativeInfinity => NEGATIVE_INFINITY_MILLIS,
    }
}

/// Microseconds since 1970; the last 600 years of PostgreSQL's range are beyond the count and
/// give its end.
pub(super) fn micros(stamp: Bounded<Stamp>) -> i64 {
    match stamp {
        Bounded::Finite(stamp) => stamp
            .days
            .saturating_mul(DAY_MICROS)
            .saturating_add(stamp.micros),
        Bounded::Infinity => INFINITY_MILLIS * 1_000,
        Bounded::NegativeInfinity => NEGATIVE_INFINITY_MILLIS * 1_000,
    }
}

/// Nanoseconds since 1970, of which 64 bits hold the years 1678 to 2261.
pub(super) fn nanos(stamp: Bounded<Stamp>) -> Option<i64> {
    match stamp {
        Bounded::Finite(stamp) => {
            let micros = i128::from(stamp.days) * i128::from(DAY_MICROS) + i128::from(stamp.micros);
            i64::try_from(micros * 1_000).ok()
        }
        Bounded::Infinity => Some(i64::MAX),
        Bounded::NegativeInfinity => Some(i64::MIN),
    }
}

/// `2016-11-04Z`.
pub(super) fn date(date: Bounded<i64>) -> String {
    match date {
        Bounded::Finite(days) => {
            let mut text = Text::default();
            text.date(days);
            text.end()
        }
        Bounded::Infinity => "infinity".to_owned(),
        Bounded::NegativeInfinity => "-infinity".to_owned(),
    }
}

/// `13:51:30.123456Z`, as many digits of the fraction as there are.
pub(super) fn time(micros: i64) -> String {
    let mut text = Text::default();
    text.time(micros);
    text.fraction(micros, 0);
    text.end()
}

/// `2016-11-04T13:51:30.1Z`, as many digits of the fraction as there are.
pub(super) fn timestamp(stamp: Bounded<Stamp>) -> String {
    match stamp {
        Bounded::Finite(stamp) => zoned_timestamp(stamp, 0),
        Bounded::Infinity => "+294247-01-10T04:00:25.2Z".to_owned(),
        Bounded::NegativeInfinity => "-290308-12-21T19:59:27.6Z".to_owned(),
    }
}

/// `2016-11-04T13:51:30.123456Z` with `digits` digits of the fraction; 0: as many as there are.
pub(super) fn zoned_timestamp(stamp: Stamp, digits: u8) -> String {
    let mut text = Text::default();
    text.date(stamp.days);
    text.0.push(b'T');
    text.time(stamp.micros);
    text.fraction(stamp.micros, digits);
    text.end()
}

/// ASCII text being written.
struct Text(Vec<u8>);

impl Default for Text {
    fn default() -> Text {
        Text(Vec::with_capacity(32))
    }
}

impl Text {
    /// The year as Java writes it: four digits at least, a sign where it is negative or has more.
    fn date(&mut self, days: i64) {
        let (year, month, day) = civil_from_days(days);
        if year < 0 {
            self.0.push(b'-');
        } else if year > 9_999 {
            self.0.push(b'+');
        }
        let year = year.abs();
        if year > 9_999 {
            let mut digits = itoa::Buffer::new();
            self.0.extend_from_slice(digits.format(year).as_bytes());
        } else {
            self.0.extend_from_slice(&two(year / 100));
            self.0.extend_from_slice(&two(year % 100));
        }
        let ([m, n], [d, e]) = (two(month), two(day));
        self.0.extend_from_slice(&[b'-', m, n, b'-', d, e]);
    }

    fn time(&mut self, micros: i64) {
        let seconds = micros / 1_000_000;
        let [h, i] = two(seconds / 3_600);
        let [m, n] = two(seconds / 60 % 60);
        let [s, t] = two(seconds % 60);
        self.0.extend_from_slice(&[h, i, b':', m, n, b':', s, t]);
    }

    fn fraction(&mut self, micros: i64, digits: u8) {
        let fraction = micros % 1_000_000;
        if digits == 0 && fraction == 0 {
            return;
        }
        let ([a, b], [c, d], [e, f]) = (
            two(fraction / 10_000),
            two(fraction / 100 % 100),
            two(fraction % 100),
        );
        let all = [b'.', a, b, c, d, e, f];
        let shown = match digits {
            0 => without_zeros(&all),
            digits => all.get(..=usize::from(digits)).unwrap_or(&all),
        };
        self.0.extend_from_slice(shown);
    }

    fn end(mut self) -> String {
        self.0.push(b'Z');
        String::from_utf8(self.0).expect("digits and punctuation")
    }
}

fn without_zeros(mut digits: &[u8]) -> &[u8] {
    while let [rest @ .., b'0'] = digits {
        digits = rest;
    }
    digits
}

/// Two digits of a number below 100.
fn two(number: i64) -> [u8; 2] {
    let number = u8::try_from(number).unwrap_or(0);
    [b'0' + number / 10, b'0' + number % 10]
}

#[cfg(test)]
mod tests {
    use super::super::temporal;
    use super::*;

    #[test]
    fn zoned_text_is_that_of_java() {
        for (text, digits, wanted) in [
            (
                "2016-11-04 11:51:30.123456+00",
                6,
                "2016-11-04T11:51:30.123456Z",
            ),
            ("1970-01-01 00:00:00+00", 6, "1970-01-01T00:00:00.000000Z"),
            ("1970-01-01 00:00:00+00", 0, "1970-01-01T00:00:00Z"),
            ("1970-01-01 00:00:00.5+00", 0, "1970-01-01T00:00:00.5Z"),
            (
                "0044-03-15 12:00:00+00 BC",
                6,
                "-0043-03-15T12:00:00.000000Z",
            ),
            ("20000-01-01 00:00:00+00", 3, "+20000-01-01T00:00:00.000Z"),
        ] {
            let Ok(Bounded::Finite(stamp)) = temporal::timestamp(text.as_bytes()) else {
                panic!("{text}")
            };
            assert_eq!(zoned_timestamp(stamp, digits), wanted);
        }
    }

    #[test]
    fn far_ends_saturate_or_have_no_value() {
        let far = temporal::timestamp(b"294276-12-31 23:59:59.999999").unwrap();
        assert_eq!(micros(far), i64::MAX);
        assert_eq!(nanos(far), None);
        assert_eq!(micros(Bounded::Infinity), 9_223_372_036_825_200_000);
        assert_eq!(days(Bounded::NegativeInfinity), Ok(i32::MIN));
    }
}
