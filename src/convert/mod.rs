//! From values to bytes: Connect's JsonConverter, and the text of record headers.
//!
//! A converter is compiled once for a schema and then writes values into a buffer of the caller.
//! Everything here is pure.

mod decimal;
mod error;
mod java_float;
pub mod json;
pub mod simple_header;

pub use error::Error;
