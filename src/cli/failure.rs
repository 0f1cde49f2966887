//! How a command ends when it fails: a code, what and where, how to mend it, and an exit code.

use std::process::ExitCode;

use crate::error::{Code, Explain, chain};

/// Done nothing, or not all.
const FAILED: u8 = 1;
/// Wrong usage, as clap ends too.
const USAGE: u8 = 2;
/// The server is not healthy.
const UNHEALTHY: u8 = 3;

/// A failed command.
#[derive(Debug)]
pub(super) enum Failure {
    /// To be told.
    Told {
        code: Code,
        what: String,
        mend: Option<String>,
        exit: u8,
    },
    /// Everything has been said already.
    Silent { exit: u8 },
    /// Whoever read our output has gone; nothing is wrong with that.
    PipeClosed,
}

impl Failure {
    pub(super) fn new(code: Code, what: impl Into<String>, mend: impl Into<String>) -> Failure {
        Failure::Told {
            code,
            what: what.into(),
            mend: Some(mend.into()),
            exit: FAILED,
        }
    }

    /// Something failed and was shown as part of the output.
    pub(super) fn shown() -> Failure {
        Failure::Silent { exit: FAILED }
    }

    /// The same failure as wrong usage.
    pub(super) fn as_usage(self) -> Failure {
        self.with_exit(USAGE)
    }

    /// The same failure as the answer "unhealthy".
    pub(super) fn as_unhealthy(self) -> Failure {
        self.with_exit(UNHEALTHY)
    }

    fn with_exit(self, exit: u8) -> Failure {
        match self {
            Failure::Told {
                code, what, mend, ..
            } => Failure::Told {
                code,
                what,
                mend,
                exit,
            },
            Failure::Silent { .. } => Failure::Silent { exit },
            Failure::PipeClosed => Failure::PipeClosed,
        }
    }

    /// Tells people and gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        match self {
            Failure::Told {
                code,
                what,
                mend,
                exit,
            } => {
                eprintln!("{code}: {what}");
                if let Some(mend) = mend {
                    eprintln!("  to mend it: {mend}");
                }
                ExitCode::from(*exit)
            }
            Failure::Silent { exit } => ExitCode::from(*exit),
            Failure::PipeClosed => ExitCode::SUCCESS,
        }
    }
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Told {
            code: error.code(),
            what: format!("failed to {}", chain(&error)),
            mend: error.mend(),
            exit: FAILED,
        }
    }
}
