//! Asks the issuer for its keys over HTTP.
//!
//! What answers is not trusted with anything but keys: an answer is bounded in bytes and time,
//! redirects stay on the same scheme, host and port, and the openid-configuration has to name the
//! issuer that was asked. No proxy is used: the issuer is named by its address.

use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Url};
use serde::Deserialize;

use super::config::Config;
use super::error::Quoted;
use super::jwks::{self, Found};

/// One request and its answer; far above what Logto takes, far below what a caller waits.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection of one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of an answer: hundreds of keys.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Redirects that are followed.
const REDIRECTS_MAX: usize = 3;

/// A fetch is over after this time: openid-configuration and keys.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(11);

/// Where the keys come from.
#[derive(Debug)]
pub(super) struct Source {
    issuer: String,
    jwks_url: Option<String>,
    /// What the issuer's openid-configuration said; asked again after a failure.
    discovered: Option<String>,
    /// Made with the first fetch: it reads the system's certificates.
    client: Option<Client>,
}

/// The part of an openid-configuration that is read.
#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

impl Source {
    pub(super) fn new(config: Config) -> Source {
        Source {
            issuer: config.issuers.into_iter().next().unwrap_or_default(),
            jwks_url: config.jwks_url,
            discovered: None,
            client: None,
        }
    }

    /// Fetches the keys. The error says what was asked and what is wrong. Cancel safe.
    pub(super) async fn fetch(&mut self) -> Result<Found, String> {
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, self.fetch_keys()).await;
        let fetched = fetched.unwrap_or_else(|_| Err("the issuer took too long".to_owned()));
        if fetched.is_err() {
            self.discovered = None;
        }
        fetched
    }

    async fn fetch_keys(&mut self) -> Result<Found, String> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => self.client.insert(client()?).clone(),
        };
        let url = match (&self.jwks_url, &self.discovered) {
            (Some(url), _) | (None, Some(url)) => url.clone(),
            (None, None) => {
                let url = discover(&client, &self.issuer).await?;
                self.discovered.insert(url).clone()
            }
        };
        let bytes = get(&client, &url).await?;
        jwks::read(&bytes).map_err(|what| format!("read the keys at \"{url}\": {what}"))
    }
}

/// Asks the issuer where its keys are.
async fn discover(client: &Client, issuer: &str) -> Result<String, String> {
    let url = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let bytes = get(client, &url).await?;
    let read: Configuration = serde_json::from_slice(&bytes)
        .map_err(|_| format!("read \"{url}\": it is no openid-configuration"))?;
    if read.issuer != issuer {
        let named = Quoted::new(&read.issuer);
        return Err(format!(
            "use \"{url}\": it names the issuer {named} and not \"{issuer}\"; set PENSTOCK_LOGTO_ISSUER to what it names, or PENSTOCK_LOGTO_JWKS_URL"
        ));
    }
    let encrypted = |address: &str| address.starts_with("https://");
    if encrypted(&url) && !encrypted(&read.jwks_uri) {
        return Err(format!("use \"{url}\": its jwks_uri is not encrypted"));
    }
    Ok(read.jwks_uri)
}

/// The body of a good answer.
async fn get(client: &Client, url: &str) -> Result<Vec<u8>, String> {
    let failed = |what: String| format!("ask \"{url}\": {what}");
    let request = client.get(url).header("accept", "application/json");
    let sent = request.send().await;
    let mut answer = sent.map_err(|error| failed(crate::error::chain(&error.without_url())))?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(failed(format!("it answered {}", answer.status())));
    }
    let mut bytes = Vec::new();
    loop {
        let piece = answer.chunk().await;
        let piece = piece.map_err(|error| failed(crate::error::chain(&error.without_url())))?;
        let Some(piece) = piece else {
            return Ok(bytes);
        };
        if bytes.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(failed(format!(
                "it answered more than {ANSWER_BYTES_MAX} bytes"
            )));
        }
        bytes.extend_from_slice(&piece);
    }
}

/// A client that trusts the system's certificates, or the public ones where a small image has none.
fn client() -> Result<Client, String> {
    let builder = || {
        Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(Policy::custom(redirect))
            .referer(false)
            .no_proxy()
    };
    let system = builder().build();
    let built = system.or_else(|_| {
        let roots =
            rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        builder().tls_backend_preconfigured(tls).build()
    });
    built.map_err(|error| format!("set up the HTTP client: {}", crate::error::chain(&error)))
}

fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let same = |one: &Url, other: &Url| one.origin() == other.origin();
    match attempt.previous().first() {
        Some(first) if !same(first, attempt.url()) => {
            attempt.error("it redirects to another address")
        }
        _ if attempt.previous().len() > REDIRECTS_MAX => attempt.error("it redirects too often"),
        _ => attempt.follow(),
    }
}
