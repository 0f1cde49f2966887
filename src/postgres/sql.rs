//! Ordinary SQL over a connection of our own making.

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::ops::Deref;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::{AsyncMessage, Client, Connection};

use super::config::ConnectionConfig;
use super::connection::{SESSION_SETTINGS, Stream, establish};
use super::error::{Action, Error, ServerError, sql_failure};
use crate::tasks;

/// An orderly end waits this long for the connection to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A client for SQL. Owns the task that drives its connection; dropping it ends both.
#[derive(Debug)]
pub struct SqlClient {
    client: Option<Client>,
    /// Started by [`connect_sql`]; ends with the connection, with the client's end, or by an
    /// abort when this is dropped. It does not panic; if it did, every statement fails as closed.
    connection: JoinHandle<()>,
}

impl SqlClient {
    /// Ends the connection in order, telling the server.
    pub async fn close(mut self) {
        self.client = None;
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, &mut self.connection).await;
    }
}

impl Deref for SqlClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client
            .as_ref()
            .expect("only close() takes the client, and it takes self")
    }
}

impl Drop for SqlClient {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Connects for SQL. Name look-up, TCP, TLS and login together take at most
/// `config.connect_timeout`.
pub async fn connect_sql(config: &ConnectionConfig) -> Result<SqlClient, Error> {
    establish(config, |stream, deadline| async move {
        deadline.bound("logging in", log_in(stream, config)).await
    })
    .await
}

async fn log_in(stream: Stream, config: &ConnectionConfig) -> Result<SqlClient, Error> {
    let address = config.address();
    let failed = |error: tokio_postgres::Error| {
        let action = Action::LogIn {
            address: &address,
            user: &config.user,
            dbname: &config.dbname,
        };
        match sql_failure(&action, error) {
            Error::Client { source, .. } => Error::LoginUnsupported {
                address: address.clone(),
                user: config.user.clone(),
                what: source.to_string(),
            },
            error => error,
        }
    };
    // TLS is set up already: the stream is handed over as what a direct negotiation gives.
    let mut login = tokio_postgres::Config::new();
    if !config.password.is_empty() {
        login.password(config.password.expose());
    }
    let (client, connection) = login
        .user(&config.user)
        .dbname(&config.dbname)
        .application_name(&config.application_name)
        .ssl_mode(SslMode::Require)
        .ssl_negotiation(SslNegotiation::Direct)
        .connect_raw(stream, HandOver)
        .await
        .map_err(failed)?;
    let client = SqlClient {
        client: Some(client),
        connection: tasks::spawn("postgres-sql", drive(connection)),
    };
    client
        .batch_execute(SESSION_SETTINGS)
        .await
        .map_err(|error| Error::from_sql("set the database session up", error))?;
    Ok(client)
}

/// Moves messages between client and socket until one of them ends, and logs notices. Statements
/// under way when it ends fail with the reason.
async fn drive(mut connection: Connection<Stream, Stream>) {
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notice(notice))) => {
                tracing::debug!(notice = %ServerError::from(&notice), "the database remarks");
            }
            // Notifications are not listened for; the enum may grow.
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(error = %crate::error::chain(&error), "the SQL connection ended");
                return;
            }
            None => return,
        }
    }
}

/// Gives the client the stream that stands already.
struct HandOver;

impl TlsConnect<Stream> for HandOver {
    type Stream = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn connect(self, stream: Stream) -> Self::Future {
        ready(Ok(stream))
    }
}
