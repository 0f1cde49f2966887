//! A connection in replication mode before it streams.

use std::fmt::Write;

use postgres_protocol::message::backend;

use super::options::StreamOptions;
use super::reader::ReplicationReader;
use super::status::StatusWriter;
use crate::lsn::Lsn;
use crate::postgres::config::ConnectionConfig;
use crate::postgres::connection::{Purpose, Wire, establish, log_in, unexpected};
use crate::postgres::error::{Action, Error, ServerError};
use crate::postgres::quote::quote_identifier;

/// `CopyBothResponse`, which `postgres-protocol` does not know.
const COPY_BOTH_RESPONSE_TAG: u8 = b'W';
/// From here on the plugin knows `messages` and `binary`.
const VERSION_WITH_MESSAGES: u32 = 140_000;

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
    /// [`SnapshotReader`](crate::postgres::SnapshotReader). Lives until the next command on, or
    /// the end of, the connection that made it.
    pub snapshot_name: String,
}

/// A connection in replication mode that is not streaming yet.
#[derive(Debug)]
pub struct ReplicationConnection {
    wire: Wire,
    server_version_num: u32,
}

impl ReplicationConnection {
    /// Connects. Name look-up, TCP, TLS and login together take at most
    /// `config.connect_timeout`.
    pub async fn connect(config: &ConnectionConfig) -> Result<ReplicationConnection, Error> {
        let (wire, greeting) = establish(config, |stream, deadline| async move {
            deadline
                .bound("logging in", log_in(stream, config, Purpose::Replication))
                .await
        })
        .await?;
        Ok(ReplicationConnection {
            wire,
            server_version_num: version_num(&greeting.server_version),
        })
    }

    /// `150004` for 15.4; 0 if the server's version cannot be read.
    #[must_use]
    pub fn server_version_num(&self) -> u32 {
        self.server_version_num
    }

    /// Asks which server this is.
    pub async fn identify_system(&mut self) -> Result<SystemIdentity, Error> {
        let row = self
            .one_row("IDENTIFY_SYSTEM", &Action::Statement("identify the server"))
            .await?;
        let broken = || Error::protocol("an answer to IDENTIFY_SYSTEM of another form");
        let mut fields = row.into_iter();
        let mut next = || fields.next().flatten().ok_or_else(broken);
        Ok(SystemIdentity {
            system_id: next()?,
            timeline: next()?.parse().map_err(|_| broken())?,
            xlogpos: next()?.parse().map_err(|_| broken())?,
            dbname: next()?,
        })
    }

    /// Makes slot `name` for pgoutput and exports its snapshot. Waits for every transaction that
    /// is open now. Not cancel safe: a dropped call leaves the connection unusable, and maybe the
    /// slot.
    pub async fn create_slot(&mut self, name: &str, temporary: bool) -> Result<CreatedSlot, Error> {
        let sql = format!(
            "CREATE_REPLICATION_SLOT {} {}LOGICAL pgoutput EXPORT_SNAPSHOT",
            quote_identifier(name),
            if temporary { "TEMPORARY " } else { "" },
        );
        let row = self.one_row(&sql, &Action::CreateSlot(name)).await?;
        let broken = || Error::protocol("an answer to CREATE_REPLICATION_SLOT of another form");
        let mut fields = row.into_iter().skip(1);
        let mut next = || fields.next().flatten().ok_or_else(broken);
        Ok(CreatedSlot {
            consistent_point: next()?.parse().map_err(|_| broken())?,
            snapshot_name: next()?,
        })
    }

    /// Drops slot `name`; fails if somebody streams from it.
    pub async fn drop_slot(&mut self, name: &str) -> Result<(), Error> {
        let sql = format!("DROP_REPLICATION_SLOT {}", quote_identifier(name));
        let action = Action::UseSlot {
            slot: name,
            doing: "drop",
        };
        self.wire.query(&sql, &action).await.map(drop)
    }

    /// Begins to stream from `slot` at `start`; the server never begins before what the slot
    /// confirmed. Not cancel safe: the connection is gone.
    pub async fn start_replication(
        mut self,
        slot: &str,
        start: Lsn,
        options: &StreamOptions,
    ) -> Result<(ReplicationReader, StatusWriter), Error> {
        let command = self.start_command(slot, start, options);
        self.wire.send_query(&command).await?;
        let message = self.wire.receive().await?;
        match message.tag {
            COPY_BOTH_RESPONSE_TAG => {}
            backend::ERROR_RESPONSE_TAG => {
                return Err(ServerError::parse(&message.body).during(&Action::UseSlot {
                    slot,
                    doing: "stream from",
                }));
            }
            tag => return Err(unexpected(tag, "the start of a stream")),
        }
        let (stream, inbox) = self.wire.into_parts();
        let (read, write) = tokio::io::split(stream);
        Ok((
            ReplicationReader::new(read, inbox, slot, options.frame_bytes_max),
            StatusWriter::new(write),
        ))
    }

    /// Ends the connection in order. An exported snapshot ends with it.
    pub async fn close(self) {
        self.wire.terminate().await;
    }

    fn start_command(&self, slot: &str, start: Lsn, options: &StreamOptions) -> String {
        let mut command = format!(
            "START_REPLICATION SLOT {} LOGICAL {start} (proto_version '{}', publication_names {}",
            quote_identifier(slot),
            options.proto_version,
            // A list of identifiers inside of a literal.
            literal(&quote_identifier(&options.publication)),
        );
        let mut add = |name: &str, value: &str| {
            // Writing to a String does not fail.
            let _ = write!(command, ", {} {}", quote_identifier(name), literal(value));
        };
        let knows = self.server_version_num >= VERSION_WITH_MESSAGES;
        if options.messages && knows {
            add("messages", "true");
        }
        if options.binary && knows {
            add("binary", "true");
        }
        for (name, value) in &options.extra {
            add(name, value);
        }
        command.push(')');
        command
    }

    async fn one_row(
        &mut self,
        sql: &str,
        action: &Action<'_>,
    ) -> Result<Vec<Option<String>>, Error> {
        let rows = self.wire.query(sql, action).await?;
        rows.into_iter()
            .next()
            .ok_or_else(|| Error::protocol("an answer without a row"))
    }
}

/// A literal of a replication command, whose grammar knows no `E''`: a backslash is itself there.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}

/// `150004` for `15.4 (Debian 15.4-1)`, `140000` for `14beta1`; 0 for what cannot be read.
fn version_num(text: &str) -> u32 {
    let mut parts = text.split(|letter: char| !letter.is_ascii_digit());
    let mut next = || parts.next().and_then(|part| part.parse::<u32>().ok());
    let (major, minor) = (next().unwrap_or(0), next().unwrap_or(0));
    major
        .saturating_mul(10_000)
        .saturating_add(minor.min(9_999))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_server_numbers_them() {
        assert_eq!(version_num("15.4 (Debian 15.4-1)"), 150_004);
        assert_eq!(version_num("14beta1"), 140_000);
        assert_eq!(version_num(""), 0);
        assert_eq!(version_num("99999999999.1"), 1);
    }
}
