//! Where a read or a group begins: `start`, `end`, an offset, the last few (`-10`), a time
//! (RFC 3339), an age (`-1h`), or a cursor of an earlier answer (`0:12,1:7`).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::topic::{Offset, PartitionId};

/// Partitions in a cursor; above what one topic can sensibly have, so that parsing is bounded.
const CURSOR_PARTITIONS_MAX: usize = 10_000;

/// A place in a topic, not yet an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// The first record that is kept.
    Start,
    /// Behind the last record.
    End,
    /// This offset, of each partition.
    Offset(Offset),
    /// So many records before the end of each partition.
    Last(i64),
    /// The first record with at least this timestamp, milliseconds since 1970.
    Time(i64),
    /// So many milliseconds before now.
    Ago(i64),
    /// An offset for each partition named; other partitions are left out.
    Cursor(Vec<(PartitionId, Offset)>),
}

/// A text that names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read \"{0}\" as a place to begin")]
pub struct InvalidFrom(String);

impl InvalidFrom {
    /// What would have been read.
    pub const FORMS: &str = "use start, end, an offset, -10 (the last ten), -1h (s, m, h or d), or a time such as 2026-01-31T12:00:00Z";
}

impl FromStr for From {
    type Err = InvalidFrom;

    fn from_str(text: &str) -> Result<From, InvalidFrom> {
        let invalid = || InvalidFrom(text.chars().take(80).collect());
        match text {
            "start" => return Ok(From::Start),
            "end" => return Ok(From::End),
            _ => {}
        }
        if let Some(past) = text.strip_prefix('-') {
            return parse_past(past).ok_or_else(invalid);
        }
        if let Ok(offset) = text.parse::<i64>() {
            return Ok(From::Offset(Offset(offset)));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(From::Time(time.as_millisecond()));
        }
        parse_cursor(text).map(From::Cursor).ok_or_else(invalid)
    }
}

/// `10` or `1h`, behind a minus.
fn parse_past(text: &str) -> Option<From> {
    if text.starts_with(['-', '+']) {
        return None;
    }
    if let Ok(count) = text.parse::<i64>() {
        return Some(From::Last(count));
    }
    parse_age_ms(text).map(From::Ago)
}

/// `90s`, `5m`, `1h` or `7d` in milliseconds.
fn parse_age_ms(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit_ms)
}

fn parse_cursor(text: &str) -> Option<Vec<(PartitionId, Offset)>> {
    let mut places = Vec::new();
    for place in text.split(',').take(CURSOR_PARTITIONS_MAX + 1) {
        let (partition, offset) = place.split_once(':')?;
        let partition = PartitionId(partition.parse().ok()?);
        let offset = Offset(offset.parse().ok()?);
        places.push((partition, offset));
    }
    (places.len() <= CURSOR_PARTITIONS_MAX).then_some(places)
}

/// A cursor's text, the inverse of parsing.
pub(super) fn cursor(places: impl Iterator<Item = (PartitionId, Offset)>) -> String {
    let mut text = String::new();
    for (partition, offset) in places {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{comma}{partition}:{offset}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let place = |text: &str| text.parse::<From>().unwrap();
        assert_eq!(place("start"), From::Start);
        assert_eq!(place("end"), From::End);
        assert_eq!(place("42"), From::Offset(Offset(42)));
        assert_eq!(place("-10"), From::Last(10));
        assert_eq!(place("-1h"), From::Ago(3_600_000));
        assert_eq!(place("-90s"), From::Ago(90_000));
        assert_eq!(place("1970-01-01T00:00:01Z"), From::Time(1_000));
        assert_eq!(place("1970-01-01T01:00:01+01:00"), From::Time(1_000));
        let cursor = From::Cursor(vec![
            (PartitionId(0), Offset(12)),
            (PartitionId(3), Offset(0)),
        ]);
        assert_eq!(place("0:12,3:0"), cursor);
    }

    #[test]
    fn a_cursor_is_written_as_it_is_read() {
        let places = [(PartitionId(0), Offset(12)), (PartitionId(3), Offset(0))];
        assert_eq!(cursor(places.into_iter()), "0:12,3:0");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "-",
            "--1",
            "-+1",
            "-1y",
            "-h",
            "-99999999999999999d",
            "yesterday",
            "1:",
            ":1",
            "0:1,",
            "99999999999999999999",
            "-\u{e9}",
            "2026-13-01T00:00:00Z",
        ] {
            assert!(text.parse::<From>().is_err(), "{text:?}");
        }
    }
}
