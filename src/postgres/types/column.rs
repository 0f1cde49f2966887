//! A column and its codec.

use std::sync::Arc;

use super::decode::Decoder;
use super::resolve::{self, Resolved};
use super::{Error, Modes, TypeRegistry, default, unavailable, zero};
use crate::event::{Schema, Value};

/// What is known about a column when its table's schema is made.
#[derive(Debug, Clone)]
pub struct ColumnSpec<'a> {
    /// The name.
    pub name: &'a str,
    /// `atttypid`.
    pub type_oid: u32,
    /// `atttypmod`; -1 where the type has none.
    pub type_modifier: i32,
    /// Whether null is not allowed; the field is optional where it is.
    pub not_null: bool,
    /// `pg_get_expr` of the default.
    pub default_expression: Option<&'a str>,
    /// The column's comment where `include.schema.comments` asks for it.
    pub comment: Option<&'a str>,
}

/// Decodes the values of one column.
#[derive(Debug, Clone)]
pub struct ColumnCodec {
    /// The field's schema: optional or not, with the column's default.
    pub schema: Arc<Schema>,
    name: Box<str>,
    type_name: Box<str>,
    decoder: Decoder,
    unavailable: Value<'static>,
    zero: Value<'static>,
}

/// The codec of a column; none for a type that Debezium does not map, whose columns are left out
/// of rows.
#[must_use]
pub fn column_codec(
    spec: &ColumnSpec<'_>,
    registry: &TypeRegistry,
    modes: &Modes,
) -> Option<ColumnCodec> {
    let Resolved {
        mut schema,
        decoder,
        type_name,
        is_domain,
    } = resolve::column(spec, registry, modes)?;
    schema.optional = !spec.not_null;
    if let Some(comment) = spec.comment {
        schema.doc = Some(Arc::from(comment));
    }
    if let (Some(expression), false) = (spec.default_expression, is_domain) {
        schema.default = default::parse(&decoder, &type_name, expression);
    }
    Some(ColumnCodec {
        unavailable: unavailable::value(&decoder, modes),
        zero: zero::value(&schema, &decoder, modes),
        schema: Arc::new(schema),
        name: Box::from(spec.name),
        type_name: type_name.into_boxed_str(),
        decoder,
    })
}

impl ColumnCodec {
    /// Decodes the text of a value that is not null. Null may come out of it where Debezium has no
    /// other value either: a precise decimal that is NaN or infinite, an empty `varbit(1)`, a
    /// timestamp that 64 bits of nanoseconds do not hold.
    pub fn decode<'a>(&self, text: &'a [u8]) -> Result<Value<'a>, Error> {
        self.decoder.decode(text).map_err(|reason| Error {
            column: self.name.to_string(),
            type_name: self.type_name.to_string(),
            reason,
        })
    }

    /// What stands for a value that was not sent because it is stored out of line and did not
    /// change. Types for which Debezium has no placeholder of their kind give the placeholder as
    /// text, which a converter refuses.
    #[must_use]
    pub fn unavailable(&self) -> Value<'static> {
        self.unavailable.clone()
    }

    /// What stands for a null: null where the column allows it, else the default or the type's
    /// zero, as for the columns outside of the replica identity in `before`.
    #[must_use]
    pub fn zero(&self) -> Value<'static> {
        self.zero.clone()
    }
}
