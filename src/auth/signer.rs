//! A private key that signs tokens: for the demo's issuer and for tests. Penstock itself issues
//! none.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::algorithm::Algorithm;

/// Key generation and signing fail only where the system has no random bytes.
const RANDOM: &str = "the system gives random bytes";

/// A key pair with its name.
pub struct Signer {
    algorithm: Algorithm,
    private: Private,
    kid: String,
    jwk: Value,
}

enum Private {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} {})", self.algorithm.name(), self.kid)
    }
}

impl Signer {
    /// A new key, named by its thumbprint (RFC 7638) as Logto names its keys.
    #[must_use]
    pub fn generate(algorithm: Algorithm) -> Signer {
        let private = match algorithm {
            Algorithm::Es384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::Es256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::EdDsa => Private::Ed25519(Ed25519KeyPair::generate().expect(RANDOM)),
            Algorithm::Rs256 | Algorithm::Ps256 => Private::Rsa(Box::new(
                RsaKeyPair::generate(KeySize::Rsa2048).expect(RANDOM),
            )),
        };
        let mut jwk = private.public();
        let kid = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(thumbprint_input(&jwk)));
        jwk["alg"] = json!(algorithm.name());
        jwk["use"] = json!("sig");
        jwk["kid"] = json!(kid);
        Signer {
            algorithm,
            private,
            kid,
            jwk,
        }
    }

    /// The same key under another name.
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Signer {
        kid.clone_into(&mut self.kid);
        self.jwk["kid"] = json!(kid);
        self
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public half.
    #[must_use]
    pub fn jwk(&self) -> Value {
        self.jwk.clone()
    }

    /// A token as Logto signs it.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm.name(), "typ": "at+jwt", "kid": self.kid});
        self.token_with(&header.to_string(), &claims.to_string())
    }

    /// A token with any header and claims.
    #[must_use]
    pub fn token_with(&self, header: &str, claims: &str) -> String {
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.private {
            Private::Ecdsa(pair) => {
                let signature = pair.sign(&random, message).expect(RANDOM);
                signature.as_ref().to_vec()
            }
            Private::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Private::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match self.algorithm {
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature)
                    .expect(RANDOM);
                signature
            }
        }
    }
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> Private {
    Private::Ecdsa(EcdsaKeyPair::generate(algorithm).expect(RANDOM))
}

impl Private {
    /// The members that make the key, and nothing else.
    fn public(&self) -> Value {
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Private::Ecdsa(pair) => {
                // 0x04, then both coordinates.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 48 { "P-384" } else { "P-256" };
                json!({"crv": curve, "kty": "EC", "x": text(x), "y": text(y)})
            }
            Private::Ed25519(pair) => {
                json!({"crv": "Ed25519", "kty": "OKP", "x": text(pair.public_key().as_ref())})
            }
            Private::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"e": text(&public.e), "kty": "RSA", "n": text(&public.n)})
            }
        }
    }
}

/// The members in the order of their names, without spaces.
fn thumbprint_input(public: &Value) -> String {
    let mut members: Vec<(&String, &Value)> = public.as_object().into_iter().flatten().collect();
    members.sort_by_key(|(name, _)| *name);
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638() {
        // Section 3.1 of the RFC.
        let jwk = json!({"kty": "RSA", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw", "e": "AQAB"});
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(thumbprint_input(&jwk)));
        assert_eq!(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }
}
