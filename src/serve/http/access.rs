//! Who may use the administrator's surface.
//!
//! With a password: whoever shows it (Basic, user `admin`). With an issuer of tokens: whoever
//! shows one with the scope `penstock:admin`, or `penstock:read` for what only reads. Without
//! either: callers on this machine only (see `local`).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

use super::credentials::{Shown, same, shown};
use super::error::Problem;
use super::local::{check_local, check_origin};
use super::logins::Logins;
use crate::auth::{self, Principal, Tokens};
use crate::config::Secret;
use crate::error;

/// The user of the administrator's password.
const ADMIN: &str = "admin";
/// The scope that allows everything.
const SCOPE_ADMIN: &str = "penstock:admin";
/// The scope that allows to look, and to read as a member of a group.
const SCOPE_READ: &str = "penstock:read";
/// What a browser shows beside its login prompt.
const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"penstock\", charset=\"UTF-8\"");
/// Asks for a token.
const TOKEN_CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"penstock\"");

/// Who is let in, beside whoever shows a token where tokens are verified.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Whoever shows this password.
    Password(Secret),
    /// Nobody else: tokens are verified and no password is set.
    Tokens,
    /// Callers on this machine; neither a password nor an issuer of tokens is set.
    Local,
}

/// The rule, and what it remembers.
#[derive(Debug)]
pub(super) struct Access {
    admission: Admission,
    tokens: Option<Tokens>,
    /// The address under which people reach this server through a proxy; pages of it are own.
    public_url: Option<String>,
    logins: Logins,
}

/// A request as far as the rule looks at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) peer: SocketAddr,
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
}

/// Who was let in; in the extensions of every request behind the rule.
#[derive(Debug, Clone)]
pub(super) enum Who {
    /// A caller on this machine.
    Local,
    /// The administrator's password.
    Admin,
    /// A token.
    Token(Arc<Principal>),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Local => f.write_str("this machine"),
            Who::Admin => f.write_str("admin"),
            Who::Token(principal) => {
                write!(f, "token of {}", auth::Quoted::new(&principal.subject))
            }
        }
    }
}

impl Access {
    pub(super) fn new(
        admission: Admission,
        tokens: Option<Tokens>,
        public_url: Option<String>,
    ) -> Access {
        Access {
            admission,
            tokens,
            public_url,
            logins: Logins::default(),
        }
    }

    /// Lets the caller in or says why not. Cancel safe.
    pub(super) async fn check(&self, caller: Caller<'_>, now_ms: i64) -> Result<Who, Problem> {
        if matches!(self.admission, Admission::Local) {
            check_local(caller, self.public_url.as_deref())?;
            return Ok(Who::Local);
        }
        match shown(caller.headers).map_err(|error| Problem::token(&error))? {
            Shown::Token(token) => self.check_token(caller, token).await,
            Shown::Password(given) => self.check_password(caller, given, now_ms),
            Shown::Nothing => Err(self.unauthorized("use this address without logging in")),
            Shown::Other => {
                Err(self
                    .unauthorized("log in: the header Authorization is neither Basic nor Bearer"))
            }
        }
    }

    async fn check_token(&self, caller: Caller<'_>, token: &str) -> Result<Who, Problem> {
        let Some(tokens) = &self.tokens else {
            return Err(self.unauthorized("log in with a token: no issuer of tokens is set"));
        };
        let verified = tokens.verify(token).await;
        let principal = verified.map_err(|error| Problem::token(&error))?;
        let enough = enough_scopes(caller.method, caller.uri.path());
        if enough.iter().any(|scope| principal.has_scope(scope)) {
            return Ok(Who::Token(principal));
        }
        Err(Problem::token(&auth::Error::lacks(enough, &principal)))
    }

    fn check_password(
        &self,
        caller: Caller<'_>,
        given: Option<(String, String)>,
        now_ms: i64,
    ) -> Result<Who, Problem> {
        let Admission::Password(password) = &self.admission else {
            return Err(self.unauthorized("log in with a password: none is set"));
        };
        let peer = caller.peer.ip();
        if let Some(left_ms) = self.logins.refused_for_ms(peer, now_ms) {
            return Err(too_many_logins(left_ms));
        }
        let matches = given.is_some_and(|(user, given)| {
            // Both are compared, so that the time tells nothing about either.
            same(user.as_bytes(), ADMIN.as_bytes())
                & same(given.as_bytes(), password.expose().as_bytes())
        });
        if !matches {
            self.logins.failed(peer, now_ms);
            tracing::warn!(%peer, "refused a login over HTTP");
            return Err(self.unauthorized("log in: user or password is wrong"));
        }
        self.logins.succeeded(peer);
        // A browser sends a remembered password along with what a foreign page asks for.
        if !only_reads(caller.method) {
            check_origin(caller, self.public_url.as_deref())?;
        }
        Ok(Who::Admin)
    }

