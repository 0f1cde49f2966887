//! `POST /topics/{topic}/records`: an administrator appends records.
//!
//! All records of a request go into the topic in one append: all are durable when it is answered,
//! or none is. A text becomes the bytes of that text, any other JSON value its JSON as it was sent,
//! null a record without key or value; `"value_encoding":"json"` keeps a text's quotes, and
//! `"base64"` takes bytes.
//!
//! Not here: pushes of third parties; topics that a connector writes, since a record of somebody
//! else would be taken for a change of the database; dead letters, and Penstock's own topics.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::read_json;
use super::error::Problem;
use super::guard::Shared;
use super::topics::{find, writable_name};
use crate::config::topics::Schema;
use crate::error;
use crate::log::{Append, Origin, PartitionBatch, Topic};
use crate::record::dead_letter::TOPIC_PREFIX;
use crate::record::{BatchBuilder, Header, partition_for_key};
use crate::topic::PartitionId;

/// Records of one request.
const RECORDS_MAX: usize = 10_000;

/// What is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    records: Vec<NewRecord>,
}

/// A record to append.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRecord {
    key: Option<Box<RawValue>>,
    key_encoding: Option<Encoding>,
    value: Option<Box<RawValue>>,
    value_encoding: Option<Encoding>,
    #[serde(default)]
    headers: Vec<NewHeader>,
    partition: Option<i32>,
    /// Milliseconds since 1970; the time of arrival unless given.
    timestamp: Option<i64>,
}

/// A header of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewHeader {
    key: String,
    value: Option<Box<RawValue>>,
    value_encoding: Option<Encoding>,
}

/// How bytes are written in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    /// As JSON, also where it is a text.
    Json,
    /// As bytes.
    Base64,
}

/// Where a record went.
#[derive(Debug, Clone, Copy, Serialize)]
struct Place {
    partition: i32,
    offset: i64,
}

pub(super) async fn produce(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    let topic = find(&shared, &name)?;
    check_owner(&shared, &topic)?;
    shared.handles.log.room().await;
    let request: Request = read_json(body).await?;
    if request.records.is_empty() || request.records.len() > RECORDS_MAX {
        return Err(Problem::invalid(
            format!("append {} records at once", request.records.len()),
            format!("send 1 to {RECORDS_MAX} records"),
        ));
    }
    let rules = shared.handles.rules.now();
    let rule = rules.topic(topic.name.as_str());
    let schema = rule.and_then(|rule| rule.schema.as_ref());
    let now_ms = shared.handles.clock.now_ms();
    let mut built = Batches::default();
    for (index, record) in request.records.iter().enumerate() {
        let placed = built.add(&topic, record, schema, now_ms);
        placed.map_err(|what| {
            Problem::invalid(format!("read record {index}: {what}"), "correct the record")
        })?;
    }
    let places = built.append(&shared, &topic).await?;
    Ok((StatusCode::OK, Json(serde_json::json!({"offsets": places}))).into_response())
}

fn check_owner(shared: &Shared, topic: &Topic) -> Result<(), Problem> {
    let name = topic.name.as_str();
    writable_name(name)?;
    let refused = |what: String| {
        let mend = "append to another topic";
        Err(Problem::new(error::HTTP_FORBIDDEN, what, mend))
    };
    if name.starts_with(TOPIC_PREFIX) {
        return refused(format!(
            "append to \"{name}\": dead letters are written by Penstock only"
        ));
    }
    match shared.handles.connectors.owner_of(name) {
        Some(connector) => refused(format!(
            "append to \"{name}\", which the connector \"{connector}\" writes"
        )),
        None => Ok(()),
    }
}

/// The records of a request, by partition, and where each of them stands.
#[derive(Default)]
struct Batches {
    builders: BTreeMap<i32, BatchBuilder>,
    /// Partition and number within its batch, in the order of the request.
    places: Vec<(i32, i64)>,
}

