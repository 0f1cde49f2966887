//! Which schema and decoder a PostgreSQL type has: the table of Debezium's
//! `PostgresValueConverter.schemaBuilder`, by oid for built-in types and by name for those of
//! extensions.

use super::decode::{Decoder, Unit};
use super::{
    BinaryMode, ColumnSpec, DecimalMode, HstoreMode, IntervalMode, Modes, TimeMode, TypeKind,
    TypeRegistry, oid,
};
use crate::event::{Field, Schema, Type, names};

/// Domains over domains are followed this far; PostgreSQL itself allows no loop, a registry read
/// while types change might show one.
const DOMAIN_DEPTH_MAX: usize = 32;

/// `atttypmod` counts from here for types whose modifier is a length (`VARHDRSZ`).
const MODIFIER_OFFSET: i32 = 4;

/// Digits of a second that PostgreSQL keeps where a type does not say otherwise.
const FRACTION_DIGITS_DEFAULT: u8 = 6;

/// A column's type, found.
pub(super) struct Resolved {
    /// Not yet optional, without default.
    pub(super) schema: Schema,
    pub(super) decoder: Decoder,
    /// The name of the type the column has, a domain's base followed.
    pub(super) type_name: String,
    /// Whether the column's own type is a domain.
    pub(super) is_domain: bool,
}

/// A type with its domains followed to the base.
struct Base {
    oid: u32,
    modifier: i32,
    is_domain: bool,
}

pub(super) fn column(
    spec: &ColumnSpec<'_>,
    registry: &TypeRegistry,
    modes: &Modes,
) -> Option<Resolved> {
    let base = base_of(spec.type_oid, spec.type_modifier, registry)?;
    let known = typed(&base, registry, modes);
    let unknown = || {
        let opaque = (binary_schema(modes.binary), Decoder::Opaque(modes.binary));
        modes.include_unknown.then_some(opaque)
    };
    let (schema, decoder) = known.or_else(unknown)?;
    let type_name = match (oid::name(base.oid), registry.get(base.oid)) {
        (Some(name), _) => name.to_owned(),
        (None, Some(info)) => info.name.clone(),
        (None, None) => base.oid.to_string(),
    };
    Some(Resolved {
        schema,
        decoder,
        type_name,
        is_domain: base.is_domain,
    })
}

fn base_of(oid: u32, modifier: i32, registry: &TypeRegistry) -> Option<Base> {
    let mut base = Base {
        oid,
        modifier,
        is_domain: false,
    };
    for _ in 0..DOMAIN_DEPTH_MAX {
        let Some(TypeKind::Domain {
            base_oid,
            base_typmod,
        }) = registry.get(base.oid).map(|info| &info.kind)
        else {
            return Some(base);
        };
        base = Base {
            oid: *base_oid,
            modifier: if *base_typmod == -1 {
                base.modifier
            } else {
                *base_typmod
            },
            is_domain: true,
        };
    }
    None
}

fn typed(base: &Base, registry: &TypeRegistry, modes: &Modes) -> Option<(Schema, Decoder)> {
    let element = match registry.get(base.oid).map(|info| &info.kind) {
        Some(TypeKind::Array { element_oid }) => Some(*element_oid),
        _ => oid::element(base.oid),
    };
    match element {
        Some(element_oid) => array(element_oid, base.modifier, registry, modes),
        None => scalar(base, registry, modes),
    }
}

fn array(
    element_oid: u32,
    modifier: i32,
    registry: &TypeRegistry,
    modes: &Modes,
) -> Option<(Schema, Decoder)> {
    let element = base_of(element_oid, modifier, registry)?;
    let (schema, decoder) = scalar(&element, registry, modes)?;
    // Debezium forgets to make the elements of these optional.
    let is_required = match decoder {
        Decoder::Label | Decoder::DoubleVector | Decoder::FloatVector | Decoder::SparseVector => {
            true
        }
        _ => element.oid == oid::TSVECTOR || is_extension(element.oid, "isbn", registry),
    };
    let item = if is_required {
        schema
    } else {
        schema.optional()
    };
    Some((Schema::array(item), Decoder::Array(Box::new(decoder))))
}

