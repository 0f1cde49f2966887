//! Connect's SimpleHeaderConverter: header values as text (`Values.convertToString`).
//!
//! A value that stands alone is bare text; inside a struct, array or map, texts stand in quotes
//! with `\` and `"` escaped and nothing else. A decimal is the text of Java's BigDecimal, bytes are
//! base64. The text is for reading: it does not tell types apart (`5` may be a text or a number).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Error, decimal, java_float};
use crate::event::{Schema, Type, Value, names};

/// Appends the header text of `value` under `schema`. Null alone has no text: the header's value
/// is null, which is the caller's to write.
pub fn write(schema: &Schema, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    append(schema, value, false, out)
}

/// Appends the header text of a struct from its field values, as a key is.
pub fn write_struct(schema: &Schema, fields: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Error> {
    out.push(b'{');
    let declared = schema.fields();
    if declared.len() != fields.len() {
        return Err(Error::FieldCount {
            field: String::new(),
            wanted: declared.len(),
            found: fields.len(),
        });
    }
    for (index, (field, value)) in declared.iter().zip(fields).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        quoted(&field.name, out);
        out.push(b':');
        let written = append(&field.schema, value, true, out);
        written.map_err(|error| error.within(&field.name))?;
    }
    out.push(b'}');
    Ok(())
}

fn append(
    schema: &Schema,
    value: &Value<'_>,
    embedded: bool,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(v) => out.extend_from_slice(if *v { b"true" } else { b"false" }),
        Value::Int8(v) => integer(*v, out),
        Value::Int16(v) => integer(*v, out),
        Value::Int32(v) => integer(*v, out),
        Value::Int64(v) => integer(*v, out),
        Value::Float32(v) => java_float::write_f32(*v, out),
        Value::Float64(v) => java_float::write_f64(*v, out),
        Value::String(v) if embedded => quoted(v, out),
        Value::String(v) => out.extend_from_slice(v.as_bytes()),
        Value::Bytes(v) => bytes(schema, v, embedded, out),
        Value::Array(items) => return array(schema, items, out),
        Value::Map(entries) => return map(schema, entries, out),
        Value::Struct(fields) => return write_struct(schema, fields, out),
    }
    Ok(())
}

fn bytes(schema: &Schema, value: &[u8], embedded: bool, out: &mut Vec<u8>) {
    if schema.is_named(names::DECIMAL) {
        let scale = schema.parameter("scale").and_then(|text| text.parse().ok());
        out.extend_from_slice(decimal::java_text(value, scale.unwrap_or(0)).as_bytes());
        return;
    }
    let text = STANDARD.encode(value);
    if embedded {
        quoted(&text, out);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

fn array(schema: &Schema, items: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Error> {
    let Type::Array(item) = &schema.kind else {
        return Err(mismatch("array", &Value::Array(Vec::new())));
    };
    out.push(b'[');
    for (index, value) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        append(item, value, true, out)?;
    }
    out.push(b']');
    Ok(())
}

fn map(
    schema: &Schema,
    entries: &[(Value<'_>, Value<'_>)],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let Type::Map(key_schema, value_schema) = &schema.kind else {
        return Err(mismatch("map", &Value::Map(Vec::new())));
    };
    out.push(b'{');
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        append(key_schema, key, true, out)?;
        out.push(b':');
        append(value_schema, value, true, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn mismatch(wanted: &'static str, value: &Value<'_>) -> Error {
    Error::Mismatch {
        field: String::new(),
        wanted,
        found: value.kind(),
    }
}

fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'\\' | b'"') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Field;

    fn text(schema: &Schema, value: &Value<'_>) -> String {
        let mut out = Vec::new();
        write(schema, value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn struct_is_written_as_the_recordings_show() {
        let key = Schema::structure(vec![
            Field::new("m", Schema::new(Type::Int32)),
            Field::new("y", Schema::new(Type::String)),
        ]);
        let value = Value::Struct(vec![Value::Int32(18263), Value::str("a\"b\\c\nd")]);
        assert_eq!(text(&key, &value), "{\"m\":18263,\"y\":\"a\\\"b\\\\c\nd\"}");
    }

    #[test]
    fn text_alone_is_bare() {
        let schema = Schema::new(Type::String);
        assert_eq!(text(&schema, &Value::str("a\"b")), "a\"b");
    }

    #[test]
    fn decimal_is_a_number() {
        let schema = Schema::new(Type::Bytes)
            .named(names::DECIMAL, 1)
            .with_parameter("scale", "2");
        assert_eq!(text(&schema, &Value::bytes([0, 150])), "1.50");
    }
}
