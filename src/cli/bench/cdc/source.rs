//! The database with the backlog: one table in a schema of its own, its publication, a slot before
//! all rows, and copies of that slot. All of them have one random name and are removed afterwards.

use std::process::Command;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::super::super::failure::Failure;
use crate::cli::progress::Progress;
use crate::error;
use crate::postgres::{ConnectionConfig, SqlClient, connect_sql};

/// The table. Its rows are those that `benches/peers/backlog.sh` makes.
pub(super) const TABLE: &str = "ev";
/// Rows of one transaction.
const ROWS_PER_TRANSACTION: u64 = 10;
/// Transactions of one statement: progress moves and an interrupt is obeyed in between.
const TRANSACTIONS_PER_STATEMENT: u64 = 1_000;

/// Tries to drop a slot that is still held, with pauses of [`PAUSE`]: 10 s.
const TRIES: u32 = 100;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Source {
    connection: ConnectionConfig,
    sql: SqlClient,
    /// Of the schema, the publication and the first slot, whose copies add to it.
    name: String,
}

impl Source {
    /// Connects to the database of `url`.
    pub(super) async fn connect(url: &str) -> Result<Source, Failure> {
        let connection = ConnectionConfig::from_url(url).map_err(|error| {
            Failure::new(
                error::CLI_INVALID,
                format!("failed to read --source-url: {error}"),
                "write postgres://user:password@host:5432/database?sslmode=prefer",
            )
        })?;
        let sql = connect_sql(&connection).await?;
        let random = uuid::Uuid::new_v4().simple().to_string();
        let name = format!("penstock_bench_{}", random.get(..8).unwrap_or(&random));
        Ok(Source {
            connection,
            sql,
            name,
        })
    }

    pub(super) fn connection(&self) -> &ConnectionConfig {
        &self.connection
    }

    /// Name of the schema and the publication.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its processes may be ones of this machine.
    pub(super) fn is_local(&self) -> bool {
        let host = self.connection.host.as_str();
        matches!(host, "localhost" | "127.0.0.1" | "::1") || host.starts_with('/')
    }

    /// Makes the table and the slot, then the rows; the position behind them.
    pub(super) async fn fill(&self, rows: u64) -> Result<String, Failure> {
        let name = &self.name;
        self.run(&format!(
            "CREATE SCHEMA {name}; \
             CREATE TABLE {name}.{TABLE} (id bigint PRIMARY KEY, customer int NOT NULL, \
             amount numeric(10,2) NOT NULL, note text, created timestamptz NOT NULL DEFAULT now()); \
             CREATE PUBLICATION {name} FOR TABLE {name}.{TABLE}"
        ))
        .await?;
        // The slot after its publication: changes before it could not be decoded.
        let slot = format!("SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')");
        self.run(&slot).await?;
        self.run("SET synchronous_commit = off").await?;
        let progress = Progress::new("writing the backlog", rows);
        let transactions = rows.div_ceil(ROWS_PER_TRANSACTION);
        let mut done = 0;
        while done < transactions {
            let until = transactions.min(done + TRANSACTIONS_PER_STATEMENT);
            self.run(&insert(name, done, until, rows)).await?;
            done = until;
            progress.at(done * ROWS_PER_TRANSACTION);
        }
        // One commit that waits: what was written without waiting is flushed with it.
        self.run("SET synchronous_commit = on").await?;
        let comment = format!("COMMENT ON TABLE {name}.{TABLE} IS 'made by penstock bench'");
        self.run(&comment).await?;
        self.text("SELECT pg_current_wal_flush_lsn()::text").await
    }

    /// Copies the slot before all rows; the copy's name.
    pub(super) async fn copy_slot(&self, suffix: &str) -> Result<String, Failure> {
        let name = &self.name;
        let copy = format!("{name}_{suffix}");
        self.run(&format!(
            "SELECT pg_copy_logical_replication_slot('{name}', '{copy}')"
        ))
        .await?;
        Ok(copy)
    }

    pub(super) async fn drop_slot(&self, slot: &str) -> Result<(), Failure> {
        let sql = format!("SELECT pg_drop_replication_slot('{slot}')");
        // A walsender lets go of its slot a moment after its client has gone.
        let mut tries = 0;
        loop {
            match self.sql.batch_execute(&sql).await {
                Ok(()) => return Ok(()),
                Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(failed(&error)),
            }
        }
    }

