//! Looks for everything that would stop a source, before anything is made or changed.

use tokio_postgres::Client;

use super::catalog::Table;
use super::error::Error;
use super::publication::AutocreateMode;

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
    let _ = (client, needs);
    unimplemented!()
}