fn scalar(base: &Base, registry: &TypeRegistry, modes: &Modes) -> Option<(Schema, Decoder)> {
    let plain = |kind: Type, decoder: Decoder| Some((Schema::new(kind), decoder));
    let text = |name: &str| {
        let schema = Schema::new(Type::String).named(name, 1);
        Some((schema, Decoder::Text))
    };
    match base.oid {
        oid::BOOL => plain(Type::Boolean, Decoder::Boolean),
        oid::INT2 => plain(Type::Int16, Decoder::Int16),
        oid::INT4 => plain(Type::Int32, Decoder::Int32),
        oid::INT8 => plain(Type::Int64, Decoder::Int64),
        oid::OID => plain(Type::Int64, Decoder::Oid),
        oid::FLOAT4 => plain(Type::Float32, Decoder::Float32),
        oid::FLOAT8 => plain(Type::Float64, Decoder::Float64),
        oid::TEXT
        | oid::VARCHAR
        | oid::BPCHAR
        | oid::CHAR
        | oid::NAME
        | oid::INET
        | oid::CIDR
        | oid::MACADDR
        | oid::MACADDR8
        | oid::INT4RANGE
        | oid::INT8RANGE
        | oid::NUMRANGE
        | oid::TSRANGE
        | oid::TSTZRANGE
        | oid::DATERANGE => plain(Type::String, Decoder::Text),
        oid::JSON | oid::JSONB => text(names::JSON),
        oid::XML => text(names::XML),
        oid::UUID => text(names::UUID).map(|(schema, _)| (schema, Decoder::Uuid)),
        oid::TSVECTOR => text(names::TSVECTOR),
        oid::BYTEA => Some((binary_schema(modes.binary), Decoder::Bytes(modes.binary))),
        oid::BIT => Some(bits(base.modifier.max(1))),
        oid::VARBIT if base.modifier < 0 => Some(bits(i32::MAX)),
        oid::VARBIT => Some(bits(base.modifier)),
        oid::NUMERIC => Some(numeric(base.modifier, modes.decimal)),
        oid::MONEY => Some(money(modes)),
        oid::POINT => Some((point_schema(), Decoder::Point)),
        oid::INT2VECTOR => list(Type::Int16, Decoder::Int16),
        oid::OIDVECTOR => list(Type::Int64, Decoder::Oid),
        _ => temporal(base, modes).or_else(|| extension(base.oid, registry, modes)),
    }
}

/// A list that PostgreSQL prints with spaces between its elements.
fn list(kind: Type, element: Decoder) -> Option<(Schema, Decoder)> {
    let schema = Schema::array(Schema::new(kind));
    Some((schema, Decoder::List(Box::new(element))))
}

fn temporal(base: &Base, modes: &Modes) -> Option<(Schema, Decoder)> {
    let digits = fraction_digits(base.modifier);
    let (schema, decoder) = match base.oid {
        oid::DATE => match modes.time {
            TimeMode::Connect => (
                Schema::new(Type::Int32).named(names::CONNECT_DATE, 1),
                Decoder::Date,
            ),
            TimeMode::IsoString => (
                Schema::new(Type::String).named(names::ISO_DATE, 1),
                Decoder::DateText,
            ),
            TimeMode::Adaptive
            | TimeMode::AdaptiveTimeMicroseconds
            | TimeMode::Microseconds
            | TimeMode::Nanoseconds => (
                Schema::new(Type::Int32).named(names::DATE, 1),
                Decoder::Date,
            ),
        },
        oid::TIME => time(digits, modes.time),
        oid::TIMESTAMP => timestamp(digits, modes.time),
        oid::TIMESTAMPTZ => (
            Schema::new(Type::String).named(names::ZONED_TIMESTAMP, 1),
            Decoder::ZonedTimestamp { digits },
        ),
        oid::TIMETZ => (
            Schema::new(Type::String).named(names::ZONED_TIME, 1),
            Decoder::ZonedTime,
        ),
        oid::INTERVAL => match modes.interval {
            IntervalMode::Numeric => (
                Schema::new(Type::Int64).named(names::MICRO_DURATION, 1),
                Decoder::Interval,
            ),
            IntervalMode::String => (
                Schema::new(Type::String).named(names::INTERVAL, 1),
                Decoder::IntervalText,
            ),
        },
        _ => return None,
    };
    Some((schema, decoder))
}

