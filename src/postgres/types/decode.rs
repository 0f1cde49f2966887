//! How one value's text becomes a value. A decoder is chosen once for a column.

use std::borrow::Cow;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::temporal::{self, Bounded};
use super::{
    BinaryMode, Reason, array, bits, decimal, geometry, hstore, interval, temporal_text, vector,
};
use crate::event::Value;

/// What times are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
    /// ISO 8601 text.
    Text,
}

/// How a column's text is decoded.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decoder {
    Boolean,
    Int16,
    Int32,
    Int64,
    /// An unsigned number of 32 bits, as `int64`.
    Oid,
    Float32,
    Float64,
    Text,
    Uuid,
    /// A label of an enumerated type.
    Label,
    Bytes(BinaryMode),
    /// The text itself as binary data.
    Opaque(BinaryMode),
    /// One bit, as boolean.
    Bit,
    Bits,
    Decimal {
        scale: i32,
    },
    VariableDecimal,
    DecimalText,
    Money {
        digits: i16,
    },
    MoneyDouble,
    MoneyText,
    Date,
    DateText,
    Time(Unit),
    Timestamp(Unit),
    ZonedTimestamp {
        digits: u8,
    },
    ZonedTime,
    Interval,
    IntervalText,
    /// As a JSON text.
    Hstore,
    HstoreMap,
    Point,
    Geometry,
    DoubleVector,
    FloatVector,
    SparseVector,
    /// `{..}` of elements.
    Array(Box<Decoder>),
    /// Elements with spaces between them.
    List(Box<Decoder>),
}

impl Decoder {
    pub(super) fn decode<'a>(&self, text: &'a [u8]) -> Result<Value<'a>, Reason> {
        match self {
            Decoder::Int32 => number(text).map(Value::Int32),
            Decoder::Int64 => number(text).map(Value::Int64),
            Decoder::Text | Decoder::Uuid | Decoder::Label => utf8(text).map(Value::str),
            Decoder::Boolean => match text {
                b"t" => Ok(Value::Boolean(true)),
                b"f" => Ok(Value::Boolean(false)),
                _ => Err(Reason::Malformed),
            },
            Decoder::Int16 => number(text).map(Value::Int16),
            Decoder::Oid => number::<u32>(text).map(|oid| Value::Int64(i64::from(oid))),
            Decoder::Float32 => number(text).map(Value::Float32),
            Decoder::Float64 => number(text).map(Value::Float64),
            Decoder::Bytes(mode) => Ok(binary(bits::hex(text)?, *mode)),
            Decoder::Opaque(mode) => Ok(opaque(text, *mode)),
            Decoder::Bit => bits::bit(text),
            Decoder::Bits => bits::bits(text),
            Decoder::Decimal { scale } => decimal::fixed(text, *scale),
            Decoder::VariableDecimal => decimal::variable(text),
            Decoder::DecimalText => decimal::text(text),
            Decoder::Money { digits } => decimal::money(text, *digits),
            Decoder::MoneyDouble => {
                number(decimal::money_text(text)?.as_bytes()).map(Value::Float64)
            }
            Decoder::MoneyText => decimal::money_text(text).map(Value::string),
            Decoder::Interval => interval::parse(text).map(|i| Value::Int64(i.micros())),
            Decoder::IntervalText => interval::parse(text).map(|i| Value::string(i.iso())),
            Decoder::Hstore => hstore::json(text),
            Decoder::HstoreMap => hstore::map(text),
            Decoder::Point => geometry::point(text),
            Decoder::Geometry => geometry::extended_wkb(text),
            Decoder::DoubleVector => vector::dense(text, Value::Float64),
            Decoder::FloatVector => vector::dense(text, Value::Float32),
            Decoder::SparseVector => vector::sparse(text),
            Decoder::Array(element) => array::array(element, text),
            Decoder::List(element) => array::list(element, text),
            Decoder::Date
            | Decoder::DateText
            | Decoder::Time(_)
            | Decoder::Timestamp(_)
            | Decoder::ZonedTimestamp { .. }
            | Decoder::ZonedTime => self.decode_time(text),
        }
    }

    fn decode_time<'a>(&self, text: &[u8]) -> Result<Value<'a>, Reason> {
        match self {
            Decoder::Date => temporal_text::days(temporal::date(text)?).map(Value::Int32),
            Decoder::DateText => Ok(Value::string(temporal_text::date(temporal::date(text)?))),
            Decoder::Time(unit) => {
                let micros = temporal::time(text)?;
                Ok(match unit {
                    Unit::Millis => {
                        let millis = i32::try_from(micros / 1_000);
                        Value::Int32(millis.map_err(|_| Reason::OutOfRange)?)
                    }
                    Unit::Micros => Value::Int64(micros),
                    Unit::Nanos => Value::Int64(micros * 1_000),
                    Unit::Text => Value::string(temporal_text::time(micros)),
                })
            }
            Decoder::Timestamp(unit) => {
                let stamp = temporal::timestamp(text)?;
                Ok(match unit {
                    Unit::Millis => Value::Int64(temporal_text::millis(stamp)),
                    Unit::Micros => Value::Int64(temporal_text::micros(stamp)),
                    Unit::Nanos => temporal_text::nanos(stamp).map_or(Value::Null, Value::Int64),
                    Unit::Text => Value::string(temporal_text::timestamp(stamp)),
                })
            }
            Decoder::ZonedTimestamp { digits } => Ok(match temporal::timestamp(text)? {
                Bounded::Finite(stamp) => {
                    Value::string(temporal_text::zoned_timestamp(stamp, *digits))
                }
                Bounded::Infinity => Value::str("infinity"),
                Bounded::NegativeInfinity => Value::str("-infinity"),
            }),
            Decoder::ZonedTime => Ok(Value::string(temporal_text::time(temporal::zoned_time(
                text,
            )?))),
            _ => Err(Reason::Malformed),
        }
    }
}

/// The text of a value, borrowed.
pub(super) fn utf8(text: &[u8]) -> Result<&str, Reason> {
    std::str::from_utf8(text).map_err(|_| Reason::NotUtf8)
}

fn number<T: FromStr>(text: &[u8]) -> Result<T, Reason> {
    utf8(text)?.parse().map_err(|_| Reason::Malformed)
}

fn binary<'a>(bytes: Vec<u8>, mode: BinaryMode) -> Value<'a> {
    match mode {
        BinaryMode::Bytes => Value::bytes(bytes),
        BinaryMode::Base64 => Value::string(STANDARD.encode(bytes)),
        BinaryMode::Base64UrlSafe => Value::string(URL_SAFE.encode(bytes)),
        BinaryMode::Hex => Value::string(bits::hex_text(&bytes)),
    }
}

fn opaque(text: &[u8], mode: BinaryMode) -> Value<'_> {
    match mode {
        BinaryMode::Bytes => Value::Bytes(Cow::Borrowed(text)),
        BinaryMode::Base64 | BinaryMode::Base64UrlSafe | BinaryMode::Hex => {
            binary(text.to_vec(), mode)
        }
    }
}
