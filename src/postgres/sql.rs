//! Ordinary SQL over a connection of our own making.

use std::ops::Deref;

use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::config::ConnectionConfig;
use super::error::Error;

/// A client for SQL. Owns the task that drives its connection; dropping it ends both.
#[derive(Debug)]
pub struct SqlClient {
    client: Client,
    connection: JoinHandle<()>,
}

impl Deref for SqlClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for SqlClient {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Connects for SQL.
pub async fn connect_sql(config: &ConnectionConfig) -> Result<SqlClient, Error> {
    let _ = config;
    unimplemented!()
}
