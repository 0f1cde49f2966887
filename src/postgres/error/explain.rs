//! Code, kind and mending of every error of the source, in one table each.

use super::Error;
use crate::error::{self as codes, Code, Explain, Kind};
use crate::postgres::quote::quote_identifier;

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
            // A password is being rotated, a certificate renewed, a database restored: somebody
            // works on it, and a source that is down never stops the rest.
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
            Error::WalLevel { .. } => {
                "ALTER SYSTEM SET wal_level = logical; and restart the server".to_owned()
            }
            Error::LoginRefused { user, .. } => format!(
                "check user and password; ALTER ROLE {} WITH LOGIN REPLICATION PASSWORD '...';",
                quote_identifier(user)
            ),
            Error::NoHbaEntry { user, database, .. } => format!(
                "add to pg_hba.conf: host {database} {user} samenet scram-sha-256 \
                 and run SELECT pg_reload_conf();"
            ),
            Error::SlotInUse { slot, holder, .. } => match holder {
                Some(holder) => format!(
                    "stop that reader, or end its connection: SELECT pg_terminate_backend({});",
                    holder.pid
                ),
                None => format!(
                    "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{slot}';"
                ),
            },
            Error::SlotLost { slot, .. } => format!(
                "the changes are gone: SELECT pg_drop_replication_slot('{slot}'); and take a new \
                 snapshot; raise max_slot_wal_keep_size to keep more log next time"
            ),
            Error::Publication { mend, .. } => mend.clone(),
            _ => return None,
        };
        Some(text)
    }
}
