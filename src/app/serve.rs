//! `penstock serve`: starts, tells, waits for a signal, stops.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::error::Error;
use super::ready::Ready;
use super::runtime::runtime;
use super::server::Server;
use super::signals::Signals;
use super::{logging, settings};
use crate::clock::SystemClock;
use crate::config::{self, Environment};
use crate::error::chain;
use crate::metrics;

/// Threads that still block when everything has stopped are left behind after this time.
const THREADS_TIMEOUT: Duration = Duration::from_millis(500);

/// What the command line says.
#[derive(Debug, Default)]
pub struct Serve {
    /// Settings by the names of their keys.
    pub flags: Vec<(&'static str, String)>,
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Where to write the bound addresses.
    pub ready_file: Option<PathBuf>,
}

/// Serves until SIGTERM or SIGINT. `Ok` after an orderly end, also when it came during the start.
pub fn serve(options: &Serve) -> Result<(), Error> {
    logging::start(None);
    let environment = Environment::of_process();
    let config = config::load(&config::Sources {
        flags: &options.flags,
        environment: &environment,
        file: options.config.as_deref(),
    })?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let recorder = settings::metrics()?;
    let runtime = runtime()?;
    let ended = runtime.block_on(run(&config, &environment, recorder, options));
    runtime.shutdown_timeout(THREADS_TIMEOUT);
    ended
}

async fn run(
    config: &config::Config,
    environment: &Environment,
    recorder: metrics::Handle,
    options: &Serve,
) -> Result<(), Error> {
    let mut signals = Signals::install()?;
    let clock = Arc::new(SystemClock);
    let started = tokio::select! {
        started = Server::start(config, environment, clock, recorder) => started,
        name = signals.next() => {
            tracing::info!(signal = name, "stopped while starting");
            return Ok(());
        }
    };
    let server = started?;
    let ready = Ready::new(server.listeners(), &config.data_dir);
    if let Err(error) = ready.tell(options.ready_file.as_deref()) {
        server.stop().await;
        return Err(error);
    }
    let failed = loop {
        tokio::select! {
            name = signals.next_of_all() => {
                if name == "SIGHUP" {
                    server.reload();
                    continue;
                }
                tracing::info!(signal = name, "stopping");
                break None;
            }
            error = server.failed() => {
                tracing::error!(error = %chain(&error), "stopping");
                break Some(error);
            }
        }
    };
    tokio::select! {
        () = server.stop() => {}
        _ = signals.exit_at_next() => {}
    }
    failed.map_or(Ok(()), Err)
}
