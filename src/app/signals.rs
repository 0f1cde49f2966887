//! SIGTERM and SIGINT: the first asks for an orderly end, the second ends the process at once.
//! SIGHUP asks a running server to read its declarations again; before and behind that it is told
//! and changes nothing.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::Error;

/// Both signals.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over from the system's default. Must run inside the runtime.
    pub(super) fn install() -> Result<Signals, Error> {
        let take = |kind| {
            signal(kind).map_err(|cause| Error::System {
                doing: "wait for signals".to_owned(),
                cause,
                mend: "raise the limit of open files (ulimit -n)".to_owned(),
            })
        };
        Ok(Signals {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
            hangup: take(SignalKind::hangup())?,
        })
    }

    /// The name of the next signal that asks for an end. Cancel safe.
    pub(super) async fn next(&mut self) -> &'static str {
        loop {
            match self.next_of_all().await {
                "SIGHUP" => tracing::warn!("SIGHUP changes nothing while starting or stopping"),
                name => return name,
            }
        }
    }

    /// The name of the next signal, SIGHUP too. Cancel safe.
    pub(super) async fn next_of_all(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }

    /// Ends the process with code 1 at the next signal; what was acknowledged is on disk anyway.
    pub(super) async fn exit_at_next(&mut self) -> ! {
        let name = self.next().await;
        tracing::warn!(signal = name, "ending at once");
        std::process::exit(1)
    }
}
