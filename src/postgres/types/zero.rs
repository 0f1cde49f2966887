//! What stands for a null in a column that does not allow it: such columns are null in `before`
//! where they are outside of the replica identity.

use super::decode::{Decoder, Unit};
use super::{BinaryMode, Modes, geometry, temporal_text};
use crate::event::{Schema, Type, Value};

/// Null where the schema allows it, else its default, else the type's zero.
pub(super) fn value(schema: &Schema, decoder: &Decoder, modes: &Modes) -> Value<'static> {
    if schema.optional {
        return Value::Null;
    }
    if let Some(default) = &schema.default {
        return default.clone();
    }
    special(decoder, modes).unwrap_or_else(|| of_type(&schema.kind))
}

/// Zeros that are not their schema type's own.
fn special(decoder: &Decoder, modes: &Modes) -> Option<Value<'static>> {
    Some(match decoder {
        Decoder::Decimal { .. } | Decoder::Money { .. } => Value::bytes([0]),
        Decoder::VariableDecimal => Value::Struct(vec![Value::Int32(0), Value::bytes([0])]),
        Decoder::DecimalText => Value::str("0"),
        Decoder::MoneyText => {
            let digits = usize::try_from(modes.money_fraction_digits).unwrap_or(0);
            Value::string(format!("{:.digits$}", 0.0))
        }
        Decoder::DateText => Value::str("1970-01-01Z"),
        Decoder::Time(Unit::Text) | Decoder::ZonedTime => Value::string(temporal_text::time(0)),
        Decoder::Timestamp(Unit::Text) | Decoder::ZonedTimestamp { .. } => {
            Value::str("1970-01-01T00:00:00Z")
        }
        Decoder::IntervalText => Value::str("P0Y0M0DT0H0M0S"),
        Decoder::Hstore => Value::str("{}"),
        Decoder::Bytes(BinaryMode::Bytes) | Decoder::Bits => Value::bytes([]),
        Decoder::Point => geometry::point_value(0.0, 0.0),
        _ => return None,
    })
}

fn of_type(kind: &Type) -> Value<'static> {
    match kind {
        Type::Int8 => Value::Int8(0),
        Type::Int16 => Value::Int16(0),
        Type::Int32 => Value::Int32(0),
        Type::Int64 => Value::Int64(0),
        Type::Float32 => Value::Float32(0.0),
        Type::Float64 => Value::Float64(0.0),
        Type::Boolean => Value::Boolean(false),
        Type::String => Value::str(""),
        Type::Bytes => Value::bytes([]),
        Type::Array(_) => Value::Array(Vec::new()),
        Type::Map(..) => Value::Map(Vec::new()),
        Type::Struct(fields) => Value::Struct(
            fields
                .iter()
                .map(|field| match field.schema.optional {
                    true => Value::Null,
                    false => of_type(&field.schema.kind),
                })
                .collect(),
        ),
    }
}
