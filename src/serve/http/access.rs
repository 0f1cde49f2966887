//! Who may use the administrator's surface.
//!
//! With a password: whoever shows it (Basic, user `admin`). Without one: callers on this machine
//! only, told by the peer's address and by headers that no browser page of another site, no
//! rebound DNS name and no reverse proxy can produce. Not here: tokens; until they are built a
//! Bearer token is refused.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::error::Problem;
use super::logins::Logins;
use crate::config::Secret;
use crate::error;

/// The user of the administrator's password.
const ADMIN: &str = "admin";
/// What a browser shows beside its login prompt.
const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"penstock\", charset=\"UTF-8\"");
/// How to mend a refusal of a caller from elsewhere.
const SET_PASSWORD: &str = "set PENSTOCK_ADMIN_PASSWORD and send it (Basic, user admin), or call from this machine under http://localhost";

/// Who is let in.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Whoever shows this password.
    Password(Secret),
    /// Callers on this machine.
    Local,
    /// Whoever shows a token; no password is set.
    Tokens,
}

/// The rule, and what it remembers.
#[derive(Debug)]
pub(super) struct Access {
    admission: Admission,
    /// The address under which people reach this server through a proxy; pages of it are own.
    public_url: Option<String>,
    logins: Logins,
}

/// A request as far as the rule looks at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) peer: SocketAddr,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
}

impl Access {
    pub(super) fn new(admission: Admission, public_url: Option<String>) -> Access {
        Access {
            admission,
            public_url,
            logins: Logins::default(),
        }
    }

    /// Lets the caller in or says why not.
    pub(super) fn check(&self, caller: Caller<'_>, now_ms: i64) -> Result<(), Problem> {
        match &self.admission {
            Admission::Password(password) => self.check_password(caller, password, now_ms),
            Admission::Local => check_local(caller, self.public_url.as_deref()),
            Admission::Tokens => Err(Problem::new(
                error::HTTP_UNAUTHORIZED,
                "log in without a token",
                "send Authorization: Bearer TOKEN with the scope penstock:read or penstock:admin",
            )),
        }
    }

