//! May this token push under this name.
//!
//! Invariant: who is refused learns nothing about what is declared: the answer names the scope
//! `push:<name>`, whether there is a declaration or not, and whatever it asks for. The reason goes
//! to the log. Retirement is told only to those who may push.

use std::sync::Arc;

use super::error::Error;
use super::name::Name;
use crate::auth::Principal;
use crate::config::topics::{BODY_BYTES, Declarations, Integration};

/// Scopes that cover every name but the reserved one.
const WILDCARDS: [&str; 2] = ["push:*", "push"];

/// A caller who may push under a name, with the declarations that hold for the whole of the push.
#[derive(Debug, Clone)]
pub struct Admitted {
    pub(super) name: Name,
    /// What `penstock.client_id` says.
    pub(super) client_id: String,
    pub(super) declarations: Arc<Declarations>,
}

impl Admitted {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The integration, where it is declared.
    pub(super) fn integration(&self) -> Option<&Integration> {
        declared(&self.declarations, &self.name)
    }

    /// Bytes a body may have, as sent and unpacked.
    #[must_use]
    pub fn body_bytes_max(&self) -> usize {
        let bytes = self
            .integration()
            .map_or(BODY_BYTES, |one| one.body_bytes_max);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

/// The declaration of a name; the reserved name has none.
pub(super) fn declared<'a>(declarations: &'a Declarations, name: &Name) -> Option<&'a Integration> {
    if name.is_lifecycle() {
        return None;
    }
    declarations.integration(name.as_str())
}

/// Lets `who` push under `name`, or says why not.
pub(super) fn admit(
    declarations: Arc<Declarations>,
    who: &Principal,
    name: &Name,
) -> Result<Admitted, Error> {
    let integration = declared(&declarations, name);
    let claims_decide = integration.is_some_and(|one| !one.claims.is_empty());
    if !who.is_application() && !claims_decide {
        return Err(Error::User(name.clone()));
    }
    let fit = integration.map_or_else(|| fits_scope(who, name), |one| fits(one, who, name));
    if let Err(reason) = fit {
        tracing::debug!(integration = %name, reason, "refused a push");
        // A user learns the same of every name.
        return Err(if who.is_application() {
            let scope = name.scope();
            let name = name.clone();
            Error::Scope { name, scope }
        } else {
            Error::User(name.clone())
        });
    }
    if integration.is_some_and(|one| one.retired) {
        return Err(Error::Retired(name.clone()));
    }
    Ok(Admitted {
        name: name.clone(),
        client_id: printable(who.client_id.as_deref().unwrap_or(&who.subject)),
        declarations,
    })
}

/// The rule of a declaration: all that is given must fit; nothing given: the scope.
fn fits(integration: &Integration, who: &Principal, name: &Name) -> Result<(), &'static str> {
    let nothing_given = integration.client_ids.is_empty()
        && integration.scope.is_none()
        && integration.organization_id.is_none()
        && integration.claims.is_empty();
    if nothing_given {
        return fits_scope(who, name);
    }
    if !integration.client_ids.is_empty() {
        let listed = |id: &str| integration.client_ids.iter().any(|one| one == id);
        if !who.client_id.as_deref().is_some_and(listed) {
            return Err("the client id is not one of the declared ones");
        }
    }
    if let Some(scope) = &integration.scope
        && !who.has_scope(scope)
    {
        return Err("the declared scope is missing");
    }
    if integration.organization_id.is_some() && integration.organization_id != who.organization_id {
        return Err("the token is not of the declared organization");
    }
    let fit = |(claim, value): (&String, &serde_json::Value)| who.claims.get(claim) == Some(value);
    if !integration.claims.iter().all(fit) {
        return Err("a declared claim is missing or has another value");
    }
    Ok(())
}

fn fits_scope(who: &Principal, name: &Name) -> Result<(), &'static str> {
    let wildcard = !name.is_lifecycle() && WILDCARDS.iter().any(|scope| who.has_scope(scope));
    if wildcard || who.has_scope(&name.scope()) {
        return Ok(());
    }
    Err("the scope is missing")
}

