//! Debezium's connector files: the only place where its keys are spelled.
//!
//! Every key of a file gets one treatment: used, translated (a name of Debezium 1.x), ignored (at
//! its default, or without meaning here), not built (known, and set to something else than its
//! default: the connector goes FAILED and names it), or unknown (a warning with a suggestion). The
//! known keys come from `debezium-properties.tsv`, which lists those of Debezium 3.6.3 with their
//! defaults, and from [`FRAMEWORK`], those of Kafka Connect around it.
//!
//! Not here: connectors that come over REST; running a connector.

mod build;
mod classify;
mod failures;
mod placeholder;
mod properties;
mod read;

pub use super::connector::{
    AutocreateMode, ConnectorConfig, ConnectorProblem, DatabaseConfig, DecimalFormat, Failures,
    JsonSettings, OffConnector, OnFailure, OnSlotLoss, SkippedOperations, SnapshotMode, SslMode,
};
pub use super::tables::TableFilter;
pub use classify::{KeyReport, Treatment};
pub use read::{FileReport, Outcome, read_file};

// Keys that are used, by their names in Debezium and Kafka Connect.
const CONNECTOR_CLASS: &str = "connector.class";
const TOPIC_PREFIX: &str = "topic.prefix";
const HOSTNAME: &str = "database.hostname";
const PORT: &str = "database.port";
const USER: &str = "database.user";
const PASSWORD: &str = "database.password";
const DBNAME: &str = "database.dbname";
const SSLMODE: &str = "database.sslmode";
const SSLROOTCERT: &str = "database.sslrootcert";
const SSLCERT: &str = "database.sslcert";
const SSLKEY: &str = "database.sslkey";
const TCP_KEEPALIVE: &str = "database.tcpKeepAlive";
const PLUGIN_NAME: &str = "plugin.name";
const SLOT_NAME: &str = "slot.name";
const PUBLICATION_NAME: &str = "publication.name";
const AUTOCREATE_MODE: &str = "publication.autocreate.mode";
const TABLE_INCLUDE: &str = "table.include.list";
const TABLE_EXCLUDE: &str = "table.exclude.list";
const SCHEMA_INCLUDE: &str = "schema.include.list";
const SCHEMA_EXCLUDE: &str = "schema.exclude.list";
const SNAPSHOT_MODE: &str = "snapshot.mode";
const TOMBSTONES: &str = "tombstones.on.delete";
const SKIPPED_OPERATIONS: &str = "skipped.operations";
const KEY_CONVERTER: &str = "key.converter";
const VALUE_CONVERTER: &str = "value.converter";
const SCHEMAS_ENABLE: &str = ".schemas.enable";
const REPLACE_NULL: &str = ".replace.null.with.default";
const DECIMAL_FORMAT: &str = ".decimal.format";
const ERRORS_TOLERANCE: &str = "errors.tolerance";
const PROCESSING_FAILURE: &str = "event.processing.failure.handling.mode";
const CONVERTING_FAILURE: &str = "event.converting.failure.handling.mode";
const NAME: &str = "name";

/// The one class that a connector file may name; an absent one means this.
const POSTGRES_CLASS: &str = "io.debezium.connector.postgresql.PostgresConnector";
/// The one decoding plugin; PostgreSQL has it built in.
const PGOUTPUT: &str = "pgoutput";
/// The one converter.
const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";
/// Debezium's default of `slot.name`.
const DEFAULT_SLOT: &str = "debezium";
/// Debezium's default of `publication.name`.
const DEFAULT_PUBLICATION: &str = "dbz_publication";

/// Keys whose value has an effect.
pub const USED: &[&str] = &[
    CONNECTOR_CLASS,
    TOPIC_PREFIX,
    HOSTNAME,
    PORT,
    USER,
    PASSWORD,
    DBNAME,
    SSLMODE,
    SSLROOTCERT,
    SSLCERT,
    SSLKEY,
    TCP_KEEPALIVE,
    PLUGIN_NAME,
    SLOT_NAME,
    PUBLICATION_NAME,
    AUTOCREATE_MODE,
    TABLE_INCLUDE,
    TABLE_EXCLUDE,
    SCHEMA_INCLUDE,
    SCHEMA_EXCLUDE,
    SNAPSHOT_MODE,
    TOMBSTONES,
    SKIPPED_OPERATIONS,
    ERRORS_TOLERANCE,
    PROCESSING_FAILURE,
    CONVERTING_FAILURE,
    KEY_CONVERTER,
    VALUE_CONVERTER,
    "key.converter.schemas.enable",
    "key.converter.replace.null.with.default",
    "key.converter.decimal.format",
    "value.converter.schemas.enable",
    "value.converter.replace.null.with.default",
    "value.converter.decimal.format",
];

