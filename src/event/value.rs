//! Connect's values. A value borrows from the frame it was decoded from where it can, so that a
//! row of integers and texts costs one vector and no copies.

use std::borrow::Cow;

/// A value. What it means is said by the [`Schema`](super::Schema) beside it: a decimal is
/// `Bytes`, a Debezium date is `Int32`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// No value; only where the schema is optional or the writer puts a default in its place.
    Null,
    /// `boolean`.
    Boolean(bool),
    /// `int8`.
    Int8(i8),
    /// `int16`.
    Int16(i16),
    /// `int32`.
    Int32(i32),
    /// `int64`.
    Int64(i64),
    /// `float`.
    Float32(f32),
    /// `double`.
    Float64(f64),
    /// `string`.
    String(Cow<'a, str>),
    /// `bytes`.
    Bytes(Cow<'a, [u8]>),
    /// Items of one schema.
    Array(Vec<Value<'a>>),
    /// Entries in insertion order.
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// Field values in the order of the schema's fields.
    Struct(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// A string that borrows.
    #[must_use]
    pub fn str(text: &'a str) -> Value<'a> {
        Value::String(Cow::Borrowed(text))
    }

    /// A string that owns its text.
    #[must_use]
    pub fn string(text: impl Into<String>) -> Value<'a> {
        Value::String(Cow::Owned(text.into()))
    }

    /// Bytes that own their buffer.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Value<'a> {
        Value::Bytes(Cow::Owned(bytes.into()))
    }

    /// Whether this is `Null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The same value owning everything, for keeping beyond the frame it came from.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Boolean(v) => Value::Boolean(v),
            Value::Int8(v) => Value::Int8(v),
            Value::Int16(v) => Value::Int16(v),
            Value::Int32(v) => Value::Int32(v),
            Value::Int64(v) => Value::Int64(v),
            Value::Float32(v) => Value::Float32(v),
            Value::Float64(v) => Value::Float64(v),
            Value::String(v) => Value::String(Cow::Owned(v.into_owned())),
            Value::Bytes(v) => Value::Bytes(Cow::Owned(v.into_owned())),
            Value::Array(items) => Value::Array(owned(items)),
            Value::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (key.into_owned(), value.into_owned()))
                    .collect(),
            ),
            Value::Struct(fields) => Value::Struct(owned(fields)),
        }
    }

    /// The name of the value's kind, for error texts.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Boolean(_) => "boolean",
            Value::Int8(_) => "int8",
            Value::Int16(_) => "int16",
            Value::Int32(_) => "int32",
            Value::Int64(_) => "int64",
            Value::Float32(_) => "float",
            Value::Float64(_) => "double",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::Array(_) => "array",
            Value::Map(_) => "map",
            Value::Struct(_) => "struct",
        }
    }
}

fn owned(values: Vec<Value<'_>>) -> Vec<Value<'static>> {
    values.into_iter().map(Value::into_owned).collect()
}
