//! Intervals under `IntervalStyle = postgres`: `1 year 2 mons 3 days 04:05:06.789`.

use super::Reason;
use super::decode::utf8;

/// Debezium's average month.
const DAYS_PER_MONTH: f64 = 365.25 / 12.0;

/// An interval in the parts Debezium's driver gives it; each has its own sign.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Interval {
    years: i32,
    months: i32,
    days: i32,
    hours: i32,
    minutes: i32,
    micros: i32,
}

pub(super) fn parse(text: &[u8]) -> Result<Interval, Reason> {
    let mut interval = Interval::default();
    let mut words = utf8(text)?.split(' ').filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if word.contains(':') {
            interval.set_time(word)?;
            continue;
        }
        let count = word.parse().map_err(|_| Reason::Malformed)?;
        match words.next().ok_or(Reason::Malformed)? {
            "year" | "years" => interval.years = count,
            "mon" | "mons" => interval.months = count,
            "day" | "days" => interval.days = count,
            _ => return Err(Reason::Malformed),
        }
    }
    Ok(interval)
}

impl Interval {
    /// `[-]hours:minutes:seconds[.fraction]`; the sign is of all three.
    fn set_time(&mut self, word: &str) -> Result<(), Reason> {
        let (sign, word) = match word.strip_prefix('-') {
            Some(word) => (-1, word),
            None => (1, word.strip_prefix('+').unwrap_or(word)),
        };
        let mut parts = word.split(':');
        let mut next = || parts.next().ok_or(Reason::Malformed);
        let (hours, minutes, seconds) = (next()?, next()?, next()?);
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
        let is_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = |digits: &str| match digits.parse::<i32>() {
            Ok(number) if is_digits(digits) => Ok(number),
            _ => Err(Reason::Malformed),
        };
        if fraction.len() > 6 {
            return Err(Reason::Malformed);
        }
        let micros = number(&format!("{whole}{fraction:0<6}"))?;
        self.hours = sign * number(hours)?;
        self.minutes = sign * number(minutes)?;
        self.micros = sign * micros;
        Ok(())
    }

    /// Seconds as Debezium's driver gives them: whole ones and a fraction, added.
    fn seconds(&self) -> f64 {
        f64::from(self.micros / 1_000_000) + f64::from(self.micros % 1_000_000) / 1e6
    }

    /// Microseconds, counted in floating point as Debezium does (`MicroDuration`), so that the
    /// results are its results.
    pub(super) fn micros(&self) -> i64 {
        let months = f64::from(self.years) * 12.0 + f64::from(self.months);
        let days = months * DAYS_PER_MONTH + f64::from(self.days);
        let minutes = (days * 24.0 + f64::from(self.hours)) * 60.0 + f64::from(self.minutes);
        let micros = (minutes * 60.0 + self.seconds()) * 1e6;
        // Java's cast, like this one, saturates; there is no conversion trait from floats.
        micros as i64
    }

    /// `P1Y2M3DT4H5M6.789S`, every part written, of the seconds nine digits of the fraction
    /// at most: what floating point adds or loses shows (`1.234999999S`), as in Debezium.
    pub(super) fn iso(&self) -> String {
        let seconds = self.seconds().to_string();
        let (whole, fraction) = seconds.split_once('.').unwrap_or((&seconds, ""));
        let fraction = fraction.get(..9).unwrap_or(fraction).trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        let whole = match (whole, fraction) {
            ("-0", "") => "0",
            (whole, _) => whole,
        };
        format!(
            "P{}Y{}M{}DT{}H{}M{whole}{point}{fraction}S",
            self.years, self.months, self.days, self.hours, self.minutes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_signs() {
        let read = parse(b"-1 years -2 mons +3 days -04:05:06.789").unwrap();
        assert_eq!(read.iso(), "P-1Y-2M3DT-4H-5M-6.789S");
        assert_eq!(parse(b"00:00:00").unwrap().iso(), "P0Y0M0DT0H0M0S");
    }

    #[test]
    fn microseconds_are_those_of_the_recordings() {
        for (text, micros) in [
            ("1 year 2 mons 3 days 04:05:06.789", 37_091_106_789_000),
            ("10:00:00", 36_000_000_000),
            ("00:00:00", 0),
            ("00:00:01.235", 1_234_999),
            ("178000000 years", i64::MAX),
        ] {
            let read = parse(text.as_bytes()).unwrap().micros();
            assert_eq!(read, micros, "{text}");
        }
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in [
            "1",
            "1 week",
            "x days",
            "1:2",
            "00:00:00.x",
            "-:-:-",
            "00:00:+1",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
