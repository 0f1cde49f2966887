//! Handles to what the tests run: PostgreSQL, Penstock, clients. Every handle ends what it
//! started when it is dropped, and the reaper ends it when the test process itself dies.

mod browser;
pub(crate) mod changes;
mod command;
mod connector;
pub(crate) mod crash;
mod franz;
mod http;
mod kcat;
pub(crate) mod load;
mod logto;
mod penstock;
mod ports;
mod postgres;
mod powercut;
mod prometheus;
mod random;
mod reaper;
mod sql;
mod toolchain;
mod wait;

pub(crate) use browser::Browser;
pub(crate) use command::{Background, Finished, run, run_with_input};
pub(crate) use connector::connector;
pub(crate) use franz::{Franz, Word};
pub(crate) use http::{Answer, http, http_with};
pub(crate) use kcat::{Kcat, Record};
pub(crate) use logto::{Fault, Logto, RESOURCE};
pub(crate) use penstock::{Penstock, Setup};
pub(crate) use ports::free_port;
pub(crate) use postgres::{Postgres, Stop};
pub(crate) use powercut::PowerCut;
pub(crate) use prometheus::{Prometheus, promtool, shipped};
pub(crate) use random::Random;
pub(crate) use reaper::{folder, keep_mount};
pub(crate) use sql::Sql;
pub(crate) use toolchain::{Toolchain, is_proving, kafka_tool, skipped};
pub(crate) use wait::{pause, wait_until};
