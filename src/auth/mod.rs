//! Who calls: tokens of Logto verified to a [`Principal`].
//!
//! Not here: what a principal may do, which the parts that are asked decide.

mod config;
mod error;
mod principal;
mod tokens;

pub use config::Config;
pub use error::{Challenge, Error, Quoted};
pub use principal::Principal;
pub use tokens::Tokens;