/// Fractional digits of a second that the modifier of a time type leaves.
fn fraction_digits(modifier: i32) -> u8 {
    u8::try_from(modifier).map_or(FRACTION_DIGITS_DEFAULT, |digits| {
        digits.min(FRACTION_DIGITS_DEFAULT)
    })
}

fn time(digits: u8, mode: TimeMode) -> (Schema, Decoder) {
    let (kind, name, unit) = match mode {
        TimeMode::Adaptive if digits <= 3 => (Type::Int32, names::TIME, Unit::Millis),
        TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds | TimeMode::Microseconds => {
            (Type::Int64, names::MICRO_TIME, Unit::Micros)
        }
        TimeMode::Connect => (Type::Int32, names::CONNECT_TIME, Unit::Millis),
        TimeMode::IsoString => (Type::String, names::ISO_TIME, Unit::Text),
        TimeMode::Nanoseconds => (Type::Int64, names::NANO_TIME, Unit::Nanos),
    };
    (Schema::new(kind).named(name, 1), Decoder::Time(unit))
}

fn timestamp(digits: u8, mode: TimeMode) -> (Schema, Decoder) {
    let (kind, name, unit) = match mode {
        TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds if digits <= 3 => {
            (Type::Int64, names::TIMESTAMP, Unit::Millis)
        }
        TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds | TimeMode::Microseconds => {
            (Type::Int64, names::MICRO_TIMESTAMP, Unit::Micros)
        }
        TimeMode::Connect => (Type::Int64, names::CONNECT_TIMESTAMP, Unit::Millis),
        TimeMode::IsoString => (Type::String, names::ISO_TIMESTAMP, Unit::Text),
        TimeMode::Nanoseconds => (Type::Int64, names::NANO_TIMESTAMP, Unit::Nanos),
    };
    (Schema::new(kind).named(name, 1), Decoder::Timestamp(unit))
}

fn bits(length: i32) -> (Schema, Decoder) {
    if length == 1 {
        return (Schema::new(Type::Boolean), Decoder::Bit);
    }
    let schema = Schema::new(Type::Bytes)
        .named(names::BITS, 1)
        .with_parameter("length", length.to_string());
    (schema, Decoder::Bits)
}

fn numeric(modifier: i32, mode: DecimalMode) -> (Schema, Decoder) {
    match mode {
        DecimalMode::Double => return (Schema::new(Type::Float64), Decoder::Float64),
        DecimalMode::String => return (Schema::new(Type::String), Decoder::DecimalText),
        DecimalMode::Precise => {}
    }
    if modifier < MODIFIER_OFFSET {
        let schema = Schema::structure(vec![
            Field::new("scale", Schema::new(Type::Int32)),
            Field::new("value", Schema::new(Type::Bytes)),
        ]);
        let schema = schema
            .named(names::VARIABLE_SCALE_DECIMAL, 1)
            .with_doc("Variable scaled decimal");
        return (schema, Decoder::VariableDecimal);
    }
    let packed = modifier - MODIFIER_OFFSET;
    let precision = (packed >> 16) & 0xFFFF;
    // The scale is a signed number of 11 bits.
    let scale = ((packed & 0x7FF) ^ 0x400) - 0x400;
    let schema =
        decimal_schema(scale).with_parameter("connect.decimal.precision", precision.to_string());
    (schema, Decoder::Decimal { scale })
}

fn money(modes: &Modes) -> (Schema, Decoder) {
    let digits = modes.money_fraction_digits;
    match modes.decimal {
        DecimalMode::Precise => (decimal_schema(i32::from(digits)), Decoder::Money { digits }),
        DecimalMode::Double => (Schema::new(Type::Float64), Decoder::MoneyDouble),
        DecimalMode::String => (Schema::new(Type::String), Decoder::MoneyText),
    }
}

