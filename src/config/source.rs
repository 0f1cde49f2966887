//! The connector of `PENSTOCK_SOURCE_URL`: named by its topic prefix, its slot and publication are
//! `penstock_<prefix>`, it captures globs of tables, and writes JSON without schemas.

use std::path::PathBuf;

use super::connector::{
    AutocreateMode, ConnectorConfig, DatabaseConfig, Failures, JsonSettings, OnSlotLoss,
    SkippedOperations, SnapshotMode, SslMode,
};
use super::problem::{Place, Problem};
use super::secret::Secret;
use super::tables::TableFilter;
use crate::topic::TopicName;

/// PostgreSQL's limit for names of slots and publications (NAMEDATALEN - 1).
pub(super) const IDENTIFIER_BYTES_MAX: usize = 63;

/// PostgreSQL's port where none is named.
pub(super) const DEFAULT_PORT: u16 = 5432;

/// What the connector is made of.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) url: &'a str,
    pub(super) url_place: Place,
    pub(super) tables: Vec<String>,
    pub(super) tables_place: Place,
    pub(super) topic_prefix: &'a str,
    pub(super) topic_prefix_place: Place,
}

/// Makes the connector, or tells everything that is wrong with the parts.
pub(super) fn connector(parts: &Parts<'_>) -> Result<ConnectorConfig, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let database = database(parts.url, &mut warnings).map_err(|what| {
        problems.push(Problem::InvalidValue {
            key: "source.url".to_owned(),
            place: parts.url_place.clone(),
            what,
            mend: Some("write postgres://user:password@host:5432/database?sslmode=prefer".into()),
        });
    });
    let tables = TableFilter::globs(&parts.tables).map_err(|what| {
        problems.push(Problem::InvalidValue {
            key: "source.tables".to_owned(),
            place: parts.tables_place.clone(),
            what,
            mend: Some("write schema.table, such as public.*".to_owned()),
        });
    });
    let slot = slot_name(parts.topic_prefix).map_err(|what| {
        problems.push(Problem::InvalidValue {
            key: "source.topic_prefix".to_owned(),
            place: parts.topic_prefix_place.clone(),
            what,
            mend: Some("use a short name of a-z, 0-9, . _ -".to_owned()),
        });
    });
    let (Ok(database), Ok(tables), Ok(slot)) = (database, tables, slot) else {
        return Err(problems);
    };
    let json = JsonSettings {
        schemas: false,
        ..JsonSettings::default()
    };
    Ok(ConnectorConfig {
        name: parts.topic_prefix.to_owned(),
        topic_prefix: parts.topic_prefix.to_owned(),
        database,
        publication_name: slot.clone(),
        slot_name: slot,
        publication_autocreate_mode: AutocreateMode::Filtered,
        tables,
        snapshot_mode: SnapshotMode::Initial,
        tombstones_on_delete: true,
        skipped_operations: SkippedOperations::default(),
        key_converter: json,
        value_converter: json,
        on_slot_loss: OnSlotLoss::Resnapshot,
        failures: Failures::DEAD_LETTERS,
        warnings,
    })
}

/// `penstock_<prefix>` in the characters that PostgreSQL allows for a slot.
fn slot_name(prefix: &str) -> Result<String, String> {
    TopicName::parse(prefix).map_err(|error| error.to_string())?;
    let slot: String = format!("penstock_{prefix}")
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if slot.len() > IDENTIFIER_BYTES_MAX {
        return Err(format!(
            "the slot \"{slot}\" would be longer than {IDENTIFIER_BYTES_MAX} bytes"
        ));
    }
    Ok(slot)
}

/// Errors never repeat the URL, which holds the password.
fn database(url: &str, warnings: &mut Vec<String>) -> Result<DatabaseConfig, String> {
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"))
        .ok_or("it does not begin with postgres://")?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, dbname) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, port) = host_and_port(address)?;
    let user = decode(user)?;
    if user.is_empty() {
        return Err("it names no user".to_owned());
    }
    let dbname = decode(dbname)?;
    let mut database = DatabaseConfig {
        host,
        port,
        dbname: if dbname.is_empty() {
            user.clone()
        } else {
            dbname
        },
        user,
        password: Secret::new(decode(password)?),
        sslmode: SslMode::default(),
        sslrootcert: None,
        sslcert: None,
        sslkey: None,
        tcp_keepalive: true,
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value)?;
        match name {
            "sslmode" => database.sslmode = sslmode(&value)?,
            "sslrootcert" => database.sslrootcert = Some(PathBuf::from(value)),
            "sslcert" => database.sslcert = Some(PathBuf::from(value)),
            "sslkey" => database.sslkey = Some(PathBuf::from(value)),
            other => warnings.push(format!(
                "the parameter \"{other}\" of source.url is ignored"
            )),
        }
    }
    check_client_certificate(&database)?;
    Ok(database)
}

