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

    /// No token was sent.
    AUTH_NO_TOKEN = "PEN-AUTH-001";
    /// The token is no JSON Web Token: malformed, encrypted, or opaque.
    AUTH_MALFORMED = "PEN-AUTH-002";
    /// The token is signed with an algorithm that is not accepted.
    AUTH_ALGORITHM = "PEN-AUTH-003";
    /// The token's key is not one of the issuer's.
    AUTH_UNKNOWN_KEY = "PEN-AUTH-004";
    /// The token's signature is wrong.
    AUTH_SIGNATURE = "PEN-AUTH-005";
    /// The token is of another issuer.
    AUTH_ISSUER = "PEN-AUTH-006";
    /// The token is for another audience.
    AUTH_AUDIENCE = "PEN-AUTH-007";
    /// The token has expired.
    AUTH_EXPIRED = "PEN-AUTH-008";
    /// The token is not valid yet.
    AUTH_NOT_YET_VALID = "PEN-AUTH-009";
    /// A claim that must be there is missing or of a wrong form.
    AUTH_CLAIM = "PEN-AUTH-010";
    /// The token lacks a scope.
    AUTH_SCOPE = "PEN-AUTH-011";
    /// The token belongs to somebody else than the declaration allows.
    AUTH_NOT_ALLOWED = "PEN-AUTH-012";
    /// The issuer's keys cannot be had now.
    AUTH_KEYS_UNAVAILABLE = "PEN-AUTH-013";
    /// Tokens are not set up.
    AUTH_NOT_CONFIGURED = "PEN-AUTH-014";
    /// A token came twice, or where tokens are not taken.
    AUTH_REQUEST = "PEN-AUTH-015";

    /// No integration of this name.
    PUSH_UNKNOWN = "PEN-PUSH-001";
    /// The integration is retired.
    PUSH_RETIRED = "PEN-PUSH-002";
    /// The body's media type is not taken.
    PUSH_MEDIA_TYPE = "PEN-PUSH-003";
    /// The body's encoding is not taken.
    PUSH_ENCODING = "PEN-PUSH-004";
    /// The body is too large, as it came or unpacked.
    PUSH_TOO_LARGE = "PEN-PUSH-005";
    /// The body is malformed.
    PUSH_MALFORMED = "PEN-PUSH-006";
    /// A value does not fit its schema.
    PUSH_SCHEMA = "PEN-PUSH-007";
    /// An idempotency key is missing or malformed.
    PUSH_KEY = "PEN-PUSH-008";
    /// An idempotency key was used for another body.
    PUSH_KEY_REUSED = "PEN-PUSH-009";
    /// A push with this idempotency key is under way.
    PUSH_KEY_IN_FLIGHT = "PEN-PUSH-010";
    /// As many idempotency keys are remembered as there may be.
    PUSH_KEYS_FULL = "PEN-PUSH-011";
    /// The integration's rate is used up.
    PUSH_RATE = "PEN-PUSH-012";
    /// A CloudEvents attribute is missing or malformed.
    PUSH_CLOUD_EVENT = "PEN-PUSH-013";
    /// Pushes are not taken on the way down, or too many are under way.
    PUSH_BUSY = "PEN-PUSH-014";
    /// The body did not come in time.
    PUSH_SLOW = "PEN-PUSH-015";

    /// No such topic of dead letters, or no such dead letter.
    DLQ_NOT_FOUND = "PEN-DLQ-001";
    /// The dead letter cannot be redriven.
    DLQ_NOT_REDRIVABLE = "PEN-DLQ-002";
    /// The record that a dead letter stands for is gone.
    DLQ_RECORD_GONE = "PEN-DLQ-003";
    /// The dead letters are still being counted.
    DLQ_NOT_READY = "PEN-DLQ-004";

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
    /// The group is of the other kind: ordered or shared.
    GROUP_KIND = "PEN-GROUP-009";
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
