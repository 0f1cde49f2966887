//! Who calls: tokens of Logto verified to a [`Principal`].
//!
//! ```text
//! token --> Tokens::verify --> token (form) --> claims --> keys --> signature --> Principal
//!               |                                           |
//!           remembered (by SHA-256)                   fetch <- issuer, in the background
//! ```
//!
//! Invariants: a token is never logged or quoted. The algorithm comes from the key, the key from
//! the issuer's published set and never from the token. What callers send cannot cause more
//! fetches or take more memory than the named limits. A valid token is never refused because the
//! issuer is away or has just rotated its keys: it is verified, or its sender is told to try again.
//!
//! Not here: what a principal may do, which the parts that are asked decide.

mod algorithm;
mod claims;
mod config;
mod error;
mod examine;
mod fetch;
mod json;
mod jwks;
mod keys;
mod principal;
mod remembered;
mod signer;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod token;
mod tokens;

pub use algorithm::Algorithm;
pub use config::Config;
pub use error::{Challenge, Error, Quoted};
pub use examine::examine;
pub use principal::Principal;
pub use signer::Signer;
pub use tokens::{Recent, Tokens};
