//! Talks to a running server: where it is, the password, and its refusals as failures.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::Failure;
use crate::config::{self, Environment, Listen, Secret};
use crate::error::{self, Code};

/// A server that is there answers the handshake within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the longest poll.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
/// Bytes of an answer; the server's largest answers are a few times smaller.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    credentials: Option<Credentials>,
}

/// What shows the server who calls.
#[derive(Debug)]
enum Credentials {
    /// Of the user admin.
    Password(Secret),
    /// Of Logto.
    Token(Secret),
}

/// A refusal as the server writes it.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
    mend: Option<String>,
}

impl Client {
    /// A client of PENSTOCK_URL, or of the server that this configuration would start.
    pub(super) fn of_process() -> Result<Client, Failure> {
        let environment = Environment::of_process();
        let named = environment.get("PENSTOCK_URL").map(str::to_owned);
        let password = environment.get("PENSTOCK_ADMIN_PASSWORD").map(Secret::new);
        let token = environment.get("PENSTOCK_TOKEN").map(Secret::new);
        let (url, password) = match named {
            Some(url) => (url, password),
            None => {
                let sources = config::Sources {
                    flags: &[],
                    environment: &environment,
                    file: None,
                };
                let config = config::load_settings(&sources)?;
                (local_url(&config.http_listen), config.admin_password)
            }
        };
        let token = token.map(Credentials::Token);
        let credentials = password.map(Credentials::Password).or(token);
        Client::new(url.trim_end_matches('/').to_owned(), credentials)
    }

    /// The same client, showing `token`.
    pub(super) fn with_token(self, token: String) -> Client {
        Client {
            credentials: Some(Credentials::Token(Secret::new(token))),
            ..self
        }
    }

    fn new(url: String, credentials: Option<Credentials>) -> Result<Client, Failure> {
        let roots =
            rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            // The server is on this machine or named outright; a proxy would only be refused.
            .no_proxy()
            .build();
        let http = http.map_err(|cause| unreachable(&url, &cause))?;
        Ok(Client {
            http,
            url,
            credentials,
        })
    }

    /// The JSON at `path`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.get_with(path, &[]).await
    }

    /// The JSON at `path` with query parameters.
    pub(super) async fn get_with<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        let path = match query_string(query) {
            text if text.is_empty() => path.to_owned(),
            text => format!("{path}?{text}"),
        };
        let bytes = self.send(self.request(Method::GET, &path)).await?;
        serde_json::from_slice(&bytes).map_err(|_| self.no_penstock("an answer in another form"))
    }

    /// Sends `body` and gives the answer's bytes.
    pub(super) async fn send_json(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Vec<u8>, Failure> {
        self.send(self.request(method, path).json(body)).await
    }

    /// Sends a request without a body.
    pub(super) async fn send_bare(&self, method: Method, path: &str) -> Result<(), Failure> {
        self.ask_bare(method, path).await.map(drop)
    }

    /// Sends a request without a body and gives the answer's bytes.
    pub(super) async fn ask_bare(&self, method: Method, path: &str) -> Result<Vec<u8>, Failure> {
        self.send(self.request(method, path)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.credentials {
            Some(Credentials::Password(password)) => {
                request.basic_auth("admin", Some(password.expose()))
            }
            Some(Credentials::Token(token)) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    /// Sends `body` as it is, with headers that say what it is.
    pub(super) async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.send(request.body(body)).await
    }

    /// Sends a form to another server, such as an issuer of tokens, and gives the answer's bytes
    /// whatever its status.
    pub(super) async fn post_form(
        &self,
        url: &str,
        (user, password): (&str, &str),
        form: &[(&str, &str)],
        bytes_max: usize,
    ) -> Result<Vec<u8>, Failure> {
        let pairs = form
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let body = query_string(&pairs.collect::<Vec<_>>());
        let request = self
            .http
            .post(url)
            .basic_auth(user, Some(password))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let sent = request.send().await;
        let response = sent.map_err(|cause| no_issuer(url, &cause))?;
        self.read(response, bytes_max).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Vec<u8>, Failure> {
        let sent = request.send().await;
        let response = sent.map_err(|cause| unreachable(&self.url, &cause))?;
        let status = response.status();
        let bytes = self.read(response, ANSWER_BYTES_MAX).await?;
        if status.is_success() {
            return Ok(bytes);
        }
        Err(self.refused(status, &bytes))
    }

    async fn read(
        &self,
        mut response: reqwest::Response,
        bytes_max: usize,
    ) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|cause| unreachable(&self.url, &cause))? else {
                return Ok(bytes);
            };
            if bytes.len().saturating_add(chunk.len()) > bytes_max {
                return Err(self.no_penstock("an answer without end"));
            }
            bytes.extend_from_slice(&chunk);
        }
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Failure {
        let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
            return self.no_penstock(&format!("status {status}"));
        };
        let known = |code: &&Code| code.as_str() == problem.code;
        let code = error::ALL_CODES.iter().find(known);
        let is_token = matches!(self.credentials, Some(Credentials::Token(_)));
        Failure::Told {
            code: code.copied().unwrap_or(error::CLI_REFUSED),
            what: format!("{} ({status}) by {}", problem.detail, self.url),
            mend: match status {
                StatusCode::UNAUTHORIZED if !is_token => {
                    Some("set PENSTOCK_ADMIN_PASSWORD".to_owned())
                }
                _ => problem.mend,
            },
            exit: 1,
        }
    }

    pub(super) fn no_penstock(&self, what: &str) -> Failure {
        Failure::new(
            error::CLI_UNREACHABLE,
            format!("failed to talk to Penstock at {}: got {what}", self.url),
            "set PENSTOCK_URL to the address that `penstock serve` prints as http=",
        )
    }
}

