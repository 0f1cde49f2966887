//! Callers on this machine, told by the peer's address and by headers that no browser page of
//! another site, no rebound DNS name and no reverse proxy can produce; and which origins are own.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};

use super::access::Caller;
use super::error::Problem;
use crate::error;

/// How to mend a refusal of a caller from elsewhere.
const SET_PASSWORD: &str = "set PENSTOCK_ADMIN_PASSWORD for the server, restart it and log in as admin; or call from the machine or container it runs in, under http://localhost";

fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(error::HTTP_FORBIDDEN, detail, SET_PASSWORD)
}

/// The rule without a password.
pub(super) fn check_local(caller: Caller<'_>, public_url: Option<&str>) -> Result<(), Problem> {
    let Caller {
        peer, uri, headers, ..
    } = caller;
    if !peer.ip().to_canonical().is_loopback() {
        return Err(forbidden(
            "answer a caller from elsewhere while no password is set",
        ));
    }
    let forwarded = headers.keys().find(|name| {
        let name = name.as_str();
        name == "forwarded" || name.starts_with("x-forwarded-")
    });
    if let Some(name) = forwarded {
        return Err(forbidden(format!(
            "answer a proxied caller (header \"{name}\") while no password is set"
        )));
    }
    let Some(authority) = authority(uri, headers) else {
        return Err(forbidden("answer a request without one Host header"));
    };
    if !is_local_name(host_of(authority)) {
        return Err(forbidden(
            "answer for a Host that is neither localhost nor a loopback address while no password is set",
        ));
    }
    check_origins(headers, authority, public_url)
}

/// Refuses pages of another origin.
pub(super) fn check_origin(caller: Caller<'_>, public_url: Option<&str>) -> Result<(), Problem> {
    let authority = authority(caller.uri, caller.headers).unwrap_or_default();
    check_origins(caller.headers, authority, public_url)
}

fn check_origins(
    headers: &HeaderMap,
    authority: &str,
    public_url: Option<&str>,
) -> Result<(), Problem> {
    let own = |origin: &str| {
        if public_url.is_some_and(|url| url.eq_ignore_ascii_case(origin)) {
            return true;
        }
        let rest = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        rest.is_some_and(|rest| !rest.is_empty() && rest.eq_ignore_ascii_case(authority))
    };
    for origin in headers.get_all(header::ORIGIN) {
        if !origin.to_str().is_ok_and(own) {
            return Err(Problem::new(
                error::HTTP_FORBIDDEN,
                "answer a page of another origin",
                "call from a page of this server, or set PENSTOCK_PUBLIC_URL to the address under which people reach it",
            ));
        }
    }
    Ok(())
}

/// The one authority the request is for.
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    if hosts.next().is_some() {
        return None;
    }
    match uri.authority() {
        Some(asked) if !asked.as_str().eq_ignore_ascii_case(host) => None,
        Some(_) | None => Some(host),
    }
}

/// The host of `host:port`, `[v6]:port` or `host`.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(host, _)| host);
    }
    authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host)
}

fn is_local_name(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue, Method, StatusCode};

    use super::*;

    const LOCAL: &str = "127.0.0.1:50000";

    fn check(peer: &str, headers: &[(&str, &str)]) -> Result<(), StatusCode> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let caller = Caller {
            peer: peer.parse().unwrap(),
            method: &Method::GET,
            uri: &Uri::from_static("/topics"),
            headers: &map,
        };
        check_local(caller, None).map_err(|problem| problem.status())
    }

    #[test]
    fn without_a_password_only_this_machine_is_answered() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:8080",
        ] {
            assert_eq!(check(LOCAL, &[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(check("[::1]:9", &[("host", "localhost")]), Ok(()));
        assert_eq!(
            check("[::ffff:127.0.0.1]:9", &[("host", "localhost")]),
            Ok(())
        );
        let own = [
            ("host", "localhost:8080"),
            ("origin", "http://localhost:8080"),
        ];
        assert_eq!(check(LOCAL, &own), Ok(()));
    }

    #[test]
    fn without_a_password_pages_proxies_and_rebound_names_are_refused() {
        let refused: &[(&str, &[(&str, &str)])] = &[
            ("192.0.2.1:50000", &[("host", "localhost")]),
            (LOCAL, &[]),
            (LOCAL, &[("host", "evil.example")]),
            (LOCAL, &[("host", "localhost.evil.example")]),
            (LOCAL, &[("host", "127.0.0.1.evil.example:8080")]),
            (LOCAL, &[("host", "localhost"), ("host", "localhost")]),
            (
                LOCAL,
                &[("host", "localhost"), ("forwarded", "for=192.0.2.1")],
            ),
            (
                LOCAL,
                &[("host", "localhost"), ("x-forwarded-for", "127.0.0.1")],
            ),
            (
                LOCAL,
                &[("host", "localhost"), ("x-forwarded-proto", "https")],
            ),
            (LOCAL, &[("host", "localhost"), ("origin", "null")]),
            (
                LOCAL,
                &[("host", "localhost"), ("origin", "https://evil.example")],
            ),
            (
                LOCAL,
                &[
                    ("host", "localhost:8080"),
                    ("origin", "http://localhost:3000"),
                ],
            ),
        ];
        for (peer, headers) in refused {
            let found = check(peer, headers);
            assert_eq!(found, Err(StatusCode::FORBIDDEN), "{peer} {headers:?}");
        }
    }
}
