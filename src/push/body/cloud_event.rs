//! CloudEvents 1.0 over HTTP: `ce-*` headers (binary mode) and JSON events (structured and
//! batched mode), as far as pushing looks at them. The rest of an event is kept, not judged.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::run::OwnedHeader;
use crate::push::error::Error;

/// The prefix of headers in binary mode.
const PREFIX: &str = "ce-";
/// Attributes of an event in headers; the specification knows nine, the rest are extensions.
const ATTRIBUTES_MAX: usize = 32;
/// Bytes of one attribute. An `id` with its `source` is an idempotency key and stands in a header.
const ATTRIBUTE_BYTES_MAX: usize = 1024;

/// What pushing needs of an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::push) struct Attributes {
    source: String,
    id: String,
    /// The key of the record.
    pub(in crate::push) partition_key: Option<String>,
    /// `ce_*`, in binary mode only.
    pub(in crate::push) headers: Vec<OwnedHeader>,
}

impl Attributes {
    /// Reads the headers of binary mode; `None` where there is none. Names are lower case.
    pub(in crate::push) fn of_headers<'a>(
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Option<Attributes>, Error> {
        let mut found = Attributes::default();
        let mut version = None;
        let mut kind = None;
        for (name, value) in headers {
            let Some(name) = name.strip_prefix(PREFIX) else {
                continue;
            };
            if found.headers.len() >= ATTRIBUTES_MAX {
                return Err(wrong(format!("more than {ATTRIBUTES_MAX} ce- headers")));
            }
            let value = attribute(name, value)?;
            let header = format!("ce_{name}");
            if found.headers.iter().any(|(known, _)| **known == *header) {
                return Err(wrong(format!("the header ce-{name} stands twice")));
            }
            let bytes = value.clone().into_bytes();
            found.headers.push((header.into(), bytes.into()));
            match name {
                "specversion" => version = Some(value),
                "id" => found.id = value,
                "source" => found.source = value,
                "type" => kind = Some(value),
                "time" => check_time(&value)?,
                "partitionkey" => found.partition_key = Some(value),
                "datacontenttype" => {
                    let what = "the header ce-datacontenttype; Content-Type says it";
                    return Err(wrong(what.to_owned()));
                }
                _ => {}
            }
        }
        if found.headers.is_empty() {
            return Ok(None);
        }
        check(version.as_deref(), &found, kind.as_deref())?;
        Ok(Some(found))
    }

    /// Reads an event in JSON.
    pub(super) fn of_json(text: &str) -> Result<Attributes, Error> {
        let event: Event<'_> = serde_json::from_str(text).map_err(|error| {
            let what = error.to_string();
            let what = what
                .rsplit_once(" at line ")
                .map_or(&*what, |(what, _)| what);
            wrong(what.to_owned())
        })?;
        if event.data.is_some() && event.data_base64.is_some() {
            return Err(wrong("it has both data and data_base64".to_owned()));
        }
        if let Some(time) = &event.time {
            check_time(time)?;
        }
        let found = Attributes {
            source: event.source.unwrap_or_default().into_owned(),
            id: event.id.unwrap_or_default().into_owned(),
            partition_key: event.partitionkey.map(Cow::into_owned),
            headers: Vec::new(),
        };
        check(event.specversion.as_deref(), &found, event.kind.as_deref())?;
        Ok(found)
    }

    /// The event's identity as an idempotency key. A source is a URI and has no space in it, so no
    /// two identities have one text; a key of the header `Idempotency-Key` has no space either.
    pub(in crate::push) fn identity(&self) -> String {
        format!("{} {}", self.source, self.id)
    }
}

/// An event in JSON. Names that stand twice are refused by the parser.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    specversion: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    partitionkey: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data_base64: Option<&'a RawValue>,
}

fn wrong(what: String) -> Error {
    Error::CloudEvent(what)
}

fn check(version: Option<&str>, found: &Attributes, kind: Option<&str>) -> Result<(), Error> {
    match version {
        Some("1.0") => {}
        Some(_) => return Err(wrong("its specversion is not 1.0".to_owned())),
        None => return Err(wrong("it has no specversion".to_owned())),
    }
    for (name, value) in [
        ("id", Some(found.id.as_str())),
        ("source", Some(found.source.as_str())),
        ("type", kind),
        (
            "partitionkey",
            Some(found.partition_key.as_deref().unwrap_or("-")),
        ),
    ] {
        let value = value.unwrap_or_default();
        if value.is_empty() {
            return Err(wrong(format!("its {name} is missing or empty")));
        }
        if value.len() > ATTRIBUTE_BYTES_MAX {
            return Err(wrong(format!(
                "its {name} is longer than {ATTRIBUTE_BYTES_MAX} bytes"
            )));
        }
        if value.chars().any(char::is_control) {
            return Err(wrong(format!("its {name} has a control character")));
        }
    }
    if found.source.contains(char::is_whitespace) {
        return Err(wrong("its source is no URI: it has a space".to_owned()));
    }
    Ok(())
}

