//! Publications: made, checked and brought up to date as Debezium does.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;
use tokio_postgres::error::SqlState as ClientSqlState;

use super::catalog::Table;
use super::error::Error;
use super::fields::Fields;
use super::quote::{quote_identifier, quote_literal};
use crate::config::AutocreateMode;
use crate::error::Kind;

/// Marks a publication that was made here for the captured tables because the role may not publish
/// all of them, so that the next start knows that it may keep it up to date.
pub(super) const FALLBACK_COMMENT: &str =
    "kept by penstock: the captured tables, in place of FOR ALL TABLES";

const NO_PRIVILEGE: ClientSqlState = ClientSqlState::INSUFFICIENT_PRIVILEGE;

/// What publication is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// How it comes to be.
    pub mode: AutocreateMode,
    /// The captured tables.
    pub tables: &'a [Table],
    /// Whether changes of partitions are published as those of the partitioned table
    /// (`publish.via.partition.root`); only for a publication that is made here.
    pub via_partition_root: bool,
}

/// A publication that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Its name.
    pub name: String,
    /// Whether it publishes all tables, also those made later.
    pub all_tables: bool,
    /// Whether it was made just now.
    pub created: bool,
    /// Whether `all_tables` was asked for and the role may not.
    pub fell_back_to_filtered: bool,
    /// Whether changes of partitions come as those of the partitioned table.
    pub via_partition_root: bool,
    /// Operations it leaves out: `insert`, `update`, `delete`, `truncate`.
    pub unpublished: Vec<&'static str>,
    /// Captured tables that it does not publish: nothing will come of them.
    pub missing_tables: Vec<String>,
}

/// A table of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The published columns, where they are limited (PostgreSQL 15 and later).
    pub columns: Option<Vec<String>>,
    /// The row filter, where there is one (PostgreSQL 15 and later).
    pub row_filter: Option<String>,
}

/// Makes the publication or brings it up to date, as `wanted.mode` says. Changes nothing that is
/// as wanted already, so a role that may not alter a fitting publication can use it.
pub async fn ensure(client: &Client, wanted: &Wanted<'_>) -> Result<Publication, Error> {
    let found = existing(client, wanted.name).await?;
    let created = found.is_none();
    let found = match found {
        Some(found) => {
            update(client, wanted, &found).await?;
            Some(found)
        }
        None => {
            create(client, wanted).await?;
            existing(client, wanted.name).await?
        }
    };
    let found = found.ok_or_else(|| refusal(wanted, "it was dropped just now".to_owned()))?;
    Ok(Publication {
        name: wanted.name.to_owned(),
        all_tables: found.all_tables,
        created,
        fell_back_to_filtered: found.fallback && wanted.mode == AutocreateMode::AllTables,
        via_partition_root: found.via_partition_root,
        unpublished: found.unpublished(),
        missing_tables: missing(client, wanted, &found).await?,
    })
}

/// The tables that publication `name` publishes now, by schema and name.
pub async fn tables(client: &Client, name: &str) -> Result<Vec<PublishedTable>, Error> {
    let doing = "list the tables of the publication";
    // Column lists and row filters came with PostgreSQL 15; a view row is read as JSON so that
    // one statement fits all versions.
    let rows = client
        .query(
            "SELECT t.schemaname::text, t.tablename::text, to_jsonb(t) ->> 'rowfilter',
                    CASE WHEN to_jsonb(r) ->> 'prattrs' IS NOT NULL THEN
                        ARRAY(SELECT jsonb_array_elements_text(to_jsonb(t) -> 'attnames')) END
               FROM pg_publication p
               JOIN pg_publication_tables t ON t.pubname = p.pubname
               JOIN pg_namespace n ON n.nspname = t.schemaname
               JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
               LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
              WHERE p.pubname = $1
              ORDER BY 1, 2",
            &[&name],
        )
        .await
        .map_err(|error| Error::from_sql(doing, error))?;
    let mut tables = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = Fields::new(row, doing);
        tables.push(PublishedTable {
            schema: row.get(0)?,
            name: row.get(1)?,
            row_filter: row.get(2)?,
            columns: row.get(3)?,
        });
    }
    Ok(tables)
}

/// What `pg_publication` says.
#[derive(Debug)]
struct Existing {
    all_tables: bool,
    via_partition_root: bool,
    /// Whether it was made here in place of one for all tables.
    fallback: bool,
    publishes: [bool; 4],
    /// The tables it names itself.
    explicit: BTreeSet<u32>,
}

impl Existing {
    fn unpublished(&self) -> Vec<&'static str> {
        ["insert", "update", "delete", "truncate"]
            .into_iter()
            .zip(self.publishes)
            .filter_map(|(operation, published)| (!published).then_some(operation))
            .collect()
    }
}

