//! What every error of Penstock can answer: how it is to be handled, and under which code it is
//! documented. All codes stand in this file and are never renumbered.

use std::fmt;

/// How an error is to be handled. Retry, dead letters, exit codes and protocol codes are tables
/// over this and the error's variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Trying again later may succeed; handled by back-off.
    Transient,
    /// Trying again cannot succeed until somebody mends the cause; stop this object, tell why.
    Definite,
    /// The process cannot go on.
    Fatal,
}

/// A stable code of a refusal: `PEN-<AREA>-<nnn>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(&'static str);

impl Code {
    /// The code as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What an operator is told: the code, how it is handled, and how to mend it. `Display` of the
/// error itself says what and where; causes are its `source()`.
pub trait Explain: std::error::Error {
    /// The stable code.
    fn code(&self) -> Code;
    /// How it is to be handled.
    fn kind(&self) -> Kind;
    /// What to do about it, with SQL or a command to paste where there is one.
    fn mend(&self) -> Option<String> {
        None
    }
}

/// Writes an error with all its causes: `failed to a: b: c`.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Code = Code($text);)*
        /// Every code there is.
        pub const ALL_CODES: &[Code] = &[$($name),*];
    };
}

codes! {
    /// A key of the configuration is not known.
    CONFIG_UNKNOWN_KEY = "PEN-CONFIG-001";
    /// A value of the configuration cannot be read.
    CONFIG_INVALID_VALUE = "PEN-CONFIG-002";
    /// Two settings contradict each other.
    CONFIG_CONTRADICTION = "PEN-CONFIG-003";
    /// A configuration file cannot be read or parsed.
    CONFIG_UNREADABLE = "PEN-CONFIG-004";
    /// A setting asks for something that is not built.
    CONFIG_NOT_BUILT = "PEN-CONFIG-005";
    /// A placeholder such as `${env:NAME}` cannot be resolved.
    CONFIG_PLACEHOLDER = "PEN-CONFIG-006";

    /// The data directory is in use by another process.
    LOG_IN_USE = "PEN-LOG-001";
    /// The disk is below the floor.
    LOG_DISK_FULL = "PEN-LOG-002";
    /// Appends are refused after a failed write or sync.
    LOG_READ_ONLY = "PEN-LOG-003";
    /// The outcome of an append is not known.
    LOG_OUTCOME_UNKNOWN = "PEN-LOG-004";
    /// Damage below the durable mark.
    LOG_DAMAGED = "PEN-LOG-005";
    /// An I/O error.
    LOG_IO = "PEN-LOG-006";
    /// A topic is not known.
    LOG_UNKNOWN_TOPIC = "PEN-LOG-007";
    /// A topic exists already.
    LOG_TOPIC_EXISTS = "PEN-LOG-008";
    /// An offset outside of what the partition holds.
    LOG_OFFSET_OUT_OF_RANGE = "PEN-LOG-009";
    /// A batch larger than the topic allows.
    LOG_TOO_LARGE = "PEN-LOG-010";
    /// A producer's sequence number or epoch is not the one that was due.
    LOG_PRODUCER = "PEN-LOG-011";
    /// A topic name, a partition count or a topic setting that is not legal.
    LOG_INVALID_TOPIC = "PEN-LOG-012";
    /// The data directory was written by a newer version.
    LOG_NEWER_FORMAT = "PEN-LOG-013";

    /// A record batch is malformed.
    RECORD_MALFORMED = "PEN-RECORD-001";
    /// A record batch fails its checksum.
    RECORD_CHECKSUM = "PEN-RECORD-002";

    /// A Kafka request or response is malformed.
    KAFKA_MALFORMED = "PEN-KAFKA-001";
    /// A Kafka API or a version of it is not supported.
    KAFKA_UNSUPPORTED = "PEN-KAFKA-002";
    /// The address for Kafka clients cannot be bound.
    KAFKA_LISTEN = "PEN-KAFKA-003";

    /// The database cannot be reached.
    SOURCE_UNREACHABLE = "PEN-SOURCE-001";
    /// The database refused the login.
    SOURCE_REFUSED = "PEN-SOURCE-002";
    /// Privileges are missing.
    SOURCE_PRIVILEGES = "PEN-SOURCE-003";
    /// `wal_level` is not `logical`.
    SOURCE_WAL_LEVEL = "PEN-SOURCE-004";
    /// The slot is in use by another connection.
    SOURCE_SLOT_IN_USE = "PEN-SOURCE-005";
    /// The slot is lost, missing, or not ours.
    SOURCE_SLOT_LOST = "PEN-SOURCE-006";
    /// The stored position and the slot do not meet.
    SOURCE_GAP = "PEN-SOURCE-007";
    /// The publication is missing or does not fit.
    SOURCE_PUBLICATION = "PEN-SOURCE-008";
    /// The server speaks something that was not expected.
    SOURCE_PROTOCOL = "PEN-SOURCE-009";
    /// A row cannot be converted.
    SOURCE_UNCONVERTIBLE = "PEN-SOURCE-010";
    /// TLS towards the database failed.
    SOURCE_TLS = "PEN-SOURCE-011";
    /// A statement failed at the database.
    SOURCE_SQL = "PEN-SOURCE-012";

    /// A value does not fit the schema it is to be written under.
    CONVERT_MISMATCH = "PEN-CONVERT-001";

    /// The caller may not do this.
    HTTP_FORBIDDEN = "PEN-HTTP-001";
    /// No such object.
    HTTP_NOT_FOUND = "PEN-HTTP-002";
    /// A parameter or body cannot be read.
    HTTP_INVALID = "PEN-HTTP-003";
    /// The service cannot answer now.
    HTTP_UNAVAILABLE = "PEN-HTTP-004";
    /// The caller has to show who it is.
    HTTP_UNAUTHORIZED = "PEN-HTTP-005";
    /// The object's state does not allow this.
    HTTP_CONFLICT = "PEN-HTTP-006";
    /// The request asks for something that is not built.
    HTTP_NOT_BUILT = "PEN-HTTP-007";
    /// An address cannot be bound.
    HTTP_BIND = "PEN-HTTP-008";

    /// PENSTOCK_URL cannot be reached, or what answers is no Penstock.
    CLI_UNREACHABLE = "PEN-CLI-001";
    /// The server refused a command without saying why in its own form.
    CLI_REFUSED = "PEN-CLI-002";
    /// An argument cannot be read.
    CLI_INVALID = "PEN-CLI-003";
    /// A measurement could not be made.
    CLI_BENCH = "PEN-CLI-004";

    /// Something the start needs is missing or in use.
    APP_START = "PEN-APP-001";
    /// The demo's PostgreSQL cannot be started.
    APP_DEMO = "PEN-APP-002";


    /// A text that cannot name a group.
    GROUP_INVALID_ID = "PEN-GROUP-001";
    /// A group is not known.
    GROUP_NOT_FOUND = "PEN-GROUP-002";
    /// The group has members, so its offsets are theirs to move.
    GROUP_NOT_EMPTY = "PEN-GROUP-003";
    /// The caller is not a current member of the group.
    GROUP_MEMBERSHIP = "PEN-GROUP-004";
    /// A request to a group that cannot be.
    GROUP_INVALID_REQUEST = "PEN-GROUP-005";
    /// A limit of groups, members, offsets or their bytes.
    GROUP_LIMIT = "PEN-GROUP-006";
    /// The stored state of groups cannot be read.
    GROUP_DAMAGED = "PEN-GROUP-007";
    /// Groups are not served on the way down.
    GROUP_CLOSING = "PEN-GROUP-008";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_of_one_form() {
        for (i, code) in ALL_CODES.iter().enumerate() {
            assert!(!ALL_CODES[..i].contains(code), "{code} stands twice");
            let parts: Vec<&str> = code.as_str().split('-').collect();
            assert!(
                parts.len() == 3 && parts[0] == "PEN" && parts[2].len() == 3,
                "{code}"
            );
        }
    }
}
