//! Arrays: `{1,NULL,"a \"quoted\" text"}`, and lists printed with spaces.

use std::borrow::Cow;

use super::Reason;
use super::decode::Decoder;
use crate::event::Value;

/// Reads a one-dimensional array.
pub(super) fn array<'a>(element: &Decoder, text: &'a [u8]) -> Result<Value<'a>, Reason> {
    let inner = without_bounds(text)?
        .strip_prefix(b"{")
        .and_then(|text| text.strip_suffix(b"}"))
        .ok_or(Reason::Malformed)?;
    let mut items = Vec::new();
    let mut rest = inner;
    while !rest.is_empty() {
        let (item, after) = next(rest)?;
        items.push(match item {
            Item::Null => Value::Null,
            Item::Text(Cow::Borrowed(text)) => element.decode(text)?,
            Item::Text(Cow::Owned(text)) => element.decode(&text)?.into_owned(),
        });
        rest = match after {
            [] => &[],
            [b',', rest @ ..] if !rest.is_empty() => rest,
            _ => return Err(Reason::Malformed),
        };
    }
    Ok(Value::Array(items))
}

/// Reads elements with spaces between them.
pub(super) fn list<'a>(element: &Decoder, text: &'a [u8]) -> Result<Value<'a>, Reason> {
    let words = text.split(|byte| *byte == b' ').filter(|w| !w.is_empty());
    let items: Result<Vec<_>, _> = words.map(|word| element.decode(word)).collect();
    items.map(Value::Array)
}

enum Item<'a> {
    Null,
    Text(Cow<'a, [u8]>),
}

/// An array that does not begin at 1 says so: `[0:2]={..}`.
fn without_bounds(text: &[u8]) -> Result<&[u8], Reason> {
    if text.first() != Some(&b'[') {
        return Ok(text);
    }
    let at = memchr::memchr(b'=', text).ok_or(Reason::Malformed)?;
    text.get(at + 1..).ok_or(Reason::Malformed)
}

/// The next element and what follows it.
fn next(text: &[u8]) -> Result<(Item<'_>, &[u8]), Reason> {
    match text {
        [b'{', ..] => Err(Reason::Dimensions),
        [b'"', quoted @ ..] => {
            let (text, rest) = unquote(quoted)?;
            Ok((Item::Text(text), rest))
        }
        _ => {
            let end = memchr::memchr(b',', text).unwrap_or(text.len());
            let (bare, rest) = text.split_at(end);
            if bare.is_empty() || memchr::memchr3(b'"', b'{', b'}', bare).is_some() {
                return Err(Reason::Malformed);
            }
            if bare.eq_ignore_ascii_case(b"NULL") {
                return Ok((Item::Null, rest));
            }
            Ok((Item::Text(unescape(bare)?), rest))
        }
    }
}

/// The text up to the closing quote and what follows the quote.
fn unquote(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), Reason> {
    let mut at = 0;
    loop {
        let rest = text.get(at..).ok_or(Reason::Malformed)?;
        let found = memchr::memchr2(b'"', b'\\', rest).ok_or(Reason::Malformed)?;
        at += found;
        match text.get(at) {
            Some(b'\\') => at += 2,
            _ => break,
        }
    }
    let (quoted, rest) = text.split_at(at);
    let rest = rest.get(1..).ok_or(Reason::Malformed)?;
    Ok((unescape(quoted)?, rest))
}

fn unescape(text: &[u8]) -> Result<Cow<'_, [u8]>, Reason> {
    if memchr::memchr(b'\\', text).is_none() {
        return Ok(Cow::Borrowed(text));
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => *bytes.next().ok_or(Reason::Malformed)?,
            byte => *byte,
        });
    }
    Ok(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Result<Value<'_>, Reason> {
        array(&Decoder::Text, text.as_bytes())
    }

    #[test]
    fn quoted_and_bare_elements_are_told_apart() {
        let read = texts(r#"{a,"b,c",NULL,"NULL","q\"uo\\te",""}"#);
        let mut wanted: Vec<Value<'_>> = ["a", "b,c", "", "NULL", "q\"uo\\te", ""]
            .into_iter()
            .map(Value::str)
            .collect();
        wanted[2] = Value::Null;
        assert_eq!(read, Ok(Value::Array(wanted)));
        assert_eq!(texts("{}"), Ok(Value::Array(Vec::new())));
        let one = array(&Decoder::Int32, b"[0:0]={7}");
        assert_eq!(one, Ok(Value::Array(vec![Value::Int32(7)])));
    }

    #[test]
    fn nested_arrays_are_refused() {
        assert_eq!(texts("{{a},{b}}"), Err(Reason::Dimensions));
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in [
            "", "{", "}", "{a", "a}", "{\"a}", "{a,}", "{,a}", "{\"a\"b}", "{a\"b}", "[1:2",
            "{\"\\",
        ] {
            assert_eq!(texts(text), Err(Reason::Malformed), "{text}");
        }
    }

    #[test]
    fn lists_have_spaces() {
        let read = list(&Decoder::Int16, b"1 2");
        assert_eq!(
            read,
            Ok(Value::Array(vec![Value::Int16(1), Value::Int16(2)]))
        );
    }
}