    fn check_password(
        &self,
        caller: Caller<'_>,
        password: &Secret,
        now_ms: i64,
    ) -> Result<(), Problem> {
        let peer = caller.peer.ip();
        if !caller.headers.contains_key(header::AUTHORIZATION) {
            return Err(unauthorized("use this address without a password"));
        }
        if let Some(left_ms) = self.logins.refused_for_ms(peer, now_ms) {
            let seconds = left_ms.saturating_add(999) / 1000;
            return Err(Problem::new(
                error::HTTP_UNAUTHORIZED,
                "log in after too many failed logins",
                format!("wait {seconds} s, then log in with PENSTOCK_ADMIN_PASSWORD (user admin)"),
            )
            .with_status(axum::http::StatusCode::TOO_MANY_REQUESTS)
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        let shown = basic(caller.headers);
        let matches = shown.is_some_and(|(user, shown)| {
            // Both are compared, so that the time tells nothing about either.
            same(user.as_bytes(), ADMIN.as_bytes())
                & same(shown.as_bytes(), password.expose().as_bytes())
        });
        if matches {
            self.logins.succeeded(peer);
            return Ok(());
        }
        self.logins.failed(peer, now_ms);
        tracing::warn!(%peer, "refused a login over HTTP");
        Err(unauthorized("log in: user or password is wrong"))
    }
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(
        error::HTTP_UNAUTHORIZED,
        detail,
        "send the password of PENSTOCK_ADMIN_PASSWORD: curl -u admin:PASSWORD ...",
    )
    .with_header(header::WWW_AUTHENTICATE, CHALLENGE)
}

fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(error::HTTP_FORBIDDEN, detail, SET_PASSWORD)
}

/// The rule without a password.
fn check_local(caller: Caller<'_>, public_url: Option<&str>) -> Result<(), Problem> {
    let Caller { peer, uri, headers } = caller;
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
    let own = |origin: &str| {
        if public_url.is_some_and(|url| url.eq_ignore_ascii_case(origin)) {
            return true;
        }
        let rest = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        rest.is_some_and(|rest| rest.eq_ignore_ascii_case(authority))
    };
    for origin in headers.get_all(header::ORIGIN) {
        if !origin.to_str().is_ok_and(own) {
            return Err(forbidden(
                "answer a page of another origin while no password is set",
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

/// User and password of the one Basic authorization.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let text = all.next()?.to_str().ok()?;
    if all.next().is_some() {
        return None;
    }
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Whether `shown` equals `expected`, in a time that depends on the length of `shown` only.
fn same(shown: &[u8], expected: &[u8]) -> bool {
    let mut difference = u8::from(shown.len() != expected.len());
    let padded = expected.iter().chain(std::iter::repeat(&0));
    for (left, right) in shown.iter().zip(padded) {
        difference |= std::hint::black_box(left ^ right);
    }
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, StatusCode};

    use super::*;

    const LOCAL: &str = "127.0.0.1:50000";

    fn check(access: &Access, peer: &str, headers: &[(&str, &str)]) -> Result<(), StatusCode> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let caller = Caller {
            peer: peer.parse().unwrap(),
            uri: &Uri::from_static("/topics"),
            headers: &map,
        };
        access.check(caller, 0).map_err(|problem| problem.status())
    }

    #[test]
    fn without_a_password_only_this_machine_is_answered() {
        let access = Access::new(Admission::Local, None);
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:8080",
        ] {
            assert_eq!(check(&access, LOCAL, &[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(check(&access, "[::1]:9", &[("host", "localhost")]), Ok(()));
        assert_eq!(
            check(&access, "[::ffff:127.0.0.1]:9", &[("host", "localhost")]),
            Ok(())
        );
        let own = [
            ("host", "localhost:8080"),
            ("origin", "http://localhost:8080"),
        ];
        assert_eq!(check(&access, LOCAL, &own), Ok(()));
    }

    #[test]
    fn without_a_password_pages_proxies_and_rebound_names_are_refused() {
        let access = Access::new(Admission::Local, None);
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
            let found = check(&access, peer, headers);
            assert_eq!(found, Err(StatusCode::FORBIDDEN), "{peer} {headers:?}");
        }
    }

    #[test]
    fn with_a_password_it_is_asked_for_everywhere() {
        let access = Access::new(Admission::Password(Secret::new("s:ecret")), None);
        let shown = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        let good = shown("admin:s:ecret");
        let remote = "192.0.2.1:50000";
        assert_eq!(check(&access, remote, &[("authorization", &good)]), Ok(()));
        for bad in [
            shown("admin:s:ecre"),
            shown("admin:s:ecret2"),
            shown("root:s:ecret"),
            shown("admin"),
            "Bearer x".to_owned(),
            "Basic \u{7f}".replace('\u{7f}', "!"),
        ] {
            let found = check(
                &access,
                LOCAL,
                &[("host", "localhost"), ("authorization", &bad)],
            );
            assert_eq!(found, Err(StatusCode::UNAUTHORIZED), "{bad}");
        }
        assert_eq!(
            check(&access, LOCAL, &[("host", "localhost")]),
            Err(StatusCode::UNAUTHORIZED)
        );
    }

    #[test]
    fn after_ten_failures_even_the_right_password_waits() {
        let access = Access::new(Admission::Password(Secret::new("right")), None);
        let shown = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        for _ in 0..10 {
            let _ = check(&access, LOCAL, &[("authorization", &shown("admin:wrong"))]);
        }
        let right = shown("admin:right");
        let found = check(&access, LOCAL, &[("authorization", &right)]);
        assert_eq!(found, Err(StatusCode::TOO_MANY_REQUESTS));
    }
}
