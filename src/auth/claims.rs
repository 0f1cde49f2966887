//! What a token's claims have to say. Pure: the time comes in.
//!
//! Claims are looked at before the signature is: a token that would be refused anyway costs no
//! fetch of keys and no verification, and its sender is told the most useful thing first.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::config::Config;
use super::error::{Error, Quoted};
use super::principal::Principal;

/// How far the clocks of Logto and of this machine may lie apart.
pub(super) const LEEWAY_MS: i64 = 60_000;
/// Times of claims lie below this, the year 5138; more is no time.
const SECONDS_MAX: f64 = 1e11;
/// How `aud` of Logto's organization tokens begins.
const ORGANIZATION: &str = "urn:logto:organization:";

/// What claims are compared with, with texts made once.
#[derive(Debug)]
pub(super) struct Expected {
    issuers: Vec<String>,
    issuers_text: Arc<str>,
    audience: Arc<str>,
}

impl Expected {
    pub(super) fn new(config: Config) -> Expected {
        let quoted: Vec<String> = config
            .issuers
            .iter()
            .map(|it| format!("\"{it}\""))
            .collect();
        Expected {
            issuers: config.issuers,
            issuers_text: quoted.join(" or ").into(),
            audience: config.audience.as_str().into(),
        }
    }

    /// Who the claims speak of, if they are acceptable at `now_ms`.
    pub(super) fn check(
        &self,
        claims: Map<String, Value>,
        now_ms: i64,
    ) -> Result<Principal, Error> {
        self.check_issuer(&claims)?;
        self.check_audience(&claims)?;
        let expires_ms = time(&claims, "exp")?.ok_or(missing("exp"))?;
        check_expiry(expires_ms, now_ms)?;
        for claim in ["nbf", "iat"] {
            let ahead_ms = time(&claims, claim)?
                .unwrap_or(i64::MIN)
                .saturating_sub(now_ms);
            if ahead_ms > LEEWAY_MS {
                return Err(Error::NotYetValid {
                    claim,
                    ahead_s: ahead_ms / 1000,
                });
            }
        }
        let subject = text(&claims, "sub")?.ok_or(missing("sub"))?.to_owned();
        let scope = text(&claims, "scope")?.unwrap_or_default();
        Ok(Principal {
            subject,
            client_id: text(&claims, "client_id")?.map(str::to_owned),
            organization_id: text(&claims, "organization_id")?.map(str::to_owned),
            scopes: scope.split_ascii_whitespace().map(str::to_owned).collect(),
            expires_ms,
            claims,
        })
    }

    fn check_issuer(&self, claims: &Map<String, Value>) -> Result<(), Error> {
        let found = text(claims, "iss")?.ok_or(missing("iss"))?;
        if self.issuers.iter().any(|issuer| issuer == found) {
            return Ok(());
        }
        Err(Error::Issuer {
            found: Quoted::new(found),
            expected: self.issuers_text.clone(),
        })
    }

    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), Error> {
        let named = audiences(claims)?;
        if named.contains(&&*self.audience) {
            return Ok(());
        }
        let expected = self.audience.clone();
        if let Some(organization) = named.iter().find(|it| it.starts_with(ORGANIZATION)) {
            return Err(Error::OrganizationToken {
                found: Quoted::new(organization),
                expected,
            });
        }
        Err(Error::Audience {
            found: Quoted::new(&named.join(", ")),
            expected,
        })
    }
}

/// Refuses what has expired by `now_ms`.
pub(super) fn check_expiry(expires_ms: i64, now_ms: i64) -> Result<(), Error> {
    let ago_ms = now_ms.saturating_sub(expires_ms);
    if ago_ms < LEEWAY_MS {
        return Ok(());
    }
    Err(Error::Expired {
        ago_s: ago_ms / 1000,
    })
}

fn missing(claim: &'static str) -> Error {
    Error::Claim {
        claim,
        what: "it is missing",
    }
}

fn audiences(claims: &Map<String, Value>) -> Result<Vec<&str>, Error> {
    const WRONG: Error = Error::Claim {
        claim: "aud",
        what: "it is neither a text nor a list of texts",
    };
    match claims.get("aud") {
        None => Err(missing("aud")),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(all)) => all.iter().map(|it| it.as_str().ok_or(WRONG)).collect(),
        Some(_) => Err(WRONG),
    }
}

fn text<'a>(claims: &'a Map<String, Value>, claim: &'static str) -> Result<Option<&'a str>, Error> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::Claim {
            claim,
            what: "it is no text",
        }),
    }
}

