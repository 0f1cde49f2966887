//! Why a token is refused. Texts name what was found, what is expected and how to mend it; they
//! quote claims, shortened, and never the token.

use std::fmt;
use std::sync::Arc;

use crate::error::{self, Code, Explain, Kind};

/// Characters of a claim that a text quotes: enough to recognise an address.
const QUOTED_CHARS_MAX: usize = 200;

/// A text from a token as it may be shown: shortened, control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(String);

impl Quoted {
    /// Takes the beginning of `text`.
    #[must_use]
    pub fn new(text: &str) -> Quoted {
        let mut short: String = text.chars().take(QUOTED_CHARS_MAX).collect();
        if short.len() < text.len() {
            short.push_str("...");
        }
        Quoted(short)
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A refusal. Cheap to clone, since one failed fetch may answer many callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No token came.
    #[error("find a token: {0}")]
    NoToken(&'static str),
    /// The token came in a way that is not taken.
    #[error("take the token: {0}")]
    Request(&'static str),
    /// Not the form of a signed JSON Web Token.
    #[error("read the token: {0}")]
    Malformed(String),
    /// A token without dots.
    #[error("read the token: it is an opaque token, so the token request lacked resource=")]
    Opaque,
    /// A JSON Web Encryption.
    #[error("read the token: it is encrypted (five parts), and signed tokens are expected")]
    Encrypted,
    /// The header's `alg` is none that is accepted.
    #[error("accept the token's algorithm: it says alg {found}, and one of {accepted} is expected")]
    Algorithm {
        /// What the header says.
        found: Quoted,
        /// What is accepted.
        accepted: &'static str,
    },
    /// The header's `alg` is not that of the key it names.
    #[error("accept the token's algorithm: it says alg {found}, and its key is for {expected}")]
    AlgorithmOfKey {
        /// What the header says.
        found: &'static str,
        /// What the key is for.
        expected: &'static str,
    },
    /// The issuer has no such key.
    #[error(
        "find the token's key: the issuer's keys, fetched after the token came, have no kid {kid}"
    )]
    UnknownKey {
        /// The header's `kid`.
        kid: Quoted,
    },
    /// The header names no key.
    #[error("find the token's key: its header has no kid")]
    NoKey,
    /// The signature does not fit the key.
    #[error("verify the token's signature with the issuer's key")]
    Signature,
    /// Another issuer's token.
    #[error("accept the token's issuer: iss is {found}, and {expected} is expected")]
    Issuer {
        /// The claim.
        found: Quoted,
        /// The issuers.
        expected: Arc<str>,
    },
    /// A token for something else.
    #[error("accept the token's audience: aud is {found}, and \"{expected}\" is expected")]
    Audience {
        /// The claim.
        found: Quoted,
        /// The audience.
        expected: Arc<str>,
    },
    /// A token for an organization and not for an API resource.
    #[error(
        "accept the token's audience: it is an organization token ({found}) and not one for \"{expected}\""
    )]
    OrganizationToken {
        /// The claim.
        found: Quoted,
        /// The audience.
        expected: Arc<str>,
    },
    /// Too old.
    #[error("accept the token: it expired {ago_s} s ago")]
    Expired {
        /// Seconds since `exp`.
        ago_s: i64,
    },
    /// Too young.
    #[error("accept the token: its claim {claim} lies {ahead_s} s ahead")]
    NotYetValid {
        /// `nbf` or `iat`.
        claim: &'static str,
        /// Seconds until then.
        ahead_s: i64,
    },
    /// A claim that is missing or of a wrong form.
    #[error("read the token's claim {claim}: {what}")]
    Claim {
        /// Its name.
        claim: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The token lacks a scope.
    #[error("find one of the scopes {needed:?} in the token: {found}")]
    Scope {
        /// Any of these would do.
        needed: Vec<String>,
        /// What the token says; see [`Error::lacks`].
        found: String,
    },
    /// The token is somebody else's.
    #[error("let the token's owner do this: {0}")]
    NotAllowed(String),
    /// The issuer's keys cannot be had now.
    #[error("check the token's key: {why}")]
    KeysUnavailable {
        /// What is in the way.
        why: Arc<str>,
        /// When to try again.
        retry_after_s: u32,
    },
    /// Tokens are not set up.
    #[error("check tokens: no issuer is set")]
    NotConfigured,
}

/// What `WWW-Authenticate` says about a refusal (RFC 6750, section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// A token is asked for; no error, since none was sent.
    Bare,
    /// `error="invalid_request"`.
    InvalidRequest,
    /// `error="invalid_token"`, and why in a few words without quotes.
    InvalidToken(&'static str),
    /// `error="insufficient_scope"`, and the scopes of which one is missing.
    InsufficientScope(Vec<String>),
}

impl Error {
    /// The refusal of a token that has none of the scopes `needed`.
    #[must_use]
    pub fn lacks(needed: &[&str], principal: &super::Principal) -> Error {
        let found = if principal.scopes.is_empty() {
            "it has no scope, which is what Logto gives where the token request named none"
                .to_owned()
        } else {
            let scopes: Vec<&str> = principal.scopes.iter().map(String::as_str).collect();
            format!("it has {}", Quoted::new(&scopes.join(" ")))
        };
        Error::Scope {
            needed: needed.iter().map(|&scope| scope.to_owned()).collect(),
            found,
        }
    }

