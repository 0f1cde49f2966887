//! Addresses to listen on and to advertise.

use std::fmt;

/// `host:port`. Port 0 binds a free port; the host may be a name, an IPv4 address or an IPv6
/// address in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Without brackets.
    pub host: String,
    pub port: u16,
}

impl Listen {
    /// Reads `host:port`.
    pub fn parse(text: &str) -> Result<Listen, String> {
        let (host, port) = split(text)?;
        let port = port.ok_or_else(|| format!("\"{text}\" has no port"))?;
        Ok(Listen { host, port })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(f, &self.host, self.port)
    }
}

/// What Kafka clients are told to connect to: `host` or `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertise {
    /// Without brackets.
    pub host: String,
    /// `None`: the port that the listener is bound to.
    pub port: Option<u16>,
}

impl Advertise {
    /// Reads `host` or `host:port`.
    pub fn parse(text: &str) -> Result<Advertise, String> {
        let (host, port) = split(text)?;
        if matches!(host.as_str(), "0.0.0.0" | "::" | "*") {
            return Err(format!("no client can connect to \"{host}\""));
        }
        if port == Some(0) {
            return Err("no client can connect to port 0".to_owned());
        }
        Ok(Advertise { host, port })
    }
}

fn write_address(f: &mut fmt::Formatter<'_>, host: &str, port: u16) -> fmt::Result {
    if host.contains(':') {
        write!(f, "[{host}]:{port}")
    } else {
        write!(f, "{host}:{port}")
    }
}

fn split(text: &str) -> Result<(String, Option<u16>), String> {
    if text.contains("://") {
        return Err(format!("\"{text}\" is a URL, not host:port"));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or(port))),
            None => return Err(format!("\"{text}\" has no closing bracket")),
        },
        None => match text.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => {
                return Err(format!("the IPv6 address in \"{text}\" needs brackets"));
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err(format!("\"{text}\" has no host"));
    }
    if host.contains(|c: char| c.is_whitespace() || c == '/' || c == ',') {
        return Err(format!("\"{host}\" is no host"));
    }
    let port = match port {
        None => None,
        Some(digits) => Some(
            digits
                .parse()
                .map_err(|_| format!("\"{digits}\" is no port (0 to 65535)"))?,
        ),
    };
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in [
            "127.0.0.1:0",
            "localhost:8080",
            "[::1]:9092",
            "0.0.0.0:65535",
        ] {
            assert_eq!(Listen::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "8080",
            ":8080",
            "::1:80",
            "a:b",
            "a:65536",
            "[::1",
            "http://a:1",
            "a b:1",
            "a:",
        ] {
            assert!(Listen::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unspecified_address_is_not_advertised() {
        assert!(Advertise::parse("0.0.0.0:9092").is_err());
        assert!(Advertise::parse("[::]:9092").is_err());
        let advertise = Advertise::parse("broker.example").unwrap();
        assert_eq!(advertise.port, None);
    }
}
