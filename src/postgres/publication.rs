//! Publications: made, checked and brought up to date as Debezium does.

use tokio_postgres::Client;

use super::catalog::Table;
use super::error::Error;

/// `publication.autocreate.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutocreateMode {
    /// For all tables; where the role may not, for the captured ones, with a warning.
    AllTables,
    /// For the captured tables, kept up to date at each start.
    Filtered,
    /// Never; it must be there.
    Disabled,
    /// An empty one, filled by somebody else.
    NoTables,
}

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
    let _ = (client, wanted);
    unimplemented!()
}

/// The tables that publication `name` publishes now, by schema and name.
pub async fn tables(client: &Client, name: &str) -> Result<Vec<PublishedTable>, Error> {
    let _ = (client, name);
    unimplemented!()
}