/// Names of Debezium 0.x and 1.x, and what they are called since 2.0.
const RENAMED: &[(&str, &str)] = &[
    ("database.server.name", TOPIC_PREFIX),
    ("table.whitelist", TABLE_INCLUDE),
    ("table.blacklist", TABLE_EXCLUDE),
    ("schema.whitelist", SCHEMA_INCLUDE),
    ("schema.blacklist", SCHEMA_EXCLUDE),
    ("column.whitelist", "column.include.list"),
    ("column.blacklist", "column.exclude.list"),
    ("slot.drop_on_stop", "slot.drop.on.stop"),
    ("toasted.value.placeholder", "unavailable.value.placeholder"),
    ("snapshot.custom.class", "snapshot.mode.custom.name"),
    ("heartbeat.topics.prefix", "topic.heartbeat.prefix"),
    ("transaction.topic", "topic.transaction"),
    ("message.prefix.whitelist", "message.prefix.include.list"),
    ("message.prefix.blacklist", "message.prefix.exclude.list"),
];

/// A key of Debezium 1.x whose value changes with its name.
const SANITIZE_FIELD_NAMES: &str = "sanitize.field.names";
/// A key of Debezium 1.x that became a part of `skipped.operations`.
const TRUNCATE_HANDLING: &str = "truncate.handling.mode";
/// What became of [`SANITIZE_FIELD_NAMES`].
const FIELD_NAME_ADJUSTMENT: &str = "field.name.adjustment.mode";

/// Values of `snapshot.mode` in files of Debezium 1.x, which are read as such because they use one
/// of its names. In a file of today `never` is refused, as Debezium 3 refuses it.
const SNAPSHOT_MODES_1X: &[(&str, &str)] = &[("never", "no_data"), ("exported", "initial")];

