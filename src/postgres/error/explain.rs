//! Code, kind and mending of every error of the source, in one table each.

use super::Error;
use crate::error::{self as codes, Code, Explain, Kind};
use crate::postgres::quote::{quote_identifier, quote_literal};
use crate::postgres::slot::Holder;

impl Explain for Error {
    fn code(&self) -> Code {
        match self {
            Error::Unreachable { .. }
            | Error::TimedOut { .. }
            | Error::Lost { .. }
            | Error::Closed
            | Error::ShuttingDown { .. } => codes::SOURCE_UNREACHABLE,
            Error::Tls { .. } | Error::TlsFile { .. } | Error::TlsNotOffered { .. } => {
                codes::SOURCE_TLS
            }
            Error::LoginRefused { .. }
            | Error::NoHbaEntry { .. }
            | Error::LoginUnsupported { .. }
            | Error::DatabaseMissing { .. }
            | Error::TooManyConnections { .. } => codes::SOURCE_REFUSED,
            Error::Missing { .. } | Error::Refused { .. } => codes::SOURCE_PRIVILEGES,
            Error::WalLevel { .. } => codes::SOURCE_WAL_LEVEL,
            Error::SlotInUse { .. } => codes::SOURCE_SLOT_IN_USE,
            Error::SlotMissing { .. }
            | Error::SlotExists { .. }
            | Error::SlotsExhausted { .. }
            | Error::SlotLost { .. }
            | Error::SlotUnfit { .. } => codes::SOURCE_SLOT_LOST,
            Error::Gap { .. } => codes::SOURCE_GAP,
            Error::Publication { .. } => codes::SOURCE_PUBLICATION,
            Error::SnapshotGone { .. } | Error::Sql { .. } | Error::Client { .. } => {
                codes::SOURCE_SQL
            }
            Error::Protocol { .. } | Error::Decode { .. } | Error::TooLarge { .. } => {
                codes::SOURCE_PROTOCOL
            }
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Error::Unreachable { .. }
            | Error::TimedOut { .. }
            | Error::Lost { .. }
            | Error::Closed
            | Error::ShuttingDown { .. }
            | Error::TooManyConnections { .. }
            | Error::SlotInUse { .. }
            | Error::SlotsExhausted { .. }
            | Error::SnapshotGone { .. }
            | Error::Protocol { .. } => Kind::Transient,
            // Somebody has to do something: a password, a certificate, a privilege, a snapshot.
            Error::Tls { .. }
            | Error::TlsFile { .. }
            | Error::TlsNotOffered { .. }
            | Error::LoginRefused { .. }
            | Error::NoHbaEntry { .. }
            | Error::LoginUnsupported { .. }
            | Error::DatabaseMissing { .. }
            | Error::Missing { .. }
            | Error::WalLevel { .. }
            | Error::Refused { .. }
            | Error::SlotMissing { .. }
            | Error::SlotExists { .. }
            | Error::SlotLost { .. }
            | Error::SlotUnfit { .. }
            | Error::Gap { .. }
            | Error::Publication { .. }
            | Error::Client { .. }
            | Error::Decode { .. }
            | Error::TooLarge { .. } => Kind::Definite,
            Error::Sql { source, .. } => source.code.kind(),
        }
    }

    fn mend(&self) -> Option<String> {
        let text = match self {
            Error::Missing { missing } => {
                let lines: Vec<&str> = missing.iter().map(|one| one.mend.as_str()).collect();
                lines.join("\n")
            }
            Error::Publication { mend, .. } => mend.clone(),
            Error::Unreachable { address, .. } | Error::TimedOut { address, .. } => format!(
                "check that {address} is the database's address, that it runs, and that \
                 listen_addresses and firewalls let this host through"
            ),
            Error::Tls { .. } => "check sslmode and sslrootcert: the certificate must lead to \
                 sslrootcert and, with verify-full, carry the host name as a subject \
                 alternative name"
                .to_owned(),
            Error::TlsNotOffered { .. } => {
                "set ssl = on at the server with a certificate, or sslmode=prefer here".to_owned()
            }
            Error::LoginRefused { user, .. } => login(user),
            Error::LoginUnsupported { .. } => {
                "check the password, and that pg_hba.conf asks for scram-sha-256".to_owned()
            }
            Error::NoHbaEntry { user, database, .. } => format!(
                "add to pg_hba.conf: host {} {} samenet scram-sha-256 -- then run: \
                 SELECT pg_reload_conf();",
                quote_identifier(database),
                quote_identifier(user)
            ),
            Error::DatabaseMissing { dbname, .. } => {
                format!("CREATE DATABASE {};", quote_identifier(dbname))
            }
            Error::TooManyConnections { .. } => {
                "ALTER SYSTEM SET max_connections = ...; or max_wal_senders, then restart the \
                 server; or end connections that nobody needs"
                    .to_owned()
            }
            Error::WalLevel { .. } => {
                "ALTER SYSTEM SET wal_level = logical; -- then restart the server".to_owned()
            }
            Error::SlotInUse { slot, holder, .. } => in_use(slot, holder.as_deref()),
            Error::SlotExists { slot } | Error::SlotUnfit { slot, .. } => format!(
                "choose another slot name, or, if nobody needs it: {}",
                drop_slot(slot)
            ),
            Error::SlotsExhausted { .. } => {
                "SELECT slot_name, active FROM pg_replication_slots; -- drop what nobody needs, \
                 or ALTER SYSTEM SET max_replication_slots = ...; and restart the server"
                    .to_owned()
            }
            Error::SlotLost { slot, .. } => format!(
                "the changes are gone: {} and take a new snapshot; a larger \
                 max_slot_wal_keep_size keeps more log",
                drop_slot(slot)
            ),
            Error::SlotMissing { .. } | Error::Gap { .. } => {
                "changes may be missing: take a new snapshot".to_owned()
            }
            // The server's own words, or nothing to be done but to wait.
            Error::Lost { .. }
            | Error::Closed
            | Error::TlsFile { .. }
            | Error::ShuttingDown { .. }
            | Error::Refused { .. }
            | Error::SnapshotGone { .. }
            | Error::Sql { .. }
            | Error::Client { .. }
            | Error::Protocol { .. }
            | Error::Decode { .. }
            | Error::TooLarge { .. } => return None,
        };
        Some(text)
    }
}

fn login(user: &str) -> String {
    format!(
        "check user and password; ALTER ROLE {} WITH LOGIN REPLICATION PASSWORD '...';",
        quote_identifier(user)
    )
}

fn drop_slot(slot: &str) -> String {
    format!("SELECT pg_drop_replication_slot({});", quote_literal(slot))
}

fn in_use(slot: &str, holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => format!(
            "stop that reader, or end its connection: SELECT pg_terminate_backend({});",
            holder.pid
        ),
        None => format!(
            "SELECT active_pid FROM pg_replication_slots WHERE slot_name = {};",
            quote_literal(slot)
        ),
    }
}
