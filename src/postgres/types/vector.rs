//! pgvector's types: `[1,2.5]` and `{1:1.5,3:2}/5`.

use std::str::FromStr;

use super::Reason;
use super::decode::utf8;
use crate::event::Value;

/// A dense vector of numbers made by `item`.
pub(super) fn dense<'a, T: FromStr>(
    text: &[u8],
    item: impl Fn(T) -> Value<'a>,
) -> Result<Value<'a>, Reason> {
    let inner = within(utf8(text)?, '[', ']')?;
    let numbers: Result<Vec<_>, _> = parts(inner)
        .map(|number| parse(number).map(&item))
        .collect();
    numbers.map(Value::Array)
}

/// A sparse vector: its dimensions, and a map from index to number.
pub(super) fn sparse<'a>(text: &[u8]) -> Result<Value<'a>, Reason> {
    let (entries, dimensions) = utf8(text)?.rsplit_once('/').ok_or(Reason::Malformed)?;
    let mut map = Vec::new();
    for entry in parts(within(entries, '{', '}')?) {
        let (index, number) = entry.split_once(':').ok_or(Reason::Malformed)?;
        map.push((Value::Int16(parse(index)?), Value::Float64(parse(number)?)));
    }
    let dimensions = Value::Int16(parse(dimensions)?);
    Ok(Value::Struct(vec![dimensions, Value::Map(map)]))
}

fn within(text: &str, open: char, close: char) -> Result<&str, Reason> {
    let inner = text.strip_prefix(open).and_then(|t| t.strip_suffix(close));
    inner.ok_or(Reason::Malformed)
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|part| !part.is_empty())
}

fn parse<T: FromStr>(text: &str) -> Result<T, Reason> {
    text.trim().parse().map_err(|_| Reason::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_entries_keep_their_indexes() {
        let wanted = Value::Struct(vec![
            Value::Int16(5),
            Value::Map(vec![
                (Value::Int16(1), Value::Float64(1.5)),
                (Value::Int16(3), Value::Float64(2.0)),
            ]),
        ]);
        assert_eq!(sparse(b"{1:1.5,3:2}/5"), Ok(wanted));
        assert_eq!(sparse(b"{1:1.5"), Err(Reason::Malformed));
    }
}