async fn existing(client: &Client, name: &str) -> Result<Option<Existing>, Error> {
    let doing = "look at the publication";
    let row = client
        .query_opt(
            "SELECT puballtables, pubviaroot, obj_description(oid, 'pg_publication') = $2,
                    pubinsert, pubupdate, pubdelete, pubtruncate,
                    ARRAY(SELECT prrelid FROM pg_publication_rel WHERE prpubid = p.oid)
               FROM pg_publication p WHERE pubname = $1",
            &[&name, &FALLBACK_COMMENT],
        )
        .await
        .map_err(|error| Error::from_sql(doing, error))?;
    let Some(row) = row else { return Ok(None) };
    let row = Fields::new(&row, doing);
    Ok(Some(Existing {
        all_tables: row.get(0)?,
        via_partition_root: row.get(1)?,
        fallback: row.get::<Option<bool>>(2)?.unwrap_or(false),
        publishes: [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?],
        explicit: row.get::<Vec<u32>>(7)?.into_iter().collect(),
    }))
}

async fn create(client: &Client, wanted: &Wanted<'_>) -> Result<(), Error> {
    match wanted.mode {
        AutocreateMode::Disabled => Err(refusal(
            wanted,
            "it does not exist, and publication.autocreate.mode is \"disabled\"".to_owned(),
        )),
        AutocreateMode::NoTables => {
            let sql = format!("CREATE PUBLICATION {}", quote_identifier(wanted.name));
            run(client, wanted, &(sql + with_clause(wanted))).await
        }
        AutocreateMode::Filtered => run(client, wanted, &create_filtered(wanted)?).await,
        AutocreateMode::AllTables => {
            let name = quote_identifier(wanted.name);
            let all = format!(
                "CREATE PUBLICATION {name} FOR ALL TABLES{}",
                with_clause(wanted)
            );
            match client.batch_execute(&all).await {
                Ok(()) => Ok(()),
                Err(error) if error.code() == Some(&NO_PRIVILEGE) => {
                    tracing::warn!(
                        publication = wanted.name,
                        "the role may not publish all tables: only the captured ones are published"
                    );
                    run(client, wanted, &create_filtered(wanted)?).await?;
                    let comment = quote_literal(FALLBACK_COMMENT);
                    run(
                        client,
                        wanted,
                        &format!("COMMENT ON PUBLICATION {name} IS {comment}"),
                    )
                    .await
                }
                Err(error) => Err(failure(wanted, error)),
            }
        }
    }
}

async fn update(client: &Client, wanted: &Wanted<'_>, found: &Existing) -> Result<(), Error> {
    let keeps_up = match wanted.mode {
        AutocreateMode::Filtered => true,
        AutocreateMode::AllTables => found.fallback,
        AutocreateMode::Disabled | AutocreateMode::NoTables => false,
    };
    if !keeps_up {
        return Ok(());
    }
    if found.all_tables {
        return Err(Error::Publication {
            publication: wanted.name.to_owned(),
            why: "it publishes all tables and cannot be limited".to_owned(),
            mend: format!(
                "set publication.autocreate.mode to \"all_tables\", or run: DROP PUBLICATION {};",
                quote_identifier(wanted.name)
            ),
        });
    }
    let covered = covered(client, wanted, found).await?;
    let publishable: Vec<&Table> = publishable(wanted).collect();
    let added: Vec<String> = publishable
        .iter()
        .filter(|table| !covered.contains(&table.oid))
        .map(|table| qualified(table))
        .collect();
    let kept: BTreeSet<u32> = publishable.iter().map(|table| table.oid).collect();
    let removed: Vec<u32> = found.explicit.difference(&kept).copied().collect();
    let name = quote_identifier(wanted.name);
    if !added.is_empty() {
        let sql = format!("ALTER PUBLICATION {name} ADD TABLE {}", added.join(", "));
        run(client, wanted, &sql).await?;
    }
    let removed = names(client, &removed).await?;
    if !removed.is_empty() {
        let sql = format!("ALTER PUBLICATION {name} DROP TABLE {}", removed.join(", "));
        run(client, wanted, &sql).await?;
    }
    Ok(())
}

/// Tables of `wanted` that the publication does not publish.
async fn missing(
    client: &Client,
    wanted: &Wanted<'_>,
    found: &Existing,
) -> Result<Vec<String>, Error> {
    if found.all_tables {
        return Ok(Vec::new());
    }
    // An update may have changed it since it was looked at.
    let covered = covered(client, wanted, found).await?;
    Ok(publishable(wanted)
        .filter(|table| !covered.contains(&table.oid))
        .map(qualified)
        .collect())
}

