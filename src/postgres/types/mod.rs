//! From PostgreSQL's text representation of a column to Connect's schema and value, as Debezium's
//! PostgreSQL connector maps them.
//!
//! [`column_codec`] looks at a column once and gives a [`ColumnCodec`], which then decodes value
//! after value; pgoutput tuples and COPY rows have the same text (COPY's escapes undone). The text
//! is read as PostgreSQL writes it under the settings that `postgres` gives to every session.
//!
//! What Debezium leaves out is left out (no codec). Text that cannot be read is an [`Error`], never
//! a made-up value. Where Debezium loses data the value is right here instead: infinite dates are
//! `i32::MAX` and `i32::MIN` days, dates before our era are proleptic Gregorian, timestamps beyond
//! a 64-bit count saturate, `24:00` stays what it is, a numeric of negative scale has that scale.

mod array;
mod bits;
mod column;
mod decimal;
mod decode;
mod default;
mod error;
mod geometry;
mod hstore;
mod interval;
mod modes;
mod oid;
mod registry;
mod resolve;
mod temporal;
mod temporal_text;
mod unavailable;
mod vector;
mod zero;

#[cfg(test)]
mod tests;

pub use column::{ColumnCodec, ColumnSpec, column_codec};
pub use error::{Error, Reason};
pub use modes::{BinaryMode, DecimalMode, HstoreMode, IntervalMode, Modes, TimeMode};
pub use registry::{TypeInfo, TypeKind, TypeRegistry};
