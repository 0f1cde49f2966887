//! An error in the server's own words, and what it means for what was tried.

use std::fmt;
use std::io;

use super::{Error, SqlState};

/// Longest text kept of one field; the server's own messages are far shorter, and a hostile one
/// must not fill the log.
const FIELD_BYTES_MAX: usize = 4096;

/// An `ErrorResponse` or `NoticeResponse`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL`, `PANIC`, or a notice's `NOTICE`, `WARNING`, ...
    pub severity: String,
    /// The code.
    pub code: SqlState,
    /// What happened.
    pub message: String,
    /// More about it; may be empty.
    pub detail: String,
    /// What the server advises; may be empty.
    pub hint: String,
}

impl std::error::Error for ServerError {}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        if !self.hint.is_empty() {
            write!(f, " (hint: {})", self.hint)?;
        }
        Ok(())
    }
}

impl ServerError {
    /// Reads the fields of the message's body: a letter and a text closed by NUL each, and a NUL
    /// at the end. What cannot be read is left out: an error must not hide behind its own form.
    pub(in crate::postgres) fn parse(body: &[u8]) -> ServerError {
        let mut error = ServerError {
            severity: String::new(),
            code: SqlState::parse("XX000"),
            message: String::new(),
            detail: String::new(),
            hint: String::new(),
        };
        for field in body.split(|byte| *byte == 0) {
            let Some((letter, value)) = field.split_first() else {
                continue;
            };
            let value = shorten(value);
            match letter {
                b'V' => error.severity = value,
                b'S' if error.severity.is_empty() => error.severity = value,
                b'C' => error.code = SqlState::parse(&value),
                b'M' => error.message = value,
                b'D' => error.detail = value,
                b'H' => error.hint = value,
                // Position, file, line and the rest: of no use to an operator.
                _ => {}
            }
        }
        error
    }

    /// What this error means for what was tried.
    pub(in crate::postgres) fn during(self, action: &Action<'_>) -> Error {
        if self.code.is_shutdown() {
            return Error::ShuttingDown {
                source: Box::new(self),
            };
        }
        match action {
            Action::LogIn {
                address,
                user,
                dbname,
            } => self.during_login(address, user, dbname),
            Action::CreateSlot(slot) => self.during_create_slot(slot),
            Action::UseSlot { slot, doing } => self.during_use_of_slot(slot, doing),
            Action::Statement(doing) => self.during_statement(doing),
        }
    }

    fn during_login(self, address: &str, user: &str, dbname: &str) -> Error {
        let address = address.to_owned();
        let user = user.to_owned();
        match self.code {
            SqlState::INVALID_AUTHORIZATION if self.message.contains("pg_hba.conf") => {
                Error::NoHbaEntry {
                    address,
                    user,
                    database: dbname.to_owned(),
                    source: Box::new(self),
                }
            }
            SqlState::INVALID_PASSWORD
            | SqlState::INVALID_AUTHORIZATION
            | SqlState::INSUFFICIENT_PRIVILEGE => Error::LoginRefused {
                address,
                user,
                source: Box::new(self),
            },
            SqlState::INVALID_CATALOG_NAME => Error::DatabaseMissing {
                dbname: dbname.to_owned(),
                source: Box::new(self),
            },
            SqlState::TOO_MANY_CONNECTIONS => Error::TooManyConnections {
                address,
                source: Box::new(self),
            },
            // Any other code: shown as it is.
            _ => Error::Sql {
                doing: format!("log in at {address} as \"{user}\""),
                source: Box::new(self),
            },
        }
    }

    fn during_create_slot(self, slot: &str) -> Error {
        let slot = slot.to_owned();
        match self.code {
            SqlState::DUPLICATE_OBJECT => Error::SlotExists { slot },
            SqlState::CONFIGURATION_LIMIT_EXCEEDED => Error::SlotsExhausted {
                slot,
                source: Box::new(self),
            },
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE if self.message.contains("wal_level") => {
                Error::WalLevel {
                    source: Some(Box::new(self)),
                }
            }
            // Any other code: shown as it is.
            _ => self.during_statement(&format!("create slot \"{slot}\"")),
        }
    }

