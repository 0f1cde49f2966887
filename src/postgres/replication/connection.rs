//! The replication connection: identify, make and drop slots, stream.

use super::options::StreamOptions;
use super::reader::ReplicationReader;
use super::status::StatusWriter;
use crate::lsn::Lsn;
use crate::postgres::config::ConnectionConfig;
use crate::postgres::error::Error;

/// Which server answers; a restored backup or a promoted standby has another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemIdentity {
    /// Differs between clusters, equal on standbys.
    pub system_id: String,
    /// Goes up with each promotion.
    pub timeline: u32,
    /// The end of the flushed log.
    pub xlogpos: Lsn,
    /// The database.
    pub dbname: String,
}

/// A slot that was made just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedSlot {
    /// Changes come from transactions that commit after this position.
    pub consistent_point: Lsn,
    /// The snapshot of exactly that position, for
    /// [`SnapshotReader`](crate::postgres::SnapshotReader). Lives until the next command on, or the end of,
    /// the connection that made it.
    pub snapshot_name: String,
}

/// A connection in replication mode that is not streaming yet.
#[derive(Debug)]
pub struct ReplicationConnection {}

impl ReplicationConnection {
    /// Connects. Name look-up, TCP, TLS and login together take at most
    /// `config.connect_timeout`.
    pub async fn connect(config: &ConnectionConfig) -> Result<ReplicationConnection, Error> {
        let _ = config;
        unimplemented!()
    }

    /// `150004` for 15.4.
    #[must_use]
    pub fn server_version_num(&self) -> u32 {
        unimplemented!()
    }

    /// Asks which server this is.
    pub async fn identify_system(&mut self) -> Result<SystemIdentity, Error> {
        unimplemented!()
    }

    /// Makes slot `name` for pgoutput and exports its snapshot. Waits for every transaction that
    /// is open now.
    pub async fn create_slot(&mut self, name: &str, temporary: bool) -> Result<CreatedSlot, Error> {
        let _ = (name, temporary);
        unimplemented!()
    }

    /// Drops slot `name`.
    pub async fn drop_slot(&mut self, name: &str) -> Result<(), Error> {
        let _ = name;
        unimplemented!()
    }

    /// Begins to stream from `slot` at `start` (never before what the slot confirmed).
    pub async fn start_replication(
        self,
        slot: &str,
        start: Lsn,
        options: &StreamOptions,
    ) -> Result<(ReplicationReader, StatusWriter), Error> {
        let _ = (slot, start, options);
        unimplemented!()
    }
}
