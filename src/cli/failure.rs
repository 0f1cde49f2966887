//! How a command ends when it fails: a code, what and where, how to mend it, and an exit code.

use std::process::ExitCode;

use crate::error::{Code, Explain, chain};

/// Done nothing, or not all. (Wrong usage is told by clap, which ends with 2.)
const FAILED: u8 = 1;
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

    /// The same failure as the answer "unhealthy".
    pub(super) fn into_unhealthy(self) -> Failure {
        match self {
            Failure::Told {
                code, what, mend, ..
            } => Failure::Told {
                code,
                what,
                mend,
                exit: UNHEALTHY,
            },
            Failure::Silent { .. } => Failure::Silent { exit: UNHEALTHY },
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