    fn during_use_of_slot(self, slot: &str, doing: &str) -> Error {
        let slot = slot.to_owned();
        match self.code {
            SqlState::OBJECT_IN_USE => Error::SlotInUse {
                slot,
                holder: None,
                source: Some(Box::new(self)),
            },
            SqlState::UNDEFINED_OBJECT if self.message.contains("slot") => {
                Error::SlotMissing { slot }
            }
            SqlState::UNDEFINED_OBJECT if self.message.contains("publication") => {
                Error::Publication {
                    publication: quoted_part(&self.message).unwrap_or_default(),
                    why: format!("slot \"{slot}\" cannot be decoded without it: {self}"),
                    mend: "create the publication, then drop the slot and let it be made again: \
                           a slot older than its publication cannot be decoded"
                        .to_owned(),
                }
            }
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE if self.message.contains("wal_level") => {
                Error::WalLevel {
                    source: Some(Box::new(self)),
                }
            }
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE | SqlState::UNDEFINED_FILE
                if self.tells_of_removed_log() =>
            {
                Error::SlotLost {
                    slot,
                    source: Some(Box::new(self)),
                }
            }
            // Any other code: shown as it is.
            _ => self.during_statement(&format!("{doing} slot \"{slot}\"")),
        }
    }

    fn during_statement(self, doing: &str) -> Error {
        let doing = doing.to_owned();
        match self.code {
            SqlState::INSUFFICIENT_PRIVILEGE => Error::Refused {
                doing,
                source: Box::new(self),
            },
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE if self.message.contains("wal_level") => {
                Error::WalLevel {
                    source: Some(Box::new(self)),
                }
            }
            // Any other code: shown as it is.
            _ => Error::Sql {
                doing,
                source: Box::new(self),
            },
        }
    }

    /// The messages of PostgreSQL 13 to 18 for a slot whose log is gone: "requested WAL segment
    /// ... has already been removed", "cannot read from logical replication slot ..." with detail
    /// "... exceeded the maximum reserved size" or "... was invalidated", "can no longer get
    /// changes from replication slot", "can no longer access replication slot".
    fn tells_of_removed_log(&self) -> bool {
        let says = |text: &str| self.message.contains(text) || self.detail.contains(text);
        says("has already been removed")
            || says("can no longer")
            || says("cannot read from logical replication slot")
            || says("invalidated")
    }
}

/// What was tried when the server answered with an error.
#[derive(Debug)]
pub(in crate::postgres) enum Action<'a> {
    /// Logging in.
    LogIn {
        /// `host:port`.
        address: &'a str,
        /// The role.
        user: &'a str,
        /// The database.
        dbname: &'a str,
    },
    /// Creating a slot.
    CreateSlot(&'a str),
    /// Using or dropping a slot.
    UseSlot {
        /// The slot.
        slot: &'a str,
        /// `stream from`, `drop`.
        doing: &'a str,
    },
    /// Anything else; the text fits "failed to ...".
    Statement(&'a str),
}

fn shorten(value: &[u8]) -> String {
    let kept = value.get(..FIELD_BYTES_MAX).unwrap_or(value);
    String::from_utf8_lossy(kept).into_owned()
}

fn quoted_part(message: &str) -> Option<String> {
    message.split('"').nth(1).map(str::to_owned)
}

/// What a failure of the SQL client means for what was tried.
pub(in crate::postgres) fn sql_failure(action: &Action<'_>, error: tokio_postgres::Error) -> Error {
    if let Some(server) = error.as_db_error() {
        return ServerError::from(server).during(action);
    }
    if error.is_closed() {
        return Error::Closed;
    }
    let doing = match action {
        Action::Statement(doing) => (*doing).to_owned(),
        Action::LogIn { address, user, .. } => format!("log in at {address} as \"{user}\""),
        Action::CreateSlot(slot) => format!("create slot \"{slot}\""),
        Action::UseSlot { slot, doing } => format!("{doing} slot \"{slot}\""),
    };
    match error.into_source() {
        // A bare I/O error is the connection's; the client wraps its own complaints as well, of
        // kind invalid input or data.
        Some(source) => match source.downcast::<io::Error>() {
            Ok(source) if !is_complaint(&source) => Error::Lost { source: *source },
            Ok(source) => Error::Client { doing, source },
            Err(source) => Error::Client { doing, source },
        },
        None => Error::Protocol { what: doing },
    }
}

fn is_complaint(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
    )
}

