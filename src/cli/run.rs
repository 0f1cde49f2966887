//! From the command line to an exit code.

use std::future::Future;
use std::process::ExitCode;

use clap::Parser;

use super::arguments::{Arguments, Command, Log};
use super::failure::Failure;
use super::{
    bench, check, completions, connectors, dlq, doctor, groups, healthcheck, produce, push, serve,
    tail, topics, verify,
};
use crate::error;

/// Does what the command line of this process says. Wrong usage ends the process with code 2.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    // One provider for all TLS; installing it twice is no harm.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match dispatch(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(flags) => serve::serve(flags),
        Command::Demo(flags) => serve::demo(&flags),
        Command::Check(flags) => check::run(&flags),
        Command::Doctor(flags) => block_on(doctor::run(flags)),
        Command::Healthcheck(flags) => block_on(healthcheck::run(flags)),
        Command::Topics(command) => block_on(topics::run(command)),
        Command::Tail(flags) => block_on(tail::run(flags)),
        Command::Produce(flags) => block_on(produce::run(flags)),
        Command::Push(flags) => block_on(push::run(flags)),
        Command::Completions { shell } => completions::run(shell),
        Command::Groups(command) => block_on(groups::run(command)),
        Command::Dlq(command) => block_on(dlq::run(command)),
        Command::Lag(flags) => block_on(groups::lag(flags)),
        Command::Connectors(command) => block_on(connectors::run(command)),
        Command::Bench(command) => bench::run(command),
        Command::Log(Log::Verify { data_dir, json }) => verify::run(data_dir, json),
    }
}

/// Runs a client command on one thread.
pub(super) fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|cause| {
        let what = format!("failed to start: {cause}");
        Failure::new(
            error::APP_START,
            what,
            "raise the limits of open files (ulimit -n)",
        )
    })?;
    runtime.block_on(work)
}
