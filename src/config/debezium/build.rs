//! Makes a connector of properties that have today's names and no placeholders.

use std::path::{Path, PathBuf};

use super::failures::Asked;
use super::read::{Properties, Property};
use super::{
    AUTOCREATE_MODE, CONNECTOR_CLASS, CONVERTING_FAILURE, DBNAME, DECIMAL_FORMAT,
    DEFAULT_PUBLICATION, DEFAULT_SLOT, ERRORS_TOLERANCE, HOSTNAME, JSON_CONVERTER, KEY_CONVERTER,
    NAME, PASSWORD, PGOUTPUT, PLUGIN_NAME, PORT, POSTGRES_CLASS, PROCESSING_FAILURE,
    PUBLICATION_NAME, REPLACE_NULL, SCHEMA_EXCLUDE, SCHEMA_INCLUDE, SCHEMAS_ENABLE,
    SKIPPED_OPERATIONS, SLOT_NAME, SNAPSHOT_MODE, SSLCERT, SSLKEY, SSLMODE, SSLROOTCERT,
    TABLE_EXCLUDE, TABLE_INCLUDE, TCP_KEEPALIVE, TOMBSTONES, TOPIC_PREFIX, USER, VALUE_CONVERTER,
};
use crate::config::connector::{
    AutocreateMode, ConnectorConfig, DatabaseConfig, DecimalFormat, Failures, JsonSettings,
    OnFailure, OnSlotLoss, SkippedOperations, SnapshotMode, SslMode,
};
use crate::config::problem::{Place, Problem};
use crate::config::secret::Secret;
use crate::config::source::{
    DEFAULT_PORT, IDENTIFIER_BYTES_MAX, check_client_certificate, sslmode,
};
use crate::config::tables::TableFilter;
use crate::topic::TopicName;

/// Most bytes of a connector's name: `dlq.source.<name>` must be a topic name.
const NAME_BYTES_MAX: usize = 200;

/// Makes the connector called `name`; `None` only after a problem was added to `errors`.
pub(super) fn connector(
    name: &str,
    file: &Path,
    properties: &Properties,
    errors: &mut Vec<Problem>,
) -> Option<ConnectorConfig> {
    let mut builder = Builder {
        file,
        properties,
        errors,
    };
    builder.check_name(name);
    builder.check_class_and_plugin();
    let database = builder.database();
    let topic_prefix = builder.topic_prefix();
    let tables = builder.tables();
    Some(ConnectorConfig {
        name: name.to_owned(),
        topic_prefix: topic_prefix?,
        database: database?,
        slot_name: builder.slot_name(),
        publication_name: builder.publication_name(),
        publication_autocreate_mode: builder.choice(AUTOCREATE_MODE, AUTOCREATE_MODES),
        tables: tables?,
        snapshot_mode: builder.snapshot_mode(),
        tombstones_on_delete: builder.boolean(TOMBSTONES, true),
        skipped_operations: builder.skipped_operations(),
        key_converter: builder.converter(KEY_CONVERTER),
        value_converter: builder.converter(VALUE_CONVERTER),
        on_slot_loss: OnSlotLoss::Stop,
        failures: builder.failures(),
        warnings: Vec::new(),
    })
}

const AUTOCREATE_MODES: &[(&str, AutocreateMode)] = &[
    ("all_tables", AutocreateMode::AllTables),
    ("filtered", AutocreateMode::Filtered),
    ("disabled", AutocreateMode::Disabled),
    ("no_tables", AutocreateMode::NoTables),
];

const SNAPSHOT_MODES: &[(&str, SnapshotMode)] = &[
    ("initial", SnapshotMode::Initial),
    ("no_data", SnapshotMode::NoData),
];

/// Modes that Debezium has and Penstock does not yet.
const SNAPSHOT_MODES_NOT_BUILT: &[&str] = &[
    "always",
    "initial_only",
    "when_needed",
    "configuration_based",
    "custom",
];