impl From<&tokio_postgres::error::DbError> for ServerError {
    fn from(error: &tokio_postgres::error::DbError) -> ServerError {
        ServerError {
            severity: error.severity().to_owned(),
            code: SqlState::parse(error.code().code()),
            message: error.message().to_owned(),
            detail: error.detail().unwrap_or_default().to_owned(),
            hint: error.hint().unwrap_or_default().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Explain, Kind, chain};

    fn told(code: &str, message: &str, detail: &str) -> ServerError {
        ServerError {
            severity: "ERROR".to_owned(),
            code: SqlState::parse(code),
            message: message.to_owned(),
            detail: detail.to_owned(),
            hint: String::new(),
        }
    }

    #[test]
    fn the_fields_are_read_and_broken_ones_left_out() {
        let error =
            ServerError::parse(b"SFEHLER\0VERROR\0C42501\0Mdenied\0Ddetail\0Hhint\0Fx.c\0L1\0\0");
        assert_eq!(error.severity, "ERROR");
        assert_eq!(error.to_string(), "denied (42501): detail (hint: hint)");
        let long = [&b"M"[..], &[b'x'; 10_000]].concat();
        assert_eq!(ServerError::parse(&long).message.len(), FIELD_BYTES_MAX);
        assert_eq!(ServerError::parse(b"\xff\0\0C\0M").code.as_str(), "XX000");
    }

    #[test]
    fn every_way_in_which_a_slot_is_lost_is_recognised() {
        for (code, message, detail) in [
            (
                "58P01",
                "requested WAL segment 000000010000000000000003 has already been removed",
                "",
            ),
            (
                "55000",
                "can no longer get changes from replication slot \"s\"",
                "This slot has never previously reserved WAL, or it has been invalidated.",
            ),
            (
                "55000",
                "cannot read from logical replication slot \"s\"",
                "This slot has been invalidated because it exceeded the maximum reserved size.",
            ),
            (
                "55000",
                "can no longer access replication slot \"s\"",
                "This replication slot has been invalidated due to \"wal_removed\".",
            ),
        ] {
            let error = told(code, message, detail).during(&Action::UseSlot {
                slot: "s",
                doing: "stream from",
            });
            assert!(matches!(error, Error::SlotLost { .. }), "{error:?}");
            assert_eq!(error.kind(), Kind::Definite);
            assert!(
                error
                    .mend()
                    .unwrap()
                    .contains("pg_drop_replication_slot('s')")
            );
            assert!(chain(&error).contains(message), "{}", chain(&error));
        }
    }

    #[test]
    fn a_wal_level_below_logical_is_recognised_wherever_it_is_told() {
        let message = "logical decoding requires wal_level >= logical";
        for action in [
            Action::CreateSlot("s"),
            Action::UseSlot {
                slot: "s",
                doing: "drop",
            },
            Action::Statement("look"),
        ] {
            let error = told("55000", message, "").during(&action);
            assert!(
                matches!(error, Error::WalLevel { source: Some(_) }),
                "{error:?}"
            );
        }
        let full = told("53400", "all replication slots are in use", "");
        let error = full.during(&Action::CreateSlot("s"));
        assert!(matches!(error, Error::SlotsExhausted { .. }), "{error:?}");
    }
}
