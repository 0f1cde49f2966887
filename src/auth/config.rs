//! What tokens are checked against.

/// Settings of [`super::Tokens`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The names under which the one issuer signs; a token's `iss` equals one of them, to the
    /// letter. At least one. Where the keys are not named, the first is asked for them.
    pub issuers: Vec<String>,
    /// What a token's `aud` has to name.
    pub audience: String,
    /// Where the keys are; `None`: the first issuer's `.well-known/openid-configuration` tells.
    pub jwks_url: Option<String>,
}
