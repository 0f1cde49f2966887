//! Looks at a connector's database from outside of any run, and changes nothing there: what would
//! stop it, what would lose old values, and what its slot keeps.

use crate::config::{ConnectorConfig, SnapshotMode};
use crate::error::{self, Code, Explain, chain};
use crate::postgres::catalog::{self, Table, TableShape};
use crate::postgres::pgoutput::ReplicaIdentity;
use crate::postgres::server;
use crate::postgres::slot::{self, WalStatus};
use crate::postgres::{self, SqlClient, connect_sql, preflight, quote_identifier};

use super::context::connection;

/// Tables that are named one by one; of more the number is told.
const NAMED_MAX: usize = 10;

/// How a finding is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Fine,
    /// It works, but somebody should know.
    Warning,
    /// It does not work.
    Failure,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it is to be taken.
    pub level: Level,
    /// Of a failure.
    pub code: Option<Code>,
    /// What was found.
    pub what: String,
    /// SQL or words that mend it; `None` where there is nothing to mend.
    pub mend: Option<String>,
}

impl Finding {
    fn fine(what: impl Into<String>) -> Finding {
        Finding {
            level: Level::Fine,
            code: None,
            what: what.into(),
            mend: None,
        }
    }

    fn new(level: Level, what: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding {
            level,
            code: None,
            what: what.into(),
            mend: Some(mend.into()),
        }
    }

    /// That something failed for this reason.
    pub fn failure(error: &impl Explain) -> Finding {
        Finding {
            level: Level::Failure,
            code: Some(error.code()),
            what: format!("failed to {}", chain(error)),
            mend: error.mend(),
        }
    }
}

/// Looks at everything a run of `config` would need. Ends at the first thing without which nothing
/// else can be seen.
pub async fn examine(config: &ConnectorConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    let looked = look(config, &mut findings).await;
    if let Err(error) = looked {
        findings.push(Finding::failure(&error));
    }
    findings
}

async fn look(
    config: &ConnectorConfig,
    findings: &mut Vec<Finding>,
) -> Result<(), postgres::Error> {
    let sql = connect_sql(&connection(config)).await?;
    let settings = server::settings(&sql).await?;
    let (major, minor) = (settings.version_num / 10_000, settings.version_num % 10_000);
    findings.push(Finding::fine(format!(
        "logged in to PostgreSQL {major}.{minor} as \"{}\"",
        config.database.user
    )));
    let captures = |table: &Table| config.tables.captures(&table.schema, &table.name);
    let tables: Vec<Table> = catalog::tables(&sql)
        .await?
        .into_iter()
        .filter(captures)
        .collect();
    findings.push(captured(&tables));
    let needs = preflight::Needs {
        slot: &config.slot_name,
        publication: &config.publication_name,
        mode: config.publication_autocreate_mode,
        tables: &tables,
        snapshot: config.snapshot_mode == SnapshotMode::Initial,
    };
    match preflight::check(&sql, &needs).await {
        Ok(()) => findings.push(Finding::fine(
            "wal_level, slots, senders, privileges and publication are as they have to be",
        )),
        Err(postgres::Error::Missing { missing }) => {
            let each = missing.into_iter().map(|one| Finding {
                code: Some(error::SOURCE_PRIVILEGES),
                ..Finding::new(Level::Failure, one.what, one.mend)
            });
            findings.extend(each);
        }
        Err(error) => findings.push(Finding::failure(&error)),
    }
    identities(&sql, &tables, findings).await?;
    slot_state(&sql, config, settings.max_slot_wal_keep_bytes, findings).await
}

fn captured(tables: &[Table]) -> Finding {
    match tables.len() {
        0 => Finding::new(
            Level::Warning,
            "no table is captured",
            "check table.include.list or PENSTOCK_TABLES against the names: \\dt *.*",
        ),
        1 => Finding::fine("1 table is captured"),
        count => Finding::fine(format!("{count} tables are captured")),
    }
}

/// Tables whose updates and deletes would fail at the database once they are published, and those
/// of which old values are not logged.
async fn identities(
    sql: &SqlClient,
    tables: &[Table],
    findings: &mut Vec<Finding>,
) -> Result<(), postgres::Error> {
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let shapes = catalog::columns(sql, &oids).await?;
    let has_identity = |table: &Table| {
        let keyed =
            |shape: &TableShape| shape.table_oid == table.oid && !shape.primary_key.is_empty();
        match table.replica_identity {
            ReplicaIdentity::Full | ReplicaIdentity::Index => true,
            ReplicaIdentity::Nothing => false,
            ReplicaIdentity::Default => shapes.iter().any(keyed),
        }
    };
    let without: Vec<&Table> = tables.iter().filter(|it| !has_identity(it)).collect();
    if without.is_empty() {
        findings.push(Finding::fine("every table has a replica identity"));
    }
    for table in without.iter().take(NAMED_MAX) {
        let name = format!(
            "{}.{}",
            quote_identifier(&table.schema),
            quote_identifier(&table.name)
        );
        findings.push(Finding::new(
            Level::Warning,
            format!(
                "{name} has no replica identity: once it is published, its updates and deletes fail"
            ),
            format!(
                "ALTER TABLE {name} REPLICA IDENTITY FULL; -- or better, give it a primary key"
            ),
        ));
    }
    if without.len() > NAMED_MAX {
        findings.push(Finding::new(
            Level::Warning,
            format!(
                "{} further tables have none either",
                without.len() - NAMED_MAX
            ),
            "give each a primary key, or REPLICA IDENTITY FULL",
        ));
    }
    let keys_only = tables
        .iter()
        .filter(|table| table.replica_identity != ReplicaIdentity::Full);
    let keys_only = keys_only.count();
    if keys_only > 0 {
        findings.push(Finding::fine(format!(
            "of {keys_only} captured without REPLICA IDENTITY FULL an update's \"before\" is null, and large values it left alone \
             are placeholders (FULL logs both, at the cost of more WAL)"
        )));
    }
    Ok(())
}

async fn slot_state(
    sql: &SqlClient,
    config: &ConnectorConfig,
    keep_bytes: Option<u64>,
    findings: &mut Vec<Finding>,
) -> Result<(), postgres::Error> {
    let name = &config.slot_name;
    let Some(state) = slot::inspect(sql, name).await? else {
        findings.push(Finding::fine(format!(
            "slot \"{name}\" is not there yet; the connector makes it"
        )));
        return Ok(());
    };
    if let Err(error) = state.check_fit(&config.database.dbname) {
        findings.push(Finding::failure(&error));
        return Ok(());
    }
    let megabytes = state.retained_bytes >> 20;
    let held = match &state.holder {
        Some(_) => "in use",
        None => "not in use",
    };
    let what = format!(
        "slot \"{name}\" is {held}, {} and keeps {megabytes} MiB of WAL",
        state.wal_status.as_str()
    );
    let level = match state.wal_status {
        WalStatus::Unreserved => Level::Warning,
        WalStatus::Reserved | WalStatus::Extended | WalStatus::Lost | WalStatus::Unknown => {
            Level::Fine
        }
    };
    findings.push(match level {
        Level::Fine => Finding::fine(what),
        Level::Warning | Level::Failure => Finding::new(
            level,
            what,
            "start Penstock before the next checkpoint, or raise max_slot_wal_keep_size",
        ),
    });
    if keep_bytes.is_none() {
        findings.push(Finding::fine(
            "max_slot_wal_keep_size is -1: WAL is kept for the slot until the disk is full; the \
             alert SlotWalRetentionHigh tells before",
        ));
    }
    Ok(())
}
