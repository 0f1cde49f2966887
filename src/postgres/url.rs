//! Reads the URL form of a connection, as libpq defines it, without its less common liberties
//! (several hosts, `service`, `options`): those are refused by name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config::ConnectionConfig;
use crate::config::{Secret, SslMode};
use crate::error::{Code, Explain, Kind};

/// A longer `connect_timeout` is cut: an hour is for ever.
const CONNECT_SECONDS_MAX: u64 = 3_600;

/// Why a URL is not a connection. Never repeats the URL: it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It does not begin with `postgres://` or `postgresql://`.
    #[error("read the database's URL: it does not begin with \"postgres://\"")]
    Scheme,
    /// A part that must be there is missing.
    #[error("read the database's URL: it names no {0}")]
    Missing(&'static str),
    /// The port is not a number from 1 to 65535.
    #[error("read the database's URL: port \"{0}\" is not a number from 1 to 65535")]
    Port(String),
    /// A `%` without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("read the database's URL: its {0} has a bad %-escape")]
    Escape(&'static str),
    /// A parameter that is not known.
    #[error("read the database's URL: parameter \"{0}\" is not known")]
    Parameter(String),
    /// A value that the parameter does not take.
    #[error("read the database's URL: \"{value}\" is not a value of \"{name}\"")]
    Value {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// Several hosts in one URL.
    #[error("read the database's URL: it names several hosts, and only one is tried")]
    SeveralHosts,
    /// A root of `system` with a mode that would not use it well.
    #[error("read the database's URL: sslrootcert \"system\" needs sslmode \"verify-full\"")]
    SystemRoots,
    /// A word that is not one of libpq's six modes.
    #[error(
        "read sslmode \"{0}\" (wanted disable, allow, prefer, require, verify-ca or verify-full)"
    )]
    SslMode(String),
}

pub(super) fn parse(url: &str) -> Result<ConnectionConfig, UrlError> {
    let rest = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
        .ok_or(UrlError::Scheme)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, port) = host_and_port(place)?;
    let mut config = ConnectionConfig::new(
        &unescape(host, "host")?,
        &unescape(user, "user")?,
        &unescape(path, "database")?,
    );
    config.password = Secret::new(unescape(password, "password")?);
    if let Some(port) = port {
        config.port = parse_port(port)?;
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = unescape(name, "parameter")?;
        let value = unescape(value, "parameter")?;
        set(&mut config, &name, value)?;
    }
    complete(config)
}

/// What must be there, and what follows from the rest.
fn complete(mut config: ConnectionConfig) -> Result<ConnectionConfig, UrlError> {
    if config.host.is_empty() {
        return Err(UrlError::Missing("host"));
    }
    if config.user.is_empty() {
        return Err(UrlError::Missing("user"));
    }
    if config.dbname.is_empty() {
        // As in libpq, the database is called like the user.
        config.dbname.clone_from(&config.user);
    }
    if config.sslrootcert.as_deref() == Some(Path::new("system"))
        && config.sslmode != SslMode::VerifyFull
    {
        // As in libpq: whoever has some certificate of the web could answer otherwise.
        return Err(UrlError::SystemRoots);
    }
    Ok(config)
}

fn set(config: &mut ConnectionConfig, name: &str, value: String) -> Result<(), UrlError> {
    let file = |value: String| (!value.is_empty()).then(|| PathBuf::from(value));
    match name {
        "host" => config.host = value,
        "port" => config.port = parse_port(&value)?,
        "user" => config.user = value,
        "password" => config.password = Secret::new(value),
        "dbname" => config.dbname = value,
        "sslmode" => config.sslmode = sslmode(&value)?,
        "sslrootcert" => config.sslrootcert = file(value),
        "sslcert" => config.sslcert = file(value),
        "sslkey" => config.sslkey = file(value),
        "application_name" => config.application_name = value,
        "connect_timeout" => {
            let seconds: u64 = value.parse().map_err(|_| UrlError::Value {
                name: "connect_timeout",
                value: value.clone(),
            })?;
            if seconds > 0 {
                config.connect_timeout = Duration::from_secs(seconds.min(CONNECT_SECONDS_MAX));
            }
        }
        "keepalives" => {
            config.tcp_keepalive = match value.as_str() {
                "1" => true,
                "0" => false,
                _ => {
                    return Err(UrlError::Value {
                        name: "keepalives",
                        value,
                    });
                }
            }
        }
        other => return Err(UrlError::Parameter(other.to_owned())),
    }
    Ok(())
}