/// Keys that change nothing here, whatever their value: exact names, or beginnings that end in a
/// dot; with the reason.
const WITHOUT_MEANING: &[(&str, &str)] = &[
    (NAME, "the file gives the name"),
    ("tasks.max", "a PostgreSQL connector has one task"),
    ("tasks.max.enforce", "a PostgreSQL connector has one task"),
    ("config.action.reload", "there is no Connect worker"),
    ("bootstrap.servers", "the broker is in this process"),
    (
        "exactly.once.support",
        "changes are always written exactly once",
    ),
    (
        "transaction.boundary",
        "changes are always written exactly once",
    ),
    (
        "transaction.boundary.interval.ms",
        "changes are always written exactly once",
    ),
    (
        "offsets.storage.topic",
        "positions are stored with the records",
    ),
    (
        "offset.commit.policy",
        "positions are stored with the records",
    ),
    ("offset.flush.", "positions are stored with the records"),
    ("offset.storage", "positions are stored with the records"),
    ("offset.storage.", "positions are stored with the records"),
    ("max.batch.size", "batches follow the log"),
    (
        "max.queue.size",
        "there is no queue between reading and writing",
    ),
    (
        "max.queue.size.in.bytes",
        "there is no queue between reading and writing",
    ),
    ("poll.interval.ms", "changes are written as they arrive"),
    ("query.fetch.size", "rows are streamed"),
    ("snapshot.fetch.size", "rows are streamed"),
    ("snapshot.max.threads", "it changes no event"),
    ("snapshot.max.threads.multiplier", "it changes no event"),
    ("legacy.snapshot.max.threads", "it changes no event"),
    (
        "snapshot.isolation.mode",
        "a snapshot always sees one state of the database",
    ),
    (
        "snapshot.lock.timeout.ms",
        "a snapshot takes no locks that block",
    ),
    (
        "slot.max.retries",
        "the source is retried for ever, with back-off",
    ),
    (
        "slot.retry.delay.ms",
        "the source is retried for ever, with back-off",
    ),
    (
        "retriable.restart.connector.wait.ms",
        "the source is retried for ever, with back-off",
    ),
    (
        "errors.max.retries",
        "the source is retried for ever, with back-off",
    ),
    (
        "errors.retry.",
        "the source is retried for ever, with back-off",
    ),
    (
        "errors.log.",
        "errors are always logged, never with row values",
    ),
    (
        "errors.deadletterqueue.",
        "it has no effect on sources in Kafka Connect either",
    ),
    (
        "status.update.interval.ms",
        "status updates follow the database's own timeout",
    ),
    (
        "lsn.flush.timeout.",
        "a position is confirmed without waiting for it",
    ),
    (
        "database.query.timeout.ms",
        "statements have limits of their own",
    ),
    (
        "connection.validation.timeout.ms",
        "connecting has a limit of its own",
    ),
    (
        "executor.shutdown.timeout.ms",
        "the end of the process has a limit of its own",
    ),
    ("database.server.id", "it belongs to MySQL"),
    ("database.history.", "PostgreSQL needs no schema history"),
    ("schema.history.", "PostgreSQL needs no schema history"),
    (
        "include.schema.changes",
        "PostgreSQL has no schema change topic",
    ),
    ("database.include.list", "one connector reads one database"),
    ("database.exclude.list", "one connector reads one database"),
    (
        "schema.refresh.mode",
        "schemas follow the stream's own descriptions",
    ),
    ("custom.sanitize.pattern", "secrets are never logged"),
    (
        "custom.metric.tags",
        "metrics have the labels that are documented",
    ),
    ("statistics.metrics.enabled", "metrics are always on"),
    (
        "memory.management.",
        "it belongs to the Java implementation",
    ),
    (
        "queue.provider.type",
        "it belongs to the Java implementation",
    ),
    ("topic.cache.size", "it belongs to the Java implementation"),
    (
        "debezium.embedded.",
        "it belongs to the Java implementation",
    ),
    (
        "record.processing.",
        "it belongs to the Java implementation",
    ),
    ("internal.", "it belongs to the Java implementation"),
    ("driver.", "it belongs to the Java driver"),
    ("producer.override.", "there is no Kafka client in between"),
    ("consumer.override.", "there is no Kafka client in between"),
    ("admin.override.", "there is no Kafka client in between"),
    (
        "key.converter.schemas.cache.size",
        "it belongs to the Java implementation",
    ),
    (
        "value.converter.schemas.cache.size",
        "it belongs to the Java implementation",
    ),
    (
        "header.converter.",
        "headers are written as SimpleHeaderConverter does",
    ),
    ("topic.creation.enable", "topics are made by this broker"),
    (
        "topic.creation.default.replication.factor",
        "there is one copy",
    ),
    // The following belong to a key that is not built, and mean nothing without it.
    (
        "topic.heartbeat.prefix",
        "it means nothing without heartbeats",
    ),
    (
        "topic.heartbeat.name",
        "it means nothing without heartbeats",
    ),
    (
        "topic.transaction",
        "it means nothing without transaction metadata",
    ),
    (
        "transaction.metadata.factory",
        "it means nothing without transaction metadata",
    ),
    (
        "heartbeat.action.query",
        "it means nothing without heartbeats",
    ),
    (
        "topic.regex",
        "it means nothing without that topic.naming.strategy",
    ),
    (
        "topic.replacement",
        "it means nothing without that topic.naming.strategy",
    ),
    (
        "topic.key.",
        "it means nothing without that topic.naming.strategy",
    ),
    (
        "signal.poll.interval.ms",
        "it means nothing without signals",
    ),
    ("signal.file", "it means nothing without its channel"),
    ("signal.kafka.", "it means nothing without its channel"),
    (
        "notification.sink.topic.name",
        "it means nothing without notifications",
    ),
    ("incremental.snapshot.", "it means nothing without signals"),
    (
        "openlineage.integration.config.file.path",
        "it means nothing without OpenLineage",
    ),
    (
        "openlineage.integration.job.",
        "it means nothing without OpenLineage",
    ),
    (
        "openlineage.integration.dataset.",
        "it means nothing without OpenLineage",
    ),
    (
        "guardrail.collections.limit.action",
        "it means nothing without a limit",
    ),
    (
        "snapshot.mode.custom.name",
        "it means nothing without snapshot.mode=custom",
    ),
    (
        "snapshot.mode.configuration.based.",
        "it means nothing without that snapshot.mode",
    ),
    (
        "snapshot.query.mode.custom.name",
        "it means nothing without that snapshot.query.mode",
    ),
    (
        "snapshot.locking.mode.custom.name",
        "it means nothing without that snapshot.locking.mode",
    ),
    (
        "snapshot.select.statement.overrides.",
        "it means nothing without the list of overrides",
    ),
    (
        "transforms.",
        "it means nothing without its name in transforms",
    ),
    (
        "predicates.",
        "it means nothing without its name in predicates",
    ),
];

/// Keys of Kafka Connect that are known but not built unless at their default.
const FRAMEWORK: &[(&str, &str)] = &[
    (
        "header.converter",
        "org.apache.kafka.connect.storage.SimpleHeaderConverter",
    ),
    ("topic.creation.groups", ""),
    ("topic.creation.default.partitions", "1"),
    ("topic.creation.default.cleanup.policy", "delete"),
];

/// Beginnings of keys that are known but not built, whatever their value.
const NOT_BUILT_BELOW: &[&str] = &[
    "column.mask.",
    "column.truncate.",
    "topic.creation.",
    "key.converter.schema.registry.",
    "value.converter.schema.registry.",
    "post.processors.",
    "reselector.",
];

/// Values that mean the default though the list of properties does not say so.
const SAME_AS_DEFAULT: &[(&str, &str)] = &[
    ("lsn.flush.mode", "connector"),
    ("topic.creation.default.partitions", "-1"),
    ("table.ignore.builtin", "true"),
];

/// Endings of keys whose values are never shown.
const SECRET_WORDS: &[&str] = &["password", "secret", "sasl", "credential", "token", "auth"];
