//! The issuer's keys out of a JWK set (RFC 7517). Pure.
//!
//! A key is taken only where it can verify one of the algorithms taken here; any other is skipped,
//! with a warning where somebody might miss it. The algorithm belongs to the key: an EC key has
//! one by its curve, an RSA key the one it names or both of RSA's. Bounds: [`KEYS_MAX`] keys here,
//! bytes by who fetches.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::algorithm::Algorithm;
use super::error::Quoted;
use super::token::KID_BYTES_MAX;

/// Keys of one set; Logto publishes three.
pub(super) const KEYS_MAX: usize = 64;
/// Shorter RSA keys can be factored (NIST SP 800-131A).
const RSA_BITS_MIN: usize = 2048;
/// The library takes no longer ones.
const RSA_BITS_MAX: usize = 8192;
/// The longest exponent that the library takes (33 bits).
const RSA_EXPONENT_BYTES_MAX: usize = 5;

/// A key that can verify.
#[derive(Debug)]
pub(super) struct Key {
    /// What the key is for; at least one.
    pub(super) algorithms: &'static [Algorithm],
    pub(super) decoding: DecodingKey,
    /// SHA-256 over algorithms and parameters: equal for equal keys.
    pub(super) fingerprint: [u8; 32],
}

/// Keys by `kid`.
pub(super) type Keys = HashMap<String, Arc<Key>>;

/// What a JWK set holds.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) keys: Keys,
    /// A line for each key that was skipped and might be missed.
    pub(super) warnings: Vec<String>,
}

/// Reads a JWK set. One without a usable key is an error: it would refuse every token.
pub(super) fn read(bytes: &[u8]) -> Result<Found, String> {
    let set: Value = serde_json::from_slice(bytes).map_err(|_| "it is not JSON".to_owned())?;
    let Some(Value::Array(all)) = set.get("keys") else {
        return Err("it is no JWK set: it has no list \"keys\"".to_owned());
    };
    if all.len() > KEYS_MAX {
        let count = all.len();
        return Err(format!(
            "it has {count} keys, and at most {KEYS_MAX} are read"
        ));
    }
    let mut found = Found {
        keys: Keys::new(),
        warnings: Vec::new(),
    };
    for jwk in all {
        found.take(jwk);
    }
    if found.keys.is_empty() {
        let why = found.warnings.join("; ");
        return Err(format!("it has no key that can verify tokens ({why})"));
    }
    Ok(found)
}

impl Found {
    fn take(&mut self, jwk: &Value) {
        let Some(jwk) = jwk.as_object() else {
            self.warnings
                .push("skipped a key that is no object".to_owned());
            return;
        };
        if !is_for_signatures(jwk) {
            return;
        }
        let kid = member(jwk, "kid");
        let read = match kid {
            Some(kid) if kid.is_empty() || kid.len() > KID_BYTES_MAX => Err(format!(
                "its kid is empty or longer than {KID_BYTES_MAX} bytes"
            )),
            Some(kid) if self.keys.contains_key(kid) => Err("its kid stands twice".to_owned()),
            Some(kid) => key(jwk).map(|key| (kid.to_owned(), key)),
            None => Err("it has no kid".to_owned()),
        };
        match read {
            Ok((kid, key)) => drop(self.keys.insert(kid, Arc::new(key))),
            Err(why) => {
                let name = Quoted::new(kid.unwrap_or_default());
                self.warnings.push(format!("skipped the key {name}: {why}"));
            }
        }
    }
}

fn member<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Value::as_str)
}

fn is_for_signatures(jwk: &Map<String, Value>) -> bool {
    let verifies = |operations: &Vec<Value>| operations.iter().any(|it| it == "verify");
    let used = jwk.get("use").is_none_or(|it| it == "sig");
    used && jwk
        .get("key_ops")
        .and_then(Value::as_array)
        .is_none_or(verifies)
}

