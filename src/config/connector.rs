//! A connector's settings as the rest of the program uses them, whichever way they were written:
//! a Debezium file or `PENSTOCK_SOURCE_URL`.

use std::fmt;
use std::path::PathBuf;

use super::problem::Problem;
use super::secret::Secret;
use super::tables::TableFilter;

/// How TLS is used towards PostgreSQL, as libpq means it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    Disable,
    /// Plain first, TLS where the server refuses that.
    Allow,
    /// TLS first, plain where the server has none.
    #[default]
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl SslMode {
    /// Every mode with its name.
    pub const NAMES: [(&'static str, SslMode); 6] = [
        (SslMode::Disable.as_str(), SslMode::Disable),
        (SslMode::Allow.as_str(), SslMode::Allow),
        (SslMode::Prefer.as_str(), SslMode::Prefer),
        (SslMode::Require.as_str(), SslMode::Require),
        (SslMode::VerifyCa.as_str(), SslMode::VerifyCa),
        (SslMode::VerifyFull.as_str(), SslMode::VerifyFull),
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            SslMode::Disable => "disable",
            SslMode::Allow => "allow",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        }
    }
}

/// Where the database is and who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    pub host: String,
    pub port: u16,
    pub user: String,
    /// Empty where none is set.
    pub password: Secret,
    pub dbname: String,
    pub sslmode: SslMode,
    /// PEM file of the authorities to trust; `None`: the public ones.
    pub sslrootcert: Option<PathBuf>,
    /// PEM file of the client's certificate. `Some` only together with `sslkey`.
    pub sslcert: Option<PathBuf>,
    /// PEM file of the client's key.
    pub sslkey: Option<PathBuf>,
    /// Whether TCP keepalive is on.
    pub tcp_keepalive: bool,
}

/// What is done about a missing publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AutocreateMode {
    /// It is made `FOR ALL TABLES`.
    #[default]
    AllTables,
    /// It is made for the captured tables, and kept in step with them.
    Filtered,
    /// It is not made; its absence stops the connector.
    Disabled,
    /// It is made without tables.
    NoTables,
}

/// What a connector without a stored position reads first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SnapshotMode {
    /// The rows that are there, then the changes.
    #[default]
    Initial,
    /// The changes only.
    NoData,
}

/// What is done when the slot that held the position is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnSlotLoss {
    /// The connector goes FAILED with the reason.
    #[default]
    Stop,
    /// A new slot and a new snapshot; rows deleted in between are not seen.
    Resnapshot,
}

/// Which operations leave no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedOperations {
    pub create: bool,
    pub update: bool,
    pub delete: bool,
    pub truncate: bool,
}

impl SkippedOperations {
    /// Nothing is skipped.
    pub const NONE: SkippedOperations = SkippedOperations {
        create: false,
        update: false,
        delete: false,
        truncate: false,
    };
}

impl Default for SkippedOperations {
    /// Debezium's default since 2.0: truncates are skipped.
    fn default() -> SkippedOperations {
        SkippedOperations {
            truncate: true,
            ..SkippedOperations::NONE
        }
    }
}

/// What becomes of a change that cannot be written as events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The connector goes FAILED with the reason, and nothing behind the change is taken.
    #[default]
    Stop,
    /// It goes to the connector's dead letters with a warning in the log; the stream goes on.
    DeadLetter,
    /// It goes to the dead letters; the log tells of it only at debug level.
    QuietDeadLetter,
}

/// What becomes of changes that cannot be written as events, by why they cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// A value that cannot be converted, or an event that the converter refuses.
    pub unconvertible: OnFailure,
    /// A change larger than what is read at a time, or than its topic takes.
    pub too_large: OnFailure,
}

impl Failures {
    /// Both become dead letters, with a warning.
    pub const DEAD_LETTERS: Failures = Failures {
        unconvertible: OnFailure::DeadLetter,
        too_large: OnFailure::DeadLetter,
    };
}

/// How `Decimal` is written in JSON (`decimal.format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecimalFormat {
    #[default]
    Base64,
    Numeric,
}

/// Settings of Kafka Connect's JsonConverter, for keys or for values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonSettings {
    /// `schemas.enable`.
    pub schemas: bool,
    /// `replace.null.with.default`.
    pub replace_null_with_default: bool,
    /// `decimal.format`.
    pub decimal_format: DecimalFormat,
}

impl Default for JsonSettings {
    fn default() -> JsonSettings {
        JsonSettings {
            schemas: true,
            replace_null_with_default: true,
            decimal_format: DecimalFormat::Base64,
        }
    }
}

/// One connector, complete and checked.
#[derive(Debug, Clone)]
pub struct ConnectorConfig {
    /// Legal as part of a topic name.
    pub name: String,
    /// Legal as the beginning of a topic name.
    pub topic_prefix: String,
    pub database: DatabaseConfig,
    pub slot_name: String,
    pub publication_name: String,
    pub publication_autocreate_mode: AutocreateMode,
    pub tables: TableFilter,
    pub snapshot_mode: SnapshotMode,
    pub tombstones_on_delete: bool,
    pub skipped_operations: SkippedOperations,
    pub key_converter: JsonSettings,
    pub value_converter: JsonSettings,
    pub on_slot_loss: OnSlotLoss,
    pub failures: Failures,
    /// What was accepted but deserves a look, a line each.
    pub warnings: Vec<String>,
}

/// A connector that cannot run: it is listed as FAILED with its reasons and stops nothing else.
#[derive(Debug)]
pub struct ConnectorProblem {
    pub name: String,
    /// `None` for the connector of `PENSTOCK_SOURCE_URL`.
    pub file: Option<PathBuf>,
    /// At least one.
    pub reasons: Vec<Problem>,
}

impl fmt::Display for ConnectorProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, reason) in self.reasons.iter().enumerate() {
            let separator = if i == 0 { "" } else { " | " };
            write!(f, "{separator}{}", reason.line())?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectorProblem {}

/// A connector file that is switched off by an empty `database.hostname`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffConnector {
    pub name: String,
    pub file: PathBuf,
    pub reason: String,
}