fn host_and_port(place: &str) -> Result<(&str, Option<&str>), UrlError> {
    if place.contains(',') {
        return Err(UrlError::SeveralHosts);
    }
    if let Some(bracketed) = place.strip_prefix('[') {
        let (host, after) = bracketed
            .split_once(']')
            .ok_or(UrlError::Missing("closing bracket of its address"))?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(UrlError::Port(after.to_owned())),
        };
    }
    Ok(match place.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (place, None),
    })
}

fn parse_port(port: &str) -> Result<u16, UrlError> {
    match port.parse::<u16>() {
        Ok(number) if number > 0 => Ok(number),
        Ok(_) | Err(_) => Err(UrlError::Port(port.to_owned())),
    }
}

/// Resolves `%41`; a `+` is a plus, as in libpq.
fn unescape(text: &str, part: &'static str) -> Result<String, UrlError> {
    let wrong = || UrlError::Escape(part);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>().ok_or_else(wrong)?;
        rest = after;
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(wrong);
        let [high, low] = *digits;
        let value = digit(high)? * 16 + digit(low)?;
        bytes.push(u8::try_from(value).map_err(|_| wrong())?);
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        Ok(_) | Err(_) => Err(wrong()),
    }
}

impl Explain for UrlError {
    fn code(&self) -> Code {
        crate::error::CONFIG_INVALID_VALUE
    }

    fn kind(&self) -> Kind {
        Kind::Definite
    }
}

/// libpq takes the words as they are written here, in lower case only.
fn sslmode(word: &str) -> Result<SslMode, UrlError> {
    let found = SslMode::NAMES.iter().find(|(name, _)| *name == word);
    found
        .map(|(_, mode)| *mode)
        .ok_or_else(|| UrlError::SslMode(word.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_as_libpq_reads_it() {
        let config = parse(
            "postgres://app%40x:p%3Aw%2F+@db.example:6000/shop%20one\
             ?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=3&application_name=x&keepalives=0",
        )
        .unwrap();
        assert_eq!(config.user, "app@x");
        assert_eq!(config.password.expose(), "p:w/+");
        assert_eq!((config.host.as_str(), config.port), ("db.example", 6000));
        assert_eq!(config.dbname, "shop one");
        assert_eq!(config.sslmode, SslMode::VerifyFull);
        assert_eq!(config.sslrootcert, Some(PathBuf::from("/ca.pem")));
        assert_eq!(config.connect_timeout, Duration::from_secs(3));
        assert!(!config.tcp_keepalive);
        assert!(!format!("{config:?}").contains("p:w"));
        let config = parse("postgresql://app@[::1]").unwrap();
        assert_eq!((config.host.as_str(), config.port), ("::1", 5432));
        assert_eq!(config.dbname, "app");
        assert_eq!(config.sslmode, SslMode::Prefer);
        assert_eq!(config.address(), "[::1]:5432");
        let config = parse("postgres://app@%2Fvar%2Frun/db?port=7").unwrap();
        assert_eq!((config.host.as_str(), config.port), ("/var/run", 7));
    }

    #[test]
    fn what_is_not_understood_is_refused_without_showing_the_password() {
        for url in [
            "",
            "mysql://a@b/c",
            "postgres://",
            "postgres://u@/d",
            "postgres://h/d",
            "postgres://u:secret@h:0/d",
            "postgres://u:secret@h:70000/d",
            "postgres://u:secret@h:x/d",
            "postgres://u:secret@[::1/d",
            "postgres://u:secret@[::1]x/d",
            "postgres://u:secret@h1,h2/d",
            "postgres://u:secret@h/d?sslmode=requier",
            "postgres://u:secret@h/d?ssl_mode=require",
            "postgres://u:secret@h/d?connect_timeout=soon",
            "postgres://u:secret@h/d?keepalives=maybe",
            "postgres://u:secret@h/d?options=-c%20x",
            "postgres://u:secret%zz@h/d",
            "postgres://u:secret%0@h/d",
            "postgres://u:secret%00@h/d",
            "postgres://u:secret%ff@h/d",
            "postgres://u:secret@h/d?sslrootcert=system",
        ] {
            let error = parse(url).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{url}: {error}");
        }
    }
}
