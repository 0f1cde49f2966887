//! Connect's JsonConverter, compiled: a schema becomes a plan once, and the plan writes value
//! after value into a buffer without building a tree.
//!
//! With `schemas.enable` a document is `{"schema":..,"payload":..}`, the schema part being one
//! fragment made at compile time. Numbers read back as the ones Java writes; their spelling may
//! differ (`1e10` for `1.0E10`). Text is written as UTF-8, escaped where JSON asks for it.
//!
//! A null under a schema with a default is replaced by it while `replace.null.with.default` is on
//! (Connect's own default). A default that does not fit its own schema counts as none.

mod envelope;
mod node;
mod options;
mod plan;
mod schema;
mod text;

#[cfg(test)]
mod tests;

pub use options::{DecimalFormat, JsonOptions};
pub use plan::JsonPlan;
pub(crate) use text::string as write_string;
