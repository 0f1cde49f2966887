//! `penstock dlq`: dead letters listed, shown, given back, removed, exported.

use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::arguments::{DeadLetters, Dlq};
use super::client::{Client, encode};
use super::failure::Failure;
use super::output::{self, Table};
use super::topics::{items, text};
use crate::record::dead_letter::TOPIC_PREFIX;

/// Letters asked for at a time.
const PAGE: usize = 1000;
/// Letters shown unless asked otherwise.
const SHOWN: usize = 100;

pub(super) async fn run(command: Dlq) -> Result<(), Failure> {
    let client = Client::of_process()?;
    match command {
        Dlq::List { json } => list(&client, json).await,
        Dlq::Show { letters, json } => {
            let limit = letters.limit.unwrap_or(SHOWN);
            pages(&client, &letters, limit, |letter| line(letter, json)).await
        }
        Dlq::Export { letters } => {
            let limit = letters.limit.unwrap_or(usize::MAX);
            pages(&client, &letters, limit, |letter| line(letter, true)).await
        }
        Dlq::Redrive {
            topic,
            all: _,
            offsets,
            partition,
            as_new,
        } => {
            let mut body = Map::new();
            if !offsets.is_empty() {
                body.insert("offsets".to_owned(), json!(offsets));
                body.extend(partition.map(|id| ("partition".to_owned(), json!(id))));
            }
            if as_new {
                body.insert("as_new".to_owned(), json!(true));
            }
            redrive(&client, &full_name(&topic), &Value::Object(body)).await
        }
        Dlq::Purge { topic, yes } => purge(&client, &full_name(&topic), yes).await,
    }
}

/// The topic that is meant by its name or by that of its group.
fn full_name(topic: &str) -> String {
    if topic.starts_with(TOPIC_PREFIX) {
        return topic.to_owned();
    }
    format!("{TOPIC_PREFIX}{topic}")
}

async fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let answer: Value = client.get("/dlq").await?;
    if json {
        return output::json(&answer);
    }
    let mut table = Table::new(&["TOPIC", "ORIGIN", "DEPTH", "OLDEST SECONDS", "REASONS"]);
    for topic in items(&answer, "topics") {
        table.row([
            text(topic, "topic"),
            text(topic, "origin"),
            depth(topic),
            text(topic, "oldest_age_seconds"),
            reasons(topic),
        ]);
    }
    table.print()
}

/// The depth, with what could not be counted.
fn depth(topic: &Value) -> String {
    match topic.get("uncounted").and_then(Value::as_u64) {
        None | Some(0) => text(topic, "depth"),
        Some(uncounted) => format!("{} (+{uncounted} uncounted)", text(topic, "depth")),
    }
}

/// Reasons with at least one open letter.
fn reasons(topic: &Value) -> String {
    let reasons = topic.get("reasons").and_then(Value::as_object);
    let open = reasons
        .into_iter()
        .flatten()
        .filter(|(_, n)| n.as_u64() != Some(0));
    let words: Vec<String> = open.map(|(reason, n)| format!("{reason} {n}")).collect();
    words.join(", ")
}

/// A piece of a topic of dead letters.
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

