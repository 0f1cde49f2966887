//! The settings of `penstock serve`, typed.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::connector::ConnectorConfig;
use super::listen::{Advertise, Listen};
use super::load::{Setting, Sources, layer};
use super::problem::{Problem, Problems};
use super::secret::Secret;
use super::source;
use super::topics::{self, Declarations};

/// What clients without authentication may do at the Kafka port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Anonymous {
    /// Read all but the internal topics, and produce to topics that nothing owns.
    #[default]
    Limited,
    /// Everything.
    Admin,
}

/// Whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logto {
    /// The names of the issuer, at least one.
    pub issuers: Vec<String>,
    /// `None`: from the first issuer's openid-configuration.
    pub jwks_url: Option<String>,
    /// The audience that tokens name.
    pub resource: String,
}

/// Everything `serve` is told, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    pub data_dir: PathBuf,
    /// Without a trailing slash.
    pub public_url: Option<String>,
    pub http_listen: Listen,
    pub kafka_listen: Listen,
    /// `None`: the local address of the accepted connection.
    pub kafka_advertise: Option<Advertise>,
    pub kafka_anonymous: Anonymous,
    /// `None`: off.
    pub metrics_listen: Option<Listen>,
    /// The connector of `PENSTOCK_SOURCE_URL`, where that is set.
    pub source: Option<ConnectorConfig>,
    /// Paths of connector files; `*` and `?` stay within a name.
    pub connectors: Vec<String>,
    pub topics_file: PathBuf,
    /// What `topics_file` declares.
    pub declarations: Declarations,
    pub auto_create_topics: bool,
    /// At least 1.
    pub default_partitions: i32,
    /// `None` keeps for ever.
    pub retention_ms: Option<i64>,
    /// Per partition; `None` is no limit.
    pub retention_bytes: Option<i64>,
    pub segment_bytes: u32,
    pub max_message_bytes: u32,
    pub journal_file_bytes: u64,
    pub journal_files: u32,
    /// `None`: the larger of 1 GiB and 5 % of the disk, at most half of it.
    pub disk_floor_bytes: Option<u64>,
    pub admin_password: Option<Secret>,
    /// `None`: tokens are not asked for and not taken.
    pub logto: Option<Logto>,
    /// Folders below which `${file:...}` and `${dir:...}` may read.
    pub secrets_dirs: Vec<PathBuf>,
    /// Every key with its value and where that came from, for `check` and the start log.
    pub settings: Vec<Setting>,
    /// What was accepted but deserves a look, a line each.
    pub warnings: Vec<String>,
}

/// Most partitions of a topic made without saying how many: each costs files and memory.
const PARTITIONS_MAX: u64 = 10_000;

/// A journal file holds at least the largest append with room to spare.
const JOURNAL_FILE_BYTES: (u64, u64) = (32 << 20, 1 << 40);

/// Two files at least: one is written while the other is checkpointed.
const JOURNAL_FILES: (u64, u64) = (2, 1_000);

/// Below this a segment holds next to nothing; above, Kafka's index positions overflow.
const SEGMENT_BYTES: (u64, u64) = (1 << 20, 0x7fff_ffff);

/// Up to the frame that a client may send (32 MiB).
const MESSAGE_BYTES: (u64, u64) = (1, 32 << 20);

/// Reads all sources. Errors are all problems that stop the start, not only the first.
pub fn load(sources: &Sources<'_>) -> Result<Config, Problems> {
    load_with(sources, true)
}

/// Reads all sources but for the declared topics, for commands that only look for a server: a
/// mistake there must not keep `healthcheck` from answering.
pub fn load_settings(sources: &Sources<'_>) -> Result<Config, Problems> {
    load_with(sources, false)
}

