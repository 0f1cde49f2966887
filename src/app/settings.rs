//! From the configuration to what the parts are told.

use std::sync::Arc;

use super::error::Error;
use super::ready::reachable;
use crate::auth::{self, Tokens};
use crate::clock::Clock;
use crate::config::topics::Rules;
use crate::config::{self, Config, Environment};
use crate::connect::{Connectors, Declared};
use crate::deliver::{self, Place, RETRY_PREFIX};
use crate::log::{self, Cleanup, TopicConfig};
use crate::metrics;
use crate::serve::http::{self, Admission, Listeners};
use crate::serve::kafka;

/// The log's settings.
pub(super) fn log(config: &Config, rules: &Rules) -> log::Config {
    let mut settings = log::Config::at(&config.data_dir);
    settings.journal_file_bytes = config.journal_file_bytes;
    settings.journal_files = config.journal_files;
    settings.floors.outside = config.disk_floor_bytes;
    settings.rules = rules.clone();
    settings.topic_defaults = TopicConfig {
        retention_ms: config.retention_ms,
        retention_bytes: config.retention_bytes,
        segment_bytes: config.segment_bytes,
        cleanup: Cleanup::Delete,
        max_message_bytes: config.max_message_bytes,
    };
    settings
}

/// Who may use the administrator's surface.
pub(super) fn admission(config: &Config) -> Admission {
    match &config.admin_password {
        Some(password) => Admission::Password(password.clone()),
        None if config.logto.is_some() => Admission::Tokens,
        None => Admission::Local,
    }
}

/// The verifier of tokens, where an issuer is set.
pub(super) fn tokens(config: &Config, clock: &Arc<dyn Clock>) -> Option<Tokens> {
    let logto = config.logto.clone()?;
    let settings = auth::Config {
        issuers: logto.issuers,
        audience: logto.resource,
        jwks_url: logto.jwks_url,
    };
    Some(Tokens::new(settings, clock.clone()))
}

/// All connectors: those to run, those that are off, those that cannot run.
pub(super) fn connectors(config: &Config, environment: &Environment) -> Vec<Declared> {
    let loaded = config::load_connectors(config, environment);
    if loaded.run.is_empty() && loaded.problems.is_empty() {
        tracing::info!(
            "no source is set, so no changes are captured; set PENSTOCK_SOURCE_URL or put a connector file where PENSTOCK_CONNECTORS looks"
        );
    }
    let run = loaded
        .run
        .into_iter()
        .map(|one| Declared::Run(Box::new(one)));
    let off = loaded.off.into_iter().map(|one| Declared::Off {
        name: one.name,
        reason: one.reason,
    });
    let invalid = loaded.problems.into_iter().map(|one| Declared::Invalid {
        reason: one.to_string(),
        name: one.name,
    });
    run.chain(off).chain(invalid).collect()
}

/// Says in the start log who can do what.
pub(super) fn tell_what_is_open(config: &Config, listeners: &Listeners) {
    let http = match admission(config) {
        Admission::Password(_) if config.logto.is_some() => {
            "whoever shows PENSTOCK_ADMIN_PASSWORD, and tokens with penstock:read or penstock:admin"
        }
        Admission::Password(_) => "whoever shows PENSTOCK_ADMIN_PASSWORD",
        Admission::Local => "callers on this machine",
        Admission::Tokens => "tokens with penstock:read or penstock:admin",
    };
    let kafka = match config.kafka_anonymous {
        config::Anonymous::Limited => "anybody: read, groups, create, produce to unowned topics",
        config::Anonymous::Admin => "anybody: everything (PENSTOCK_KAFKA_ANONYMOUS=admin)",
    };
    let shown = |address: Option<std::net::SocketAddr>| address.map(|it| it.to_string());
    tracing::info!(address = shown(listeners.http), open_to = http, "http");
    let is_reached = |address: std::net::SocketAddr| !address.ip().is_loopback();
    if matches!(admission(config), Admission::Local) && listeners.http.is_some_and(is_reached) {
        tracing::warn!(
            "no password is set, so console and API refuse callers from elsewhere, which in a container is everybody outside of it; set PENSTOCK_ADMIN_PASSWORD"
        );
    }
    tracing::info!(address = shown(listeners.kafka), open_to = kafka, "kafka");
    tracing::info!(
        address = shown(listeners.metrics),
        open_to = "anybody",
        "metrics"
    );
}

/// The recorder of this process.
pub(super) fn metrics() -> Result<metrics::Handle, Error> {
    let revision = option_env!("PENSTOCK_REVISION").unwrap_or("unknown");
    let installed = metrics::install(env!("CARGO_PKG_VERSION"), revision);
    installed.map_err(|cause| Error::System {
        doing: "record metrics".to_owned(),
        cause: std::io::Error::other(cause),
        mend: "start one server in a process".to_owned(),
    })
}

/// What the Kafka face is told.
pub(super) fn kafka(config: &Config) -> kafka::Config {
    kafka::Config {
        advertise: config.kafka_advertise.clone().map(|it| kafka::Advertise {
            host: it.host,
            port: it.port,
        }),
        auto_create_topics: config.auto_create_topics,
        default_partitions: partitions(config),
        anonymous_admin: config.kafka_anonymous == config::Anonymous::Admin,
        ..kafka::Config::default()
    }
}

/// How kafka_exporter would name this broker: the address that clients are told.
pub(super) fn broker(config: &Config, listeners: &Listeners) -> http::Broker {
    let bound = listeners.kafka.map(reachable);
    let address = match (&config.kafka_advertise, bound) {
        (Some(told), bound) => {
            let port = told.port.or(bound.map(|bound| bound.port()));
            format!("{}:{}", told.host, port.unwrap_or_default())
        }
        (None, Some(bound)) => bound.to_string(),
        (None, None) => String::new(),
    };
    http::Broker {
        id: kafka::NODE_ID,
        address,
    }
}

/// Partitions of topics made without saying how many.
pub(super) fn partitions(config: &Config) -> u32 {
    u32::try_from(config.default_partitions).unwrap_or(1)
}

/// Which connector writes a topic, as a person would name it.
fn connector_of(connectors: &Connectors, topic: &str) -> Option<String> {
    let connector = connectors.owner_of(topic)?;
    Some(format!("connector \"{connector}\""))
}

/// Which topics dead letters are never copied to.
pub(super) fn owner_of(connectors: &Connectors) -> deliver::OwnerOf {
    let connectors = connectors.clone();
    Arc::new(move |topic| connector_of(&connectors, topic))
}

/// Connectors own the topics they write, integrations theirs, and redriving the rest.
#[derive(Debug)]
pub(super) struct Owners(pub(super) Connectors);

impl kafka::Ownership for Owners {
    fn owner(&self, topic: &str) -> Option<String> {
        if let Some(connector) = connector_of(&self.0, topic) {
            return Some(connector);
        }
        if Place::of(topic).is_some() {
            return Some("Penstock, for dead letters,".to_owned());
        }
        if topic.starts_with(RETRY_PREFIX) {
            return Some("a redrive of dead letters (penstock dlq redrive)".to_owned());
        }
        let integration = match topic.strip_prefix("integrations.")? {
            "lifecycle" => "lifecycle",
            other => other
                .strip_suffix(".data")
                .filter(|name| !name.is_empty() && !name.contains('.'))?,
        };
        Some(format!(
            "integration \"{integration}\" (POST /push/{integration})"
        ))
    }
}