    /// What to put into `WWW-Authenticate`; `None` where another token would not help.
    #[must_use]
    pub fn challenge(&self) -> Option<Challenge> {
        let words = match self {
            Error::NoToken(_) => return Some(Challenge::Bare),
            Error::Request(_) => return Some(Challenge::InvalidRequest),
            Error::Scope { needed, .. } => {
                return Some(Challenge::InsufficientScope(needed.clone()));
            }
            Error::NotAllowed(_) => return Some(Challenge::InsufficientScope(Vec::new())),
            Error::KeysUnavailable { .. } | Error::NotConfigured => return None,
            Error::Malformed(_) => "the token is malformed",
            Error::Opaque => "the token is opaque: the token request lacked resource",
            Error::Encrypted => "the token is encrypted",
            Error::Algorithm { .. } | Error::AlgorithmOfKey { .. } => {
                "the algorithm is not accepted"
            }
            Error::UnknownKey { .. } | Error::NoKey => "the key is not one of the issuer",
            Error::Signature => "the signature is wrong",
            Error::Issuer { .. } => "the token is of another issuer",
            Error::Audience { .. } | Error::OrganizationToken { .. } => {
                "the token is for another audience"
            }
            Error::Expired { .. } => "the token expired",
            Error::NotYetValid { .. } => "the token is not valid yet",
            Error::Claim { .. } => "a claim is missing or malformed",
        };
        Some(Challenge::InvalidToken(words))
    }

    /// When to try again, for `Retry-After`.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u32> {
        match self {
            Error::KeysUnavailable { retry_after_s, .. } => Some(*retry_after_s),
            _ => None,
        }
    }
}

impl Explain for Error {
    fn code(&self) -> Code {
        match self {
            Error::NoToken(_) => error::AUTH_NO_TOKEN,
            Error::Request(_) => error::AUTH_REQUEST,
            Error::Malformed(_) | Error::Opaque | Error::Encrypted => error::AUTH_MALFORMED,
            Error::Algorithm { .. } | Error::AlgorithmOfKey { .. } => error::AUTH_ALGORITHM,
            Error::UnknownKey { .. } | Error::NoKey => error::AUTH_UNKNOWN_KEY,
            Error::Signature => error::AUTH_SIGNATURE,
            Error::Issuer { .. } => error::AUTH_ISSUER,
            Error::Audience { .. } | Error::OrganizationToken { .. } => error::AUTH_AUDIENCE,
            Error::Expired { .. } => error::AUTH_EXPIRED,
            Error::NotYetValid { .. } => error::AUTH_NOT_YET_VALID,
            Error::Claim { .. } => error::AUTH_CLAIM,
            Error::Scope { .. } => error::AUTH_SCOPE,
            Error::NotAllowed(_) => error::AUTH_NOT_ALLOWED,
            Error::KeysUnavailable { .. } => error::AUTH_KEYS_UNAVAILABLE,
            Error::NotConfigured => error::AUTH_NOT_CONFIGURED,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Error::KeysUnavailable { .. } => Kind::Transient,
            _ => Kind::Definite,
        }
    }

    fn mend(&self) -> Option<String> {
        let text = match self {
            Error::NoToken(_) => {
                "send Authorization: Bearer TOKEN, with a token of Logto for the resource PENSTOCK_LOGTO_RESOURCE"
            }
            Error::Request(_) => "send the token once, in the header Authorization",
            Error::Malformed(_) => "send the access_token of Logto's answer as it is",
            Error::Opaque => {
                "ask Logto's token endpoint with resource= set to PENSTOCK_LOGTO_RESOURCE"
            }
            Error::Encrypted
            | Error::Algorithm { .. }
            | Error::AlgorithmOfKey { .. }
            | Error::NoKey => "send the access token that Logto issued",
            Error::UnknownKey { .. } => {
                "ask Logto for a new token; if that does not help, PENSTOCK_LOGTO_JWKS_URL leads to the keys of another issuer"
            }
            Error::Signature => "ask Logto for a new token, and send it unchanged",
            Error::Issuer { .. } => {
                "ask the issuer that is expected for the token, or correct PENSTOCK_LOGTO_ISSUER (several, separated by commas, may be named)"
            }
            Error::Audience { .. } => {
                "ask for the token with resource= set to what is expected, or correct PENSTOCK_LOGTO_RESOURCE"
            }
            Error::OrganizationToken { .. } => {
                "add resource= to the token request; organization_id= may stay beside it"
            }
            Error::Expired { .. } => "ask Logto for a new token; if it is new, compare the clocks",
            Error::NotYetValid { .. } => "compare the clocks of Logto and of this machine",
            Error::Claim { .. } => {
                "send an access token as Logto issues it, and look at the tenant's script for custom claims"
            }
            Error::Scope { needed, .. } => {
                let scopes = needed.join("\" or \"");
                return Some(format!(
                    "give the app a role with the permission \"{scopes}\" in Logto, and name it in scope= of the token request: a scope that is not requested is not in the token"
                ));
            }
            Error::NotAllowed(_) => "use the app that this is declared for",
            Error::KeysUnavailable { retry_after_s, .. } => {
                return Some(format!(
                    "try again in {retry_after_s} s with the same token; the server's log says why the keys cannot be had"
                ));
            }
            Error::NotConfigured => "set PENSTOCK_LOGTO_ENDPOINT and PENSTOCK_LOGTO_RESOURCE",
        };
        Some(text.to_owned())
    }
}
