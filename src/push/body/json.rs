//! JSON is checked and kept as it was sent: no tree, no number read.
//!
//! The checks: UTF-8 without a byte order mark, at most [`DEPTH_MAX`] brackets deep (looked at
//! before the parser, which keeps a byte for each), and the grammar of RFC 8259. Numbers of any
//! size, escapes of lone surrogates and repeated names are in that grammar and are kept.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::push::error::Error;

/// Brackets within brackets: serde_json's own limit, which readers in Rust will have.
const DEPTH_MAX: usize = 128;

/// Checks encoding and depth.
pub(super) fn text(bytes: &[u8]) -> Result<&str, String> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err("it begins with a byte order mark".to_owned());
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("it is UTF-16, not UTF-8".to_owned());
    }
    let text = std::str::from_utf8(bytes).map_err(|wrong| {
        let at = wrong.valid_up_to();
        format!("it is not UTF-8 at byte {}", at.saturating_add(1))
    })?;
    if is_too_deep(bytes) {
        return Err(format!("it is nested deeper than {DEPTH_MAX} levels"));
    }
    Ok(text)
}

/// Whether brackets outside of strings are open deeper than allowed anywhere.
fn is_too_deep(bytes: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut rest = bytes;
    while let Some(at) = rest
        .iter()
        .position(|b| matches!(b, b'"' | b'[' | b'{' | b']' | b'}'))
    {
        let (found, behind) = (rest.get(at), rest.get(at.saturating_add(1)..));
        rest = behind.unwrap_or_default();
        match found {
            Some(b'"') => rest = behind_string(rest),
            Some(b'[' | b'{') => {
                depth = depth.saturating_add(1);
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            _ => depth = depth.saturating_sub(1),
        }
    }
    false
}

/// What follows the string whose first quote is just before `bytes`.
fn behind_string(mut bytes: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', bytes) {
        let is_quote = bytes.get(at) == Some(&b'"');
        let behind = at.saturating_add(if is_quote { 1 } else { 2 });
        bytes = bytes.get(behind..).unwrap_or_default();
        if is_quote {
            return bytes;
        }
    }
    &[]
}

/// Checks one value; returns it without the white space around it.
pub(super) fn single(text: &str) -> Result<&str, serde_json::Error> {
    serde_json::from_str::<IgnoredAny>(text)?;
    Ok(text.trim_matches([' ', '\t', '\r', '\n']))
}

/// Whether the text is an array.
pub(super) fn is_array(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('[')
}

/// Calls `take` with each element of an array, as it was sent.
pub(super) fn each(
    text: &str,
    take: &mut dyn FnMut(&str) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut refused = None;
    let elements = Elements {
        take,
        refused: &mut refused,
    };
    let mut parser = serde_json::Deserializer::from_str(text);
    let outcome = parser.deserialize_seq(elements).and_then(|()| parser.end());
    if let Some(refused) = refused {
        return Err(refused);
    }
    outcome.map_err(|wrong| malformed(&wrong))
}

/// A parser's words, which name line and column.
pub(super) fn malformed(wrong: &serde_json::Error) -> Error {
    Error::Malformed(wrong.to_string())
}

struct Elements<'a> {
    take: &'a mut dyn FnMut(&str) -> Result<(), Error>,
    refused: &'a mut Option<Error>,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            if let Err(refused) = (self.take)(element.get()) {
                *self.refused = Some(refused);
                return Err(serde::de::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(bytes: &[u8]) -> bool {
        text(bytes).is_ok_and(|text| single(text).is_ok())
    }

    #[test]
    fn what_is_no_json_in_utf_8_is_refused() {
        let refused: [&[u8]; 14] = [
            b"",
            b"  ",
            b"{",
            b"nan",
            b"NaN",
            b"{\"a\":1} {\"b\":2}",
            b"{'a':1}",
            b"01",
            b"[1,]",
            b"\"\x01\"",
            b"\"\xff\"",
            b"\xef\xbb\xbf1",
            b"\xff\xfe1\0",
            b"1\0",
        ];
        for bytes in refused {
            assert!(!accepts(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn numbers_and_escapes_of_any_kind_are_kept() {
        for value in [
            "1e999999",
            "-0",
            "123456789012345678901234567890.1",
            "\"\\ud800\"",
            "{\"a\":1,\"a\":2}",
            "null",
        ] {
            assert_eq!(single(text(value.as_bytes()).unwrap()).unwrap(), value);
        }
        assert_eq!(single(" \r\n{\"a\": 1}\t").unwrap(), "{\"a\": 1}");
    }

    #[test]
    fn depth_is_bounded_and_brackets_in_strings_do_not_count() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(accepts(nested(DEPTH_MAX).as_bytes()));
        assert!(!accepts(nested(DEPTH_MAX + 1).as_bytes()));
        assert!(!accepts("{\"a\":".repeat(100_000).as_bytes()));
        assert!(accepts(format!("\"{}\"", "[".repeat(1000)).as_bytes()));
        assert!(accepts(format!("\"\\\"{}\"", "[".repeat(1000)).as_bytes()));
        let wide = format!("[{}]", vec!["[]"; 1000].join(","));
        assert!(accepts(wide.as_bytes()));
    }

    #[test]
    fn elements_come_as_they_were_sent() {
        let mut seen = Vec::new();
        each(" [ 1.10 , {\"a\" : [2]},\"x\" ] ", &mut |value| {
            seen.push(value.to_owned());
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, ["1.10", "{\"a\" : [2]}", "\"x\""]);
        for bad in ["[1,2", "[1,2] 3", "[1 2]", "{}"] {
            assert!(each(bad, &mut |_| Ok(())).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_taken_if_and_only_if_serde_takes_it(text in "[\\[\\]{}\",:0-9a-z\\\\ ]{0,40}") {
            let tree = serde_json::from_str::<serde_json::Value>(&text);
            // A tree also refuses numbers out of range and lone surrogates.
            if tree.is_ok() {
                prop_assert!(accepts(text.as_bytes()));
            }
            let _ = accepts(text.as_bytes());
        }
    }
}