fn load_with(sources: &Sources<'_>, declared: bool) -> Result<Config, Problems> {
    let layered = layer(sources);
    let mut reader = Reader {
        settings: &layered.settings,
        errors: layered.errors,
        warnings: layered.warnings,
    };
    let source = reader.source();
    let topics_file = PathBuf::from(reader.text("topics.file"));
    let declarations = match declared {
        true => reader.declarations(&topics_file),
        false => Declarations::default(),
    };
    let config = Config {
        file: layered.file,
        data_dir: PathBuf::from(reader.text("data_dir")),
        public_url: reader.public_url(),
        http_listen: reader.listen("http.listen"),
        kafka_listen: reader.listen("kafka.listen"),
        kafka_advertise: reader.advertise(),
        kafka_anonymous: reader.anonymous(),
        metrics_listen: reader.listen_or_off("metrics.listen"),
        source,
        connectors: reader.list("connectors"),
        topics_file,
        declarations,
        auto_create_topics: reader.boolean("topics.auto_create"),
        default_partitions: reader.number("topics.partitions", (1, PARTITIONS_MAX)),
        retention_ms: above_zero(reader.number("topics.retention_ms", (0, i64_max()))),
        retention_bytes: above_zero(reader.number("topics.retention_bytes", (0, i64_max()))),
        segment_bytes: reader.number("topics.segment_bytes", SEGMENT_BYTES),
        max_message_bytes: reader.number("topics.max_message_bytes", MESSAGE_BYTES),
        journal_file_bytes: reader.number("log.journal_file_bytes", JOURNAL_FILE_BYTES),
        journal_files: reader.number("log.journal_files", JOURNAL_FILES),
        disk_floor_bytes: reader.optional_number("log.disk_floor_bytes"),
        admin_password: reader.optional("admin.password").map(Secret::new),
        logto: reader.logto(),
        secrets_dirs: reader
            .list("secrets.dirs")
            .iter()
            .map(PathBuf::from)
            .collect(),
        settings: layered.settings.clone(),
        warnings: Vec::new(),
    };
    if !reader.errors.is_empty() {
        return Err(Problems(reader.errors));
    }
    let warnings = reader.warnings.iter().map(Problem::line).collect();
    Ok(Config { warnings, ..config })
}

fn i64_max() -> u64 {
    i64::MAX.unsigned_abs()
}

fn above_zero(number: i64) -> Option<i64> {
    (number > 0).then_some(number)
}