    /// The process that serves `slot`, once there is one.
    pub(super) async fn walsender(&self, slot: &str) -> Result<Option<u32>, Failure> {
        let sql = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1";
        let row = self.sql.query_opt(sql, &[&slot]).await;
        let row = row.map_err(|error| failed(&error))?;
        let pid = row.and_then(|row| row.try_get::<_, Option<i32>>(0).ok().flatten());
        Ok(pid.and_then(|pid| u32::try_from(pid).ok()))
    }

    /// Removes everything of our name. Says what stays.
    pub(super) async fn remove(self) {
        let name = &self.name;
        let mut failures = Vec::new();
        let slots = format!(
            "SELECT slot_name::text FROM pg_replication_slots WHERE slot_name LIKE '{name}%'"
        );
        match self.sql.query(&slots, &[]).await {
            Ok(rows) => {
                for slot in rows
                    .iter()
                    .filter_map(|row| row.try_get::<_, String>(0).ok())
                {
                    failures.extend(self.drop_slot(&slot).await.err());
                }
            }
            Err(error) => failures.push(failed(&error)),
        }
        let rest =
            format!("DROP PUBLICATION IF EXISTS {name}; DROP SCHEMA IF EXISTS {name} CASCADE");
        failures.extend(self.run(&rest).await.err());
        if !failures.is_empty() {
            eprintln!(
                "some of schema, publication and slots \"{name}\" stay in the database: a slot keeps \
                 WAL, so drop it: SELECT pg_drop_replication_slot(slot_name) FROM \
                 pg_replication_slots WHERE slot_name LIKE '{name}%'"
            );
        }
        self.sql.close().await;
    }

    /// Tells a program of PostgreSQL how to connect, without showing it to whoever lists processes.
    pub(super) fn set_environment(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(name);
            }
        }
        let connection = &self.connection;
        command
            .env("PGHOST", &connection.host)
            .env("PGPORT", connection.port.to_string())
            .env("PGUSER", &connection.user)
            .env("PGPASSWORD", connection.password.expose())
            .env("PGDATABASE", &connection.dbname)
            .env("PGSSLMODE", connection.sslmode.as_str());
        let files = [
            ("PGSSLROOTCERT", &connection.sslrootcert),
            ("PGSSLCERT", &connection.sslcert),
            ("PGSSLKEY", &connection.sslkey),
        ];
        for (name, file) in files {
            if let Some(file) = file {
                command.env(name, file);
            }
        }
        // pg_recvlogical wants the name as a flag.
        command.args(["--dbname", &connection.dbname]);
    }

    async fn run(&self, sql: &str) -> Result<(), Failure> {
        let done = self.sql.batch_execute(sql).await;
        done.map_err(|error| failed(&error))
    }

    async fn text(&self, sql: &str) -> Result<String, Failure> {
        let row = self.sql.query_one(sql, &[]).await;
        let text = row.and_then(|row| row.try_get(0));
        text.map_err(|error| failed(&error))
    }
}

/// Transactions `from` up to before `until`, which never make more than `rows` rows in all.
fn insert(schema: &str, from: u64, until: u64, rows: u64) -> String {
    let last = until - 1;
    format!(
        "DO $$ BEGIN FOR i IN {from}..{last} LOOP \
         INSERT INTO {schema}.{TABLE} SELECT i::bigint * 10 + g, (i * 7919 + g) % 100000, \
         ((i + g) % 1000000) / 100.0, 'order ' || i || ' note ' || md5(g::text), now() \
         FROM generate_series(1, least(10, {rows} - i::bigint * 10)) g; COMMIT; END LOOP; END $$"
    )
}

fn failed(error: &tokio_postgres::Error) -> Failure {
    let said = error.as_db_error().map_or_else(
        || error::chain(error),
        |refusal| refusal.message().to_owned(),
    );
    Failure::new(
        error::CLI_BENCH,
        format!("failed to prepare the database: {said}"),
        "name a database with wal_level=logical and a role with REPLICATION that may create \
         schemas and publications: --source-url postgres://...",
    )
}
