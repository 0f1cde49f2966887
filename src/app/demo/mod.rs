//! `penstock demo`: a private PostgreSQL with a small shop, Penstock on it in this process, a third
//! party that pushes with tokens of an issuer on loopback, a consumer that fails on some of what
//! is pushed, and every event on stdout as it arrives, one JSON object a line. Addresses go to
//! stderr.
//!
//! Everything lives in one temporary folder and two process trees of ours; both are gone when the
//! demo ends, by time, by signal, because stdout was closed, or because it was killed.

mod acme;
mod billing;
mod cluster;
mod folder;
mod issuer;
mod migrations;
mod printer;
mod private;
mod programs;
mod run;
mod shop;
mod watchdog;

pub use issuer::{App, Issuer, Registry};
pub use private::{PrivatePostgres, postgres_program};
pub use run::{Demo, demo};
