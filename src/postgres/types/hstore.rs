//! hstore: `"a"=>"1", "b"=>NULL`.
//!
//! As a JSON text the entries stand in the order Debezium writes them: that of Java's HashMap.

use super::Reason;
use super::decode::utf8;
use crate::convert::json;
use crate::event::Value;

type Entries = Vec<(String, Option<String>)>;

/// A JSON text of one object.
pub(super) fn json<'a>(text: &[u8]) -> Result<Value<'a>, Reason> {
    Ok(Value::string(json_text(entries(text)?)))
}

/// A map from text to text or null.
pub(super) fn map<'a>(text: &[u8]) -> Result<Value<'a>, Reason> {
    let entries = hash_order(entries(text)?).into_iter();
    let value = |value: Option<String>| value.map_or(Value::Null, Value::string);
    Ok(Value::Map(
        entries
            .map(|(key, text)| (Value::string(key), value(text)))
            .collect(),
    ))
}

/// Entries as one JSON object.
pub(super) fn json_text(entries: Entries) -> String {
    let mut out = vec![b'{'];
    for (index, (key, value)) in hash_order(entries).iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::write_string(key, &mut out);
        out.push(b':');
        match value {
            Some(text) => json::write_string(text, &mut out),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
    String::from_utf8(out).expect("made of UTF-8 texts and ASCII")
}

fn entries(text: &[u8]) -> Result<Entries, Reason> {
    let mut rest = utf8(text)?;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (key, after) = quoted(rest)?;
        let after = after.strip_prefix("=>").ok_or(Reason::Malformed)?;
        let (value, after) = match after.strip_prefix("NULL") {
            Some(after) => (None, after),
            None => {
                let (value, after) = quoted(after)?;
                (Some(value), after)
            }
        };
        entries.push((key, value));
        rest = match after {
            "" => "",
            after => after.strip_prefix(", ").ok_or(Reason::Malformed)?,
        };
    }
    Ok(entries)
}

fn quoted(text: &str) -> Result<(String, &str), Reason> {
    let text = text.strip_prefix('"').ok_or(Reason::Malformed)?;
    let mut plain = String::new();
    let mut chars = text.char_indices();
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => {
                let rest = text.get(index + 1..).ok_or(Reason::Malformed)?;
                return Ok((plain, rest));
            }
            '\\' => plain.push(chars.next().ok_or(Reason::Malformed)?.1),
            c => plain.push(c),
        }
    }
    Err(Reason::Malformed)
}

/// The order in which Java's HashMap lists entries inserted in this order: by bucket, of which
/// there are 16, doubled while more than three quarters as many entries are in.
fn hash_order(mut entries: Entries) -> Entries {
    let mut buckets = 16_usize;
    while entries.len() > buckets / 4 * 3 {
        buckets *= 2;
    }
    let mask = u32::try_from(buckets - 1).unwrap_or(u32::MAX);
    entries.sort_by_key(|(key, _)| {
        let hash = java_hash(key);
        (hash ^ (hash >> 16)) & mask
    });
    entries
}

/// `String.hashCode`.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| {
        hash.wrapping_mul(31).wrapping_add(u32::from(unit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_that_of_the_recordings() {
        for (text, wanted) in [
            (
                r#""a"=>"1", "b"=>"x y", "c"=>NULL"#,
                r#"{"a":"1","b":"x y","c":null}"#,
            ),
            ("", "{}"),
            (
                "\"\u{fc}\"=>\"\u{65e5}\u{672c}\", \"quo\\\"te\"=>\"va\\\\l\"",
                "{\"\u{fc}\":\"\u{65e5}\u{672c}\",\"quo\\\"te\":\"va\\\\l\"}",
            ),
        ] {
            assert_eq!(json(text.as_bytes()), Ok(Value::str(wanted)), "{text}");
        }
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in [
            "a",
            "\"a\"",
            "\"a\"=>",
            "\"a\"=>b",
            "\"a\"=>\"b\",",
            "\"a\"=>\"b\\",
        ] {
            assert_eq!(json(text.as_bytes()), Err(Reason::Malformed), "{text}");
        }
    }
}