impl Batches {
    fn add(
        &mut self,
        topic: &Topic,
        record: &NewRecord,
        schema: Option<&Schema>,
        now_ms: i64,
    ) -> Result<(), String> {
        let key = bytes(record.key.as_deref(), record.key_encoding, "key")?;
        let value = bytes(record.value.as_deref(), record.value_encoding, "value")?;
        if let (Some(schema), Some(value)) = (schema, &value) {
            check_schema(schema, value)?;
        }
        let count = u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX);
        let partition = record
            .partition
            .unwrap_or_else(|| partition_for_key(key.as_deref(), count));
        if topic.partition(PartitionId(partition)).is_none() {
            return Err(format!("the topic has no partition {partition}"));
        }
        let mut headers = Vec::with_capacity(record.headers.len());
        for header in &record.headers {
            let value = bytes(header.value.as_deref(), header.value_encoding, "header")?;
            headers.push((header.key.as_str(), value));
        }
        let headers = headers.iter().map(|(key, value)| Header {
            key,
            value: value.as_deref(),
        });
        let headers: Vec<Header<'_>> = headers.collect();
        let timestamp = record.timestamp.unwrap_or(now_ms);
        if timestamp < 0 {
            return Err(format!("its timestamp {timestamp} lies before 1970"));
        }
        let builder = self.builders.entry(partition).or_default();
        let at = i64::from(builder.count());
        let appended = builder.append(timestamp, key.as_deref(), value.as_deref(), &headers);
        appended.map_err(|cause| format!("failed to {cause}"))?;
        self.places.push((partition, at));
        Ok(())
    }

    async fn append(self, shared: &Shared, topic: &Topic) -> Result<Vec<Place>, Problem> {
        let mut batches = Vec::with_capacity(self.builders.len());
        let mut order = Vec::with_capacity(self.builders.len());
        for (id, mut builder) in self.builders {
            let Some(partition) = topic.partition(PartitionId(id)) else {
                continue;
            };
            batches.push(PartitionBatch {
                partition: Arc::clone(partition),
                bytes: builder.finish()?,
            });
            order.push(id);
        }
        let append = Append {
            origin: Origin::Outside,
            batches,
        };
        let appended = shared.handles.log.append(append).await?;
        let bases: BTreeMap<i32, i64> = order
            .into_iter()
            .zip(appended.batches.iter().map(|written| written.base_offset.0))
            .collect();
        let place = |(partition, at): (i32, i64)| Place {
            partition,
            offset: bases.get(&partition).map_or(-1, |base| base + at),
        };
        Ok(self.places.into_iter().map(place).collect())
    }
}

/// The bytes that JSON stands for; `None` for null and for what is left out.
fn bytes(
    json: Option<&RawValue>,
    encoding: Option<Encoding>,
    what: &str,
) -> Result<Option<Vec<u8>>, String> {
    let Some(json) = json.map(RawValue::get).filter(|json| *json != "null") else {
        return Ok(None);
    };
    let text = serde_json::from_str::<String>(json).ok();
    match (encoding, text) {
        (None, Some(text)) => Ok(Some(text.into_bytes())),
        (None | Some(Encoding::Json), _) => Ok(Some(json.as_bytes().to_vec())),
        (Some(Encoding::Base64), Some(text)) => {
            let decoded = BASE64_STANDARD.decode(text);
            let decoded = decoded.map_err(|cause| format!("its {what} is not base64: {cause}"))?;
            Ok(Some(decoded))
        }
        (Some(Encoding::Base64), None) => Err(format!("its {what} is no text in base64")),
    }
}

fn check_schema(schema: &Schema, value: &[u8]) -> Result<(), String> {
    let parsed: serde_json::Value = serde_json::from_slice(value)
        .map_err(|cause| format!("its value is not JSON, which the topic asks for: {cause}"))?;
    let misfits = schema.misfits(&parsed);
    let Some(first) = misfits.first() else {
        return Ok(());
    };
    Err(format!(
        "its value does not fit the topic's schema at \"{}\": {}",
        first.pointer, first.what
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, encoding: Option<Encoding>) -> Result<Option<Vec<u8>>, String> {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        bytes(Some(&raw), encoding, "value")
    }

    #[test]
    fn texts_are_bytes_and_other_json_is_kept_as_it_was_sent() {
        let shown = |json, encoding| String::from_utf8(read(json, encoding).unwrap().unwrap());
        assert_eq!(shown(r#""a\u00e9""#, None).unwrap(), "a\u{e9}");
        assert_eq!(shown(r#""a""#, Some(Encoding::Json)).unwrap(), r#""a""#);
        assert_eq!(
            shown(r#"{"n":12345678901234567890123}"#, None).unwrap(),
            r#"{"n":12345678901234567890123}"#
        );
        assert_eq!(
            shown(r#""AAE=""#, Some(Encoding::Base64)).unwrap(),
            "\0\x01"
        );
        assert_eq!(read("null", None).unwrap(), None);
        assert!(read("1", Some(Encoding::Base64)).is_err());
        assert!(read(r#""?""#, Some(Encoding::Base64)).is_err());
    }
}