const DECIMAL_FORMATS: &[(&str, DecimalFormat)] = &[
    ("base64", DecimalFormat::Base64),
    ("numeric", DecimalFormat::Numeric),
];

const TOLERANCES: &[(&str, OnFailure)] =
    &[("none", OnFailure::Stop), ("all", OnFailure::DeadLetter)];

const PROCESSING_MODES: &[(&str, OnFailure)] = &[
    ("fail", OnFailure::Stop),
    ("warn", OnFailure::DeadLetter),
    ("skip", OnFailure::QuietDeadLetter),
    ("ignore", OnFailure::QuietDeadLetter),
];

const CONVERTING_MODES: &[(&str, OnFailure)] = &[
    ("fail", OnFailure::Stop),
    ("warn", OnFailure::DeadLetter),
    ("skip", OnFailure::QuietDeadLetter),
];

struct Builder<'a> {
    file: &'a Path,
    properties: &'a Properties,
    errors: &'a mut Vec<Problem>,
}

impl<'a> Builder<'a> {
    /// The property where it is set to something.
    fn get(&self, key: &str) -> Option<&'a Property> {
        self.properties
            .get(key)
            .filter(|property| !property.value.trim().is_empty())
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key).map(|property| property.value.trim())
    }

    fn place(&self, key: &str) -> Place {
        match self.properties.get(key) {
            Some(property) => property.place.clone(),
            None => Place::File {
                path: self.file.to_owned(),
                line: None,
            },
        }
    }

    fn refuse(&mut self, key: &str, what: impl Into<String>, mend: &str) {
        let place = self.place(key);
        self.errors.push(Problem::InvalidValue {
            key: key.to_owned(),
            place,
            what: what.into(),
            mend: Some(mend.to_owned()),
        });
    }

    fn refuse_not_built(&mut self, key: &str, what: String, mend: &str) {
        let place = self.place(key);
        self.errors.push(Problem::NotBuilt {
            key: key.to_owned(),
            place,
            what,
            mend: mend.to_owned(),
        });
    }

    fn required(&mut self, key: &str) -> Option<&'a str> {
        let text = self.text(key);
        if text.is_none() {
            let what = match self.properties.get(key) {
                Some(property) if property.replaced => "its placeholder resolves to nothing",
                Some(_) => "it is empty",
                None => "it is required and missing",
            };
            self.refuse(key, what, "set it");
        }
        text
    }

    fn boolean(&mut self, key: &str, default: bool) -> bool {
        match self.text(key).map(str::to_ascii_lowercase).as_deref() {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(other) => {
                let what = format!("\"{other}\" is neither true nor false");
                self.refuse(key, what, "write true or false");
                default
            }
        }
    }

    /// One of `choices` by its name; the first is the default.
    fn choice<T: Copy + Default>(&mut self, key: &str, choices: &[(&str, T)]) -> T {
        let Some(text) = self.text(key) else {
            return T::default();
        };
        let found = choices
            .iter()
            .find(|(name, _)| text.eq_ignore_ascii_case(name));
        if let Some((_, value)) = found {
            return *value;
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let what = format!("\"{text}\" is not a legal value");
        self.refuse(key, what, &format!("write one of {}", names.join(", ")));
        T::default()
    }

    fn check_name(&mut self, name: &str) {
        if name.len() > NAME_BYTES_MAX || TopicName::parse(name).is_err() {
            let what = format!("\"{name}\" cannot be part of a topic name");
            let mend = format!("use 1 to {NAME_BYTES_MAX} of a-z A-Z 0-9 . _ -");
            self.refuse(NAME, what, &mend);
        }
    }

    fn check_class_and_plugin(&mut self) {
        if let Some(class) = self.text(CONNECTOR_CLASS)
            && class != POSTGRES_CLASS
            && class != "PostgresConnector"
        {
            let what = format!("\"{class}\" is not built; PostgreSQL is the one source");
            self.refuse_not_built(CONNECTOR_CLASS, what, &format!("write {POSTGRES_CLASS}"));
        }
        if let Some(plugin) = self.text(PLUGIN_NAME)
            && !plugin.eq_ignore_ascii_case(PGOUTPUT)
        {
            let what = format!(
                "\"{plugin}\" is an extension with a format of its own; only {PGOUTPUT}, which \
                 PostgreSQL has built in, is read"
            );
            let mend = format!(
                "write {PGOUTPUT} and a new {SLOT_NAME}: a slot keeps the plugin it was made with"
            );
            self.refuse_not_built(PLUGIN_NAME, what, &mend);
        }
    }

    fn database(&mut self) -> Option<DatabaseConfig> {
        let host = self.required(HOSTNAME);
        let user = self.required(USER);
        let dbname = self.required(DBNAME);
        let port = self.port();
        let mode = self.sslmode();
        let tcp_keepalive = self.boolean(TCP_KEEPALIVE, true);
        let path = |key| self.text(key).map(PathBuf::from);
        let database = DatabaseConfig {
            host: host?.to_owned(),
            port,
            user: user?.to_owned(),
            // Not trimmed: blanks may belong to it.
            password: Secret::new(self.get(PASSWORD).map_or("", |p| p.value.as_str())),
            dbname: dbname?.to_owned(),
            sslmode: mode,
            sslrootcert: path(SSLROOTCERT),
            sslcert: path(SSLCERT),
            sslkey: path(SSLKEY),
            tcp_keepalive,
        };
        if let Err(what) = check_client_certificate(&database) {
            self.refuse(SSLCERT, what, "set both or neither");
        }
        Some(database)
    }

    fn port(&mut self) -> u16 {
        let Some(text) = self.text(PORT) else {
            return DEFAULT_PORT;
        };
        match text.parse() {
            Ok(port) if port > 0 => port,
            _ => {
                self.refuse(PORT, format!("\"{text}\" is no port"), "write 1 to 65535");
                DEFAULT_PORT
            }
        }
    }

    fn sslmode(&mut self) -> SslMode {
        let Some(text) = self.text(SSLMODE) else {
            return SslMode::default();
        };
        sslmode(text).unwrap_or_else(|what| {
            self.refuse(SSLMODE, what, "write one of them");
            SslMode::default()
        })
    }

    fn topic_prefix(&mut self) -> Option<String> {
        let prefix = self.required(TOPIC_PREFIX)?;
        if let Err(error) = TopicName::parse(prefix) {
            self.refuse(
                TOPIC_PREFIX,
                format!("failed to {error}"),
                "use a-z A-Z 0-9 . _ -",
            );
        }
        Some(prefix.to_owned())
    }

    fn slot_name(&mut self) -> String {
        let slot = self.text(SLOT_NAME).unwrap_or(DEFAULT_SLOT);
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if slot.len() > IDENTIFIER_BYTES_MAX || !slot.chars().all(legal) {
            let what = format!("PostgreSQL does not take \"{slot}\" as the name of a slot");
            self.refuse(SLOT_NAME, what, "use 1 to 63 of a-z, 0-9 and _");
        }
        slot.to_owned()
    }

    fn publication_name(&mut self) -> String {
        let publication = self.text(PUBLICATION_NAME).unwrap_or(DEFAULT_PUBLICATION);
        if publication.len() > IDENTIFIER_BYTES_MAX || publication.contains('\0') {
            let what = format!("it is longer than {IDENTIFIER_BYTES_MAX} bytes");
            self.refuse(PUBLICATION_NAME, what, "use a shorter name");
        }
        publication.to_owned()
    }

    fn tables(&mut self) -> Option<TableFilter> {
        let before = self.errors.len();
        for (include, exclude) in [
            (TABLE_INCLUDE, TABLE_EXCLUDE),
            (SCHEMA_INCLUDE, SCHEMA_EXCLUDE),
        ] {
            if self.get(include).is_some() && self.get(exclude).is_some() {
                let place = self.place(exclude);
                self.errors.push(Problem::Contradiction {
                    place,
                    what: format!("{exclude} and {include} are both set"),
                    mend: "keep one of them".to_owned(),
                });
            }
        }
        let mut filter = TableFilter::all();
        for (key, include) in [(SCHEMA_INCLUDE, true), (SCHEMA_EXCLUDE, false)] {
            if let Some(list) = self.text(key) {
                filter = self.filtered(key, filter.clone().and_schemas(include, list), filter);
            }
        }
        for (key, include) in [(TABLE_INCLUDE, true), (TABLE_EXCLUDE, false)] {
            if let Some(list) = self.text(key) {
                filter = self.filtered(key, filter.clone().and_tables(include, list), filter);
            }
        }
        (self.errors.len() == before).then_some(filter)
    }

    fn filtered(
        &mut self,
        key: &str,
        new: Result<TableFilter, String>,
        old: TableFilter,
    ) -> TableFilter {
        new.unwrap_or_else(|what| {
            self.refuse(
                key,
                what,
                "write regular expressions with commas between them",
            );
            old
        })
    }

    fn snapshot_mode(&mut self) -> SnapshotMode {
        let text = self.text(SNAPSHOT_MODE).map(str::to_ascii_lowercase);
        match text.as_deref() {
            Some(mode) if SNAPSHOT_MODES_NOT_BUILT.contains(&mode) => {
                let what = format!("\"{mode}\" is not built yet");
                self.refuse_not_built(SNAPSHOT_MODE, what, "write initial or no_data");
                SnapshotMode::default()
            }
            Some("never") => {
                let what = "\"never\" is a value of Debezium 1.x";
                self.refuse(SNAPSHOT_MODE, what, "write no_data, which means the same");
                SnapshotMode::default()
            }
            _ => self.choice(SNAPSHOT_MODE, SNAPSHOT_MODES),
        }
    }

    fn skipped_operations(&mut self) -> SkippedOperations {
        let Some(text) = self.text(SKIPPED_OPERATIONS) else {
            return SkippedOperations::default();
        };
        let mut skipped = SkippedOperations::NONE;
        let mut none = false;
        for operation in text.split(',').map(|o| o.trim().to_ascii_lowercase()) {
            match operation.as_str() {
                "c" => skipped.create = true,
                "u" => skipped.update = true,
                "d" => skipped.delete = true,
                "t" => skipped.truncate = true,
                "none" => none = true,
                other => {
                    let what = format!("\"{other}\" is no operation that can be skipped");
                    self.refuse(
                        SKIPPED_OPERATIONS,
                        what,
                        "write some of c, u, d, t, or none",
                    );
                }
            }
        }
        if none && skipped != SkippedOperations::NONE {
            let what = "\"none\" stands beside operations";
            self.refuse(SKIPPED_OPERATIONS, what, "write either");
        }
        skipped
    }

    fn failures(&mut self) -> Failures {
        let mut asked = |key, choices| {
            let is_set = self.get(key).is_some();
            is_set.then(|| self.choice(key, choices))
        };
        Asked {
            tolerance: asked(ERRORS_TOLERANCE, TOLERANCES),
            processing: asked(PROCESSING_FAILURE, PROCESSING_MODES),
            converting: asked(CONVERTING_FAILURE, CONVERTING_MODES),
        }
        .decide()
    }

    fn converter(&mut self, key: &str) -> JsonSettings {
        if let Some(class) = self.text(key)
            && class != JSON_CONVERTER
            && class != "JsonConverter"
        {
            let what = format!("\"{class}\" is not built yet");
            self.refuse_not_built(key, what, &format!("write {JSON_CONVERTER}"));
        }
        let default = JsonSettings::default();
        JsonSettings {
            schemas: self.boolean(&format!("{key}{SCHEMAS_ENABLE}"), default.schemas),
            replace_null_with_default: self.boolean(
                &format!("{key}{REPLACE_NULL}"),
                default.replace_null_with_default,
            ),
            decimal_format: self.choice(&format!("{key}{DECIMAL_FORMAT}"), DECIMAL_FORMATS),
        }
    }
}
