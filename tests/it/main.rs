//! The tests that run the built binary against a real PostgreSQL and real Kafka clients.
//!
//! Each module is one promise seen from outside; `support` holds the handles they share. A test
//! knows only the contract: commands, ports, topics, `/status` and metrics. Nothing here reads
//! the data directory, except where its format is part of the contract (`log`).
//!
//! The long checks of `prove` run with `PENSTOCK_PROVE=1`; without it each is a line that says so.

#![expect(
    clippy::unwrap_used,
    reason = "this crate is tests only; the lint's own exception does not see helpers outside of #[test]"
)]

mod support;

mod auth;
mod bench;
mod commands;
mod console;
mod dlq;
mod golden;
mod hostile;
mod invariants;
mod kafka;
mod log;
mod migrations;
mod monitoring;
mod ops;
mod prove;
mod push;
mod share;
mod source;
mod source_letters;
mod stuck;
mod topics;
