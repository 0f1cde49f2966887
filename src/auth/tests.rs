//! Verification against an issuer on a socket: every algorithm, every kind of wrong token, and
//! keys that change, fail to come, or are asked for too often.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::testing::{Behaviour, EVERY_ALGORITHM, Issuer, NOW_S, answer, keys};
use super::{Algorithm, Config, Error, Recent, Signer, Tokens};
use crate::clock::ManualClock;
use crate::error::{
    AUTH_ALGORITHM, AUTH_AUDIENCE, AUTH_CLAIM, AUTH_EXPIRED, AUTH_ISSUER, AUTH_KEYS_UNAVAILABLE,
    AUTH_MALFORMED, AUTH_NO_TOKEN, AUTH_NOT_YET_VALID, AUTH_SIGNATURE, AUTH_UNKNOWN_KEY, Code,
    Explain,
};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at_ms(NOW_S * 1000))
}

fn code(verified: Result<Arc<super::Principal>, Error>) -> Option<Code> {
    verified.err().map(|error| error.code())
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_verified() {
    let signers = EVERY_ALGORITHM.map(Signer::generate);
    let issuer = Issuer::start(keys(&signers.each_ref())).await;
    let tokens = issuer.tokens(clock());
    for signer in &signers {
        let token = signer.token(&issuer.claims());
        let principal = tokens.verify(&token).await.unwrap();
        assert_eq!(principal.subject, "app");
        assert!(principal.has_scope("push:a"));
        let again = tokens.verify(&token).await.unwrap();
        assert!(Arc::ptr_eq(&principal, &again), "it was not remembered");
    }
    assert_eq!(tokens.remembered(), signers.len());
    assert_eq!(issuer.requests(), 1);
}

/// Changes claims; null takes one away.
fn with(issuer: &Issuer, changes: &Value) -> Value {
    let mut claims = issuer.claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// A token whose signature is all zeros, with any header.
fn unsigned(header: &Value, claims: &Value, signature_bytes: usize) -> String {
    let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let (header, claims) = (header.to_string(), claims.to_string());
    let signature = part(&vec![0; signature_bytes]);
    format!(
        "{}.{}.{signature}",
        part(header.as_bytes()),
        part(claims.as_bytes())
    )
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn every_wrong_token_is_refused_with_its_code_and_without_being_quoted() {
    let key = Signer::generate(Algorithm::Es384);
    let rsa = Signer::generate(Algorithm::Rs256);
    let issuer = Issuer::start(keys(&[&key, &rsa])).await;
    let tokens = issuer.tokens(clock());
    let good = issuer.claims();
    let kid = key.kid();
    let header = |alg: &str| json!({"alg": alg, "typ": "at+jwt", "kid": kid});
    let token = key.token(&good);
    let (body, signature) = token.rsplit_once('.').unwrap();
    let other = Signer::generate(Algorithm::Es384);
    let stolen_name = Signer::generate(Algorithm::Es384).with_kid(kid);
    let own_key = json!({
        "alg": "ES384", "kid": kid, "jwk": other.jwk(), "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example", "x5c": ["AAAA"],
    });
    let changed = |changes: Value| key.token(&with(&issuer, &changes));
    let cases = [
        ("empty", String::new(), AUTH_NO_TOKEN),
        ("opaque", "8Vq2XcOpaque".to_owned(), AUTH_MALFORMED),
        ("encrypted", format!("{token}.a.b"), AUTH_MALFORMED),
        ("more dots", format!("{token}.a"), AUTH_MALFORMED),
        ("padded", format!("{token}="), AUTH_MALFORMED),
        (
            "long",
            format!("{token}{}", "A".repeat(9000)),
            AUTH_MALFORMED,
        ),
        (
            "crit",
            unsigned(
                &json!({"alg": "ES384", "kid": kid, "crit": ["b64"]}),
                &good,
                96,
            ),
            AUTH_MALFORMED,
        ),
        ("none", unsigned(&header("none"), &good, 0), AUTH_ALGORITHM),
        ("None", unsigned(&header("None"), &good, 96), AUTH_ALGORITHM),
        (
            "HS256",
            unsigned(&header("HS256"), &good, 32),
            AUTH_ALGORITHM,
        ),
        (
            "HS384",
            unsigned(&header("HS384"), &good, 48),
            AUTH_ALGORITHM,
        ),
        (
            "ES512",
            unsigned(&header("ES512"), &good, 132),
            AUTH_ALGORITHM,
        ),
        (
            "another algorithm of the key",
            unsigned(&header("ES256"), &good, 64),
            AUTH_ALGORITHM,
        ),
        (
            "RSA's other algorithm",
            unsigned(&json!({"alg": "PS256", "kid": rsa.kid()}), &good, 256),
            AUTH_ALGORITHM,
        ),
        (
            "r = s = 0",
            unsigned(&header("ES384"), &good, 96),
            AUTH_SIGNATURE,
        ),
        ("short signature", format!("{body}.AAAA"), AUTH_SIGNATURE),
        (
            "other claims",
            format!(
                "{}.{signature}",
                changed(json!({"sub": "x"})).rsplit_once('.').unwrap().0
            ),
            AUTH_SIGNATURE,
        ),
        ("stolen name", stolen_name.token(&good), AUTH_SIGNATURE),
        (
            "its own key",
            other.token_with(&own_key.to_string(), &good.to_string()),
            AUTH_SIGNATURE,
        ),
        (
            "issuer",
            changed(json!({"iss": format!("{}/", issuer.url)})),
            AUTH_ISSUER,
        ),
        (
            "audience",
            changed(json!({"aud": "https://api.evil"})),
            AUTH_AUDIENCE,
        ),
        (
            "organization",
            changed(json!({"aud": "urn:logto:organization:o"})),
            AUTH_AUDIENCE,
        ),
        ("expired", changed(json!({"exp": NOW_S - 61})), AUTH_EXPIRED),
        (
            "early",
            changed(json!({"nbf": NOW_S + 61})),
            AUTH_NOT_YET_VALID,
        ),
        ("no exp", changed(json!({"exp": null})), AUTH_CLAIM),
        (
            "exp as text",
            changed(json!({"exp": "9999999999"})),
            AUTH_CLAIM,
        ),
        (
            "no kid",
            key.token_with(r#"{"alg":"ES384"}"#, &good.to_string()),
            AUTH_UNKNOWN_KEY,
        ),
        ("unknown key", other.token(&good), AUTH_UNKNOWN_KEY),
    ];
    for (name, token, expected) in &cases {
        let error = tokens.verify(token).await.unwrap_err();
        assert_eq!(error.code(), *expected, "{name}: {error}");
        let said = format!(
            "{error} {:?} {error:?} {:?}",
            error.mend(),
            error.challenge()
        );
        let secret = token.rsplit('.').next().unwrap_or_default();
        assert!(secret.len() < 5 || !said.contains(secret), "{name}: {said}");
    }
    assert_eq!(tokens.remembered(), 0);
    assert!(tokens.verify(&token).await.is_ok());
}

#[tokio::test]
async fn a_rotation_is_followed_and_a_key_that_left_takes_its_tokens_along() {
    let clock = clock();
    let mut current = Signer::generate(Algorithm::EdDsa);
    let issuer = Issuer::start(keys(&[&current])).await;
    let tokens = issuer.tokens(clock.clone());
    let mut old = current.token(&issuer.claims());
    tokens.verify(&old).await.unwrap();
    for _ in 0..5 {
        let next = Signer::generate(Algorithm::EdDsa);
        issuer.now(keys(&[&next]));
        let new = next.token(&issuer.claims());
        tokens.verify(&new).await.unwrap();
        assert_eq!(code(tokens.verify(&old).await), Some(AUTH_UNKNOWN_KEY));
        clock.advance_ms(30_000);
        (current, old) = (next, new);
    }
    // The negative answers have expired and the last key still counts without a fetch.
    let before = issuer.requests();
    assert!(
        tokens
            .verify(&current.token(&issuer.claims()))
            .await
            .is_ok()
    );
    assert_eq!(issuer.requests(), before);
}

#[tokio::test]
async fn many_callers_share_one_fetch() {
    let (first, second) = (
        Signer::generate(Algorithm::EdDsa),
        Signer::generate(Algorithm::EdDsa),
    );
    let issuer = Issuer::start(keys(&[&first])).await;
    let tokens = issuer.tokens(clock());
    tokens.verify(&first.token(&issuer.claims())).await.unwrap();
    issuer.now(keys(&[&first, &second]));
    let before = issuer.requests();
    let mut callers = tokio::task::JoinSet::new();
    for i in 0..200 {
        let (tokens, token) = (
            tokens.clone(),
            second.token(&with(&issuer, &json!({"jti": i}))),
        );
        callers.spawn(async move { tokens.verify(&token).await.map(drop) });
    }
    for verified in callers.join_all().await {
        verified.unwrap();
    }
    assert_eq!(issuer.requests() - before, 1);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_costs_two_fetches_and_no_valid_token() {
    let clock = clock();
    let (first, second) = (
        Signer::generate(Algorithm::EdDsa),
        Signer::generate(Algorithm::EdDsa),
    );
    let issuer = Issuer::start(keys(&[&first])).await;
    let tokens = issuer.tokens(clock.clone());
    tokens.verify(&first.token(&issuer.claims())).await.unwrap();
    let before = issuer.requests();
    let forger = Signer::generate(Algorithm::EdDsa);
    let (mut unknown, mut busy) = (0, 0);
    for i in 0..3000 {
        let header = json!({"alg": "EdDSA", "kid": format!("forged-{i}")}).to_string();
        let token = forger.token_with(&header, &issuer.claims().to_string());
        match code(tokens.verify(&token).await) {
            Some(AUTH_UNKNOWN_KEY) => unknown += 1,
            Some(AUTH_KEYS_UNAVAILABLE) => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((unknown, busy, issuer.requests() - before), (2, 2998, 2));
    // Meanwhile keys are rotated: the valid token is asked to wait, and then taken.
    issuer.now(keys(&[&second]));
    let token = second.token(&issuer.claims());
    let error = tokens.verify(&token).await.unwrap_err();
    assert_eq!(
        (error.code(), error.retry_after_s()),
        (AUTH_KEYS_UNAVAILABLE, Some(30))
    );
    assert_eq!(error.challenge(), None);
    clock.advance_ms(30_000);
    assert!(tokens.verify(&token).await.is_ok());
    assert_eq!(issuer.requests() - before, 3);
}

#[tokio::test]
async fn an_unknown_key_is_remembered_for_a_while() {
    let clock = clock();
    let signer = Signer::generate(Algorithm::EdDsa);
    let issuer = Issuer::start(keys(&[&signer])).await;
    let tokens = issuer.tokens(clock.clone());
    tokens
        .verify(&signer.token(&issuer.claims()))
        .await
        .unwrap();
    let forged = Signer::generate(Algorithm::EdDsa).token(&issuer.claims());
    let before = issuer.requests();
    for _ in 0..10 {
        assert_eq!(code(tokens.verify(&forged).await), Some(AUTH_UNKNOWN_KEY));
    }
    assert_eq!(issuer.requests() - before, 1);
    clock.advance_ms(30_000);
    assert_eq!(code(tokens.verify(&forged).await), Some(AUTH_UNKNOWN_KEY));
    assert_eq!(issuer.requests() - before, 2);
}

#[tokio::test]
async fn known_keys_stay_while_the_issuer_misbehaves_and_unseen_ones_wait() {
    let long = format!("{{\"keys\":[{}]}}", " ".repeat(300 * 1024));
    let elsewhere = "Location: http://192.0.2.1/jwks\r\n".to_owned();
    let faults = [
        answer("500 Internal Server Error", "{}"),
        answer("404 Not Found", "{}"),
        answer("200 OK", "<html>maintenance</html>"),
        answer("200 OK", "{\"keys\":[]}"),
        answer("200 OK", long),
        Behaviour::Answer("302 Found", elsewhere, String::new()),
        Behaviour::Answer("302 Found", "Location: /jwks\r\n".to_owned(), String::new()),
        Behaviour::Endless,
        Behaviour::Silent,
    ];
    for fault in faults {
        let (known, unseen) = (
            Signer::generate(Algorithm::EdDsa),
            Signer::generate(Algorithm::EdDsa),
        );
        let issuer = Issuer::start(keys(&[&known])).await;
        let tokens = issuer.tokens(clock());
        tokens.verify(&known.token(&issuer.claims())).await.unwrap();
        issuer.now(fault.clone());
        let token = unseen.token(&issuer.claims());
        let error = tokens.verify(&token).await.unwrap_err();
        assert_eq!(error.code(), AUTH_KEYS_UNAVAILABLE, "{fault:?}");
        assert!(error.retry_after_s().is_some_and(|s| s >= 1));
        let later = known.token(&with(&issuer, &json!({"jti": 2})));
        assert!(tokens.verify(&later).await.is_ok(), "{fault:?}");
        issuer.now(keys(&[&known, &unseen]));
        assert!(tokens.verify(&token).await.is_ok(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_start_without_the_issuer_waits_for_nothing_and_recovers() {
    let signer = Signer::generate(Algorithm::EdDsa);
    let issuer = Issuer::start(answer("503 Service Unavailable", "")).await;
    let tokens = issuer.tokens(clock());
    let token = signer.token(&issuer.claims());
    assert_eq!(
        code(tokens.verify(&token).await),
        Some(AUTH_KEYS_UNAVAILABLE)
    );
    issuer.now(keys(&[&signer]));
    assert!(tokens.verify(&token).await.is_ok());
}

#[tokio::test]
async fn the_configuration_of_the_issuer_leads_to_its_keys_and_has_to_name_it() {
    let signer = Signer::generate(Algorithm::EdDsa);
    let jwks = Issuer::start(keys(&[&signer])).await;
    let issuer = Issuer::start(answer("200 OK", "")).await;
    let configuration =
        |name: &str| json!({"issuer": name, "jwks_uri": format!("{}/jwks", jwks.url)}).to_string();
    let config = Config {
        issuers: vec![issuer.url.clone(), "https://alias/oidc".to_owned()],
        audience: "https://api".to_owned(),
        jwks_url: None,
    };
    issuer.now(answer("200 OK", configuration("https://other/oidc")));
    let tokens = Tokens::new(config, clock());
    let token = signer.token(&issuer.claims());
    assert_eq!(
        code(tokens.verify(&token).await),
        Some(AUTH_KEYS_UNAVAILABLE)
    );
    issuer.now(answer("200 OK", configuration(&issuer.url)));
    assert!(tokens.verify(&token).await.is_ok());
    let alias = signer.token(&with(&issuer, &json!({"iss": "https://alias/oidc"})));
    assert!(tokens.verify(&alias).await.is_ok());
}

#[tokio::test]
async fn a_remembered_token_expires_and_stays_so_when_the_clock_is_set_back() {
    let clock = clock();
    let signer = Signer::generate(Algorithm::EdDsa);
    let issuer = Issuer::start(keys(&[&signer])).await;
    let tokens = issuer.tokens(clock.clone());
    let token = signer.token(&issuer.claims());
    assert!(tokens.verify(&token).await.is_ok());
    clock.advance_ms(3_659_000);
    assert!(tokens.verify(&token).await.is_ok());
    clock.advance_ms(2_000);
    assert_eq!(code(tokens.verify(&token).await), Some(AUTH_EXPIRED));
    clock.advance_ms(-3_600_000);
    assert_eq!(code(tokens.verify(&token).await), Some(AUTH_EXPIRED));
}

#[tokio::test]
async fn a_caller_who_shows_a_token_again_is_checked_as_the_first_time() {
    let clock = clock();
    let first = Signer::generate(Algorithm::EdDsa);
    let next = Signer::generate(Algorithm::EdDsa);
    let issuer = Issuer::start(keys(&[&first])).await;
    let tokens = issuer.tokens(clock.clone());
    let recent = Recent::default();
    let token = first.token(&issuer.claims());
    let principal = tokens.verify_again(&token, &recent).await.unwrap();
    let again = tokens.verify_again(&token, &recent).await.unwrap();
    assert!(Arc::ptr_eq(&principal, &again));
    assert!(!format!("{recent:?}").contains(&token));
    // One that differs in its signature is another one.
    let (text, _) = token.split_at(token.len() - 4);
    let forged = format!("{text}AAAA");
    let refused = tokens.verify_again(&forged, &recent).await;
    assert_eq!(code(refused), Some(AUTH_SIGNATURE));
    // Its key leaves.
    issuer.now(keys(&[&next]));
    let other = next.token(&issuer.claims());
    assert!(tokens.verify(&other).await.is_ok());
    let refused = tokens.verify_again(&token, &recent).await;
    assert_eq!(code(refused), Some(AUTH_UNKNOWN_KEY));
    // The other expires.
    assert!(tokens.verify_again(&other, &recent).await.is_ok());
    clock.advance_ms(3_661_000);
    let refused = tokens.verify_again(&other, &recent).await;
    assert_eq!(code(refused), Some(AUTH_EXPIRED));
}

#[tokio::test]
async fn remembered_tokens_are_bounded() {
    let signer = Signer::generate(Algorithm::EdDsa);
    let issuer = Issuer::start(keys(&[&signer])).await;
    let tokens = issuer.tokens(clock());
    for i in 0..super::remembered::TOKENS_MAX + 2000 {
        let token = signer.token(&with(&issuer, &json!({"jti": i})));
        tokens.verify(&token).await.unwrap();
    }
    assert!(tokens.remembered() <= super::remembered::TOKENS_MAX);
    assert!(tokens.remembered() > super::remembered::TOKENS_MAX / 2);
}
