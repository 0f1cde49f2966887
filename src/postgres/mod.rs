//! (Follows.)
pub mod types;
