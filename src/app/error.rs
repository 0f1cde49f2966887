//! Why the process cannot start or go on.

use crate::error::{self, Code, Explain, Kind};
use crate::{config, connect, group, log, push, serve};

/// Why the process cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] config::Problems),
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The groups.
    #[error(transparent)]
    Group(#[from] group::Error),
    /// The pushes.
    #[error(transparent)]
    Push(#[from] push::Error),
    /// The connectors as a whole; a single one stops nothing.
    #[error(transparent)]
    Connect(#[from] connect::Error),
    /// An HTTP or metrics listener.
    #[error(transparent)]
    Http(#[from] serve::http::Error),
    /// The Kafka listener.
    #[error(transparent)]
    Kafka(#[from] serve::kafka::Error),
    /// Something the system refuses.
    #[error("{doing}")]
    System {
        /// What was tried, as a fragment.
        doing: String,
        /// What the system says.
        #[source]
        cause: std::io::Error,
        /// How to mend it.
        mend: String,
    },
    /// A task of ours panicked; its message is in the log.
    #[error("go on after the end of task \"{0}\"")]
    Task(&'static str),
    /// The demo's database.
    #[error("run the demo: {what}")]
    Demo {
        /// What does not work.
        what: String,
        /// How to mend it.
        mend: String,
    },
}

impl Error {
    /// The innermost part that can explain itself, where it is not this one.
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Error::Config(inner) => Some(inner),
            Error::Log(inner) => Some(inner),
            Error::Group(inner) => Some(inner),
            Error::Push(inner) => Some(inner),
            Error::Connect(inner) => Some(inner),
            Error::Http(inner) => Some(inner),
            Error::Kafka(inner) => Some(inner),
            Error::System { .. } | Error::Task(_) | Error::Demo { .. } => None,
        }
    }
}

impl Explain for Error {
    fn code(&self) -> Code {
        match (self.inner(), self) {
            (Some(inner), _) => inner.code(),
            (None, Error::Demo { .. }) => error::APP_DEMO,
            (None, _) => error::APP_START,
        }
    }

    fn kind(&self) -> Kind {
        Kind::Fatal
    }

    fn mend(&self) -> Option<String> {
        match (self.inner(), self) {
            (Some(inner), _) => inner.mend(),
            (None, Error::System { mend, .. } | Error::Demo { mend, .. }) => Some(mend.clone()),
            (None, _) => None,
        }
    }
}
