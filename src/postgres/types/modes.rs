//! The settings of a connector that choose how types are mapped.

/// How types are mapped; the default is Debezium's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes {
    /// `decimal.handling.mode`.
    pub decimal: DecimalMode,
    /// `time.precision.mode`.
    pub time: TimeMode,
    /// `binary.handling.mode`.
    pub binary: BinaryMode,
    /// `hstore.handling.mode`.
    pub hstore: HstoreMode,
    /// `interval.handling.mode`.
    pub interval: IntervalMode,
    /// `money.fraction.digits`.
    pub money_fraction_digits: i16,
    /// `include.unknown.datatypes`.
    pub include_unknown: bool,
    /// `unavailable.value.placeholder`: what stands for a value that was not sent because it did
    /// not change; `hex:` in the setting is undone by who reads it.
    pub unavailable_placeholder: Vec<u8>,
}

impl Default for Modes {
    fn default() -> Modes {
        Modes {
            decimal: DecimalMode::default(),
            time: TimeMode::default(),
            binary: BinaryMode::default(),
            hstore: HstoreMode::default(),
            interval: IntervalMode::default(),
            money_fraction_digits: 2,
            include_unknown: false,
            unavailable_placeholder: b"__debezium_unavailable_value".to_vec(),
        }
    }
}

/// How numeric and money are mapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DecimalMode {
    /// Exact: Connect's Decimal, or VariableScaleDecimal for numeric without precision.
    #[default]
    Precise,
    /// A double.
    Double,
    /// Text.
    String,
}

/// How dates and times without time zone are mapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimeMode {
    /// Milliseconds up to three fractional digits, else microseconds.
    #[default]
    Adaptive,
    /// As adaptive, times of day always in microseconds.
    AdaptiveTimeMicroseconds,
    /// Connect's own types, in milliseconds.
    Connect,
    /// ISO 8601 text.
    IsoString,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

/// How bytea is mapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BinaryMode {
    /// Bytes.
    #[default]
    Bytes,
    /// Base64 text.
    Base64,
    /// Base64 text of the URL alphabet.
    Base64UrlSafe,
    /// Hexadecimal text.
    Hex,
}

/// How hstore is mapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HstoreMode {
    /// A JSON text.
    #[default]
    Json,
    /// A map.
    Map,
}

/// How intervals are mapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IntervalMode {
    /// Microseconds, a month being 365.25/12 days.
    #[default]
    Numeric,
    /// ISO 8601 text.
    String,
}