/// Shows the letters that are there at the first look.
async fn pages(
    client: &Client,
    letters: &DeadLetters,
    limit: usize,
    shown: impl Fn(&RawValue) -> Vec<u8>,
) -> Result<(), Failure> {
    let path = format!("/dlq/{}", encode(&full_name(&letters.topic)));
    let mut left = limit;
    let mut from = letters.from.clone();
    let mut partition = letters.partition;
    let mut ends: Option<Vec<Ends>> = None;
    while left > 0 {
        let mut query = vec![
            ("from", from.clone()),
            ("limit", left.min(PAGE).to_string()),
        ];
        query.extend(partition.take().map(|id| ("partition", id.to_string())));
        query.extend(letters.reason.clone().map(|reason| ("reason", reason)));
        query.extend(letters.key.clone().map(|key| ("key", key)));
        let page: Page = client.get_with(&path, &query).await?;
        for letter in &page.records {
            output::line(&shown(letter))?;
        }
        left = left.saturating_sub(page.records.len());
        let ends = ends.get_or_insert(page.partitions);
        let is_stuck = page.records.is_empty() && page.next == from;
        if is_stuck || has_reached(&page.next, ends) {
            break;
        }
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

/// A letter as far as it is shown without `--json`.
#[derive(Deserialize)]
struct Letter {
    partition: i32,
    offset: i64,
    timestamp: i64,
    key: Box<RawValue>,
    reason: String,
    error: Option<String>,
    origin: Origin,
    delivery_count: Option<u32>,
    redriven: bool,
}

#[derive(Deserialize)]
struct Origin {
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
}

/// A letter's line. Line breaks in it can stand between JSON tokens only, or in the error.
fn line(letter: &RawValue, json: bool) -> Vec<u8> {
    let text = match serde_json::from_str::<Letter>(letter.get()) {
        Ok(shown) if !json => shown.line(),
        Ok(_) | Err(_) => letter.get().to_owned(),
    };
    text.replace(['\n', '\r'], " ").into_bytes()
}

impl Letter {
    fn line(&self) -> String {
        let time = jiff::Timestamp::from_millisecond(self.timestamp);
        let time = time.map_or_else(|_| self.timestamp.to_string(), |time| time.to_string());
        let origin = match &self.origin {
            Origin {
                topic: Some(topic),
                partition: Some(partition),
                offset: Some(offset),
            } => format!("{topic}-{partition}:{offset}"),
            Origin {
                topic: Some(topic), ..
            } => topic.clone(),
            Origin { topic: None, .. } => "-".to_owned(),
        };
        let deliveries = self.delivery_count.map(|count| format!(" x{count}"));
        let state = if self.redriven { " (redriven)" } else { "" };
        format!(
            "{}:{}  {time}  {}{}{state}  {origin}  {}  {}",
            self.partition,
            self.offset,
            self.reason,
            deliveries.unwrap_or_default(),
            self.key.get(),
            self.error.as_deref().unwrap_or("-"),
        )
    }
}

/// What a redrive answers.
#[derive(Deserialize)]
struct Redriven {
    redriven: u64,
    refused: Vec<Refused>,
    refused_count: u64,
    left: u64,
}

#[derive(Deserialize)]
struct Refused {
    partition: i32,
    offset: i64,
    code: String,
    detail: String,
    mend: Option<String>,
}

/// Redrives until nothing is left that was not looked at.
async fn redrive(client: &Client, topic: &str, body: &Value) -> Result<(), Failure> {
    let path = format!("/dlq/{}/redrive", encode(topic));
    let mut redriven = 0_u64;
    loop {
        let answer = client.send_json(Method::POST, &path, body).await?;
        let answer: Redriven =
            serde_json::from_slice(&answer).map_err(|_| client.no_penstock("another answer"))?;
        redriven = redriven.saturating_add(answer.redriven);
        if answer.left > 0 && answer.redriven > 0 && answer.refused.is_empty() {
            eprintln!("redrove {redriven} so far; {} are left", answer.left);
            continue;
        }
        for refused in &answer.refused {
            let place = format!("{topic}-{}:{}", refused.partition, refused.offset);
            eprintln!("{}: left {place}: {}", refused.code, refused.detail);
            if let Some(mend) = &refused.mend {
                eprintln!("  to mend it: {mend}");
            }
        }
        let named = u64::try_from(answer.refused.len()).unwrap_or(u64::MAX);
        if answer.refused_count > named {
            eprintln!("left {} more", answer.refused_count - named);
        }
        eprintln!("redrove {redriven} dead letters of \"{topic}\"");
        return match answer.refused_count == 0 && answer.left == 0 {
            true => Ok(()),
            false => Err(Failure::shown()),
        };
    }
}

async fn purge(client: &Client, topic: &str, yes: bool) -> Result<(), Failure> {
    let path = format!("/dlq/{}", encode(topic));
    if yes {
        let answer = client.ask_bare(Method::DELETE, &path).await?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        eprintln!(
            "removed {} open dead letters of \"{topic}\"",
            text(&answer, "purged")
        );
        return Ok(());
    }
    let topics: Value = client.get("/dlq").await?;
    let listed = items(&topics, "topics").find(|one| text(one, "topic") == topic);
    let Some(listed) = listed else {
        // The server says it in its own words.
        return client.get::<Value>(&path).await.map(drop);
    };
    let kept: Value = client.get(&format!("/topics/{}", encode(topic))).await?;
    eprintln!(
        "would remove all {} letters of \"{topic}\" for good, {} of them open ({}); do it with --yes",
        text(&kept, "records"),
        depth(listed),
        match reasons(listed) {
            none if none.is_empty() => "no reason".to_owned(),
            some => some,
        },
    );
    Err(Failure::shown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_shown_with_place_reason_origin_and_error() {
        let json = r#"{"topic":"dlq.g","partition":0,"offset":7,"timestamp":0,"key":"k","value":{},"headers":[],"reason":"exhausted","error":"gave\nup","origin":{"topic":"orders","partition":2,"offset":17},"delivery_count":5,"redrive_count":0,"redriven":true}"#;
        let letter: Box<RawValue> = serde_json::from_str(json).unwrap();
        assert_eq!(
            String::from_utf8(line(&letter, false)).unwrap(),
            "0:7  1970-01-01T00:00:00Z  exhausted x5 (redriven)  orders-2:17  \"k\"  gave up"
        );
        assert_eq!(line(&letter, true), json.as_bytes());
    }

    #[test]
    fn a_topic_may_be_named_by_its_group() {
        assert_eq!(full_name("go-api"), "dlq.go-api");
        assert_eq!(full_name("dlq.go-api"), "dlq.go-api");
    }
}