/// A certificate and its key go together.
pub(super) fn check_client_certificate(database: &DatabaseConfig) -> Result<(), String> {
    match (&database.sslcert, &database.sslkey) {
        (Some(_), None) => Err("sslcert is set and sslkey is not".to_owned()),
        (None, Some(_)) => Err("sslkey is set and sslcert is not".to_owned()),
        _ => Ok(()),
    }
}

/// Reads the name of a mode.
pub(super) fn sslmode(text: &str) -> Result<SslMode, String> {
    let names = SslMode::NAMES;
    let found = names
        .iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name));
    found.map(|(_, mode)| *mode).ok_or_else(|| {
        let all: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        format!("\"{text}\" is no sslmode ({})", all.join(", "))
    })
}

fn host_and_port(address: &str) -> Result<(String, u16), String> {
    if address.contains(',') {
        return Err("it names several hosts; one is supported".to_owned());
    }
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest
                .split_once(']')
                .ok_or("the host has no closing bracket")?;
            (host, port.strip_prefix(':').unwrap_or(port))
        }
        None => address.split_once(':').unwrap_or((address, "")),
    };
    let host = decode(host)?;
    if host.is_empty() {
        return Err("it names no host".to_owned());
    }
    if host.starts_with('/') {
        return Err("it names a Unix socket; a host is supported".to_owned());
    }
    let port = match port {
        "" => DEFAULT_PORT,
        digits => digits
            .parse()
            .map_err(|_| format!("\"{digits}\" is no port"))?,
    };
    Ok((host, port))
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.ok_or("a % is not followed by two hexadecimal digits (write %25)")?);
        rest = rest.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 after decoding".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(url: &str, tables: &str, prefix: &str) -> Result<ConnectorConfig, String> {
        let place = Place::Variable("PENSTOCK_SOURCE_URL".to_owned());
        connector(&Parts {
            url,
            url_place: place.clone(),
            tables: vec![tables.to_owned()],
            tables_place: place.clone(),
            topic_prefix: prefix,
            topic_prefix_place: place,
        })
        .map_err(|problems| problems.iter().map(Problem::line).collect())
    }

    #[test]
    fn a_url_gives_the_whole_connector() {
        let url =
            "postgres://us%40er:p%3Aw@db.example:6000/shop?sslmode=verify-full&sslrootcert=/ca";
        let connector = made(url, "public.*", "My-App.x").unwrap();
        let database = &connector.database;
        assert_eq!(
            (database.host.as_str(), database.port),
            ("db.example", 6000)
        );
        assert_eq!(database.user, "us@er");
        assert_eq!(database.password.expose(), "p:w");
        assert_eq!(database.dbname, "shop");
        assert_eq!(database.sslmode, SslMode::VerifyFull);
        assert_eq!(connector.name, "My-App.x");
        assert_eq!(connector.slot_name, "penstock_my_app_x");
        assert_eq!(connector.publication_name, connector.slot_name);
        assert!(!connector.value_converter.schemas);
        assert_eq!(connector.on_slot_loss, OnSlotLoss::Resnapshot);
        assert_eq!(connector.failures, Failures::DEAD_LETTERS);
    }

    #[test]
    fn what_is_left_out_is_filled_in_as_libpq_does() {
        let connector = made("postgresql://u@[::1]", "public.*", "app").unwrap();
        let database = &connector.database;
        assert_eq!((database.host.as_str(), database.port), ("::1", 5432));
        assert_eq!(database.dbname, "u");
        assert_eq!(database.sslmode, SslMode::Prefer);
        assert!(database.password.is_empty());
    }

    #[test]
    fn errors_tell_all_and_never_the_password() {
        let error = made("postgres://u:hunter2@h:x/d", "nodot", "a b").unwrap_err();
        for part in ["source.url", "source.tables", "source.topic_prefix"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
        for url in [
            "mysql://u@h/d",
            "postgres://h/d",
            "postgres://u@/d",
            "postgres://u@%2Ftmp/d",
            "postgres://u%zz@h/d",
            "postgres://u@h/d?sslmode=maybe",
            "postgres://u@a,b/d",
            "postgres://u@h/d?sslcert=c",
            "postgres://u:p%@h/d",
        ] {
            assert!(made(url, "public.*", "app").is_err(), "{url}");
        }
    }

    #[test]
    fn a_parameter_that_is_not_used_is_told() {
        let connector = made("postgres://u@h/d?connect_timeout=3", "a.b", "app").unwrap();
        assert_eq!(connector.warnings.len(), 1);
    }
}
