//! A record as JSON: keys, values and header values as JSON where they are JSON, as texts where
//! they are UTF-8, else in base64 with `key_encoding` or `value_encoding` beside them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::record::Record;
use crate::topic::PartitionId;

/// Key and value of a header; `None` is a header without a value.
pub type RecordHeader<'a> = (&'a [u8], Option<&'a [u8]>);

/// A record, borrowed from the batch it lies in.
#[derive(Debug, Clone)]
pub struct RecordJson<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Its key; `None` where it has none.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers in their order; `None` leaves the field out.
    pub headers: Option<Vec<RecordHeader<'a>>>,
}

/// How bytes are shown.
enum Shown<'a> {
    Null,
    Json(&'a RawValue),
    Text(&'a str),
    Base64(&'a [u8]),
}

impl<'a> Shown<'a> {
    fn of(bytes: Option<&'a [u8]>) -> Shown<'a> {
        let Some(bytes) = bytes else {
            return Shown::Null;
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Shown::Base64(bytes);
        };
        // `RawValue` keeps digits and order as they were written.
        serde_json::from_str(text).map_or(Shown::Text(text), Shown::Json)
    }

    fn write<M: SerializeMap>(
        &self,
        map: &mut M,
        name: &'static str,
        encoding_name: &'static str,
    ) -> Result<(), M::Error> {
        match self {
            Shown::Null => map.serialize_entry(name, &()),
            Shown::Json(json) => map.serialize_entry(name, json),
            Shown::Text(text) => map.serialize_entry(name, text),
            Shown::Base64(bytes) => {
                map.serialize_entry(name, &BASE64_STANDARD.encode(bytes))?;
                map.serialize_entry(encoding_name, "base64")
            }
        }
    }
}

/// A header, as an object of `key` and `value`.
struct Header<'a>(&'a [u8], Option<&'a [u8]>);

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("key", &String::from_utf8_lossy(self.0))?;
        Shown::of(self.1).write(&mut map, "value", "value_encoding")?;
        map.end()
    }
}

impl Serialize for RecordJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write(&mut map)?;
        map.end()
    }
}

impl<'a> RecordJson<'a> {
    /// Writes its fields into an object that may have others.
    pub(super) fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("topic", self.topic)?;
        map.serialize_entry("partition", &self.partition)?;
        map.serialize_entry("offset", &self.offset)?;
        map.serialize_entry("timestamp", &self.timestamp)?;
        Shown::of(self.key).write(map, "key", "key_encoding")?;
        Shown::of(self.value).write(map, "value", "value_encoding")?;
        if let Some(headers) = &self.headers {
            let headers: Vec<Header<'_>> = headers.iter().map(|(k, v)| Header(k, *v)).collect();
            map.serialize_entry("headers", &headers)?;
        }
        Ok(())
    }

    /// A record with its headers.
    #[must_use]
    pub fn of(topic: &'a str, partition: PartitionId, record: &Record<'a>) -> RecordJson<'a> {
        RecordJson {
            topic,
            partition: partition.0,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: Some(record.headers().collect()),
        }
    }

    /// The record on one line, without its end.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        // Writing to memory fails only where a map key is no text; ours are.
        let _ = serde_json::to_writer(&mut line, self);
        // Line breaks can stand in JSON between tokens only, where a space means the same.
        for byte in &mut line {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(key: Option<&[u8]>, value: Option<&[u8]>) -> String {
        let record = RecordJson {
            topic: "t",
            partition: 0,
            offset: 7,
            timestamp: 5,
            key,
            value,
            headers: None,
        };
        String::from_utf8(record.to_line()).unwrap()
    }

    #[test]
    fn json_stays_as_it_was_written() {
        let value = b"{\"b\":1.0, \"a\":12345678901234567890123}";
        assert_eq!(
            shown(Some(b"42"), Some(value)),
            "{\"topic\":\"t\",\"partition\":0,\"offset\":7,\"timestamp\":5,\"key\":42,\
             \"value\":{\"b\":1.0, \"a\":12345678901234567890123}}"
        );
    }

    #[test]
    fn other_texts_are_texts_and_other_bytes_base64() {
        assert!(shown(Some(b"a\"b"), None).ends_with("\"key\":\"a\\\"b\",\"value\":null}"));
        assert!(shown(Some(b""), Some(b"{")).ends_with("\"key\":\"\",\"value\":\"{\"}"));
        let bytes = shown(None, Some(&[0xff, 0]));
        assert!(bytes.ends_with("\"key\":null,\"value\":\"/wA=\",\"value_encoding\":\"base64\"}"));
    }

    #[test]
    fn a_record_is_one_line_whatever_it_holds() {
        let line = shown(Some(b"x\ny"), Some(b"{\n  \"a\": \"b\\nc\"\r\n}"));
        assert!(!line.contains(['\n', '\r']));
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["key"], "x\ny");
        assert_eq!(json["value"]["a"], "b\nc");
    }

    #[test]
    fn deep_json_does_not_overflow_the_stack() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        assert!(shown(None, Some(deep.as_bytes())).len() > 400_000);
    }

    #[test]
    fn headers_keep_their_order_and_repeat() {
        let record = RecordJson {
            topic: "t",
            partition: 0,
            offset: 0,
            timestamp: 0,
            key: None,
            value: None,
            headers: Some(vec![
                (b"a", Some(b"1")),
                (b"a", None),
                (b"b", Some(&[0xff])),
            ]),
        };
        let json: serde_json::Value = serde_json::from_slice(&record.to_line()).unwrap();
        let expected = serde_json::json!([
            {"key": "a", "value": 1},
            {"key": "a", "value": null},
            {"key": "b", "value": "/w==", "value_encoding": "base64"},
        ]);
        assert_eq!(json["headers"], expected);
    }
}