fn no_issuer(url: &str, cause: &reqwest::Error) -> Failure {
    Failure::new(
        error::CLI_UNREACHABLE,
        format!("failed to reach {url}: {}", innermost(cause)),
        "check PENSTOCK_LOGTO_ENDPOINT",
    )
}

/// The text of reqwest's error repeats the URL; its innermost cause says what happened.
fn innermost(cause: &reqwest::Error) -> &dyn std::error::Error {
    let mut inner: &dyn std::error::Error = cause;
    while let Some(deeper) = inner.source() {
        inner = deeper;
    }
    inner
}

fn unreachable(url: &str, cause: &reqwest::Error) -> Failure {
    Failure::new(
        error::CLI_UNREACHABLE,
        format!("failed to reach {url}: {}", innermost(cause)),
        "start the server (penstock serve), or set PENSTOCK_URL to where it runs",
    )
}

/// The address of a server on this machine; an unspecified host means loopback.
fn local_url(listen: &Listen) -> String {
    format!("http://{}", reachable(listen))
}

/// `host:port` to connect to; an unspecified host means loopback.
pub(super) fn reachable(listen: &Listen) -> Listen {
    let host = match listen.host.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        other => other,
    };
    Listen {
        host: host.to_owned(),
        port: listen.port,
    }
}

/// A part of a path with everything but letters, digits and `-_.~` encoded.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = std::fmt::Write::write_fmt(&mut encoded, format_args!("%{byte:02X}"));
        }
    }
    encoded
}

fn query_string(pairs: &[(&str, String)]) -> String {
    let pair = |(name, value): &(&str, String)| format!("{name}={}", encode(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_host_is_asked_on_loopback() {
        let url = |text: &str| local_url(&Listen::parse(text).unwrap());
        assert_eq!(url("0.0.0.0:8080"), "http://127.0.0.1:8080");
        assert_eq!(url("[::]:8080"), "http://[::1]:8080");
        assert_eq!(url("localhost:1"), "http://localhost:1");
    }

    #[test]
    fn parts_of_paths_are_encoded() {
        assert_eq!(encode("app.public-x_1~"), "app.public-x_1~");
        assert_eq!(encode("a/b ?\u{e9}"), "a%2Fb%20%3F%C3%A9");
        assert_eq!(
            query_string(&[("a", "1&2".to_owned()), ("b", "c".to_owned())]),
            "a=1%262&b=c"
        );
    }
}
