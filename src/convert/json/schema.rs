//! A schema as Connect's JsonConverter writes it, in its order of keys: type (with items, keys,
//! values or fields), optional, name, version, doc, parameters, default, field.

use super::node::Node;
use super::{JsonOptions, text};
use crate::event::{Schema, Type};

/// Appends the schema; `field` is its name within a struct.
pub(super) fn write(
    schema: &Schema,
    field: Option<&str>,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"type\":");
    write_type(&schema.kind, options, out);
    out.extend_from_slice(b",\"optional\":");
    out.extend_from_slice(if schema.optional { b"true" } else { b"false" });
    if let Some(name) = &schema.name {
        member("name", name, out);
    }
    if let Some(version) = schema.version {
        out.extend_from_slice(b",\"version\":");
        text::integer(version, out);
    }
    if let Some(doc) = &schema.doc {
        member("doc", doc, out);
    }
    write_parameters(schema, out);
    write_default(schema, options, out);
    if let Some(field) = field {
        member("field", field, out);
    }
    out.push(b'}');
}

fn write_type(kind: &Type, options: &JsonOptions, out: &mut Vec<u8>) {
    let scalar = match kind {
        Type::Int8 => "int8",
        Type::Int16 => "int16",
        Type::Int32 => "int32",
        Type::Int64 => "int64",
        Type::Float32 => "float",
        Type::Float64 => "double",
        Type::Boolean => "boolean",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Array(items) => {
            out.extend_from_slice(b"\"array\",\"items\":");
            write(items, None, options, out);
            return;
        }
        Type::Map(keys, values) => {
            out.extend_from_slice(b"\"map\",\"keys\":");
            write(keys, None, options, out);
            out.extend_from_slice(b",\"values\":");
            write(values, None, options, out);
            return;
        }
        Type::Struct(fields) => {
            out.extend_from_slice(b"\"struct\",\"fields\":[");
            for (index, field) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(&field.schema, Some(&field.name), options, out);
            }
            out.push(b']');
            return;
        }
    };
    text::string(scalar, out);
}

fn write_parameters(schema: &Schema, out: &mut Vec<u8>) {
    if schema.parameters.is_empty() {
        return;
    }
    out.extend_from_slice(b",\"parameters\":{");
    for (index, (key, value)) in schema.parameters.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        text::string(key, out);
        out.push(b':');
        text::string(value, out);
    }
    out.push(b'}');
}

/// The default stands in the schema whether or not it replaces null in values.
fn write_default(schema: &Schema, options: &JsonOptions, out: &mut Vec<u8>) {
    let Some(default) = schema.default.as_ref().filter(|value| !value.is_null()) else {
        return;
    };
    let start = out.len();
    out.extend_from_slice(b",\"default\":");
    if Node::compile(schema, options).write(default, out).is_err() {
        out.truncate(start);
    }
}

fn member(key: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b',');
    text::string(key, out);
    out.push(b':');
    text::string(value, out);
}
