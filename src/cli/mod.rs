//! The command line: flags, client commands, and how results and refusals are shown.
//!
//! Data goes to stdout, words for people to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage,
//! 3 unhealthy. Client commands talk to a running server over HTTP and know nothing else of it.

mod arguments;
mod bench;
mod check;
mod client;
mod completions;
mod connectors;
mod dlq;
mod doctor;
mod failure;
mod groups;
mod healthcheck;
mod output;
mod produce;
mod progress;
mod push;
mod run;
mod serve;
mod tail;
mod topics;
mod verify;

pub use run::run;
