//! The compiled form of a schema: what to write before each field, and how to write its value.

use super::text;
use super::{DecimalFormat, JsonOptions};
use crate::convert::{Error, decimal};
use crate::event::{Schema, Type, Value, names};

/// How values of one schema are written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    shape: Shape,
    optional: bool,
    /// What is written for null: the default's JSON where it replaces null.
    default: Option<Box<[u8]>>,
}

#[derive(Debug, Clone)]
enum Shape {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
    Bytes,
    /// A JSON number of this scale.
    Number(i32),
    Array(Box<Node>),
    /// A map whose keys are texts: an object.
    Object(Box<Node>),
    /// Any other map: an array of pairs.
    Pairs(Box<(Node, Node)>),
    Struct(Vec<FieldNode>),
}

#[derive(Debug, Clone)]
struct FieldNode {
    /// `{"name":` for the first field, `,"name":` for the others.
    lead: Box<[u8]>,
    name: Box<str>,
    node: Node,
}

impl Node {
    pub(super) fn compile(schema: &Schema, options: &JsonOptions) -> Node {
        let mut node = Node {
            shape: Shape::compile(schema, options),
            optional: schema.optional,
            default: None,
        };
        if let (Some(default), true) = (&schema.default, options.replace_null_with_default) {
            let mut json = Vec::new();
            if !default.is_null() && node.write(default, &mut json).is_ok() {
                node.default = Some(json.into_boxed_slice());
            }
        }
        node
    }

    pub(super) fn write(&self, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        match (&self.shape, value) {
            (_, Value::Null) => return self.write_null(out),
            (Shape::Int32, Value::Int32(v)) => text::integer(*v, out),
            (Shape::Int64, Value::Int64(v)) => text::integer(*v, out),
            (Shape::String, Value::String(v)) => text::string(v, out),
            (Shape::Boolean, Value::Boolean(v)) => {
                out.extend_from_slice(if *v { b"true" } else { b"false" });
            }
            (Shape::Bytes, Value::Bytes(v)) => text::base64(v, out),
            (Shape::Struct(_), Value::Struct(fields)) => return self.write_struct(fields, out),
            (Shape::Int16, Value::Int16(v)) => text::integer(*v, out),
            (Shape::Int8, Value::Int8(v)) => text::integer(*v, out),
            (Shape::Float32, Value::Float32(v)) => text::float32(*v, out),
            (Shape::Float64, Value::Float64(v)) => text::float64(*v, out),
            (Shape::Number(scale), Value::Bytes(v)) => {
                out.extend_from_slice(decimal::java_text(v, *scale).as_bytes());
            }
            (Shape::Array(item), Value::Array(items)) => return write_array(item, items, out),
            (Shape::Object(item), Value::Map(entries)) => return write_object(item, entries, out),
            (Shape::Pairs(nodes), Value::Map(entries)) => return write_pairs(nodes, entries, out),
            (shape, value) => return Err(mismatch(shape, value)),
        }
        Ok(())
    }

    fn write_null(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        match &self.default {
            Some(json) => out.extend_from_slice(json),
            None if self.optional => out.extend_from_slice(b"null"),
            None => {
                return Err(Error::Null {
                    field: String::new(),
                });
            }
        }
        Ok(())
    }

    /// Writes a struct from its field values.
    pub(super) fn write_struct(
        &self,
        values: &[Value<'_>],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Shape::Struct(fields) = &self.shape else {
            return Err(mismatch(&self.shape, &Value::Struct(Vec::new())));
        };
        if fields.len() != values.len() {
            return Err(Error::FieldCount {
                field: String::new(),
                wanted: fields.len(),
                found: values.len(),
            });
        }
        if fields.is_empty() {
            out.push(b'{');
        }
        for (field, value) in fields.iter().zip(values) {
            out.extend_from_slice(&field.lead);
            let written = field.node.write(value, out);
            written.map_err(|error| error.within(&field.name))?;
        }
        out.push(b'}');
        Ok(())
    }
}

impl Shape {
    fn compile(schema: &Schema, options: &JsonOptions) -> Shape {
        match &schema.kind {
            Type::Int8 => Shape::Int8,
            Type::Int16 => Shape::Int16,
            Type::Int32 => Shape::Int32,
            Type::Int64 => Shape::Int64,
            Type::Float32 => Shape::Float32,
            Type::Float64 => Shape::Float64,
            Type::Boolean => Shape::Boolean,
            Type::String => Shape::String,
            Type::Bytes => match (options.decimal_format, decimal_scale(schema)) {
                (DecimalFormat::Numeric, Some(scale)) => Shape::Number(scale),
                _ => Shape::Bytes,
            },
            Type::Array(item) => Shape::Array(Box::new(Node::compile(item, options))),
            Type::Map(key, value) if key.kind == Type::String => {
                Shape::Object(Box::new(Node::compile(value, options)))
            }
            Type::Map(key, value) => Shape::Pairs(Box::new((
                Node::compile(key, options),
                Node::compile(value, options),
            ))),
            Type::Struct(fields) => Shape::Struct(
                fields
                    .iter()
                    .enumerate()
                    .map(|(index, field)| FieldNode {
                        lead: lead(index, &field.name),
                        name: Box::from(&*field.name),
                        node: Node::compile(&field.schema, options),
                    })
                    .collect(),
            ),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Shape::Int8 => "int8",
            Shape::Int16 => "int16",
            Shape::Int32 => "int32",
            Shape::Int64 => "int64",
            Shape::Float32 => "float",
            Shape::Float64 => "double",
            Shape::Boolean => "boolean",
            Shape::String => "string",
            Shape::Bytes | Shape::Number(_) => "bytes",
            Shape::Array(_) => "array",
            Shape::Object(_) | Shape::Pairs(_) => "map",
            Shape::Struct(_) => "struct",
        }
    }
}

/// The scale of a decimal schema; none where it is no decimal.
pub(super) fn decimal_scale(schema: &Schema) -> Option<i32> {
    if !schema.is_named(names::DECIMAL) {
        return None;
    }
    schema.parameter("scale")?.parse().ok()
}

fn lead(index: usize, name: &str) -> Box<[u8]> {
    let mut lead = vec![if index == 0 { b'{' } else { b',' }];
    text::string(name, &mut lead);
    lead.push(b':');
    lead.into_boxed_slice()
}

fn mismatch(shape: &Shape, value: &Value<'_>) -> Error {
    Error::Mismatch {
        field: String::new(),
        wanted: shape.name(),
        found: value.kind(),
    }
}

fn write_array(item: &Node, items: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Error> {
    out.push(b'[');
    for (index, value) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        item.write(value, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_object(
    item: &Node,
    entries: &[(Value<'_>, Value<'_>)],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    out.push(b'{');
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let Value::String(name) = key else {
            return Err(mismatch(&Shape::String, key));
        };
        text::string(name, out);
        out.push(b':');
        item.write(value, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_pairs(
    nodes: &(Node, Node),
    entries: &[(Value<'_>, Value<'_>)],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    out.push(b'[');
    for (index, (key, value)) in entries.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"[" } else { b",[" });
        nodes.0.write(key, out)?;
        out.push(b',');
        nodes.1.write(value, out)?;
        out.push(b']');
    }
    out.push(b']');
    Ok(())
}
