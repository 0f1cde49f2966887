//! The table of all keys of `penstock.hcl`: name, variables, default, form, and whether what the
//! key asks for is built. Loading, `penstock check`, the documentation and the tests read it.

/// The form of a value, checked while loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Text,
    /// A text that is never shown.
    Secret,
    /// Texts, comma-separated in a variable.
    List,
    Boolean,
    /// A whole number from 0.
    Number,
    /// `host:port`, or `off` where the key's default is `off` or the listener can be left out.
    Address,
    /// A block whose inside is not looked at, because it belongs to something not built.
    Block,
}

/// Whether a setting does anything yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    Yes,
    /// A listener that is planned: the setting is accepted, and the listener is logged as off.
    Off,
    /// Planned, and harmless to leave out: accepted with a warning that says what does not happen.
    Ignored(&'static str),
    /// Planned, and unsafe or pointless to leave out: refused with this reason.
    Refused(&'static str),
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The path in `penstock.hcl`, with dots between levels.
    pub name: &'static str,
    /// The short variable, where there is one beside the long form.
    pub short: Option<&'static str>,
    pub shape: Shape,
    /// As it would be written in a variable; empty where there is none.
    pub default: &'static str,
    pub built: Built,
    /// One sentence.
    pub doc: &'static str,
}

impl Key {
    /// The variable of the long form: `PENSTOCK_` and the path, with `__` between levels.
    #[must_use]
    pub fn variable(&self) -> String {
        format!(
            "PENSTOCK_{}",
            self.name.replace('.', "__").to_ascii_uppercase()
        )
    }

    /// The variables of the key, the one to show first.
    #[must_use]
    pub fn variables(&self) -> Vec<String> {
        let long = self.variable();
        match self.short {
            Some(short) if short != long => vec![short.to_owned(), long],
            _ => vec![long],
        }
    }

    /// The key called `name`.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }
}

/// Variables beside those of the keys.
pub const OTHER_VARIABLES: &[(&str, &str)] = &[
    (
        "PENSTOCK_CONFIG",
        "the configuration file, as the flag --config",
    ),
    (
        "PENSTOCK_URL",
        "the address that client commands talk to (default: that of PENSTOCK_HTTP_LISTEN)",
    ),
    (
        "PENSTOCK_TOKEN",
        "a token of Logto that client commands show, where there is no password",
    ),
    (
        "PENSTOCK_CLIENT_SECRET",
        "the secret of the app that `penstock push` asks a token for",
    ),
    (
        "PENSTOCK_LOG",
        "what is logged, such as `info` or `penstock=debug`",
    ),
    (
        "PENSTOCK_REVISION",
        "the commit that a build is of; read while building",
    ),
    (
        "PENSTOCK_TEST_CRASH_STEP",
        "the crash tests of the log try only every so many I/Os",
    ),
    (
        "PENSTOCK_PROVE",
        "1 makes the test suite run the long checks",
    ),
    (
        "PENSTOCK_BIN",
        "the binary that the benchmarks run, in place of the one they build",
    ),
    (
        "PENSTOCK_TEST_BIN",
        "the binary that the test suite runs, in place of the one it built",
    ),
    (
        "PENSTOCK_TEST_GOLDEN",
        "the folder of recordings that the test suite compares with",
    ),
    (
        "PENSTOCK_TEST_POSTGRES_BIN",
        "the folder of the PostgreSQL programs that the test suite runs",
    ),
    (
        "PENSTOCK_TEST_SEED",
        "the seed of the test suite's random numbers",
    ),
];

const fn key(
    name: &'static str,
    short: Option<&'static str>,
    shape: Shape,
    default: &'static str,
    built: Built,
    doc: &'static str,
) -> Key {
    Key {
        name,
        short,
        shape,
        default,
        built,
        doc,
    }
}

const NO_DRIVER: &str = "forwarding to another engine is not built; only `embedded` is";
const NO_ACL: &str = "access rules are not built, and leaving them unenforced would be unsafe";

/// Every key there is.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("data_dir", Some("PENSTOCK_DATA_DIR"), Shape::Text, "data", Built::Yes,
        "Folder of the log, the topics and all other state; one process at a time."),
    key("public_url", Some("PENSTOCK_PUBLIC_URL"), Shape::Text, "", Built::Yes,
        "The address under which people reach the HTTP port; it counts as an own origin."),
    key("http.listen", Some("PENSTOCK_HTTP_LISTEN"), Shape::Address, "127.0.0.1:8080", Built::Yes,
        "Address of the HTTP API; port 0 takes a free port."),
    key("kafka.listen", Some("PENSTOCK_KAFKA_LISTEN"), Shape::Address, "127.0.0.1:9092", Built::Yes,
        "Address for Kafka clients."),
    key("kafka.advertise", Some("PENSTOCK_KAFKA_ADVERTISE"), Shape::Text, "", Built::Yes,
        "host or host:port that Kafka clients are told; default: the local address of the accepted connection."),
    key("kafka.anonymous", Some("PENSTOCK_KAFKA_ANONYMOUS"), Shape::Text, "", Built::Yes,
        "`admin` lets anybody who reaches the Kafka port use every API on every topic."),
    key("metrics.listen", Some("PENSTOCK_METRICS_LISTEN"), Shape::Address, "127.0.0.1:9464", Built::Yes,
        "Address of /metrics, without authentication; `off` for none."),
    key("sql.listen", Some("PENSTOCK_SQL_LISTEN"), Shape::Address, "127.0.0.1:5433", Built::Off,
        "Address for psql and other PostgreSQL clients."),
    key("capnp.listen", Some("PENSTOCK_CAPNP_LISTEN"), Shape::Address, "127.0.0.1:7400", Built::Off,
        "Address for Cap'n Proto."),
    key("connect.listen", Some("PENSTOCK_CONNECT_LISTEN"), Shape::Address, "off", Built::Off,
        "Second address of the Kafka Connect REST API."),
    key("registry.listen", Some("PENSTOCK_REGISTRY_LISTEN"), Shape::Address, "off", Built::Off,
        "Second address of the schema registry."),
    key("source.url", Some("PENSTOCK_SOURCE_URL"), Shape::Secret, "", Built::Yes,
        "postgres://user:password@host:port/database makes a connector that writes plain JSON."),
    key("source.tables", Some("PENSTOCK_TABLES"), Shape::List, "public.*", Built::Yes,
        "Tables of that connector: globs over schema.table, where `*` stays within a name."),
    key("source.topic_prefix", Some("PENSTOCK_TOPIC_PREFIX"), Shape::Text, "app", Built::Yes,
        "Name of that connector and first part of its topics."),
    key("connectors", Some("PENSTOCK_CONNECTORS"), Shape::List, "cdc/*.json", Built::Yes,
        "Connector files in Debezium's form: paths, `*` within a name."),
    key("topics.file", Some("PENSTOCK_TOPICS"), Shape::Text, "topics/topics.yaml", Built::Yes,
        "Declared topics, group policies and integrations, see topics/topics.yaml; a missing file counts as empty."),
    key("topics.auto_create", None, Shape::Boolean, "true", Built::Yes,
        "Whether a topic is made when it is first used."),
    key("topics.partitions", None, Shape::Number, "1", Built::Yes,
        "Partitions of a topic that is made without saying how many."),
    key("topics.retention_ms", None, Shape::Number, "604800000", Built::Yes,
        "Milliseconds that records are kept (7 days); 0 keeps them for ever."),
    key("topics.retention_bytes", None, Shape::Number, "0", Built::Yes,
        "Bytes that a partition keeps; 0 is no limit."),
    key("topics.segment_bytes", None, Shape::Number, "1073741824", Built::Yes,
        "Bytes of one segment file (1 GiB)."),
    key("topics.max_message_bytes", None, Shape::Number, "16777216", Built::Yes,
        "Largest batch that a topic takes (16 MiB)."),
    key("log.journal_file_bytes", None, Shape::Number, "67108864", Built::Yes,
        "Bytes of one journal file (64 MiB)."),
    key("log.journal_files", None, Shape::Number, "4", Built::Yes,
        "Number of journal files."),
    key("log.disk_floor_bytes", None, Shape::Number, "", Built::Yes,
        "Free disk below which appends from outside are refused; default: the larger of 1 GiB and 5 % of the disk, at most half of it."),
    key("admin.password", Some("PENSTOCK_ADMIN_PASSWORD"), Shape::Secret, "", Built::Yes,
        "Password of the user `admin`; without one the admin surface answers loopback callers only."),
    key("acl", Some("PENSTOCK_ACL"), Shape::Text, "", Built::Refused(NO_ACL),
        "Access rules for Kafka clients."),
    key("logto.endpoint", Some("PENSTOCK_LOGTO_ENDPOINT"), Shape::Text, "", Built::Yes,
        "Address of Logto."),
    key("logto.issuer", Some("PENSTOCK_LOGTO_ISSUER"), Shape::Text, "", Built::Yes,
        "Issuer of the tokens, or several names of it separated by commas; default {endpoint}/oidc."),
    key("logto.jwks_url", Some("PENSTOCK_LOGTO_JWKS_URL"), Shape::Text, "", Built::Yes,
        "Where the issuer's keys are; default: from the openid-configuration of the (first) issuer."),
    key("logto.resource", Some("PENSTOCK_LOGTO_RESOURCE"), Shape::Text, "", Built::Yes,
        "Audience that tokens must name; required with the endpoint or the issuer."),
    key("secrets.dirs", Some("PENSTOCK_SECRETS_DIRS"), Shape::List, "/run/secrets", Built::Yes,
        "Folders below which ${file:...} and ${dir:...} of connector files may read."),
    key("secrets.env", Some("PENSTOCK_SECRETS_ENV"), Shape::List, "",
        Built::Ignored("connectors over REST are not built; in files ${env:...} reads every variable"),
        "Variables that ${env:...} may read in connectors that come over REST."),
    key("broker.embedded", None, Shape::Block, "", Built::Yes,
        "The log in this process; the default."),
    key("broker.fluvio", None, Shape::Block, "", Built::Refused(NO_DRIVER),
        "Forward to Fluvio."),
    key("broker.grpc", None, Shape::Block, "", Built::Refused(NO_DRIVER),
        "Forward to a gRPC service."),
    key("broker.nats", None, Shape::Block, "", Built::Refused(NO_DRIVER),
        "Forward to NATS JetStream."),
    key("broker.kafka", None, Shape::Block, "", Built::Refused(NO_DRIVER),
        "Forward to Apache Kafka."),
    key("broker.max_batch_size", None, Shape::Number, "10",
        Built::Ignored("it belongs to the drivers, which are not built"),
        "Records of one batch to a driver."),
    key("broker.batch_interval", None, Shape::Number, "1000",
        Built::Ignored("it belongs to the drivers, which are not built"),
        "Milliseconds after which a batch is sent to a driver."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_variable_belongs_to_two_keys() {
        let mut all: Vec<String> = KEYS.iter().flat_map(Key::variables).collect();
        all.extend(OTHER_VARIABLES.iter().map(|(name, _)| (*name).to_owned()));
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn the_long_form_puts_two_underscores_between_levels() {
        let key = Key::find("http.listen").unwrap();
        assert_eq!(
            key.variables(),
            ["PENSTOCK_HTTP_LISTEN", "PENSTOCK_HTTP__LISTEN"]
        );
        assert_eq!(
            Key::find("data_dir").unwrap().variables(),
            ["PENSTOCK_DATA_DIR"]
        );
    }

    #[test]
    fn every_doc_is_one_sentence() {
        for key in KEYS {
            assert!(key.doc.ends_with('.'), "{}", key.name);
        }
    }
}
