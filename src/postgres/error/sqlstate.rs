//! SQLSTATE codes: which of them pass by themselves.

use std::fmt;

use crate::error::Kind;

/// Five characters by which the server names an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// Wrong password.
    pub const INVALID_PASSWORD: SqlState = SqlState(*b"28P01");
    /// The role may not log in, or `pg_hba.conf` refuses.
    pub const INVALID_AUTHORIZATION: SqlState = SqlState(*b"28000");
    /// No such database.
    pub const INVALID_CATALOG_NAME: SqlState = SqlState(*b"3D000");
    /// Every connection or walsender is taken.
    pub const TOO_MANY_CONNECTIONS: SqlState = SqlState(*b"53300");
    /// Every slot is taken.
    pub const CONFIGURATION_LIMIT_EXCEEDED: SqlState = SqlState(*b"53400");
    /// A lock could not be had within `lock_timeout`.
    pub const LOCK_NOT_AVAILABLE: SqlState = SqlState(*b"55P03");
    /// A slot that somebody else uses.
    pub const OBJECT_IN_USE: SqlState = SqlState(*b"55006");
    /// The object's state does not allow it: a lost slot, a wrong `wal_level`.
    pub const OBJECT_NOT_IN_PREREQUISITE_STATE: SqlState = SqlState(*b"55000");
    /// No such slot, publication or type.
    pub const UNDEFINED_OBJECT: SqlState = SqlState(*b"42704");
    /// A slot or publication of that name exists.
    pub const DUPLICATE_OBJECT: SqlState = SqlState(*b"42710");
    /// A privilege is missing.
    pub const INSUFFICIENT_PRIVILEGE: SqlState = SqlState(*b"42501");
    /// A value that cannot be: a snapshot's name that is not known.
    pub const INVALID_PARAMETER_VALUE: SqlState = SqlState(*b"22023");
    /// A WAL segment that was removed.
    pub const UNDEFINED_FILE: SqlState = SqlState(*b"58P01");

    /// Reads a code; anything but five ASCII characters counts as an internal error (`XX000`).
    #[must_use]
    pub fn parse(text: &str) -> SqlState {
        match <[u8; 5]>::try_from(text.as_bytes()) {
            Ok(code) if code.is_ascii() => SqlState(code),
            Ok(_) | Err(_) => SqlState(*b"XX000"),
        }
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The constructor allows ASCII only.
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }

    /// Whether trying again may succeed without anybody doing something.
    ///
    /// Whole classes first: 08 connection, 40 rolled back by a conflict, 53 out of resources, 57
    /// operator intervention, 58 the system around the server; and what only looks like a state of
    /// the object but passes: in use, locked. Everything else is the same the next time.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let [a, b, ..] = self.0;
        match [a, b] {
            [b'0', b'8'] | [b'4', b'0'] | [b'5', b'3'] | [b'5', b'7'] | [b'5', b'8'] => {
                Kind::Transient
            }
            _ if *self == SqlState::OBJECT_IN_USE || *self == SqlState::LOCK_NOT_AVAILABLE => {
                Kind::Transient
            }
            // An internal error such as "cache lookup failed" comes from a race with DDL.
            _ if self.0 == *b"XX000" => Kind::Transient,
            // Every other class: the statement or the privileges are wrong and stay so.
            _ => Kind::Definite,
        }
    }

    /// Whether the server starts, stops or recovers (57P01, 57P02, 57P03).
    #[must_use]
    pub fn is_shutdown(&self) -> bool {
        matches!(&self.0, b"57P01" | b"57P02" | b"57P03")
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_transient_and_the_rest_is_not() {
        for code in [
            "08006", "40001", "40P01", "53300", "53100", "55006", "55P03", "57014", "57P01",
            "57P03", "58030", "58P01", "XX000",
        ] {
            assert_eq!(SqlState::parse(code).kind(), Kind::Transient, "{code}");
        }
        for code in [
            "28P01", "28000", "3D000", "42501", "42704", "42710", "42601", "42P01", "55000",
            "22023", "0A000", "25006", "XX001",
        ] {
            assert_eq!(SqlState::parse(code).kind(), Kind::Definite, "{code}");
        }
    }

    #[test]
    fn a_code_of_another_form_counts_as_internal() {
        for text in ["", "1234", "123456", "12\u{e9}4"] {
            assert_eq!(SqlState::parse(text).as_str(), "XX000", "{text}");
        }
        assert!(SqlState::parse("57P02").is_shutdown());
    }
}