/// Reads typed values out of settings and collects what does not fit; a value that does not fit
/// is replaced by the default, so that reading goes on.
struct Reader<'a> {
    settings: &'a [Setting],
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn setting(&self, name: &str) -> &'a Setting {
        self.settings
            .iter()
            .find(|setting| setting.key.name == name)
            .expect("layering gives a setting for every key of the table")
    }

    fn text(&self, name: &str) -> &'a str {
        self.setting(name).value()
    }

    fn optional(&self, name: &str) -> Option<&'a str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.text(name)
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn refuse(&mut self, name: &str, what: String, mend: Option<&str>) {
        let setting = self.setting(name);
        self.errors.push(Problem::InvalidValue {
            key: name.to_owned(),
            place: setting.place(),
            what,
            mend: mend.map(str::to_owned),
        });
    }

    fn listen(&mut self, name: &str) -> Listen {
        let text = self.text(name);
        match Listen::parse(text) {
            Ok(listen) => listen,
            Err(what) => {
                self.refuse(name, what, Some("write host:port, such as 127.0.0.1:8080"));
                Listen {
                    host: String::new(),
                    port: 0,
                }
            }
        }
    }

    fn listen_or_off(&mut self, name: &str) -> Option<Listen> {
        if self.text(name) == "off" {
            return None;
        }
        Some(self.listen(name))
    }

    fn advertise(&mut self) -> Option<Advertise> {
        let text = self.optional("kafka.advertise")?;
        match Advertise::parse(text) {
            Ok(advertise) => Some(advertise),
            Err(what) => {
                let mend = "write the host, or host:port, under which clients reach the Kafka port";
                self.refuse("kafka.advertise", what, Some(mend));
                None
            }
        }
    }

    fn anonymous(&mut self) -> Anonymous {
        match self.text("kafka.anonymous") {
            "" | "off" => Anonymous::Limited,
            "admin" => Anonymous::Admin,
            other => {
                let what = format!("\"{other}\" is neither `admin` nor `off`");
                self.refuse("kafka.anonymous", what, None);
                Anonymous::Limited
            }
        }
    }

    fn boolean(&mut self, name: &str) -> bool {
        match self.text(name).to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => true,
            "false" | "0" | "no" | "off" => false,
            other => {
                let what = format!("\"{other}\" is neither true nor false");
                self.refuse(name, what, None);
                false
            }
        }
    }

    fn number<T: TryFrom<u64> + FromStr>(&mut self, name: &str, (least, most): (u64, u64)) -> T {
        let text = self.text(name);
        let fitting = text
            .parse::<u64>()
            .ok()
            .filter(|number| (least..=most).contains(number));
        match fitting.and_then(|number| T::try_from(number).ok()) {
            Some(number) => number,
            None => {
                let what = format!("\"{text}\" is no whole number from {least} to {most}");
                self.refuse(name, what, None);
                let default = self.setting(name).key.default.parse();
                default.unwrap_or_else(|_| unreachable!("the defaults of the table are in range"))
            }
        }
    }

    fn optional_number(&mut self, name: &str) -> Option<u64> {
        let text = self.optional(name)?;
        let number = text.parse().ok();
        if number.is_none() {
            self.refuse(name, format!("\"{text}\" is no whole number"), None);
        }
        number
    }

    fn public_url(&mut self) -> Option<String> {
        let text = self.optional("public_url")?;
        if !text.starts_with("http://") && !text.starts_with("https://") {
            let what = format!("\"{text}\" does not begin with https:// or http://");
            self.refuse("public_url", what, None);
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    /// Tokens are asked for as soon as one of these settings is there; half of them is an error.
    fn logto(&mut self) -> Option<Logto> {
        let names = [
            "logto.endpoint",
            "logto.issuer",
            "logto.jwks_url",
            "logto.resource",
        ];
        let set = names.iter().find(|name| self.optional(name).is_some())?;
        let issuers = self.issuers();
        let resource = self.optional("logto.resource");
        let missing = match (issuers.is_empty(), resource) {
            (_, None) => Some((
                "logto.resource is not",
                "set PENSTOCK_LOGTO_RESOURCE to the API's identifier",
            )),
            (true, Some(_)) => Some((
                "neither logto.endpoint nor logto.issuer is",
                "set PENSTOCK_LOGTO_ENDPOINT to the address of Logto, or unset the others",
            )),
            (false, Some(_)) => None,
        };
        if let Some((what, mend)) = missing {
            self.errors.push(Problem::Contradiction {
                place: self.setting(set).place(),
                what: format!("{set} is set and {what}"),
                mend: mend.to_owned(),
            });
            return None;
        }
        Some(Logto {
            issuers,
            jwks_url: self.web_address("logto.jwks_url", self.optional("logto.jwks_url")),
            resource: resource?.to_owned(),
        })
    }

    /// The issuers that are named, else the one below the endpoint.
    fn issuers(&mut self) -> Vec<String> {
        let endpoint = self.web_address("logto.endpoint", self.optional("logto.endpoint"));
        if self.optional("logto.issuer").is_none() {
            return endpoint
                .map(|endpoint| format!("{}/oidc", endpoint.trim_end_matches('/')))
                .into_iter()
                .collect();
        }
        let named = self.list("logto.issuer");
        named
            .iter()
            .filter_map(|issuer| self.web_address("logto.issuer", Some(issuer)))
            .collect()
    }

    /// An address of the web, as it is written.
    fn web_address(&mut self, name: &str, text: Option<&str>) -> Option<String> {
        let text = text?;
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
        let usable = host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
            && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if !usable {
            let what = format!("\"{text}\" is no address such as https://auth.example.com");
            self.refuse(name, what, None);
        } else if text.starts_with("http://") {
            self.warnings.push(Problem::Unencrypted {
                key: name.to_owned(),
                place: self.setting(name).place(),
                what: format!("\"{text}\" is asked for keys without encryption"),
            });
        }
        Some(text.to_owned())
    }

    fn source(&mut self) -> Option<ConnectorConfig> {
        let url = self.optional("source.url")?;
        let parts = source::Parts {
            url,
            url_place: self.setting("source.url").place(),
            tables: self.list("source.tables"),
            tables_place: self.setting("source.tables").place(),
            topic_prefix: self.text("source.topic_prefix"),
            topic_prefix_place: self.setting("source.topic_prefix").place(),
        };
        match source::connector(&parts) {
            Ok(connector) => Some(connector),
            Err(problems) => {
                self.errors.extend(problems);
                None
            }
        }
    }

    fn declarations(&mut self, path: &Path) -> Declarations {
        let setting = self.setting("topics.file");
        let (key, place) = (setting.key.name.to_owned(), setting.place());
        match topics::load(path) {
            Ok(loaded) => {
                if loaded.missing && setting.is_set() {
                    let what = format!("\"{}\" does not exist and counts as empty", path.display());
                    self.warnings
                        .push(Problem::WithoutEffect { key, place, what });
                }
                self.warnings.extend(loaded.warnings);
                loaded.declarations
            }
            Err(problems) => {
                self.errors.extend(problems.0);
                Declarations::default()
            }
        }
    }
}

#[cfg(test)]
mod tests;