fn decimal_schema(scale: i32) -> Schema {
    Schema::new(Type::Bytes)
        .named(names::DECIMAL, 1)
        .with_parameter("scale", scale.to_string())
}

fn binary_schema(mode: BinaryMode) -> Schema {
    match mode {
        BinaryMode::Bytes => Schema::new(Type::Bytes),
        BinaryMode::Base64 | BinaryMode::Base64UrlSafe | BinaryMode::Hex => {
            Schema::new(Type::String)
        }
    }
}

fn point_schema() -> Schema {
    let number = || Schema::new(Type::Float64);
    Schema::structure(vec![
        Field::new("x", number()),
        Field::new("y", number()),
        Field::new("wkb", Schema::new(Type::Bytes).optional()),
        Field::new("srid", Schema::new(Type::Int32).optional()),
    ])
    .named(names::POINT, 1)
    .with_doc("Geometry (POINT)")
}

fn geometry_schema(name: &str, doc: &str) -> Schema {
    Schema::structure(vec![
        Field::new("wkb", Schema::new(Type::Bytes)),
        Field::new("srid", Schema::new(Type::Int32).optional()),
    ])
    .named(name, 1)
    .with_doc(doc)
}

fn sparse_vector_schema() -> Schema {
    let entries = Type::Map(
        Schema::new(Type::Int16).into(),
        Schema::new(Type::Float64).into(),
    );
    Schema::structure(vec![
        Field::new("dimensions", Schema::new(Type::Int16)),
        Field::new("vector", Schema::new(entries)),
    ])
    .named(names::SPARSE_VECTOR, 1)
    .with_doc("Sparse double vector")
}

fn is_extension(oid: u32, name: &str, registry: &TypeRegistry) -> bool {
    let info = registry.get(oid);
    info.is_some_and(|info| info.name == name && info.kind == TypeKind::Base)
}

/// Enums, and the types of extensions, which have no oid of their own.
fn extension(oid: u32, registry: &TypeRegistry, modes: &Modes) -> Option<(Schema, Decoder)> {
    let info = registry.get(oid)?;
    if let TypeKind::Enum { labels } = &info.kind {
        let schema = Schema::new(Type::String)
            .named(names::ENUM, 1)
            .with_parameter("allowed", labels.join(","));
        return Some((schema, Decoder::Label));
    }
    if info.kind != TypeKind::Base {
        return None;
    }
    let named = |kind: Type, name: &str| Schema::new(kind).named(name, 1);
    let items = |kind: Type| Type::Array(Schema::new(kind).into());
    let found = match (info.name.as_str(), modes.hstore) {
        ("citext" | "isbn", _) => (Schema::new(Type::String), Decoder::Text),
        ("ltree", _) => (named(Type::String, names::LTREE), Decoder::Text),
        ("hstore", HstoreMode::Json) => (named(Type::String, names::JSON), Decoder::Hstore),
        ("hstore", HstoreMode::Map) => {
            let values = Schema::new(Type::String).optional();
            let map = Type::Map(Schema::new(Type::String).into(), values.into());
            (Schema::new(map), Decoder::HstoreMap)
        }
        ("geometry", _) => (
            geometry_schema(names::GEOMETRY, "Geometry"),
            Decoder::Geometry,
        ),
        ("geography", _) => (
            geometry_schema(names::GEOGRAPHY, "Geography"),
            Decoder::Geometry,
        ),
        ("vector", _) => (
            named(items(Type::Float64), names::DOUBLE_VECTOR),
            Decoder::DoubleVector,
        ),
        ("halfvec", _) => (
            named(items(Type::Float32), names::FLOAT_VECTOR),
            Decoder::FloatVector,
        ),
        ("sparsevec", _) => (sparse_vector_schema(), Decoder::SparseVector),
        _ => return None,
    };
    Some(found)
}
