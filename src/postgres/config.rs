//! Where the database is and how to log in.

use std::path::PathBuf;
use std::time::Duration;

use super::url::{self, UrlError};
use crate::config::{Secret, SslMode};

/// Name, address, TCP, TLS and login together take at most this long unless set; libpq waits for
/// ever, and a pod that is being rescheduled takes a few seconds.
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// PostgreSQL's own port.
const PORT_DEFAULT: u16 = 5432;

/// Everything a connection needs. Two connections with equal configs reach the same database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// Host name, address, or the folder of a Unix socket (begins with `/`).
    pub host: String,
    /// Port.
    pub port: u16,
    /// Role to log in as.
    pub user: String,
    /// Its password; may be empty where the server asks for none.
    pub password: Secret,
    /// Database.
    pub dbname: String,
    /// How far TLS is insisted on.
    pub sslmode: SslMode,
    /// Trusted roots (PEM); `system` or nothing: the roots that browsers trust.
    pub sslrootcert: Option<PathBuf>,
    /// The client's certificate chain (PEM).
    pub sslcert: Option<PathBuf>,
    /// The client's key (PEM).
    pub sslkey: Option<PathBuf>,
    /// Name look-up, TCP, TLS and login together take at most this long.
    pub connect_timeout: Duration,
    /// Whether the kernel probes a silent connection.
    pub tcp_keepalive: bool,
    /// Shown in `pg_stat_activity`; how a stale connection is recognised as our own.
    pub application_name: String,
}

impl ConnectionConfig {
    /// A config with the defaults of libpq and no password.
    #[must_use]
    pub fn new(host: &str, user: &str, dbname: &str) -> ConnectionConfig {
        ConnectionConfig {
            host: host.to_owned(),
            port: PORT_DEFAULT,
            user: user.to_owned(),
            password: Secret::default(),
            dbname: dbname.to_owned(),
            sslmode: SslMode::default(),
            sslrootcert: None,
            sslcert: None,
            sslkey: None,
            connect_timeout: CONNECT_TIMEOUT_DEFAULT,
            tcp_keepalive: true,
            application_name: "penstock".to_owned(),
        }
    }

    /// Reads `postgres://user:password@host:port/dbname?sslmode=...`. A parameter that is not
    /// known is an error: a misspelt `sslmode` must not mean no TLS.
    pub fn from_url(url: &str) -> Result<ConnectionConfig, UrlError> {
        url::parse(url)
    }

    /// `host:port`, for messages.
    #[must_use]
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}
