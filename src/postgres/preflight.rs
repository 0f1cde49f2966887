//! Looks for everything that would stop a source, before anything is made or changed.

use std::collections::BTreeSet;

use tokio_postgres::Client;

use super::catalog::Table;
use super::error::{Error, Finding};
use super::fields::Fields;
use super::quote::quote_identifier;
use super::slot;
use crate::config::AutocreateMode;

/// What a source will need.
#[derive(Debug, Clone, Copy)]
pub struct Needs<'a> {
    /// The slot's name; must be legal and, if it is not there, one must be free.
    pub slot: &'a str,
    /// The publication's name.
    pub publication: &'a str,
    /// How the publication comes to be.
    pub mode: AutocreateMode,
    /// The captured tables.
    pub tables: &'a [Table],
    /// Whether the tables are read for a snapshot.
    pub snapshot: bool,
}

/// Checks all of it and names everything that is missing in one error
/// ([`Error::Missing`], or [`Error::WalLevel`] when it is that alone).
pub async fn check(client: &Client, needs: &Needs<'_>) -> Result<(), Error> {
    let role = Role::read(client, needs).await?;
    let mut missing = Vec::new();
    role.check_server(needs, &mut missing);
    role.check_privileges(&mut missing);
    check_tables(client, &role, needs, &mut missing).await?;
    check_publication(client, &role, needs, &mut missing).await?;
    if missing.is_empty() {
        return Ok(());
    }
    if missing.len() == 1 && role.wal_level != "logical" {
        return Err(Error::WalLevel { source: None });
    }
    Err(Error::Missing { missing })
}

const DOING: &str = "check what the source needs";

/// Who is logged in, and what the server has left.
#[derive(Debug)]
struct Role {
    name: String,
    dbname: String,
    may_replicate: bool,
    may_create: bool,
    is_superuser: bool,
    in_recovery: bool,
    version_num: i32,
    wal_level: String,
    slot_exists: bool,
    slots_used: i64,
    slots_max: i32,
    senders_used: i64,
    senders_max: i32,
}

impl Role {
    async fn read(client: &Client, needs: &Needs<'_>) -> Result<Role, Error> {
        // On Amazon RDS membership of rds_replication stands for the attribute.
        let row = client
            .query_one(
                "SELECT current_user::text, current_database()::text,
                        r.rolsuper OR r.rolreplication OR EXISTS (
                            SELECT 1 FROM pg_roles g WHERE g.rolname = 'rds_replication'
                               AND pg_has_role(r.oid, g.oid, 'MEMBER')),
                        has_database_privilege(current_database(), 'CREATE'),
                        r.rolsuper, pg_is_in_recovery(),
                        current_setting('server_version_num')::int4,
                        current_setting('wal_level'),
                        EXISTS (SELECT 1 FROM pg_replication_slots WHERE slot_name = $1),
                        (SELECT count(*) FROM pg_replication_slots),
                        current_setting('max_replication_slots')::int4,
                        (SELECT count(*) FROM pg_stat_replication),
                        current_setting('max_wal_senders')::int4
                   FROM pg_roles r WHERE r.rolname = current_user",
                &[&needs.slot],
            )
            .await
            .map_err(|error| Error::from_sql(DOING, error))?;
        let row = Fields::new(&row, DOING);
        Ok(Role {
            name: row.get(0)?,
            dbname: row.get(1)?,
            may_replicate: row.get(2)?,
            may_create: row.get(3)?,
            is_superuser: row.get(4)?,
            in_recovery: row.get(5)?,
            version_num: row.get(6)?,
            wal_level: row.get(7)?,
            slot_exists: row.get(8)?,
            slots_used: row.get(9)?,
            slots_max: row.get(10)?,
            senders_used: row.get(11)?,
            senders_max: row.get(12)?,
        })
    }

    fn check_server(&self, needs: &Needs<'_>, missing: &mut Vec<Finding>) {
        if self.wal_level != "logical" {
            missing.push(setting(
                format!("wal_level is \"{}\", not \"logical\"", self.wal_level),
                "ALTER SYSTEM SET wal_level = logical; -- then restart the server",
            ));
        }
        if !slot::is_legal_name(needs.slot) {
            missing.push(setting(
                format!("slot name \"{}\" is not legal", needs.slot),
                "-- choose a slot name of lower case letters, digits and _, at most 63 of them",
            ));
        } else if !self.slot_exists && self.slots_used >= i64::from(self.slots_max) {
            missing.push(setting(
                format!("all {} replication slots are taken", self.slots_max),
                &format!(
                    "ALTER SYSTEM SET max_replication_slots = {}; -- then restart the server, or \
                     drop a slot of SELECT slot_name FROM pg_replication_slots WHERE NOT active;",
                    self.slots_max.saturating_add(SPARE)
                ),
            ));
        }
        if self.senders_used >= i64::from(self.senders_max) {
            missing.push(setting(
                format!("all {} walsenders are taken", self.senders_max),
                &format!(
                    "ALTER SYSTEM SET max_wal_senders = {}; -- then restart the server",
                    self.senders_max.saturating_add(SPARE)
                ),
            ));
        }
        if self.in_recovery && self.version_num < VERSION_OF_STANDBY_DECODING {
            missing.push(setting(
                "the server is a standby, which cannot decode before PostgreSQL 16".to_owned(),
                "-- connect to the primary",
            ));
        }
    }