/// A NumericDate in ms. One of a wrong type is an error and never as good as absent.
fn time(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<i64>, Error> {
    let wrong = |what| Error::Claim { claim, what };
    let number = match claims.get(claim) {
        None => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(_) => return Err(wrong("it is no number")),
    };
    let seconds = number.as_f64().ok_or(wrong("it is no number"))?;
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return Err(wrong("it is negative or too large for a time"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded above by SECONDS_MAX"
    )]
    let ms = (seconds * 1000.0) as i64;
    Ok(Some(ms))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::{
        AUTH_AUDIENCE, AUTH_CLAIM, AUTH_EXPIRED, AUTH_ISSUER, AUTH_NOT_YET_VALID, Code, Explain,
    };

    const NOW_S: i64 = 1_700_000_000;

    fn expected() -> Expected {
        Expected::new(Config {
            issuers: vec!["https://a/oidc".to_owned(), "https://b/oidc".to_owned()],
            audience: "https://api".to_owned(),
            jwks_url: None,
        })
    }

    /// Good claims with some set otherwise; null takes one away.
    fn check(changes: &Value) -> Result<Principal, Error> {
        let mut claims = json!({
            "iss": "https://a/oidc", "aud": "https://api", "sub": "app", "client_id": "app",
            "iat": NOW_S, "exp": NOW_S + 3600, "scope": "push:a penstock:read",
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        let Value::Object(claims) = claims else {
            unreachable!("it was made as one")
        };
        expected().check(claims, NOW_S * 1000)
    }

    #[test]
    fn good_claims_name_a_principal() {
        let principal = check(&json!({"organization_id": "org", "custom": [1]})).unwrap();
        assert!(principal.is_application() && principal.has_scope("push:a"));
        assert!(!principal.has_scope("push"));
        assert_eq!(principal.organization_id.as_deref(), Some("org"));
        assert_eq!(principal.expires_ms, (NOW_S + 3600) * 1000);
        assert_eq!(principal.claims["custom"], json!([1]));
        assert!(check(&json!({"scope": null})).unwrap().scopes.is_empty());
        for good in [
            json!({"iss": "https://b/oidc"}),
            json!({"aud": ["https://other", "https://api"]}),
            json!({"exp": NOW_S - 59, "iat": NOW_S - 3600}),
            json!({"exp": 1_700_000_100.5}),
            json!({"nbf": NOW_S + 59}),
            json!({"iat": null}),
        ] {
            assert!(check(&good).is_ok(), "{good}");
        }
    }

    #[test]
    fn every_wrong_claim_has_its_own_refusal() {
        let cases: &[(Value, Code, &str)] = &[
            (json!({"iss": null}), AUTH_CLAIM, "iss: it is missing"),
            (
                json!({"iss": "https://a/oidc/"}),
                AUTH_ISSUER,
                "\"https://a/oidc/\"",
            ),
            (
                json!({"iss": "https://a"}),
                AUTH_ISSUER,
                "\"https://a/oidc\" or",
            ),
            (json!({"iss": ["https://a/oidc"]}), AUTH_CLAIM, "no text"),
            (json!({"aud": null}), AUTH_CLAIM, "aud: it is missing"),
            (json!({"aud": []}), AUTH_AUDIENCE, "https://api"),
            (
                json!({"aud": "https://api.evil"}),
                AUTH_AUDIENCE,
                "https://api.evil",
            ),
            (json!({"aud": "https://ap"}), AUTH_AUDIENCE, "https://api"),
            (json!({"aud": [1]}), AUTH_CLAIM, "aud"),
            (json!({"aud": {}}), AUTH_CLAIM, "aud"),
            (
                json!({"aud": "urn:logto:organization:o1"}),
                AUTH_AUDIENCE,
                "organization token",
            ),
            (json!({"exp": null}), AUTH_CLAIM, "exp: it is missing"),
            (json!({"exp": "1"}), AUTH_CLAIM, "exp: it is no number"),
            (json!({"exp": -1}), AUTH_CLAIM, "negative"),
            (json!({"exp": 1e300}), AUTH_CLAIM, "too large"),
            (json!({"exp": u64::MAX}), AUTH_CLAIM, "too large"),
            (json!({"exp": true}), AUTH_CLAIM, "no number"),
            (json!({"exp": NOW_S - 61}), AUTH_EXPIRED, "61 s ago"),
            (json!({"exp": 0}), AUTH_EXPIRED, "1700000000 s ago"),
            (json!({"nbf": "soon"}), AUTH_CLAIM, "nbf: it is no number"),
            (json!({"nbf": NOW_S + 61}), AUTH_NOT_YET_VALID, "nbf"),
            (json!({"iat": NOW_S + 61}), AUTH_NOT_YET_VALID, "iat"),
            (json!({"iat": []}), AUTH_CLAIM, "iat"),
            (json!({"sub": null}), AUTH_CLAIM, "sub"),
            (json!({"scope": ["push:a"]}), AUTH_CLAIM, "scope"),
            (json!({"client_id": 1}), AUTH_CLAIM, "client_id"),
            (json!({"organization_id": 1}), AUTH_CLAIM, "organization_id"),
        ];
        for (changes, code, part) in cases {
            let error = check(changes).unwrap_err();
            assert_eq!(error.code(), *code, "{changes}: {error}");
            assert!(error.to_string().contains(part), "{changes}: {error}");
            assert!(error.mend().is_some() && error.challenge().is_some());
        }
    }

    #[test]
    fn a_claim_is_quoted_short_and_escaped() {
        let error = check(&json!({"iss": "x\r\n".repeat(5000)})).unwrap_err();
        let text = error.to_string();
        assert!(text.len() < 1000 && !text.contains(['\r', '\n']), "{text}");
    }
}
