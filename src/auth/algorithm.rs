//! The signature algorithms that are taken.

/// One algorithm. Those not listed (`none`, HMAC, ES512 and the rest) do not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-384: Logto's default.
    Es384,
    /// ECDSA on P-256.
    Es256,
    /// RSA, PKCS #1 v1.5.
    Rs256,
    /// RSA, PSS.
    Ps256,
    /// Ed25519.
    EdDsa,
}

/// For texts.
pub(super) const ACCEPTED: &str = "ES384, ES256, RS256, PS256, EdDSA";

impl Algorithm {
    /// The algorithm of this name, to the letter.
    #[must_use]
    pub fn named(name: &str) -> Option<Algorithm> {
        match name {
            "ES384" => Some(Algorithm::Es384),
            "ES256" => Some(Algorithm::Es256),
            "RS256" => Some(Algorithm::Rs256),
            "PS256" => Some(Algorithm::Ps256),
            "EdDSA" => Some(Algorithm::EdDsa),
            _ => None,
        }
    }

    /// As headers write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Es384 => "ES384",
            Algorithm::Es256 => "ES256",
            Algorithm::Rs256 => "RS256",
            Algorithm::Ps256 => "PS256",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    pub(super) fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}