    fn check_privileges(&self, missing: &mut Vec<Finding>) {
        if !self.may_replicate {
            missing.push(privilege(
                format!("role \"{}\" may not replicate", self.name),
                format!(
                    "ALTER ROLE {} WITH REPLICATION;",
                    quote_identifier(&self.name)
                ),
            ));
        }
    }
}

/// How many more slots and walsenders are advised than there are.
const SPARE: i32 = 10;
/// From here on a standby can decode.
const VERSION_OF_STANDBY_DECODING: i32 = 160_000;

/// Reading for the snapshot.
async fn check_tables(
    client: &Client,
    role: &Role,
    needs: &Needs<'_>,
    missing: &mut Vec<Finding>,
) -> Result<(), Error> {
    if !needs.snapshot {
        return Ok(());
    }
    let oids: Vec<u32> = needs.tables.iter().map(|table| table.oid).collect();
    let rows = client
        .query(
            "SELECT n.nspname::text, c.relname::text,
                    has_schema_privilege(n.oid, 'USAGE'),
                    has_table_privilege(c.oid, 'SELECT'), row_security_active(c.oid)
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.oid = ANY($1) ORDER BY 1, 2",
            &[&oids],
        )
        .await
        .map_err(|error| Error::from_sql(DOING, error))?;
    let who = quote_identifier(&role.name);
    let mut schemas = BTreeSet::new();
    let mut hidden = false;
    for row in &rows {
        let row = Fields::new(row, DOING);
        let (schema, table): (String, String) = (row.get(0)?, row.get(1)?);
        let place = quote_identifier(&schema);
        if !row.get::<bool>(2)? && schemas.insert(schema.clone()) {
            missing.push(privilege(
                format!("role \"{}\" may not use schema \"{schema}\"", role.name),
                format!("GRANT USAGE ON SCHEMA {place} TO {who};"),
            ));
        }
        if !row.get::<bool>(3)? {
            missing.push(privilege(
                format!(
                    "role \"{}\" may not read \"{schema}\".\"{table}\"",
                    role.name
                ),
                format!(
                    "GRANT SELECT ON {place}.{} TO {who};",
                    quote_identifier(&table)
                ),
            ));
        }
        hidden |= row.get::<bool>(4)?;
    }
    if hidden {
        missing.push(privilege(
            format!(
                "row security hides rows of captured tables from role \"{}\"",
                role.name
            ),
            format!("ALTER ROLE {who} WITH BYPASSRLS;"),
        ));
    }
    Ok(())
}

/// Making the publication, or keeping it up to date.
async fn check_publication(
    client: &Client,
    role: &Role,
    needs: &Needs<'_>,
    missing: &mut Vec<Finding>,
) -> Result<(), Error> {
    let exists = client
        .query_opt(
            "SELECT 1 FROM pg_publication WHERE pubname = $1",
            &[&needs.publication],
        )
        .await
        .map_err(|error| Error::from_sql(DOING, error))?
        .is_some();
    if exists {
        // What fits needs no privilege; what does not is told when it is changed.
        return Ok(());
    }
    let name = quote_identifier(needs.publication);
    if needs.mode == AutocreateMode::Disabled {
        let tables: Vec<String> = needs.tables.iter().map(qualified).collect();
        missing.push(setting(
            format!(
                "publication \"{}\" does not exist, and publication.autocreate.mode is \
                 \"disabled\"",
                needs.publication
            ),
            &format!("CREATE PUBLICATION {name} FOR TABLE {};", tables.join(", ")),
        ));
        return Ok(());
    }
    if !role.may_create {
        missing.push(privilege(
            format!(
                "role \"{}\" may not create a publication in database \"{}\"",
                role.name, role.dbname
            ),
            format!(
                "GRANT CREATE ON DATABASE {} TO {};",
                quote_identifier(&role.dbname),
                quote_identifier(&role.name)
            ),
        ));
    }
    if role.is_superuser || needs.mode == AutocreateMode::NoTables {
        return Ok(());
    }
    check_ownership(client, role, needs, missing).await
}

/// Only a table's owner may publish it.
async fn check_ownership(
    client: &Client,
    role: &Role,
    needs: &Needs<'_>,
    missing: &mut Vec<Finding>,
) -> Result<(), Error> {
    let oids: Vec<u32> = needs.tables.iter().map(|table| table.oid).collect();
    let rows = client
        .query(
            "SELECT format('%I.%I', n.nspname, c.relname)
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.oid = ANY($1) AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1",
            &[&oids],
        )
        .await
        .map_err(|error| Error::from_sql(DOING, error))?;
    let mut foreign: Vec<String> = Vec::with_capacity(rows.len());
    for row in &rows {
        foreign.push(Fields::new(row, DOING).get(0)?);
    }
    if foreign.is_empty() {
        return Ok(());
    }
    let tables: Vec<String> = needs.tables.iter().map(qualified).collect();
    missing.push(privilege(
        format!(
            "role \"{}\" may not publish {}, which it does not own",
            role.name,
            foreign.join(", ")
        ),
        format!(
            "CREATE PUBLICATION {} FOR TABLE {}; -- as the owner of the tables",
            quote_identifier(needs.publication),
            tables.join(", ")
        ),
    ));
    Ok(())
}

fn qualified(table: &Table) -> String {
    format!(
        "{}.{}",
        quote_identifier(&table.schema),
        quote_identifier(&table.name)
    )
}

fn privilege(what: String, mend: String) -> Finding {
    Finding {
        what,
        mend,
        privilege: true,
    }
}

fn setting(what: String, mend: &str) -> Finding {
    Finding {
        what,
        mend: mend.to_owned(),
        privilege: false,
    }
}
