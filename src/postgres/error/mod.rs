//! Errors of the source: the situations, the server's own words, and what to do about them.

mod explain;
mod server_error;
mod situation;
mod sqlstate;

pub use server_error::ServerError;
pub use situation::{Error, Finding};
pub use sqlstate::SqlState;

pub(super) use server_error::{Action, sql_failure};