    /// Asks for whatever may be shown here.
    fn unauthorized(&self, detail: &str) -> Problem {
        const PASSWORD: &str =
            "send the password of PENSTOCK_ADMIN_PASSWORD: curl -u admin:PASSWORD ...";
        const TOKEN: &str =
            "send Authorization: Bearer TOKEN with the scope penstock:read or penstock:admin";
        let password = matches!(self.admission, Admission::Password(_));
        let mend = match (password, self.tokens.is_some()) {
            (true, true) => format!("{PASSWORD}; or {TOKEN}"),
            (true, false) => PASSWORD.to_owned(),
            (false, _) => TOKEN.to_owned(),
        };
        let mut problem = Problem::new(error::HTTP_UNAUTHORIZED, detail, mend);
        if password {
            problem = problem.with_header(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        if self.tokens.is_some() {
            problem = problem.with_header(header::WWW_AUTHENTICATE, TOKEN_CHALLENGE);
        }
        problem
    }
}

fn too_many_logins(left_ms: i64) -> Problem {
    let seconds = left_ms.saturating_add(999) / 1000;
    Problem::new(
        error::HTTP_UNAUTHORIZED,
        "log in after too many failed logins",
        format!("wait {seconds} s, then log in with PENSTOCK_ADMIN_PASSWORD (user admin)"),
    )
    .with_status(StatusCode::TOO_MANY_REQUESTS)
    .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
}

/// Scopes of which one is enough.
fn enough_scopes(method: &Method, path: &str) -> &'static [&'static str] {
    let consumes = *method == Method::POST && is_consuming(path);
    if only_reads(method) || consumes {
        &[SCOPE_READ, SCOPE_ADMIN]
    } else {
        &[SCOPE_ADMIN]
    }
}

/// Whether the request changes nothing, by its method.
fn only_reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// `/groups/{group}/read` and `/groups/{group}/ack`: consuming is reading.
fn is_consuming(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    let found = (parts.next(), parts.next(), parts.next(), parts.next());
    matches!(found, (Some("groups"), Some(group), Some("read" | "ack"), None) if !group.is_empty())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    const LOCAL: &str = "127.0.0.1:50000";

    async fn check(
        access: &Access,
        peer: &str,
        method: Method,
        headers: &[(&str, &str)],
    ) -> Result<(), StatusCode> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let caller = Caller {
            peer: peer.parse().unwrap(),
            method: &method,
            uri: &Uri::from_static("/topics"),
            headers: &map,
        };
        let checked = access.check(caller, 0).await;
        checked.map(drop).map_err(|problem| problem.status())
    }

    fn with_password(password: &str) -> Access {
        Access::new(Admission::Password(Secret::new(password)), None, None)
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(text))
    }

    #[tokio::test]
    async fn with_a_password_it_is_asked_for_everywhere() {
        let access = with_password("s:ecret");
        let good = basic("admin:s:ecret");
        let remote = "192.0.2.1:50000";
        let shown = [("authorization", &*good)];
        assert_eq!(check(&access, remote, Method::GET, &shown).await, Ok(()));
        for bad in [
            basic("admin:s:ecre"),
            basic("admin:s:ecret2"),
            basic("root:s:ecret"),
            basic("admin"),
            "Bearer x".to_owned(),
            "Basic !".to_owned(),
        ] {
            let headers = [("host", "localhost"), ("authorization", &*bad)];
            let found = check(&access, LOCAL, Method::GET, &headers).await;
            assert_eq!(found, Err(StatusCode::UNAUTHORIZED), "{bad}");
        }
        let found = check(&access, LOCAL, Method::GET, &[("host", "localhost")]).await;
        assert_eq!(found, Err(StatusCode::UNAUTHORIZED));
        let twice = [("authorization", &*good), ("authorization", &*good)];
        let found = check(&access, LOCAL, Method::GET, &twice).await;
        assert_eq!(found, Err(StatusCode::BAD_REQUEST));
    }

    #[tokio::test]
    async fn a_foreign_page_may_not_write_with_the_password_a_browser_remembers() {
        let access = Access::new(
            Admission::Password(Secret::new("p")),
            None,
            Some("https://penstock.example.com".to_owned()),
        );
        let good = basic("admin:p");
        for (origin, allowed) in [
            ("http://penstock:8080", true),
            ("https://penstock:8080", true),
            ("https://penstock.example.com", true),
            ("https://evil.example", false),
            ("https://penstock.example.com.evil.example", false),
            ("http://penstock:3000", false),
            ("null", false),
        ] {
            let headers = [
                ("host", "penstock:8080"),
                ("authorization", &*good),
                ("origin", origin),
            ];
            let found = check(&access, LOCAL, Method::DELETE, &headers).await;
            let expected = if allowed {
                Ok(())
            } else {
                Err(StatusCode::FORBIDDEN)
            };
            assert_eq!(found, expected, "{origin}");
            assert_eq!(check(&access, LOCAL, Method::GET, &headers).await, Ok(()));
        }
    }

    #[tokio::test]
    async fn after_ten_failures_even_the_right_password_waits() {
        let access = with_password("right");
        let wrong = basic("admin:wrong");
        for _ in 0..10 {
            let _ = check(&access, LOCAL, Method::GET, &[("authorization", &*wrong)]).await;
        }
        let right = basic("admin:right");
        let found = check(&access, LOCAL, Method::GET, &[("authorization", &*right)]).await;
        assert_eq!(found, Err(StatusCode::TOO_MANY_REQUESTS));
    }

    #[test]
    fn reading_and_consuming_need_the_smaller_scope() {
        let reading = |method: &Method, path| enough_scopes(method, path).contains(&SCOPE_READ);
        assert!(reading(&Method::GET, "/topics"));
        assert!(reading(&Method::HEAD, "/dlq/x"));
        assert!(reading(&Method::POST, "/groups/g/read"));
        assert!(reading(&Method::POST, "/groups/g/ack"));
        for path in [
            "/groups/g/seek",
            "/groups/read",
            "/groups//read",
            "/groups/g/read/",
            "/groups/g/read/x",
            "/groups/g/READ",
            "/x/groups/g/read",
            "/topics/t/records",
            "/dlq/t/redrive",
        ] {
            assert!(!reading(&Method::POST, path), "{path}");
        }
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(!reading(&method, "/groups/g/read"));
        }
    }
}
