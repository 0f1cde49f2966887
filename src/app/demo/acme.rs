//! A third party of the demo: it gets tokens from the issuer as a machine-to-machine app does, and
//! pushes what happens at its place. Now and then it sends a payment that nobody can book.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::issuer::{App, Issuer};

/// The integration's name.
pub(super) const NAME: &str = "acme";
/// Between two pushes; slow enough to read along.
const PAUSE: Duration = Duration::from_millis(1500);
/// Every so many pushes one is a payment without an amount.
const POISONED_EVERY: u64 = 5;
/// A request takes no longer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The audience of its tokens.
pub(super) const RESOURCE: &str = "https://penstock.demo";

/// Where it gets tokens, and where it pushes to.
#[derive(Debug, Clone)]
pub(super) struct Partner {
    /// `http://host:port` of the issuer.
    issuer_url: String,
    /// Its app at the issuer.
    app: App,
    /// `http://host:port` of the push API.
    base_url: String,
}

/// The issuer's answer.
#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: u64,
}

/// Pushes until `stop`.
pub(super) async fn run(partner: Partner, stop: CancellationToken) -> Result<(), reqwest::Error> {
    let http = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .no_proxy()
        .build()?;
    let mut token: Option<(String, tokio::time::Instant)> = None;
    for number in 1_u64.. {
        let now = tokio::time::Instant::now();
        let current = match token.take() {
            Some((text, until)) if now < until => (text, until),
            Some(_) | None => partner.token(&http).await?,
        };
        partner.push(&http, &current.0, number).await?;
        token = Some(current);
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
    Ok(())
}

impl Partner {
    /// The third party of `app`, which `issuer` knows.
    pub(super) fn new(issuer: &Issuer, app: App, base_url: String) -> Partner {
        Partner {
            issuer_url: issuer.endpoint().to_owned(),
            app,
            base_url,
        }
    }

    /// A token and until when to use it.
    async fn token(
        &self,
        http: &reqwest::Client,
    ) -> Result<(String, tokio::time::Instant), reqwest::Error> {
        let scope = format!("push:{NAME}");
        let form = [
            ("grant_type", "client_credentials"),
            ("resource", RESOURCE),
            ("scope", &scope),
        ];
        // Nothing in it but ':' and '/' has a meaning in a form.
        let encode = |value: &str| value.replace(':', "%3A").replace('/', "%2F");
        let form = form.map(|(name, value)| format!("{name}={}", encode(value)));
        let answer = http
            .post(format!("{}/oidc/token", self.issuer_url))
            .basic_auth(&self.app.id, Some(&self.app.secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.join("&"))
            .send()
            .await?
            .error_for_status()?;
        let token: Token = answer.json().await?;
        // Half of its time, so that none expires on its way.
        let until = tokio::time::Instant::now() + Duration::from_secs(token.expires_in / 2);
        Ok((token.access_token, until))
    }

    async fn push(
        &self,
        http: &reqwest::Client,
        token: &str,
        number: u64,
    ) -> Result<(), reqwest::Error> {
        let pushed = http
            .post(format!("{}/push/{NAME}", self.base_url))
            .bearer_auth(token)
            .header("idempotency-key", format!("payment-{number}"))
            .json(&payment(number))
            .send()
            .await?;
        pushed.error_for_status().map(drop)
    }
}

/// A payment; some have no amount.
fn payment(number: u64) -> Value {
    if number.is_multiple_of(POISONED_EVERY) {
        return json!({"payment": number, "amount": null});
    }
    json!({"payment": number, "amount": number % 90 + 10, "currency": "EUR"})
}
