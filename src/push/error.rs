//! Why a push is refused. Nothing of it was stored, unless the variant says that it may be.

use std::sync::Arc;

use super::name::Name;
use crate::error::{self, Code, Explain, Kind, chain};
use crate::log;

/// How much of an integration's rate is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests that the rate allows in `seconds`.
    pub requests: u32,
    /// The rate's window.
    pub seconds: u32,
    /// Requests that would be taken at once now.
    pub remaining: u32,
    /// Seconds until one more would be; 0 while some remain.
    pub wait_seconds: u64,
}

/// One place where a value does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Flaw {
    /// JSON Pointer into the value; empty for the whole of it.
    pub pointer: String,
    /// What is wrong there, without the value itself.
    pub what: String,
    /// Which value of the request, from 0.
    pub index: u32,
}

/// Why a push is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token does not carry what is asked for. Says the same whether the name is declared or
    /// not.
    #[error("push to \"{name}\" with a token that lacks the scope {scope}")]
    Scope {
        /// The name.
        name: Name,
        /// The scope that would do.
        scope: String,
    },
    /// The token is a user's.
    #[error("push to \"{0}\" with the token of a user")]
    User(Name),
    /// The integration was retired.
    #[error("push to \"{0}\", which is retired")]
    Retired(Name),
    /// The integration's rate is used up.
    #[error("push to \"{name}\" more often than {} times in {} s", quota.requests, quota.seconds)]
    Rate {
        /// The name.
        name: Name,
        /// What is left and when.
        quota: Quota,
    },
    /// No such media type here.
    #[error("read a body of the type {}", found.as_deref().map_or("(none)".to_owned(), |found| format!("\"{found}\"")))]
    MediaType {
        /// What was sent, shortened.
        found: Option<String>,
    },
    /// No such content encoding here.
    #[error("unpack a body with the encoding \"{found}\"")]
    Encoding {
        /// What was sent, shortened.
        found: String,
    },
    /// More bytes than the integration may send.
    #[error("take a body of more than {bytes_max} bytes{unpacked}")]
    TooLarge {
        /// The integration's limit.
        bytes_max: usize,
        /// Words that say so where the unpacked bytes were too many.
        unpacked: &'static str,
    },
    /// More records than a request may have.
    #[error("take more than {0} records in one request")]
    TooManyRecords(u32),
    /// The records of the request do not go into one batch of their topic.
    #[error(
        "store the request's records: with their headers they are more than {0} bytes, the topic's max.message.bytes"
    )]
    BatchTooLarge(usize),
    /// The body is not what its type says.
    #[error("read the body: {0}")]
    Malformed(String),
    /// A parameter or header cannot be used.
    #[error("read {what}: {wrong}")]
    Parameter {
        /// Which.
        what: String,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// A CloudEvents attribute is missing or wrong.
    #[error("read the CloudEvent: {0}")]
    CloudEvent(String),
    /// The idempotency key is missing or malformed.
    #[error("read the idempotency key: {0}")]
    Key(&'static str),
    /// The key was used for another body.
    #[error("push with an idempotency key that was used for another body")]
    KeyReused,
    /// A push with this key is being stored.
    #[error("push with an idempotency key whose push is under way")]
    KeyInFlight,
    /// As many keys are remembered as may be.
    #[error("remember one more idempotency key: {0} are remembered")]
    KeysFull(usize),
    /// Values do not fit their schema.
    #[error("take values that do not fit their schema")]
    Schema {
        /// Where, at most a few.
        flaws: Vec<Flaw>,
        /// Whether the push was kept as dead letters.
        kept: bool,
    },
    /// Too much is under way, or the process is ending.
    #[error("take a push: {0}")]
    Busy(&'static str),
    /// The log did not take it; nothing was stored.
    #[error("store the push")]
    Log(#[source] Arc<log::Error>),
    /// The records may be stored or not.
    #[error("store the push: it may be stored or not")]
    Unknown(#[source] Option<Arc<log::Error>>),
    /// The stored keys cannot be read.
    #[error("read __push_keys at offset {offset}: {what}")]
    Damaged {
        /// Where.
        offset: i64,
        /// What is wrong.
        what: String,
    },
}

impl From<log::Error> for Error {
    fn from(cause: log::Error) -> Error {
        match cause {
            log::Error::OutcomeUnknown(_) => Error::Unknown(Some(Arc::new(cause))),
            other => Error::Log(Arc::new(other)),
        }
    }
}

impl Error {
    /// Seconds after which a repetition makes sense; `None` where it never does.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Error::Rate { quota, .. } => Some(quota.wait_seconds.max(1)),
            Error::KeyInFlight | Error::Busy(_) => Some(1),
            Error::KeysFull(_) => Some(60),
            Error::Unknown(_) => Some(5),
            Error::Log(cause) if cause.kind() == Kind::Transient => Some(5),
            _ => None,
        }
    }
}

impl Explain for Error {
    fn code(&self) -> Code {
        match self {
            Error::Scope { .. } => error::AUTH_SCOPE,
            Error::User(_) => error::AUTH_NOT_ALLOWED,
            Error::Retired(_) => error::PUSH_RETIRED,
            Error::Rate { .. } => error::PUSH_RATE,
            Error::MediaType { .. } => error::PUSH_MEDIA_TYPE,
            Error::Encoding { .. } => error::PUSH_ENCODING,
            Error::TooLarge { .. } | Error::TooManyRecords(_) | Error::BatchTooLarge(_) => {
                error::PUSH_TOO_LARGE
            }
            Error::Malformed(_) | Error::Parameter { .. } => error::PUSH_MALFORMED,
            Error::CloudEvent(_) => error::PUSH_CLOUD_EVENT,
            Error::Key(_) => error::PUSH_KEY,
            Error::KeyReused => error::PUSH_KEY_REUSED,
            Error::KeyInFlight => error::PUSH_KEY_IN_FLIGHT,
            Error::KeysFull(_) => error::PUSH_KEYS_FULL,
            Error::Schema { .. } => error::PUSH_SCHEMA,
            Error::Busy(_) => error::PUSH_BUSY,
            Error::Log(cause) => cause.code(),
            Error::Unknown(_) => error::LOG_OUTCOME_UNKNOWN,
            Error::Damaged { .. } => error::LOG_DAMAGED,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Error::Log(cause) => cause.kind(),
            Error::Damaged { .. } => Kind::Fatal,
            other if other.retry_after_seconds().is_some() => Kind::Transient,
            _ => Kind::Definite,
        }
    }

    fn mend(&self) -> Option<String> {
        let text = match self {
            Error::Scope { scope, .. } => {
                return Some(format!(
                    "give the app a role with the scope {scope} and ask for the token with \
                     scope={scope}, or let topics.yaml declare who may push"
                ));
            }
            Error::User(_) => {
                "use the token of a machine-to-machine app, or declare claims for the integration"
            }
            Error::Retired(_) => "stop sending; ask whoever runs this server for the new name",
            Error::Rate { .. } => "wait as long as Retry-After says, or send batches",
            Error::MediaType { .. } => "send one of the types in Accept-Post, in UTF-8",
            Error::Encoding { .. } => "send it as it is, or with Content-Encoding: gzip",
            Error::TooLarge { .. } | Error::BatchTooLarge(_) => {
                "send less at once, or raise the integration's body limit in topics.yaml"
            }
            Error::TooManyRecords(_) => "send several requests",
            Error::Malformed(_) => "correct the body; nothing of it was stored",
            Error::Parameter { .. } => "correct it; nothing was stored",
            Error::CloudEvent(_) => {
                "send specversion 1.0, id, source and type as CloudEvents 1.0 asks"
            }
            Error::Key(_) => {
                "send Idempotency-Key with 1 to 255 visible ASCII characters, in quotes or without"
            }
            Error::KeyReused => "use a new key for new content",
            Error::KeyInFlight => "wait and repeat the same request",
            Error::KeysFull(_) => "push without a key, or wait: keys are forgotten after 24 hours",
            Error::Schema { kept: true, .. } => {
                "correct the values in \"errors\"; the push is kept among the dead letters"
            }
            Error::Schema { kept: false, .. } => "correct the values in \"errors\"",
            Error::Busy(_) => "wait and repeat the request",
            Error::Unknown(_) => {
                "repeat it with the same Idempotency-Key, which stores it once; without a key \
                 look whether it is there first"
            }
            Error::Log(cause) => return cause.mend(),
            Error::Damaged { .. } => {
                "run `penstock log verify` with the server stopped, and restore a backup"
            }
        };
        Some(text.to_owned())
    }
}

/// What went wrong, for a dead letter's header.
pub(super) fn message(error: &Error) -> String {
    format!("failed to {}", chain(error))
}
