//! `penstock tail`: the records of a topic, one a line.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::arguments::Tail;
use super::client::{Client, encode};
use super::failure::Failure;
use super::output;

/// Records asked for at a time.
const PAGE: usize = 1000;
/// How long one request waits for records with `-f`.
const WAIT_MS: u32 = 30_000;

/// A piece of a topic.
#[derive(Deserialize)]
struct Page {
    records: Vec<Box<RawValue>>,
    next: String,
    partitions: Vec<Ends>,
}

#[derive(Deserialize)]
struct Ends {
    partition: i32,
    end: i64,
}

/// A record as far as it is shown without `--json`.
#[derive(Deserialize)]
struct Shown {
    partition: i32,
    offset: i64,
    timestamp: i64,
    key: Box<RawValue>,
    value: Box<RawValue>,
}

pub(super) async fn run(tail: Tail) -> Result<(), Failure> {
    let client = Client::of_process()?;
    let path = format!("/topics/{}/records", encode(&tail.topic));
    let mut left = tail.limit.unwrap_or(usize::MAX);
    let mut from = tail.from.clone();
    let mut partition = tail.partition;
    let mut last = None;
    // Without -f, the ends at the first look; what comes later is left.
    let mut ends: Option<Vec<Ends>> = None;
    while left > 0 {
        let mut query = vec![("from", from), ("limit", left.min(PAGE).to_string())];
        query.extend(partition.take().map(|id| ("partition", id.to_string())));
        query.extend(tail.key.clone().map(|key| ("key", key)));
        if tail.follow {
            query.push(("wait_ms", WAIT_MS.to_string()));
        }
        let page: Page = client.get_with(&path, &query).await?;
        for record in &page.records {
            output::line(&shown(record, tail.json))?;
        }
        left = left.saturating_sub(page.records.len());
        let ends = ends.get_or_insert(page.partitions);
        let is_stuck = page.records.is_empty() && Some(&page.next) == last.as_ref();
        if !tail.follow && (is_stuck || has_reached(&page.next, ends)) {
            break;
        }
        last = Some(page.next.clone());
        from = page.next;
    }
    Ok(())
}

/// Whether the cursor stands at or behind all `ends`.
fn has_reached(cursor: &str, ends: &[Ends]) -> bool {
    let offset_of = |partition: i32| {
        let places = cursor.split(',').filter_map(|place| place.split_once(':'));
        let mut offsets = places.filter(|(id, _)| id.parse() == Ok(partition));
        offsets
            .next()
            .and_then(|(_, offset)| offset.parse::<i64>().ok())
    };
    ends.iter()
        .all(|end| offset_of(end.partition).is_none_or(|offset| offset >= end.end))
}

/// A record's line. Line breaks in it can stand between JSON tokens only.
fn shown(record: &RawValue, json: bool) -> Vec<u8> {
    let text = match serde_json::from_str::<Shown>(record.get()) {
        Ok(shown) if !json => {
            let time = jiff::Timestamp::from_millisecond(shown.timestamp);
            let time = time.map_or_else(|_| shown.timestamp.to_string(), |time| time.to_string());
            let place = format!("{}:{}", shown.partition, shown.offset);
            format!(
                "{place}  {time}  {}  {}",
                shown.key.get(),
                shown.value.get()
            )
        }
        Ok(_) | Err(_) => record.get().to_owned(),
    };
    text.replace(['\n', '\r'], " ").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_shown_with_place_time_key_and_value() {
        let json = r#"{"topic":"t","partition":1,"offset":5,"timestamp":0,"key":{"id":1},"value":12345678901234567890123}"#;
        let record: Box<RawValue> = serde_json::from_str(json).unwrap();
        let text = String::from_utf8(shown(&record, false)).unwrap();
        assert_eq!(
            text,
            "1:5  1970-01-01T00:00:00Z  {\"id\":1}  12345678901234567890123"
        );
        assert_eq!(shown(&record, true), json.as_bytes());
    }

    #[test]
    fn the_end_is_reached_when_every_partition_is() {
        let ends = [
            Ends {
                partition: 0,
                end: 5,
            },
            Ends {
                partition: 1,
                end: 0,
            },
        ];
        assert!(has_reached("1:0,0:5", &ends));
        assert!(has_reached("1:3,0:9", &ends));
        assert!(!has_reached("0:4,1:0", &ends));
    }
}
