//! The converter's settings.

/// How decimals are written (`decimal.format`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DecimalFormat {
    /// Base64 of the unscaled value's two's complement bytes.
    #[default]
    Base64,
    /// A JSON number.
    Numeric,
}

/// The converter's settings; the default is Connect's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonOptions {
    /// `schemas.enable`: each document carries its schema.
    pub schemas_enable: bool,
    /// `replace.null.with.default`.
    pub replace_null_with_default: bool,
    /// `decimal.format`.
    pub decimal_format: DecimalFormat,
}

impl Default for JsonOptions {
    fn default() -> JsonOptions {
        JsonOptions {
            schemas_enable: true,
            replace_null_with_default: true,
            decimal_format: DecimalFormat::Base64,
        }
    }
}