/// The wanted tables whose changes are published: named, of a published schema, partitions of a
/// published table, or partitioned tables with a published partition.
async fn covered(
    client: &Client,
    wanted: &Wanted<'_>,
    found: &Existing,
) -> Result<BTreeSet<u32>, Error> {
    let doing = "list the tables of the publication";
    let rows = client
        .query(
            "SELECT c.oid FROM pg_publication_tables t
               JOIN pg_namespace n ON n.nspname = t.schemaname
               JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
              WHERE t.pubname = $1",
            &[&wanted.name],
        )
        .await
        .map_err(|error| Error::from_sql(doing, error))?;
    let mut published = found.explicit.clone();
    for row in &rows {
        published.insert(Fields::new(row, doing).get(0)?);
    }
    let parents: BTreeMap<u32, u32> = wanted
        .tables
        .iter()
        .filter_map(|table| Some((table.oid, table.parent_oid?)))
        .collect();
    let mut covered = published.clone();
    for table in wanted.tables {
        // The tables above it; a chain of partitions is short, and bounded by how many there are.
        let above: Vec<u32> =
            std::iter::successors(Some(table.oid), |oid| parents.get(oid).copied())
                .take(wanted.tables.len() + 1)
                .collect();
        if above.iter().any(|oid| published.contains(oid)) {
            covered.insert(table.oid);
        }
        if published.contains(&table.oid) {
            covered.extend(above);
        }
    }
    Ok(covered)
}

async fn names(client: &Client, oids: &[u32]) -> Result<Vec<String>, Error> {
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let doing = "name the tables of the publication";
    let rows = client
        .query(
            "SELECT format('%I.%I', n.nspname, c.relname)
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.oid = ANY($1) ORDER BY 1",
            &[&oids],
        )
        .await
        .map_err(|error| Error::from_sql(doing, error))?;
    rows.iter()
        .map(|row| Fields::new(row, doing).get(0))
        .collect()
}

/// Tables that can be published: those with a log.
fn publishable<'a>(wanted: &Wanted<'a>) -> impl Iterator<Item = &'a Table> {
    wanted.tables.iter().filter(|table| !table.unlogged)
}

fn create_filtered(wanted: &Wanted<'_>) -> Result<String, Error> {
    let tables: Vec<String> = publishable(wanted).map(qualified).collect();
    if tables.is_empty() {
        return Err(Error::Publication {
            publication: wanted.name.to_owned(),
            why: "there is no table to publish: no table with a log passes the filters".to_owned(),
            mend: "check table.include.list and schema.include.list".to_owned(),
        });
    }
    Ok(format!(
        "CREATE PUBLICATION {} FOR TABLE {}{}",
        quote_identifier(wanted.name),
        tables.join(", "),
        with_clause(wanted)
    ))
}

fn with_clause(wanted: &Wanted<'_>) -> &'static str {
    if wanted.via_partition_root {
        " WITH (publish_via_partition_root = true)"
    } else {
        ""
    }
}

fn qualified(table: &Table) -> String {
    format!(
        "{}.{}",
        quote_identifier(&table.schema),
        quote_identifier(&table.name)
    )
}

async fn run(client: &Client, wanted: &Wanted<'_>, sql: &str) -> Result<(), Error> {
    tracing::info!(publication = wanted.name, sql, "changing the publication");
    client
        .batch_execute(sql)
        .await
        .map_err(|error| failure(wanted, error))
}

/// A failure that passes stays what it is; any other is about the publication.
fn failure(wanted: &Wanted<'_>, error: tokio_postgres::Error) -> Error {
    match Error::from_sql("change the publication", error) {
        Error::Sql { source, .. } | Error::Refused { source, .. }
            if source.code.kind() == Kind::Definite =>
        {
            refusal(wanted, source.to_string())
        }
        error => error,
    }
}

/// Says what is the matter, with the statement that somebody with more privileges can run.
fn refusal(wanted: &Wanted<'_>, why: String) -> Error {
    let sql = match wanted.mode {
        AutocreateMode::AllTables => format!(
            "CREATE PUBLICATION {} FOR ALL TABLES{}",
            quote_identifier(wanted.name),
            with_clause(wanted)
        ),
        AutocreateMode::Filtered | AutocreateMode::Disabled | AutocreateMode::NoTables => {
            create_filtered(wanted)
                .unwrap_or_else(|_| format!("CREATE PUBLICATION {}", quote_identifier(wanted.name)))
        }
    };
    Error::Publication {
        publication: wanted.name.to_owned(),
        why,
        mend: format!("run on the primary, as a role that may: {sql};"),
    }
}
