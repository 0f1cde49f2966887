//! The constant in a column's default expression, as Debezium finds it
//! (`PostgresDefaultValueConverter`).
//!
//! The types it knows are bit strings, booleans, texts, numbers, json, xml, uuid, dates, times,
//! timestamps, intervals and enums; no other type (bytea, timetz, money, arrays, domains, types of
//! extensions, ranges, oid, ..) has a default in the schema. A default that is a function call
//! stands in the schema as the type's zero; any other expression that is no literal is left out.

use super::decode::Decoder;
use crate::event::Value;

/// The default of a column whose type is no domain; none where the schema has none.
pub(super) fn parse(
    decoder: &Decoder,
    type_name: &str,
    expression: &str,
) -> Option<Value<'static>> {
    if matches!(decoder, Decoder::Label) {
        return label(expression, decoder);
    }
    let generated = generated(type_name)?;
    let expression = expression.trim();
    if expression.starts_with("NULL::") {
        return None;
    }
    if is_function_call(expression) {
        return decode(decoder, generated);
    }
    let literal = literal(expression)?;
    decode(decoder, normalised(type_name, &literal))
}

/// What a call stands for: the text of the type's zero.
fn generated(type_name: &str) -> Option<&'static str> {
    Some(match type_name {
        "bit" => "00",
        "varbit" | "int2" | "int4" | "int8" => "0",
        "bool" => "f",
        "bpchar" | "varchar" | "text" | "xml" => "",
        "numeric" | "float4" | "float8" => "0.0",
        "json" | "jsonb" => "{}",
        "uuid" => "00000000-0000-0000-0000-000000000000",
        "date" => "1970-01-01",
        "time" => "00:00:00",
        "timestamp" => "1970-01-01 00:00:00",
        "timestamptz" => "1970-01-01 00:00:00+00",
        "interval" => "00:00:00",
        _ => return None,
    })
}

/// A literal as the type itself would print it.
fn normalised<'a>(type_name: &str, literal: &'a str) -> &'a str {
    match (type_name, literal) {
        ("bool", "true") => "t",
        ("bool", "false") => "f",
        _ => literal,
    }
}

/// Decodes a default. Structs cannot be defaults (KAFKA-12694), and Debezium's driver cannot read
/// the infinities of dates and times.
fn decode(decoder: &Decoder, text: &str) -> Option<Value<'static>> {
    let is_time = matches!(
        decoder,
        Decoder::Date | Decoder::DateText | Decoder::Timestamp(_) | Decoder::ZonedTimestamp { .. }
    );
    if is_time && text.ends_with("infinity") {
        return None;
    }
    match decoder.decode(text.as_bytes()).ok()?.into_owned() {
        Value::Null | Value::Struct(_) => None,
        value => Some(value),
    }
}

/// `now()`, `nextval('s'::regclass)`, `(lower('A'::text))`, `CURRENT_DATE`: an optional
/// parenthesis, a name and parentheses that are closed again.
fn is_function_call(expression: &str) -> bool {
    const WITHOUT_PARENTHESES: [&str; 5] = [
        "current_timestamp",
        "current_time",
        "current_date",
        "localtime",
        "localtimestamp",
    ];
    if WITHOUT_PARENTHESES.contains(&expression.to_ascii_lowercase().as_str()) {
        return true;
    }
    let call = expression.strip_prefix('(').unwrap_or(expression);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let Some(arguments) = call.trim_start_matches(is_name).strip_prefix('(') else {
        return false;
    };
    call.starts_with(is_name)
        && arguments
            .lines()
            .next()
            .is_some_and(|line| line.contains(')'))
}

/// The first text in quotes, or the whole expression where there are none.
fn literal(expression: &str) -> Option<String> {
    let Some((_, quoted)) = expression.split_once('\'') else {
        return Some(expression.to_owned());
    };
    let mut text = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('\'')?;
        text.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                text.push('\'');
                rest = more;
            }
            None => return Some(text),
        }
    }
}

/// An enum's default must be a literal with a cast.
fn label(expression: &str, decoder: &Decoder) -> Option<Value<'static>> {
    let (value, _) = expression.rsplit_once("::")?;
    let is_literal = value.len() > 1 && value.starts_with('\'') && value.ends_with('\'');
    if !is_literal {
        return None;
    }
    decode(decoder, &literal(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_lose_quotes_and_casts() {
        let text = |expression| parse(&Decoder::Text, "text", expression);
        assert_eq!(text("'it''s'::text"), Some(Value::str("it's")));
        assert_eq!(text("''::text"), Some(Value::str("")));
        assert_eq!(text("NULL::text"), None);
        assert_eq!(text("upper('x'::text)"), Some(Value::str("")));
        let number = |expression| parse(&Decoder::Int32, "int4", expression);
        assert_eq!(number("42"), Some(Value::Int32(42)));
        assert_eq!(number("'-5'::integer"), Some(Value::Int32(-5)));
        assert_eq!(number("(1 + 1)"), None);
        let call = "nextval('s'::regclass)";
        assert_eq!(number(call), Some(Value::Int32(0)));
    }

    #[test]
    fn types_debezium_does_not_know_have_no_default() {
        assert_eq!(parse(&Decoder::Oid, "oid", "5"), None);
        assert_eq!(parse(&Decoder::Text, "citext", "'Ci'::citext"), None);
    }

    #[test]
    fn labels_need_their_cast() {
        let label = |expression| parse(&Decoder::Label, "mood", expression);
        assert_eq!(label("'ok'::mood"), Some(Value::str("ok")));
        assert_eq!(label("'ok'::public.mood"), Some(Value::str("ok")));
        assert_eq!(label("some_call()"), None);
    }
}
