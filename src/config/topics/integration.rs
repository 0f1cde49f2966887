//! One entry of `integrations:`.
//!
//! Several integrations may name the same client: it is the path of a push that chooses, so one
//! machine may push into two of them.

use super::checker::{Checker, Field, Fields};
use super::tree::{Entry, Value};
use super::{BODY_BYTES, Integration, Rate, schema};

/// Keys of an integration.
const KEYS: &[&str] = &[
    "client_ids",
    "scope",
    "organization",
    "claims",
    "rate",
    "body",
    "schema",
    "idempotency",
    "keep_refused",
    "retired",
    "webhooks",
];

/// Keys of a rate.
const RATE_KEYS: &[&str] = &["requests", "per", "burst"];

/// All keys, for the test that each is documented.
#[cfg(test)]
pub(super) const ALL_KEYS: &[&[&str]] = &[KEYS, RATE_KEYS];

/// More is no limit that protects anything here.
const REQUESTS: (u64, u64) = (1, 1_000_000);

/// Rates count whole seconds.
const PER: (&str, &str) = ("1s", "1d");

/// A push becomes one batch of a topic, which is never larger than a frame.
const BODY: (&str, &str) = ("1B", "32MiB");

/// The scope that only senders of lifecycle events have.
const LIFECYCLE_SCOPE: &str = "push:lifecycle";

/// Claims that have keys of their own, since a token does not carry them as one value.
const CLAIMS_OF_KEYS: [(&str, &str); 3] = [
    ("client_id", "client_ids"),
    ("scope", "scope"),
    ("organization_id", "organization"),
];

pub(super) fn read(checker: &mut Checker, name: String, entry: &Entry) -> Integration {
    let owner = format!("integration \"{name}\"");
    let fields = checker.fields(&owner, &entry.node, "an integration", KEYS);
    if let Some(field) = fields.get("webhooks") {
        let what = "deliveries to webhooks are not built";
        let mend = "take it out, and read the topic with a group instead";
        checker.not_built(&field.name, field.node.spot, what, mend);
    }
    let flag = |checker: &mut Checker, key: &str| {
        let field = fields.get(key);
        field
            .and_then(|field| checker.boolean(&field))
            .unwrap_or(false)
    };
    Integration {
        client_ids: fields
            .get("client_ids")
            .map(|field| checker.texts(&field))
            .unwrap_or_default(),
        scope: scope(checker, &fields),
        organization_id: fields
            .get("organization")
            .and_then(|field| checker.text(&field))
            .map(str::to_owned),
        claims: fields
            .get("claims")
            .map(|field| claims(checker, &field))
            .unwrap_or_default(),
        rate: fields.get("rate").and_then(|field| rate(checker, &field)),
        body_bytes_max: fields
            .get("body")
            .and_then(|field| checker.size_bytes(&field, BODY))
            .unwrap_or(BODY_BYTES),
        schema: fields
            .get("schema")
            .and_then(|field| schema::read(checker, &field)),
        idempotency_required: fields
            .get("idempotency")
            .and_then(|field| checker.word(&field, &[("optional", false), ("required", true)]))
            .unwrap_or(false),
        keep_refused: flag(checker, "keep_refused"),
        retired: flag(checker, "retired"),
        name,
    }
}

fn scope(checker: &mut Checker, fields: &Fields<'_>) -> Option<String> {
    let field = fields.get("scope")?;
    let scope = checker.text(&field)?;
    let (name, spot) = (&field.name, field.node.spot);
    if scope == LIFECYCLE_SCOPE {
        let what = "it would let senders of lifecycle events push as this integration";
        checker.refuse(name, spot, what, "use a scope such as push:acme");
        return None;
    }
    if !scope.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = format!("{} is more than one scope, or none", field.node.shown());
        checker.refuse(name, spot, what, "write one scope without spaces");
        return None;
    }
    Some(scope.to_owned())
}

fn claims(checker: &mut Checker, field: &Field<'_>) -> serde_json::Map<String, serde_json::Value> {
    let mut claims = serde_json::Map::new();
    for entry in checker.entries(&field.name, field.node) {
        let name = format!("{} in {}", entry.key, field.name);
        let own = CLAIMS_OF_KEYS.iter().find(|(claim, _)| *claim == entry.key);
        if let Some((_, key)) = own {
            let mend = format!("use the key {key} of the integration");
            let what = "this claim has a key of its own";
            checker.refuse(&name, entry.spot, what, &mend);
            continue;
        }
        if matches!(entry.node.value, Value::Null) {
            let mend = "write the value that the claim must have";
            checker.refuse(&name, entry.node.spot, "it has no value", mend);
            continue;
        }
        let value = checker.json(&name, &entry.node);
        claims.insert(entry.key.clone(), value);
    }
    claims
}

fn rate(checker: &mut Checker, field: &Field<'_>) -> Option<Rate> {
    let fields = checker.fields(&field.name, field.node, "a rate", RATE_KEYS);
    let Some(requests) = fields.get("requests") else {
        let mend = "write { requests: 100, per: 1s }";
        let what = "the number of requests is missing";
        checker.refuse(&field.name, field.node.spot, what, mend);
        return None;
    };
    let requests: u32 = checker.number(&requests, REQUESTS)?;
    let seconds = match fields.get("per") {
        None => 1,
        Some(per) => {
            let milliseconds: u32 = checker.duration_ms(&per, PER)?;
            if !milliseconds.is_multiple_of(1000) {
                let what = format!("{} is no whole number of seconds", per.node.shown());
                checker.refuse(&per.name, per.node.spot, what, "write whole seconds");
                return None;
            }
            milliseconds / 1000
        }
    };
    let burst = match fields.get("burst") {
        None => requests,
        Some(burst) => checker.number(&burst, REQUESTS)?,
    };
    Some(Rate {
        requests,
        seconds,
        burst,
    })
}
