//! Handles to what the tests run: PostgreSQL, Penstock, clients. Every handle ends what it
//! started when it is dropped, and the reaper ends it when the test process itself dies.

mod command;
mod connector;
mod http;
mod kcat;
mod penstock;
mod ports;
mod postgres;
mod random;
mod reaper;
mod sql;
mod toolchain;
mod wait;

pub(crate) use command::{Background, Finished, run, run_with_input};
pub(crate) use connector::connector;
pub(crate) use http::{Answer, http};
pub(crate) use kcat::{Kcat, Record};
pub(crate) use penstock::{Penstock, Setup, binary};
pub(crate) use ports::free_port;
pub(crate) use postgres::{Postgres, Stop};
pub(crate) use random::Random;
pub(crate) use reaper::{folder, keep_mount};
pub(crate) use sql::Sql;
pub(crate) use toolchain::{Toolchain, skipped};
pub(crate) use wait::{pause, wait_until};
