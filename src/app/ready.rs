//! Tells who started us that traffic is taken: one line on stdout, and a file.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use serde_json::{Map, Value};

use super::error::Error;
use crate::serve::http::Listeners;

/// What is told: listeners that are on, by name, and the data directory.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    addresses: Vec<(&'static str, SocketAddr)>,
    data: String,
}

impl Ready {
    pub(super) fn new(listeners: &Listeners, data_dir: &Path) -> Ready {
        let all = [
            ("http", listeners.http),
            ("kafka", listeners.kafka),
            ("metrics", listeners.metrics),
        ];
        let on = all
            .into_iter()
            .filter_map(|(name, address)| Some((name, reachable(address?))));
        Ready {
            addresses: on.collect(),
            data: data_dir.display().to_string(),
        }
    }

    /// The line, without its end.
    fn line(&self) -> String {
        let address = |(name, address): &(&str, SocketAddr)| format!(" {name}={address}");
        let addresses: String = self.addresses.iter().map(address).collect();
        format!("penstock ready{addresses} data={}", self.data)
    }

    fn json(&self) -> Value {
        let address =
            |(name, address): &(&str, SocketAddr)| ((*name).to_owned(), address.to_string().into());
        let mut object: Map<String, Value> = self.addresses.iter().map(address).collect();
        object.insert("data".to_owned(), self.data.as_str().into());
        Value::Object(object)
    }

    /// Writes the file, then the line. A reader that has closed stdout stops nothing.
    pub(super) fn tell(&self, file: Option<&Path>) -> Result<(), Error> {
        if let Some(path) = file {
            self.write_file(path).map_err(|cause| Error::System {
                doing: format!("write \"{}\"", path.display()),
                cause,
                mend: "name a file in a folder that exists and can be written to".to_owned(),
            })?;
        }
        let mut out = io::stdout().lock();
        let written = writeln!(out, "{}", self.line()).and_then(|()| out.flush());
        if let Err(error) = written {
            tracing::warn!(%error, "could not write the ready line to stdout");
        }
        Ok(())
    }

    /// Whoever sees the file sees all of it: it is renamed to its name once it is complete.
    fn write_file(&self, path: &Path) -> io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        std::fs::write(&temporary, format!("{}\n", self.json()))?;
        std::fs::rename(&temporary, path)
    }
}

/// An unspecified address as one that can be connected to.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Ready {
        let listeners = Listeners {
            http: Some("0.0.0.0:8080".parse().unwrap()),
            kafka: Some("[::]:9092".parse().unwrap()),
            metrics: None,
        };
        Ready::new(&listeners, Path::new("data"))
    }

    #[test]
    fn unspecified_addresses_are_told_as_loopback_and_what_is_off_is_left_out() {
        assert_eq!(
            ready().line(),
            "penstock ready http=127.0.0.1:8080 kafka=[::1]:9092 data=data"
        );
    }

    #[test]
    fn the_file_says_the_same_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        ready().write_file(&path).unwrap();
        let json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let expected = serde_json::json!(
            {"http": "127.0.0.1:8080", "kafka": "[::1]:9092", "data": "data"}
        );
        assert_eq!(json, expected);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
