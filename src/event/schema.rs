//! Connect's schemas (`org.apache.kafka.connect.data.Schema`) with the builders this project
//! needs, and the names of the semantic types Debezium and Connect define.

use std::sync::Arc;

use super::Value;

/// The shape of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The type.
    pub kind: Type,
    /// Whether null is a legal value.
    pub optional: bool,
    /// Semantic name, such as `io.debezium.time.Date`.
    pub name: Option<Arc<str>>,
    /// Version of the semantic type.
    pub version: Option<i32>,
    /// Documentation, such as a column's comment.
    pub doc: Option<Arc<str>>,
    /// In insertion order.
    pub parameters: Vec<(Arc<str>, Arc<str>)>,
    /// What stands for a missing value.
    pub default: Option<Value<'static>>,
}

/// Connect's schema types.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// 8-bit signed integer.
    Int8,
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// 32-bit floating point, `float` in JSON schemas.
    Float32,
    /// 64-bit floating point, `double` in JSON schemas.
    Float64,
    /// True or false.
    Boolean,
    /// UTF-8 text.
    String,
    /// Bytes.
    Bytes,
    /// Items of one schema.
    Array(Arc<Schema>),
    /// Keys of one schema, values of another.
    Map(Arc<Schema>, Arc<Schema>),
    /// Named fields in order.
    Struct(Vec<Field>),
}

/// A field of a struct schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The name.
    pub name: Arc<str>,
    /// The shape of its values.
    pub schema: Arc<Schema>,
}

impl Field {
    /// A field.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, schema: impl Into<Arc<Schema>>) -> Field {
        Field {
            name: name.into(),
            schema: schema.into(),
        }
    }
}

impl Schema {
    /// A required schema of `kind` without name.
    #[must_use]
    pub fn new(kind: Type) -> Schema {
        Schema {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            parameters: Vec::new(),
            default: None,
        }
    }

    /// A required array.
    #[must_use]
    pub fn array(items: impl Into<Arc<Schema>>) -> Schema {
        Schema::new(Type::Array(items.into()))
    }

    /// A required struct.
    #[must_use]
    pub fn structure(fields: Vec<Field>) -> Schema {
        Schema::new(Type::Struct(fields))
    }

    /// The same, null allowed.
    #[must_use]
    pub fn optional(mut self) -> Schema {
        self.optional = true;
        self
    }

    /// The same with a semantic name and version.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>, version: i32) -> Schema {
        self.name = Some(name.into());
        self.version = Some(version);
        self
    }

    /// The same with a semantic name and no version.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Schema {
        self.name = Some(name.into());
        self
    }

    /// The same with documentation.
    #[must_use]
    pub fn with_doc(mut self, doc: impl Into<Arc<str>>) -> Schema {
        self.doc = Some(doc.into());
        self
    }

    /// The same with one more parameter.
    #[must_use]
    pub fn with_parameter(mut self, key: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        self.parameters.push((key.into(), value.into()));
        self
    }

    /// The same with a default.
    #[must_use]
    pub fn with_default(mut self, default: Value<'static>) -> Schema {
        self.default = Some(default);
        self
    }

    /// The value of a parameter.
    #[must_use]
    pub fn parameter(&self, key: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(name, _)| &**name == key);
        found.map(|(_, value)| &**value)
    }

    /// Whether the semantic name is `name`.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// The fields of a struct; none for other types.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        match &self.kind {
            Type::Struct(fields) => fields,
            _ => &[],
        }
    }
}

/// Names of semantic types, spelled as their definers do.
pub mod names {
    /// Connect's decimal: two's complement bytes, the scale as a parameter.
    pub const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
    /// Connect's date: days.
    pub const CONNECT_DATE: &str = "org.apache.kafka.connect.data.Date";
    /// Connect's time of day: milliseconds.
    pub const CONNECT_TIME: &str = "org.apache.kafka.connect.data.Time";
    /// Connect's timestamp: milliseconds.
    pub const CONNECT_TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
    /// Debezium's decimal of any scale: a struct of scale and value.
    pub const VARIABLE_SCALE_DECIMAL: &str = "io.debezium.data.VariableScaleDecimal";
    /// Bits, little-endian.
    pub const BITS: &str = "io.debezium.data.Bits";
    /// JSON text.
    pub const JSON: &str = "io.debezium.data.Json";
    /// XML text.
    pub const XML: &str = "io.debezium.data.Xml";
    /// UUID text.
    pub const UUID: &str = "io.debezium.data.Uuid";
    /// Label trees of the extension ltree.
    pub const LTREE: &str = "io.debezium.data.Ltree";
    /// Text search vectors.
    pub const TSVECTOR: &str = "io.debezium.data.Tsvector";
    /// Labels of an enumerated type.
    pub const ENUM: &str = "io.debezium.data.Enum";
    /// A point with its well-known binary.
    pub const POINT: &str = "io.debezium.data.geometry.Point";
    /// PostGIS geometry.
    pub const GEOMETRY: &str = "io.debezium.data.geometry.Geometry";
    /// PostGIS geography.
    pub const GEOGRAPHY: &str = "io.debezium.data.geometry.Geography";
    /// pgvector's `vector`.
    pub const DOUBLE_VECTOR: &str = "io.debezium.data.DoubleVector";
    /// pgvector's `halfvec`.
    pub const FLOAT_VECTOR: &str = "io.debezium.data.FloatVector";
    /// pgvector's `sparsevec`.
    pub const SPARSE_VECTOR: &str = "io.debezium.data.SparseDoubleVector";
    /// Days since 1970.
    pub const DATE: &str = "io.debezium.time.Date";
    /// Milliseconds of the day.
    pub const TIME: &str = "io.debezium.time.Time";
    /// Microseconds of the day.
    pub const MICRO_TIME: &str = "io.debezium.time.MicroTime";
    /// Nanoseconds of the day.
    pub const NANO_TIME: &str = "io.debezium.time.NanoTime";
    /// Milliseconds since 1970.
    pub const TIMESTAMP: &str = "io.debezium.time.Timestamp";
    /// Microseconds since 1970.
    pub const MICRO_TIMESTAMP: &str = "io.debezium.time.MicroTimestamp";
    /// Nanoseconds since 1970.
    pub const NANO_TIMESTAMP: &str = "io.debezium.time.NanoTimestamp";
    /// ISO 8601 text in UTC.
    pub const ZONED_TIMESTAMP: &str = "io.debezium.time.ZonedTimestamp";
    /// ISO 8601 time of day in UTC.
    pub const ZONED_TIME: &str = "io.debezium.time.ZonedTime";
    /// ISO 8601 date.
    pub const ISO_DATE: &str = "io.debezium.time.IsoDate";
    /// ISO 8601 time of day.
    pub const ISO_TIME: &str = "io.debezium.time.IsoTime";
    /// ISO 8601 timestamp.
    pub const ISO_TIMESTAMP: &str = "io.debezium.time.IsoTimestamp";
    /// Microseconds of an interval.
    pub const MICRO_DURATION: &str = "io.debezium.time.MicroDuration";
    /// ISO 8601 text of an interval.
    pub const INTERVAL: &str = "io.debezium.time.Interval";
}
