//! What a body says it is.

use crate::push::error::Error;

/// The types that are taken, as the header `Accept-Post` lists them.
pub const ACCEPT_POST: &str = "application/json, application/x-ndjson, \
     application/cloudevents+json, application/cloudevents-batch+json";

/// What is quoted of a text from outside in a refusal.
const SHOWN_CHARACTERS: usize = 80;

/// A type that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::push) enum MediaType {
    /// One value, or an array of them.
    Json,
    /// A value on each line.
    Lines,
    /// One CloudEvent.
    CloudEvent,
    /// An array of CloudEvents.
    CloudEvents,
}

impl MediaType {
    /// Reads a `Content-Type`.
    pub(in crate::push) fn parse(header: Option<&[u8]>) -> Result<MediaType, Error> {
        let Some(header) = header else {
            return Err(Error::MediaType { found: None });
        };
        let unknown = || Error::MediaType {
            found: Some(shortened(header)),
        };
        let text = std::str::from_utf8(header).map_err(|_| unknown())?;
        let mut parts = text.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        let media_type = match essence.as_str() {
            "application/json" => MediaType::Json,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines" => MediaType::Lines,
            "application/cloudevents+json" => MediaType::CloudEvent,
            "application/cloudevents-batch+json" => MediaType::CloudEvents,
            _ => return Err(unknown()),
        };
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_matches('"');
            if name.trim().eq_ignore_ascii_case("charset")
                && !value.eq_ignore_ascii_case("utf-8")
                && !value.eq_ignore_ascii_case("utf8")
            {
                return Err(unknown());
            }
        }
        Ok(media_type)
    }

    /// The `content-type` of its records.
    pub(in crate::push) fn of_records(self) -> &'static str {
        match self {
            MediaType::Json | MediaType::Lines => "application/json",
            MediaType::CloudEvent | MediaType::CloudEvents => "application/cloudevents+json",
        }
    }
}

/// The beginning of a header from outside, fit to be quoted.
pub(in crate::push) fn shortened(header: &[u8]) -> String {
    let text = String::from_utf8_lossy(header);
    let shown = |c: char| if c.is_control() { '?' } else { c };
    text.chars().take(SHOWN_CHARACTERS).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<MediaType> {
        MediaType::parse(Some(text.as_bytes())).ok()
    }

    #[test]
    fn types_are_known_in_any_case_and_only_in_utf_8() {
        assert_eq!(parse("application/json"), Some(MediaType::Json));
        assert_eq!(
            parse("Application/JSON; charset=\"UTF-8\""),
            Some(MediaType::Json)
        );
        assert_eq!(parse("application/x-ndjson;x=y"), Some(MediaType::Lines));
        assert_eq!(
            parse("application/cloudevents-batch+json"),
            Some(MediaType::CloudEvents)
        );
        for text in [
            "",
            "text/plain",
            "application/json; charset=utf-16",
            "json",
            "*/*",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(MediaType::parse(None).is_err());
        assert!(MediaType::parse(Some(b"\xff")).is_err());
    }

    #[test]
    fn what_is_quoted_has_no_line_breaks() {
        assert_eq!(shortened(b"a\r\nb"), "a??b");
        assert_eq!(shortened(&[b'x'; 1000]).len(), SHOWN_CHARACTERS);
    }
}
