//! A dead letter's own headers, read. What they say is not trusted: an administrator may have
//! written the letter.

use crate::record::Record;
use crate::record::dead_letter::{self, Reason};
use crate::topic::{Offset, PartitionId, TopicName};

use super::place::Place;

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPlace {
    /// Its topic.
    pub topic: TopicName,
    /// Its partition.
    pub partition: PartitionId,
    /// Its offset.
    pub offset: Offset,
}

/// What a dead letter says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Why it is one.
    pub reason: Reason,
    /// What went wrong, for people.
    pub error: Option<String>,
    /// Topic of the record; of a refused push or row, the topic it was meant for.
    pub topic: Option<String>,
    /// Partition of the record.
    pub partition: Option<i32>,
    /// Offset of the record.
    pub offset: Option<i64>,
    /// How often it was delivered.
    pub delivery_count: Option<u32>,
    /// How often it had been redriven before.
    pub redrive_count: u32,
}

impl Letter {
    /// Reads the headers of a record of `place`'s topic. Of a header that repeats, the last
    /// counts.
    #[must_use]
    pub fn read(place: &Place, record: &Record<'_>) -> Letter {
        Letter {
            reason: reason(place, record),
            error: text(record, dead_letter::MESSAGE).map(str::to_owned),
            topic: text(record, dead_letter::TOPIC).map(str::to_owned),
            partition: number(record, dead_letter::PARTITION),
            offset: number(record, dead_letter::OFFSET),
            delivery_count: number(record, dead_letter::DELIVERY_COUNT),
            redrive_count: number(record, dead_letter::REDRIVE_COUNT).unwrap_or(0),
        }
    }

    /// Where the record stands that this letter is for; `None` where it does not say.
    #[must_use]
    pub fn record_place(&self) -> Option<RecordPlace> {
        let topic = TopicName::parse(self.topic.as_deref()?).ok()?;
        let partition = self.partition.filter(|partition| *partition >= 0)?;
        let offset = self.offset.filter(|offset| *offset >= 0)?;
        Some(RecordPlace {
            topic,
            partition: PartitionId(partition),
            offset: Offset(offset),
        })
    }
}

/// Why `record` of `place`'s topic is a dead letter.
pub(super) fn reason(place: &Place, record: &Record<'_>) -> Reason {
    let said = record.header(dead_letter::REASON).flatten();
    said.and_then(Reason::parse)
        .unwrap_or_else(|| place.default_reason())
}

fn text<'a>(record: &Record<'a>, name: &str) -> Option<&'a str> {
    std::str::from_utf8(record.header(name).flatten()?).ok()
}

fn number<T: std::str::FromStr>(record: &Record<'_>, name: &str) -> Option<T> {
    text(record, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BatchBuilder, Header, Records};

    fn letter(headers: &[(&str, &[u8])]) -> Letter {
        let headers: Vec<Header<'_>> = headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: Some(value),
            })
            .collect();
        let mut builder = BatchBuilder::new();
        builder.append(5, None, Some(b"v"), &headers).unwrap();
        let batch = builder.finish().unwrap();
        let records = Records::decode(&batch, 1 << 20).unwrap();
        let record = records.iter().next().unwrap().unwrap();
        Letter::read(&Place::Group("g".to_owned()), &record)
    }

    #[test]
    fn a_letter_says_why_and_of_what() {
        let letter = letter(&[
            (dead_letter::TOPIC, b"orders"),
            (dead_letter::PARTITION, b"2"),
            (dead_letter::OFFSET, b"17"),
            (dead_letter::DELIVERY_COUNT, b"5"),
            (dead_letter::MESSAGE, b"gave up"),
            (dead_letter::REASON, b"exhausted"),
        ]);
        assert_eq!(letter.reason, Reason::Exhausted);
        assert_eq!(letter.error.as_deref(), Some("gave up"));
        assert_eq!(letter.delivery_count, Some(5));
        let place = letter.record_place().unwrap();
        assert_eq!(place.topic.as_str(), "orders");
        assert_eq!((place.partition.0, place.offset.0), (2, 17));
    }

    #[test]
    fn headers_that_make_no_sense_are_as_if_missing() {
        let letter = letter(&[
            (dead_letter::TOPIC, b"../etc"),
            (dead_letter::PARTITION, b"-1"),
            (dead_letter::OFFSET, b"x"),
            (dead_letter::REASON, b"because"),
            (dead_letter::MESSAGE, b"\xff"),
        ]);
        assert_eq!(letter.reason, Reason::Rejected);
        assert_eq!(letter.record_place(), None);
        assert_eq!(letter.error, None);
    }
}