fn check_time(text: &str) -> Result<(), Error> {
    let parsed = text.parse::<jiff::Timestamp>();
    parsed
        .map(drop)
        .map_err(|_| wrong("its time is not as RFC 3339 asks".to_owned()))
}

/// An attribute's value in a header: percent-encoded UTF-8.
fn attribute(name: &str, value: &[u8]) -> Result<String, Error> {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if name.is_empty() || name.len() > 64 || !name.bytes().all(legal) {
        return Err(wrong(
            "a ce- header whose name is not letters and digits".to_owned(),
        ));
    }
    let unreadable = || wrong(format!("the header ce-{name} is not percent-encoded UTF-8"));
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digit = |b: Option<u8>| char::from(b?).to_digit(16);
            let high = digit(rest.next()).ok_or_else(unreadable)?;
            let low = digit(rest.next()).ok_or_else(unreadable)?;
            u8::try_from(high * 16 + low).map_err(|_| unreadable())?
        } else {
            byte
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
    if text.len() > ATTRIBUTE_BYTES_MAX {
        let max = ATTRIBUTE_BYTES_MAX;
        return Err(wrong(format!(
            "the header ce-{name} is longer than {max} bytes"
        )));
    }
    if text.chars().any(char::is_control) {
        return Err(wrong(format!(
            "the header ce-{name} has a control character"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> Result<Option<Attributes>, Error> {
        Attributes::of_headers(list.iter().map(|(name, value)| (*name, value.as_bytes())))
    }

    const WHOLE: [(&str, &str); 4] = [
        ("ce-specversion", "1.0"),
        ("ce-id", "7"),
        ("ce-source", "/crm"),
        ("ce-type", "made"),
    ];

    #[test]
    fn binary_mode_gives_headers_identity_and_key() {
        let more = [
            ("ce-partitionkey", "caf%C3%A9"),
            ("ce-time", "2026-01-02T03:04:05.6Z"),
            ("x-other", "1"),
        ];
        let list: Vec<_> = WHOLE.iter().chain(&more).copied().collect();
        let found = headers(&list).unwrap().unwrap();
        assert_eq!(found.identity(), "/crm 7");
        assert_eq!(found.partition_key.as_deref(), Some("caf\u{e9}"));
        let names: Vec<&str> = found.headers.iter().map(|(name, _)| &**name).collect();
        let expected = [
            "ce_specversion",
            "ce_id",
            "ce_source",
            "ce_type",
            "ce_partitionkey",
            "ce_time",
        ];
        assert_eq!(names, expected);
        assert!(headers(&[("content-type", "x")]).unwrap().is_none());
    }

    #[test]
    fn headers_that_are_no_event_are_refused() {
        for left_out in 0..4 {
            let mut list = WHOLE.to_vec();
            list.remove(left_out);
            assert!(headers(&list).is_err(), "{list:?}");
        }
        for bad in [
            ("ce-id2_", "x"),
            ("ce-", "x"),
            ("ce-x", "%0d%0aevil"),
            ("ce-x", "%zz"),
            ("ce-x", "%4"),
            ("ce-x", "%ff"),
            ("ce-time", "yesterday"),
            ("ce-id", "again"),
            ("ce-datacontenttype", "text/plain"),
        ] {
            let list: Vec<_> = WHOLE.iter().copied().chain([bad]).collect();
            assert!(headers(&list).is_err(), "{bad:?}");
        }
        let long = "x".repeat(2000);
        let mut list = WHOLE.to_vec();
        list[1] = ("ce-id", &long);
        assert!(headers(&list).is_err());
    }

    #[test]
    fn structured_events_are_checked_where_it_matters() {
        let event = r#"{"specversion":"1.0","id":"7","source":"/crm","type":"made","data":{"a":1},"partitionkey":"k"}"#;
        let found = Attributes::of_json(event).unwrap();
        assert_eq!(found.identity(), "/crm 7");
        assert_eq!(found.partition_key.as_deref(), Some("k"));
        for bad in [
            "1",
            "{}",
            r#"{"specversion":"0.3","id":"7","source":"/crm","type":"made"}"#,
            r#"{"specversion":"1.0","id":7,"source":"/crm","type":"made"}"#,
            r#"{"specversion":"1.0","id":"7","id":"8","source":"/crm","type":"made"}"#,
            r#"{"specversion":"1.0","id":"7","source":"a b","type":"made"}"#,
            r#"{"specversion":"1.0","id":"7","source":"/a","type":""}"#,
            r#"{"specversion":"1.0","id":"\n","source":"/a","type":"t"}"#,
            r#"{"specversion":"1.0","id":"7","source":"/a","type":"t","time":"x"}"#,
            r#"{"specversion":"1.0","id":"7","source":"/a","type":"t","data":1,"data_base64":"AA=="}"#,
        ] {
            assert!(Attributes::of_json(bad).is_err(), "{bad}");
        }
    }
}
