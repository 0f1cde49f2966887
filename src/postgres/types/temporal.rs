//! Dates and times read from PostgreSQL's text under `DateStyle = ISO`.
//!
//! Dates are proleptic Gregorian, as in PostgreSQL; years before our era carry ` BC` at the end of
//! the whole text. Days count from 1970-01-01.

use super::Reason;

/// Microseconds of a day.
pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// A date or timestamp, or one of PostgreSQL's infinities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bounded<T> {
    Finite(T),
    Infinity,
    NegativeInfinity,
}

/// A point in time: a day and the microseconds into it, less than a day of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) days: i64,
    pub(super) micros: i64,
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    /// The next number of `digits_min` to `digits_max` digits.
    fn number(&mut self, digits_min: usize, digits_max: usize) -> Result<i64, Reason> {
        let mut value = 0_i64;
        let mut count = 0;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.0 {
            if count == digits_max {
                return Err(Reason::Malformed);
            }
            value = value * 10 + i64::from(digit - b'0');
            count += 1;
            self.0 = rest;
        }
        if count < digits_min {
            return Err(Reason::Malformed);
        }
        Ok(value)
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.0 {
            [first, rest @ ..] if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Reason> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(Reason::Malformed)
        }
    }

    fn end(&self) -> Result<(), Reason> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Reason::Malformed)
        }
    }

    /// `year-month-day`; the era is at the end of the whole text.
    fn date(&mut self, before_our_era: bool) -> Result<i64, Reason> {
        let year = self.number(4, 7)?;
        self.expect(b'-')?;
        let month = self.number(2, 2)?;
        self.expect(b'-')?;
        let day = self.number(2, 2)?;
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(Reason::Malformed);
        }
        let year = if before_our_era { 1 - year } else { year };
        Ok(days_from_civil(year, month, day))
    }

    /// `hours:minutes:seconds[.fraction]` in microseconds.
    fn time(&mut self) -> Result<i64, Reason> {
        let hours = self.number(2, 2)?;
        self.expect(b':')?;
        let minutes = self.number(2, 2)?;
        self.expect(b':')?;
        let seconds = self.number(2, 2)?;
        if hours > 24 || minutes > 59 || seconds > 59 {
            return Err(Reason::Malformed);
        }
        let mut micros = 0;
        if self.take(b'.') {
            let before = self.0.len();
            micros = self.number(1, 6)?;
            for _ in (before - self.0.len())..6 {
                micros *= 10;
            }
        }
        Ok(((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros)
    }

    /// An offset east of Greenwich in microseconds; none where there is none.
    fn offset(&mut self) -> Result<Option<i64>, Reason> {
        let sign = match self.0 {
            [b'+', rest @ ..] => {
                self.0 = rest;
                1
            }
            [b'-', rest @ ..] => {
                self.0 = rest;
                -1
            }
            _ => return Ok(None),
        };
        let mut seconds = self.number(2, 2)? * 3600;
        if self.take(b':') {
            seconds += self.number(2, 2)? * 60;
        }
        if self.take(b':') {
            seconds += self.number(2, 2)?;
        }
        Ok(Some(sign * seconds * 1_000_000))
    }
}

/// A date, in days.
pub(super) fn date(text: &[u8]) -> Result<Bounded<i64>, Reason> {
    if let Some(infinite) = infinity(text) {
        return Ok(infinite);
    }
    let (text, before_our_era) = era(text);
    let mut cursor = Cursor(text);
    let days = cursor.date(before_our_era)?;
    cursor.end()?;
    Ok(Bounded::Finite(days))
}

/// A time of day in microseconds; up to and including 24:00:00.
pub(super) fn time(text: &[u8]) -> Result<i64, Reason> {
    let mut cursor = Cursor(text);
    let micros = cursor.time()?;
    cursor.end()?;
    Ok(micros)
}

/// A time of day with its offset, moved to UTC. 24:00 at UTC stays 24:00.
pub(super) fn zoned_time(text: &[u8]) -> Result<i64, Reason> {
    let mut cursor = Cursor(text);
    let micros = cursor.time()?;
    let offset = cursor.offset()?.ok_or(Reason::Malformed)?;
    cursor.end()?;
    let moved = micros - offset;
    if moved == DAY_MICROS {
        return Ok(moved);
    }
    Ok(moved.rem_euclid(DAY_MICROS))
}

/// A timestamp; one with an offset is moved to UTC.
pub(super) fn timestamp(text: &[u8]) -> Result<Bounded<Stamp>, Reason> {
    if let Some(infinite) = infinity(text) {
        return Ok(infinite);
    }
    let (text, before_our_era) = era(text);
    let mut cursor = Cursor(text);
    let days = cursor.date(before_our_era)?;
    cursor.expect(b' ')?;
    let local = cursor.time()?;
    let offset = cursor.offset()?.unwrap_or(0);
    cursor.end()?;
    let micros = local - offset;
    Ok(Bounded::Finite(Stamp {
        days: days + micros.div_euclid(DAY_MICROS),
        micros: micros.rem_euclid(DAY_MICROS),
    }))
}

fn infinity<T>(text: &[u8]) -> Option<Bounded<T>> {
    match text {
        b"infinity" => Some(Bounded::Infinity),
        b"-infinity" => Some(Bounded::NegativeInfinity),
        _ => None,
    }
}

fn era(text: &[u8]) -> (&[u8], bool) {
    match text.strip_suffix(b" BC") {
        Some(text) => (text, true),
        None => (text, false),
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date (the algorithm of Howard Hinnant's
/// "chrono-compatible low-level date algorithms": years begin in March, 400 of them repeat).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let cycle = year.div_euclid(400);
    let year_of_cycle = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    cycle * 146_097 + day_of_cycle - 719_468
}

/// Year, month and day of days since 1970-01-01; the inverse of the above.
pub(super) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let cycle = days.div_euclid(146_097);
    let day_of_cycle = days.rem_euclid(146_097);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524
        - day_of_cycle / 146_096)
        / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_cycle + cycle * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_proleptic_gregorian() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("2016-11-04", 17109),
            ("0001-01-01", -719_162),
            ("0044-03-15 BC", -735_160),
            ("4713-11-24 BC", -2_440_222),
            ("5874897-12-31", 2_145_042_905),
        ] {
            assert_eq!(date(text.as_bytes()), Ok(Bounded::Finite(days)), "{text}");
        }
    }

    #[test]
    fn offsets_move_to_utc() {
        assert_eq!(zoned_time(b"12:00:00+05:45:30"), Ok(22_470_000_000));
        assert_eq!(zoned_time(b"24:00:00+00"), Ok(DAY_MICROS));
        assert_eq!(zoned_time(b"00:00:00+02"), Ok(DAY_MICROS - 7_200_000_000));
        let stamp = timestamp(b"2000-01-01 00:30:00.5+01");
        let wanted = Stamp {
            days: 10_956,
            micros: DAY_MICROS - 1_799_500_000,
        };
        assert_eq!(stamp, Ok(Bounded::Finite(wanted)));
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in [
            "",
            "2020",
            "2020-1-1",
            "2020-13-01",
            "2020-01-01x",
            "20200101",
            "-2020-01-01",
        ] {
            assert!(date(text.as_bytes()).is_err(), "{text}");
        }
        for text in [
            "",
            "1:2:3",
            "25:00:00",
            "00:00",
            "00:00:00.",
            "00:00:00.1234567",
        ] {
            assert!(time(text.as_bytes()).is_err(), "{text}");
        }
        for text in ["2020-01-01", "2020-01-01T00:00:00", "2020-01-01 00:00:00+1"] {
            assert!(timestamp(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn civil_dates_and_days_are_inverse(days in -2_500_000_000_i64..2_500_000_000) {
            let (year, month, day) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
        }
    }
}
