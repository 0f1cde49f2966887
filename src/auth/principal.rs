//! Who a verified token stands for.

use std::collections::BTreeSet;

/// What a verified token says. Made by verification only; what is here has been checked against
/// issuer, audience and time.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Claim `sub`.
    pub subject: String,
    /// Claim `client_id`; equal to `subject` for a machine-to-machine app, which is how Logto's own
    /// services tell apps from users.
    pub client_id: Option<String>,
    /// Claim `organization_id`.
    pub organization_id: Option<String>,
    /// The words of the claim `scope`. Empty where the claim is absent, which is what Logto gives
    /// when the token request named no scope.
    pub scopes: BTreeSet<String>,
    /// Claim `exp`, ms since 1970-01-01 UTC.
    pub expires_ms: i64,
    /// Every claim.
    pub claims: serde_json::Map<String, serde_json::Value>,
}

impl Principal {
    /// Whether the token carries this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }

    /// Whether it belongs to an app and not to a user.
    #[must_use]
    pub fn is_application(&self) -> bool {
        self.client_id.as_deref() == Some(&*self.subject)
    }
}
