//! Who calls: tokens of Logto verified to a [`Principal`].
//!
//! Not here: what a principal may do, which the parts that are asked decide.

mod principal;

pub use principal::Principal;
