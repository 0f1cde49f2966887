//! One SQL session, used from a plain thread; every value as text.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A row: a column is `None` where it is NULL.
pub(crate) type Row = Vec<Option<String>>;

/// A session.
pub(crate) struct Sql {
    // Before the runtime, which drives its connection.
    client: Client,
    runtime: Runtime,
}

impl Sql {
    /// Connects, or says why not.
    pub(crate) fn try_connect(url: &str) -> Result<Sql, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let connected = runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(5), tokio_postgres::connect(url, NoTls)).await
        });
        let (client, connection) = connected
            .map_err(|_| "no answer in 5 s".to_owned())?
            .map_err(|error| describe(&error))?;
        // Runs while a query is waited for; its error is also the query's.
        runtime.spawn(async move { drop(connection.await) });
        Ok(Sql { client, runtime })
    }

    /// Runs statements; the rows of all of them.
    pub(crate) fn try_rows(&self, sql: &str) -> Result<Vec<Row>, String> {
        let messages = self
            .runtime
            .block_on(self.client.simple_query(sql))
            .map_err(|error| describe(&error))?;
        let mut rows = Vec::new();
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                rows.push(
                    (0..row.len())
                        .map(|column| row.get(column).map(str::to_owned))
                        .collect(),
                );
            }
        }
        Ok(rows)
    }

    #[track_caller]
    pub(crate) fn rows(&self, sql: &str) -> Vec<Row> {
        self.try_rows(sql)
            .unwrap_or_else(|error| panic!("{error} in {sql}"))
    }

    /// Runs statements whose rows do not matter.
    #[track_caller]
    pub(crate) fn exec(&self, sql: &str) {
        self.rows(sql);
    }

    /// The first column of the first row; empty where there is none.
    #[track_caller]
    pub(crate) fn one(&self, sql: &str) -> String {
        let first = self.rows(sql).into_iter().next().unwrap_or_default();
        first.into_iter().next().flatten().unwrap_or_default()
    }
}

fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{}: {}", error.code().code(), error.message()),
        None => error.to_string(),
    }
}
