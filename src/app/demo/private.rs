//! A private PostgreSQL for other commands: made in a folder of its own, gone when it is dropped.

use std::path::PathBuf;

use super::super::error::Error;
use super::cluster::Cluster;
use super::folder::Folder;
use super::programs;

/// A running PostgreSQL on loopback with `wal_level=logical`. It does without fsync: what is in
/// it is thrown away. Dropping it ends it at once and removes its folder.
#[derive(Debug)]
pub struct PrivatePostgres {
    // Fields are dropped in their order: the server before its folder.
    cluster: Cluster,
    _folder: Folder,
}

impl PrivatePostgres {
    /// Makes and starts one, and waits until it answers.
    pub async fn start() -> Result<PrivatePostgres, Error> {
        let folder = Folder::create(false)?;
        let cluster = Cluster::start(folder.path().to_owned()).await?;
        Ok(PrivatePostgres {
            cluster,
            _folder: folder,
        })
    }

    /// How its owner connects.
    #[must_use]
    pub fn url(&self) -> String {
        self.cluster.shown_url()
    }

    /// Ends it in order.
    pub async fn stop(self) {
        self.cluster.stop().await;
    }
}

/// A program of PostgreSQL on this machine, such as `pg_recvlogical`.
#[must_use]
pub fn postgres_program(name: &str) -> Option<PathBuf> {
    programs::path_of(name)
}