/// `text` without control characters, which a claim may hold and a header must not.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '?' } else { c };
    text.chars().take(256).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn app(id: &str, scope: &str) -> Principal {
        Principal {
            subject: id.to_owned(),
            client_id: Some(id.to_owned()),
            organization_id: None,
            scopes: scope.split_whitespace().map(str::to_owned).collect(),
            expires_ms: i64::MAX,
            claims: serde_json::Map::new(),
        }
    }

    pub(in crate::push) fn integration(name: &str) -> Integration {
        Integration {
            name: name.to_owned(),
            client_ids: Vec::new(),
            scope: None,
            organization_id: None,
            claims: serde_json::Map::new(),
            rate: None,
            body_bytes_max: BODY_BYTES,
            schema: None,
            idempotency_required: false,
            keep_refused: false,
            retired: false,
        }
    }

    fn ask(integrations: Vec<Integration>, who: &Principal, name: &str) -> Result<(), String> {
        let declarations = Arc::new(Declarations {
            integrations,
            ..Declarations::default()
        });
        let name = Name::parse(name).unwrap();
        match admit(declarations, who, &name) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn an_undeclared_name_asks_for_its_scope_or_a_wildcard() {
        for scope in ["push:acme", "push:*", "push", "other push:acme"] {
            assert_eq!(ask(vec![], &app("a", scope), "acme"), Ok(()), "{scope}");
        }
        for scope in ["", "push:acm", "push:acme2", "penstock:admin"] {
            assert!(ask(vec![], &app("a", scope), "acme").is_err(), "{scope}");
        }
    }

    #[test]
    fn wildcards_do_not_open_lifecycle_and_no_declaration_does() {
        for scope in ["push:*", "push", "push:acme"] {
            assert!(
                ask(vec![], &app("a", scope), "lifecycle").is_err(),
                "{scope}"
            );
        }
        assert_eq!(
            ask(vec![], &app("a", "push:lifecycle"), "lifecycle"),
            Ok(())
        );
        let mut declared = integration("lifecycle");
        declared.client_ids = vec!["a".to_owned()];
        assert!(ask(vec![declared], &app("a", "push:*"), "lifecycle").is_err());
    }

    #[test]
    fn everything_that_a_declaration_gives_must_fit() {
        let mut one = integration("acme");
        one.client_ids = vec!["a".to_owned()];
        one.scope = Some("feed".to_owned());
        one.organization_id = Some("org".to_owned());
        one.claims.insert("plan".to_owned(), json!("gold"));
        let mut who = app("a", "feed");
        who.organization_id = Some("org".to_owned());
        who.claims.insert("plan".to_owned(), json!("gold"));
        assert_eq!(ask(vec![one.clone()], &who, "acme"), Ok(()));
        let spoilt: [fn(&mut Principal); 4] = [
            |who| who.client_id = Some("b".to_owned()),
            |who| who.scopes.clear(),
            |who| who.organization_id = None,
            |who| drop(who.claims.insert("plan".to_owned(), json!(["gold"]))),
        ];
        for spoil in spoilt {
            let mut who = who.clone();
            spoil(&mut who);
            assert!(ask(vec![one.clone()], &who, "acme").is_err());
        }
        assert!(ask(vec![one], &app("z", "push:* push:acme"), "acme").is_err());
    }

    #[test]
    fn a_refusal_does_not_tell_whether_a_name_is_declared() {
        let mut one = integration("acme");
        one.client_ids = vec!["a".to_owned()];
        one.retired = true;
        let who = app("b", "");
        assert_eq!(
            ask(vec![one.clone()], &who, "acme"),
            ask(vec![], &who, "acme")
        );
        let told = ask(vec![one], &app("a", ""), "acme").unwrap_err();
        assert!(told.contains("retired"), "{told}");
    }

    #[test]
    fn a_user_pushes_only_where_claims_say_so() {
        let mut user = app("u", "push:acme");
        user.client_id = Some("web".to_owned());
        assert!(ask(vec![], &user, "acme").is_err());
        assert!(ask(vec![integration("acme")], &user, "acme").is_err());
        let mut one = integration("acme");
        one.claims.insert("staff".to_owned(), json!(true));
        assert!(ask(vec![one.clone()], &user, "acme").is_err());
        user.claims.insert("staff".to_owned(), json!(true));
        assert_eq!(ask(vec![one], &user, "acme"), Ok(()));
    }

    #[test]
    fn a_client_id_with_line_breaks_is_made_printable() {
        assert_eq!(printable("a\r\nb\u{85}"), "a??b?");
    }
}