fn key(jwk: &Map<String, Value>) -> Result<Key, String> {
    let (own, parts): (&'static [Algorithm], Vec<Vec<u8>>) = match member(jwk, "kty") {
        Some("EC") => elliptic(jwk)?,
        Some("RSA") => (&[Algorithm::Rs256, Algorithm::Ps256], rsa(jwk)?),
        Some("OKP") => edwards(jwk)?,
        Some("oct") => {
            return Err("it is a shared secret, which must never be published".to_owned());
        }
        _ => return Err("its kty is none of EC, RSA and OKP".to_owned()),
    };
    let algorithms = match jwk.get("alg") {
        None => own,
        Some(named) => {
            let named = named.as_str().and_then(Algorithm::named);
            let at = own.iter().position(|it| Some(*it) == named);
            let at = at.ok_or("its alg is not taken or does not fit its kty")?;
            &own[at..=at]
        }
    };
    Ok(Key {
        algorithms,
        fingerprint: fingerprint(algorithms, &parts),
        decoding: decoding(own, &parts).ok_or("its parameters cannot be read")?,
    })
}

type Parameters = (&'static [Algorithm], Vec<Vec<u8>>);

fn elliptic(jwk: &Map<String, Value>) -> Result<Parameters, String> {
    let (own, bytes): (&'static [Algorithm], usize) = match member(jwk, "crv") {
        Some("P-384") => (&[Algorithm::Es384], 48),
        Some("P-256") => (&[Algorithm::Es256], 32),
        Some("P-521") => {
            return Err(
                "it is a P-521 key, and ES512 is not supported: rotate Logto's private key to P-384"
                    .to_owned(),
            );
        }
        _ => return Err("its curve is neither P-384 nor P-256".to_owned()),
    };
    let x = exactly(jwk, "x", bytes)?;
    Ok((own, vec![x, exactly(jwk, "y", bytes)?]))
}

fn edwards(jwk: &Map<String, Value>) -> Result<Parameters, String> {
    if member(jwk, "crv") != Some("Ed25519") {
        return Err("its curve is not Ed25519".to_owned());
    }
    Ok((&[Algorithm::EdDsa], vec![exactly(jwk, "x", 32)?]))
}

fn rsa(jwk: &Map<String, Value>) -> Result<Vec<Vec<u8>>, String> {
    let n = without_zeros(parameter(jwk, "n")?);
    let e = without_zeros(parameter(jwk, "e")?);
    let unused_bits = n.first().map_or(0, |first| first.leading_zeros());
    let bits = (n.len() * 8).saturating_sub(unused_bits as usize);
    if bits < RSA_BITS_MIN {
        return Err(format!(
            "it has {bits} bits, and {RSA_BITS_MIN} at least are asked for"
        ));
    }
    if bits > RSA_BITS_MAX {
        return Err(format!(
            "it has {bits} bits, and at most {RSA_BITS_MAX} are taken"
        ));
    }
    let is_odd = e.last().is_some_and(|last| last % 2 == 1);
    if !is_odd || e == [1] || e.len() > RSA_EXPONENT_BYTES_MAX {
        return Err("its exponent makes signatures worthless or cannot be used".to_owned());
    }
    Ok(vec![n, e])
}

fn parameter(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let text = member(jwk, name).ok_or_else(|| format!("its {name} is missing"))?;
    BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| format!("its {name} is no base64url"))
}

fn exactly(jwk: &Map<String, Value>, name: &str, bytes: usize) -> Result<Vec<u8>, String> {
    let value = parameter(jwk, name)?;
    if value.len() != bytes {
        return Err(format!(
            "its {name} has {} bytes and not {bytes}",
            value.len()
        ));
    }
    Ok(value)
}

fn without_zeros(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

fn decoding(own: &[Algorithm], parts: &[Vec<u8>]) -> Option<DecodingKey> {
    match (own.first()?, parts) {
        (Algorithm::Es384 | Algorithm::Es256, [x, y]) => {
            let text = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
            DecodingKey::from_ec_components(&text(x), &text(y)).ok()
        }
        (Algorithm::Rs256 | Algorithm::Ps256, [n, e]) => {
            Some(DecodingKey::from_rsa_raw_components(n, e))
        }
        (Algorithm::EdDsa, [x]) => Some(DecodingKey::from_ed_der(x)),
        _ => None,
    }
}

fn fingerprint(algorithms: &[Algorithm], parts: &[Vec<u8>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for algorithm in algorithms {
        hash.update(algorithm.name());
        hash.update([0]);
    }
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::signer::Signer;
    use super::super::testing::EVERY_ALGORITHM;
    use super::*;

    fn found(keys: &[Value]) -> Found {
        read(json!({"keys": keys}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn keys_of_every_algorithm_are_taken_with_their_own() {
        let signers = EVERY_ALGORITHM.map(Signer::generate);
        let all: Vec<Value> = signers.iter().map(Signer::jwk).collect();
        let found = found(&all);
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
        for signer in &signers {
            let key = &found.keys[signer.kid()];
            assert!(key.algorithms.contains(&signer.algorithm()), "{signer:?}");
        }
        let mut any_rsa = signers.last().unwrap().jwk();
        any_rsa.as_object_mut().unwrap().remove("alg");
        let keys = self::found(&[any_rsa]).keys;
        let [key] = keys.values().collect::<Vec<_>>()[..] else {
            panic!("{keys:?}")
        };
        assert_eq!(key.algorithms, [Algorithm::Rs256, Algorithm::Ps256]);
    }

    #[test]
    fn keys_that_cannot_verify_are_skipped_and_told() {
        let good = Signer::generate(Algorithm::Es384).with_kid("good").jwk();
        let b64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let rsa = |bits: usize, e: &[u8]| json!({"kty": "RSA", "kid": "k", "n": b64(&vec![0xff; bits / 8]), "e": b64(e)});
        let mut other = good.clone();
        other["kid"] = json!("k");
        let with = |name: &str, value: Value| {
            let mut changed = other.clone();
            changed[name] = value;
            changed
        };
        let cases = [
            (
                json!({"kty": "EC", "crv": "P-521", "kid": "k", "x": "", "y": ""}),
                "ES512",
            ),
            (rsa(512, &[1, 0, 1]), "512 bits"),
            (rsa(2040, &[1, 0, 1]), "2040 bits"),
            (rsa(16384, &[1, 0, 1]), "16384 bits"),
            (rsa(2048, &[1]), "exponent"),
            (rsa(2048, &[0, 0, 1]), "exponent"),
            (rsa(2048, &[2]), "exponent"),
            (rsa(2048, &[]), "exponent"),
            (json!({"kty": "oct", "kid": "k", "k": "AAAA"}), "secret"),
            (
                json!({"kty": "OKP", "crv": "X25519", "kid": "k", "x": ""}),
                "Ed25519",
            ),
            (json!({"kty": "EC", "kid": "k"}), "curve"),
            (json!({}), "no kid"),
            (json!(7), "no object"),
            (with("kid", json!("good")), "twice"),
            (with("kid", json!("k".repeat(300))), "longer"),
            (with("x", json!("AAAA")), "3 bytes"),
            (with("x", json!("***")), "base64url"),
            (with("alg", json!("ES256")), "alg"),
            (with("alg", json!("HS256")), "alg"),
            (with("alg", json!(1)), "alg"),
        ];
        for (jwk, part) in cases {
            let found = found(&[good.clone(), jwk.clone()]);
            assert_eq!(found.keys.len(), 1, "{jwk}");
            let warnings = found.warnings.join("\n");
            assert!(warnings.contains(part), "{jwk}: {warnings:?}");
        }
        for quiet in [with("use", json!("enc")), with("key_ops", json!(["sign"]))] {
            let found = found(&[good.clone(), quiet]);
            assert_eq!((found.keys.len(), found.warnings.len()), (1, 0));
        }
    }

    #[test]
    fn what_is_no_set_of_keys_is_an_error() {
        let many =
            json!({"keys": vec![Signer::generate(Algorithm::EdDsa).with_kid("k").jwk(); 65]})
                .to_string();
        for text in [
            "",
            "<html>",
            "[]",
            "{}",
            "{\"keys\":{}}",
            "{\"keys\":[]}",
            "null",
            &many,
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text:.30}");
        }
    }

    #[test]
    fn equal_keys_have_equal_fingerprints() {
        let signer = Signer::generate(Algorithm::Es384).with_kid("k");
        let of = |jwk: Value| found(&[jwk]).keys["k"].fingerprint;
        assert_eq!(of(signer.jwk()), of(signer.jwk()));
        assert_ne!(
            of(signer.jwk()),
            of(Signer::generate(Algorithm::Es384).with_kid("k").jwk())
        );
    }
}
